//! What every member's `Cargo.toml` has in common: the workspace's lints and the workspace's versions;
//! and what the lock file must not hold.

use super::rules::{DOORS, OWN_LINTS};
use super::{Violation, Workspace};

pub(super) fn check(workspace: &Workspace, violations: &mut Vec<Violation>) {
    lock(workspace, violations);
    for package in workspace.metadata.workspace_packages() {
        let manifest = workspace.relative(package.manifest_path.as_std_path());
        let text = workspace.text(&manifest).unwrap_or_default();
        let mut table = "";
        let mut lints = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_matches(['[', ']']);
                continue;
            }
            lints |= table == "lints" && line.replace(' ', "") == "workspace=true";
            if is_dependencies(table) && has_own_version(line) {
                violations.push(Violation::new(
                    &*manifest,
                    index + 1,
                    "versions",
                    "a version is named once, in [workspace.dependencies]: write `.workspace = true` here"
                        .to_owned(),
                ));
            }
        }
        if !lints && !OWN_LINTS.contains(&package.name.as_str()) {
            violations.push(Violation::new(
                manifest,
                1,
                "lints",
                "add `[lints]` with `workspace = true`: every crate has the same lints".to_owned(),
            ));
        }
    }
}

/// What no crate of ours may name must not come in through another's features either.
fn lock(workspace: &Workspace, violations: &mut Vec<Violation>) {
    for (index, line) in workspace.text("Cargo.lock").unwrap_or_default().lines().enumerate() {
        let Some(name) = line.strip_prefix("name = \"").and_then(|it| it.strip_suffix('"')) else { continue };
        let banned = DOORS.iter().find(|door| door.owners.is_empty() && door.names.contains(&name));
        if let Some(door) = banned {
            let message =
                format!("{name} is in the tree: {}; `cargo tree -i {name}` says who asks", door.why);
            violations.push(Violation::new("Cargo.lock", index + 1, "never", message));
        }
    }
}

/// `dependencies`, `dev-dependencies`, `target.'…'.dependencies`, `dependencies.NAME`.
fn is_dependencies(table: &str) -> bool {
    const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    !table.starts_with("workspace") && table.split('.').any(|part| TABLES.contains(&part))
}

/// `name = "1"`, `name = { version = "1" }` and `version = "1"`.
fn has_own_version(line: &str) -> bool {
    let Some((key, value)) = line.split_once('=') else {
        return false;
    };
    let (key, value) = (key.trim(), value.trim());
    let plain = value.starts_with('"') && (key == "version" || !is_setting(key));
    let inline = value
        .trim_start_matches('{')
        .split(',')
        .any(|part| part.split('=').next().is_some_and(|it| it.trim() == "version"));
    plain || (value.starts_with('{') && inline)
}

/// Keys of a dependency's own table that take a string.
fn is_setting(key: &str) -> bool {
    matches!(key, "path" | "package" | "git" | "branch" | "tag" | "rev" | "registry")
}
