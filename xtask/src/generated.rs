//! Files that are made from the code and committed, so that a change of the code shows in review.
//!
//! The `longshore` binary prints each of them; this writes them down, or says which have drifted.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `docs/openapi.json`.
    OpenApi,
    /// The others.
    Docs,
}

/// What to do with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Write,
    /// Compares and changes nothing.
    Check,
}

/// The binary that prints them.
pub enum Longshore {
    /// Built first where it is not up to date.
    ByCargo,
    /// Already built: the gate has it, and building it alone would unify features differently.
    Built(PathBuf),
}

/// A generated file: its group, its path, and the arguments that print it.
const FILES: &[(Group, &str, &[&str])] = &[
    (Group::OpenApi, "docs/openapi.json", &["openapi"]),
    (Group::Docs, "docs/error-codes.md", &["docs", "error-codes"]),
    (Group::Docs, "docs/longshore.toml", &["docs", "config"]),
    (Group::Docs, "docs/cli.md", &["docs", "cli"]),
];

/// Writes or compares the files of a group. False when one has drifted.
pub fn run(
    root: &Path,
    longshore: &Longshore,
    group: Group,
    mode: Mode,
    out: &mut dyn Write,
) -> Result<bool> {
    let mut same = true;
    for (_, path, args) in FILES.iter().filter(|file| file.0 == group) {
        let wanted = print(root, longshore, args)?;
        let place = root.join(path);
        if fs::read(&place).ok().as_ref() == Some(&wanted) {
            continue;
        }
        match mode {
            Mode::Write => {
                fs::write(&place, &wanted).with_context(|| format!("cannot write {path}"))?;
                writeln!(out, "wrote {path}")?;
            }
            Mode::Check => {
                same = false;
                let verb = if group == Group::OpenApi { "openapi" } else { "docs" };
                writeln!(out, "{path}:1: generated: differs from the code: run `cargo xtask {verb}`")?;
            }
        }
    }
    Ok(same)
}

fn print(root: &Path, longshore: &Longshore, args: &[&str]) -> Result<Vec<u8>> {
    let mut command = match longshore {
        Longshore::Built(path) => Command::new(path),
        Longshore::ByCargo => {
            let mut command = Command::new("cargo");
            command.args(["run", "--quiet", "--locked", "--package", "longshore-cli", "--"]);
            command
        }
    };
    let output = command.args(args).current_dir(root).output().context("cannot run longshore")?;
    ensure!(
        output.status.success() && !output.stdout.is_empty(),
        "`longshore {}` failed ({}): {}",
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}
