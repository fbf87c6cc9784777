//! Who may depend on whom: crates of ours by the table of arrows, external ones by the table of doors.

use cargo_metadata::{Dependency, DependencyKind, Package};

use super::rules::{ANY, CRATES, CrateRule, DOORS, TEST_FEATURES};
use super::{Violation, Workspace};

pub(super) fn check(workspace: &Workspace, violations: &mut Vec<Violation>) {
    let packages = workspace.metadata.workspace_packages();
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for package in &packages {
        let manifest = workspace.relative(package.manifest_path.as_std_path());
        let Some(rule) = CRATES.iter().find(|rule| rule.name == package.name.as_str()) else {
            violations.push(Violation::new(
                manifest,
                1,
                "arrow",
                format!(
                    "{} is not in the table of crates: add it to xtask/src/tidy/rules.rs and ARCHITECTURE.md",
                    package.name
                ),
            ));
            continue;
        };
        let text = workspace.text(&manifest).unwrap_or_default();
        for dependency in &package.dependencies {
            let found = if ours.contains(&dependency.name.as_str()) {
                arrow(package, rule, dependency)
            } else {
                door(package, rule, dependency)
            };
            if let Some((name, message)) = found {
                violations.push(Violation::new(&*manifest, line_of(text, dependency), name, message));
            }
        }
    }
}

fn arrow(package: &Package, rule: &CrateRule, dependency: &Dependency) -> Option<(&'static str, String)> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    let allowed = match dependency.kind {
        DependencyKind::Development => {
            // A crate may name itself there, to switch on a feature for its own tests.
            to == from || named(rule.normal, to) || named(rule.tests, to)
        }
        DependencyKind::Build => named(rule.build, to),
        _ => named(rule.normal, to),
    };
    if !allowed {
        let kind = kind_word(dependency.kind);
        return Some((
            "arrow",
            format!("{from} must not depend on {to} ({kind}): see the arrows in ARCHITECTURE.md"),
        ));
    }
    let feature = dependency.features.iter().find(|it| TEST_FEATURES.contains(&it.as_str()))?;
    (dependency.kind != DependencyKind::Development).then(|| {
        (
            "arrow",
            format!("{from} switches on {to}[{feature}] in shipped code: move it to [dev-dependencies]"),
        )
    })
}

fn door(package: &Package, rule: &CrateRule, dependency: &Dependency) -> Option<(&'static str, String)> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    let kind = kind_word(dependency.kind);
    if rule.never.contains(&to) {
        return Some(("never", format!("{from} never names {to} ({kind}): find it another home")));
    }
    let door = DOORS.iter().find(|door| door.names.contains(&to))?;
    let in_tests = dependency.kind == DependencyKind::Development && named(door.in_tests, from);
    if named(door.owners, from) || in_tests {
        return None;
    }
    let owners = if door.owners.is_empty() { "nobody".to_owned() } else { door.owners.join(", ") };
    Some(("never", format!("{from} must not depend on {to} ({kind}): {}; allowed: {owners}", door.why)))
}

fn named(list: &[&str], name: &str) -> bool {
    list.iter().any(|it| *it == ANY || *it == name)
}

fn kind_word(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Development => "in tests",
        DependencyKind::Build => "in its build script",
        _ => "in shipped code",
    }
}

/// The line of a manifest that names the dependency, in the table of its kind.
fn line_of(manifest: &str, dependency: &Dependency) -> usize {
    let name = dependency.rename.as_deref().unwrap_or(&dependency.name);
    let table = match dependency.kind {
        DependencyKind::Development => "dev-dependencies",
        DependencyKind::Build => "build-dependencies",
        _ => "dependencies",
    };
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        if let Some(header) = line.trim().strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let last = header.rsplit('.').next().unwrap_or(header);
            inside = last == table;
            if last == name && header.split('.').any(|part| part == table) {
                return index + 1;
            }
        } else if inside {
            let key = line.split(['.', '=', ' ']).next().unwrap_or_default().trim_matches('"');
            if key == name {
                return index + 1;
            }
        }
    }
    1
}
