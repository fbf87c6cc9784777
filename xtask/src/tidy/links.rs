//! Relative links of Markdown documents lead to files that are there.

use std::path::{Component, Path};

use super::{Violation, Workspace};

pub(super) fn check(workspace: &Workspace, violations: &mut Vec<Violation>) {
    for file in &workspace.files {
        let Some(text) = file.text.as_deref().filter(|_| file.path.ends_with(".md")) else {
            continue;
        };
        for (line, target) in links(text) {
            if let Some(message) = broken(workspace, &file.path, &target) {
                violations.push(Violation::new(&*file.path, line, "link", message));
            }
        }
    }
}

fn broken(workspace: &Workspace, document: &str, target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    // Elsewhere on the network, or a heading of the same page.
    if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut place = Vec::new();
    for component in folder.join(path.replace("%20", " ")).components() {
        match component {
            Component::Normal(name) => place.push(name.to_owned()),
            Component::ParentDir if place.pop().is_some() => {}
            Component::CurDir => {}
            _ => {
                return Some(format!(
                    "{target} leaves the repository: link inside it, or write a full address"
                ));
            }
        }
    }
    let place = workspace.root.join(place.iter().collect::<std::path::PathBuf>());
    (!place.exists()).then(|| format!("{target} is not there: mend the link, or write the file"))
}

/// Targets of `[…](target)` and `[…]: target`, with their lines. Code is passed over.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        if let Some(mark) = mark {
            fence = match fence {
                None => Some(mark),
                Some(open) if open == mark => None,
                open => open,
            };
            continue;
        }
        if fence.is_some() {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: Vec<&str> = line.split('`').step_by(2).collect();
        let prose = prose.join("`");
        for piece in prose.split("](").skip(1) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            found.push((index + 1, target.trim_matches(['<', '>']).to_owned()));
        }
        if let Some((label, target)) = prose.split_once("]: ")
            && label.starts_with('[')
            && !label.starts_with("[^")
        {
            let target = target.split_whitespace().next().unwrap_or_default();
            found.push((index + 1, target.trim_matches(['<', '>']).to_owned()));
        }
    }
    found
}
