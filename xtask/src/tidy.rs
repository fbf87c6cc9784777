//! The house rules, checked by a program so that nobody has to remember them.
//!
//! What is forbidden is data in [`rules`]; the other modules only look. Nothing here changes a file.

mod arrows;
mod files;
mod lexer;
mod links;
mod manifests;
mod modules;
pub mod rules;
mod sources;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// One broken rule, at a place that can be opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Relative to the workspace's root, with `/`.
    pub path: String,
    pub line: usize,
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// A warning does not fail the run.
    pub warning: bool,
}

impl Violation {
    fn new(path: impl Into<String>, line: usize, rule: &'static str, message: String) -> Self {
        Self { path: path.into(), line, rule, message, warning: false }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.warning { "warning: " } else { "" };
        write!(f, "{}:{}: {}: {warning}{}", self.path, self.line, self.rule, self.message)
    }
}

/// Everything that a run found.
#[derive(Debug)]
pub struct Report {
    /// Ordered by path, line and rule.
    pub violations: Vec<Violation>,
    /// How many files were looked at.
    pub files: usize,
}

impl Report {
    /// Whether nothing but warnings was found.
    pub fn passes(&self) -> bool {
        self.violations.iter().all(|violation| violation.warning)
    }

    /// Prints one line for each finding and one for the whole.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for violation in &self.violations {
            writeln!(out, "{violation}")?;
        }
        let warnings = self.violations.iter().filter(|violation| violation.warning).count();
        let failures = self.violations.len() - warnings;
        writeln!(out, "tidy: {} files, {failures} violations, {warnings} warnings", self.files)
    }
}

/// One file of the workspace.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    /// `None` where it is not UTF-8.
    text: Option<String>,
}

/// What every check looks at, read once.
struct Workspace {
    root: PathBuf,
    metadata: Metadata,
    files: Vec<File>,
}

impl Workspace {
    fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }

    fn text(&self, path: &str) -> Option<&str> {
        let index = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(index)?.text.as_deref()
    }
}

/// Finds the root of the workspace that the current folder belongs to.
pub fn workspace_root() -> Result<PathBuf> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cannot read the workspace")?;
    Ok(metadata.workspace_root.into_std_path_buf())
}

/// Checks every rule on the workspace at `root`.
pub fn check(root: &Path) -> Result<Report> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .with_context(|| format!("cannot read the workspace at {}", root.display()))?;
    let root = metadata.workspace_root.clone().into_std_path_buf();
    let files = files::read_all(&root)?;
    let workspace = Workspace { root, metadata, files };

    let mut violations = Vec::new();
    arrows::check(&workspace, &mut violations);
    manifests::check(&workspace, &mut violations);
    sources::check(&workspace, &mut violations);
    modules::check(&workspace, &mut violations);
    files::check(&workspace, &mut violations);
    links::check(&workspace, &mut violations);
    violations.sort();
    violations.dedup();
    Ok(Report { violations, files: workspace.files.len() })
}
