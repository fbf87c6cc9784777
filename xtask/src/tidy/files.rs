//! Reads the workspace's files, and says which have grown too long to be read.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::rules::{FAIL_LINES, SIZE_EXEMPT, SIZED, SKIPPED_FOLDERS, WARN_LINES};
use super::{File, Violation, Workspace};

/// Larger files are data, not text that a rule could be about.
const READ_LIMIT: u64 = 4 << 20;

/// Reads every file below `root`, ordered by path.
pub(super) fn read_all(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let place = root.join(&folder);
        let entries = fs::read_dir(&place).with_context(|| format!("cannot list {}", place.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", place.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if kind.is_file() {
                files.push(File { text: read(&entry.path())?, path });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read(path: &Path) -> Result<Option<String>> {
    let context = || format!("cannot read {}", path.display());
    if fs::metadata(path).with_context(context)?.len() > READ_LIMIT {
        return Ok(None);
    }
    Ok(String::from_utf8(fs::read(path).with_context(context)?).ok())
}

pub(super) fn check(workspace: &Workspace, violations: &mut Vec<Violation>) {
    for file in &workspace.files {
        let Some(text) = file.text.as_deref() else {
            continue;
        };
        let (_, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let sized = match name.rsplit_once('.') {
            Some((_, extension)) => SIZED.contains(&extension),
            None => text.starts_with("#!"),
        };
        let lines = text.lines().count();
        if !sized || lines < WARN_LINES || SIZE_EXEMPT.contains(&file.path.as_str()) {
            continue;
        }
        let message = format!("{lines} lines, and {FAIL_LINES} is too many: split it by what it is about");
        let mut violation = Violation::new(&*file.path, lines, "size", message);
        violation.warning = lines < FAIL_LINES;
        violations.push(violation);
    }
}
