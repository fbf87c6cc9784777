//! Files that nobody names: a Rust file that no target reaches is neither compiled nor run.
//!
//! With `autotests = false` a forgotten `mod` line silently loses every test of a file; this finds it.

use std::collections::BTreeSet;

use super::lexer::{self, Source};
use super::{Violation, Workspace};

pub(super) fn check(workspace: &Workspace, violations: &mut Vec<Violation>) {
    for package in workspace.metadata.workspace_packages() {
        let manifest = workspace.relative(package.manifest_path.as_std_path());
        let folder = manifest.strip_suffix("Cargo.toml").unwrap_or_default();
        let mut reached = BTreeSet::new();
        for target in &package.targets {
            let root = workspace.relative(target.src_path.as_std_path());
            reach(workspace, root, true, &mut reached);
        }
        for file in &workspace.files {
            let Some(below) = file.path.strip_prefix(folder) else {
                continue;
            };
            let ours = below.starts_with("src/") || below.starts_with("tests/");
            if !ours || !below.ends_with(".rs") || reached.contains(&file.path) {
                continue;
            }
            let message = if below.starts_with("tests/") {
                "no test target names this file: add `mod` to tests/it/main.rs, and `[[test]]` to Cargo.toml"
            } else {
                "no module names this file: add `mod`, or remove it"
            };
            violations.push(Violation::new(&*file.path, 1, "unnamed", message.to_owned()));
        }
    }
}

/// Follows `mod name;` from one file. `is_root`: its modules are beside it, not in a folder of its name.
fn reach(workspace: &Workspace, path: String, is_root: bool, reached: &mut BTreeSet<String>) {
    let Some(text) = workspace.text(&path) else {
        return;
    };
    if !reached.insert(path.clone()) {
        return;
    }
    let source = lexer::read(text);
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let below = if is_root || stem == "mod" { folder.to_owned() } else { format!("{folder}/{stem}") };
    for module in modules(&source) {
        match module {
            Module::Named(name) => {
                reach(workspace, format!("{below}/{name}.rs"), false, reached);
                reach(workspace, format!("{below}/{name}/mod.rs"), false, reached);
            }
            Module::At(place) => reach(workspace, format!("{folder}/{place}"), false, reached),
        }
    }
}

enum Module {
    Named(String),
    /// From `#[path = "…"]`.
    At(String),
}

fn modules(source: &Source) -> Vec<Module> {
    let code = &source.code;
    let mut found = Vec::new();
    for at in lexer::find_path(code, "mod ") {
        let rest = code.get(at + 4..).unwrap_or_default().trim_start();
        let name: String = rest.chars().take_while(|it| lexer::is_word(*it)).collect();
        if name.is_empty() || !rest.get(name.len()..).unwrap_or_default().trim_start().starts_with(';') {
            continue;
        }
        found.push(path_attribute(source, at).map_or(Module::Named(name), Module::At));
    }
    found
}

/// The string of a `#[path = "…"]` on the item at `at`, if it has one.
fn path_attribute(source: &Source, at: usize) -> Option<String> {
    let before = source.code.get(..at)?;
    let item = before.rfind([';', '{', '}']).map_or(0, |end| end + 1);
    let attribute = item + before.get(item..)?.find("#[path")?;
    let literal = source.literals.iter().find(|it| (attribute..at).contains(&it.start))?;
    Some(literal.text.clone())
}
