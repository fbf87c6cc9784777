//! What source files must not hold: the scan behind the rules about doors.

use super::lexer::{self, Source};
use super::rules::{FRONT_DOORS, FRONT_DOORS_IN, Look, SOURCES, SourceRule};
use super::{Violation, Workspace};

pub(super) fn check(workspace: &Workspace, violations: &mut Vec<Violation>) {
    for file in &workspace.files {
        let Some(text) = file.text.as_deref().filter(|_| file.path.ends_with(".rs")) else {
            continue;
        };
        let source = lexer::read(text);
        let is_test = is_test_file(&file.path);
        for rule in SOURCES {
            if !file.path.starts_with(rule.inside)
                || rule.doors.iter().any(|door| file.path.starts_with(door))
                || (is_test && !rule.tests)
            {
                continue;
            }
            for (line, found) in look(rule, text, &source) {
                let in_test = source.test_lines.get(line - 1).copied().unwrap_or(false);
                if rule.tests || !in_test {
                    let message = format!("`{found}`: {}", rule.advice);
                    violations.push(Violation::new(&*file.path, line, rule.name, message));
                }
            }
        }
        front_doors(&file.path, &source, violations);
    }
}

/// Tests are in a `tests` folder or in a `tests.rs` beside what they test.
fn is_test_file(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

fn look(rule: &SourceRule, text: &str, source: &Source) -> Vec<(usize, String)> {
    match &rule.look {
        Look::Code(names) => in_code(&source.code, names),
        Look::PublicCode(names) => in_code(&source.code, names)
            .into_iter()
            .filter(|(line, _)| {
                let line = source.code.lines().nth(line - 1).unwrap_or_default();
                line.trim_start().starts_with("pub ")
            })
            .collect(),
        Look::Text(words) => text
            .lines()
            .enumerate()
            .filter_map(|(index, line)| {
                let word = words.iter().find(|word| line.contains(**word))?;
                Some((index + 1, (*word).to_owned()))
            })
            .collect(),
        Look::Sql => source
            .literals
            .iter()
            .filter_map(|literal| Some((literal.line, sql(&literal.text)?.to_owned())))
            .collect(),
    }
}

fn in_code(code: &str, names: &[&str]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for name in names {
        for at in lexer::find_path(code, name) {
            found.push((lexer::line_at(code, at), (*name).to_owned()));
        }
    }
    found
}

/// The words by which a string is known to be SQL. Keywords in capitals at its very beginning: prose and
/// HTTP methods do not look like that.
fn sql(literal: &str) -> Option<&'static str> {
    const STATEMENTS: &[&[&str]] = &[
        &["SELECT"],
        &["INSERT", "INTO"],
        &["INSERT", "OR"],
        &["UPDATE", "", "SET"],
        &["DELETE", "FROM"],
        &["CREATE", "TABLE"],
        &["CREATE", "INDEX"],
        &["CREATE", "UNIQUE"],
        &["CREATE", "VIRTUAL"],
        &["ALTER", "TABLE"],
        &["DROP", "TABLE"],
        &["DROP", "INDEX"],
        &["PRAGMA"],
        &["WITH", "", "AS"],
        &["WITH", "RECURSIVE"],
        &["BEGIN", "IMMEDIATE"],
        &["SAVEPOINT"],
    ];
    // Line breaks, written as escapes or escaped themselves.
    let literal = literal.replace("\\n", " ").replace("\\\n", " ");
    let words: Vec<&str> = literal.split_whitespace().take(3).collect();
    // One word alone is a keyword shown to somebody, not a statement.
    if words.len() < 2 {
        return None;
    }
    let statement = STATEMENTS.iter().find(|statement| {
        statement.len() <= words.len()
            && statement.iter().zip(&words).all(|(want, word)| want.is_empty() || want == word)
    })?;
    statement.first().copied()
}

fn front_doors(path: &str, source: &Source, violations: &mut Vec<Violation>) {
    let Some(below) = path.strip_prefix(FRONT_DOORS_IN) else {
        return;
    };
    let own = below.split(['/', '.']).next().unwrap_or_default();
    if !FRONT_DOORS.contains(&own) {
        return;
    }
    for other in FRONT_DOORS.iter().filter(|other| **other != own) {
        let name = format!("crate::{other}");
        for at in lexer::find_path(&source.code, &name) {
            let next = source.code.get(at + name.len()..).and_then(|rest| rest.chars().next());
            if !next.is_some_and(lexer::is_word) {
                let line = lexer::line_at(&source.code, at);
                let message = format!(
                    "the front door {own} imports {other}: put what both need beside them, or in engine"
                );
                violations.push(Violation::new(path, line, "front-door", message));
            }
        }
    }
}
