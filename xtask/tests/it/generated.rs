use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use xtask::generated::{self, Group, Longshore, Mode};

/// A stand-in for the binary, which prints its arguments.
fn longshore(folder: &Path, script: &str) -> PathBuf {
    // Written by another process: a child that a parallel test forks while this one had the file open
    // for writing would keep it from being run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > longshore && chmod 755 longshore";
    let status = Command::new("sh").args(["-c", write, "sh", script]).current_dir(folder).status();
    assert!(status.unwrap().success());
    folder.join("longshore")
}

fn run(folder: &Path, group: Group, mode: Mode) -> (bool, String) {
    let binary = Longshore::Built(folder.join("longshore"));
    let mut out = Vec::new();
    let same = generated::run(folder, &binary, group, mode, &mut out).unwrap();
    (same, String::from_utf8(out).unwrap())
}

#[test]
fn what_was_written_passes_and_drift_says_what_mends_it() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("docs")).unwrap();
    longshore(folder, "echo \"$@\"");

    for (group, verb, paths) in [
        (Group::OpenApi, "openapi", &["docs/openapi.json"][..]),
        (Group::Docs, "docs", &["docs/error-codes.md", "docs/longshore.toml", "docs/cli.md"]),
    ] {
        let (same, output) = run(folder, group, Mode::Check);
        assert!(!same);
        for path in paths {
            assert!(output.contains(path), "{path} is not in: {output}");
            assert!(!folder.join(path).exists(), "a check wrote {path}");
        }
        assert!(output.contains(&format!("run `cargo xtask {verb}`")), "{output}");

        assert!(run(folder, group, Mode::Write).0);
        assert_eq!(run(folder, group, Mode::Check), (true, String::new()));
        assert_eq!(run(folder, group, Mode::Write), (true, String::new()));

        fs::write(folder.join(paths[0]), "drifted").unwrap();
        let (same, output) = run(folder, group, Mode::Check);
        assert!(!same);
        assert_eq!(output.lines().count(), 1, "{output}");
    }
}

#[test]
fn a_binary_that_fails_or_prints_nothing_writes_nothing() {
    for script in ["echo half; echo why >&2; exit 3", "exit 0"] {
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        fs::create_dir(folder.join("docs")).unwrap();
        let binary = Longshore::Built(longshore(folder, script));
        let result = generated::run(folder, &binary, Group::OpenApi, Mode::Write, &mut Vec::new());
        let message = result.unwrap_err().to_string();
        assert!(message.contains("`longshore openapi` failed"), "{message}");
        assert!(!folder.join("docs/openapi.json").exists());
    }
}
