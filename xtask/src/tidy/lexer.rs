//! Just enough of Rust's lexical grammar to tell code from comments and strings.
//!
//! A parser would be truer and would cost more to build than the rest of xtask; what the rules ask needs none.

use std::iter;

/// A source file, taken apart.
pub(super) struct Source {
    /// The file with comments and the insides of strings blanked. Lines keep their places.
    pub(super) code: String,
    /// String literals in order, as written (escapes are left alone).
    pub(super) literals: Vec<Literal>,
    /// For each line, whether it belongs to a `#[cfg(test)]` item.
    pub(super) test_lines: Vec<bool>,
}

pub(super) struct Literal {
    /// Of its first character, counted from 1.
    pub(super) line: usize,
    /// Where it begins in `code`, in bytes.
    pub(super) start: usize,
    pub(super) text: String,
}

pub(super) fn read(text: &str) -> Source {
    let mut lexer = Lexer { text, at: 0, line: 1, code: String::new(), literals: Vec::new() };
    while lexer.step() {}
    let Lexer { code, literals, .. } = lexer;
    let test_lines = test_lines(&code);
    Source { code, literals, test_lines }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    code: String,
    literals: Vec<Literal>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Copies `len` bytes as code.
    fn keep(&mut self, len: usize) {
        let taken = self.rest().get(..len).unwrap_or_default();
        self.line += taken.matches('\n').count();
        self.code.push_str(taken);
        self.at += len;
    }

    /// Passes over `len` bytes, leaving blanks of the same length.
    fn blank(&mut self, len: usize) {
        let taken = self.rest().get(..len).unwrap_or_default();
        for byte in taken.bytes() {
            self.code.push(if byte == b'\n' { '\n' } else { ' ' });
        }
        self.line += taken.matches('\n').count();
        self.at += len;
    }

    /// Takes one token; false at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return false;
        };
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment(rest));
        } else if let Some((open, hashes)) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            self.keep(open);
            let len = self.rest().find(&close).unwrap_or(self.rest().len());
            self.literal(len);
            self.keep(close.len().min(self.rest().len()));
        } else if first == '"' {
            self.keep(1);
            self.literal(escaped(self.rest(), '"'));
            self.keep(1.min(self.rest().len()));
        } else if first == '\'' {
            let len = char_literal(rest);
            self.keep(1);
            self.blank(len);
        } else if is_word(first) {
            // Whole words, so that the `r` of `for` never opens a raw string.
            self.keep(rest.find(|it| !is_word(it)).unwrap_or(rest.len()));
        } else {
            self.keep(first.len_utf8());
        }
        true
    }

    fn literal(&mut self, len: usize) {
        let text = self.rest().get(..len).unwrap_or_default().to_owned();
        self.literals.push(Literal { line: self.line, start: self.code.len(), text });
        self.blank(len);
    }
}

pub(super) fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    let bytes = rest.as_bytes();
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// For `r"`, `r#"`, `br"`, `cr"`: how long the opening is, and how many hashes it has.
fn raw_string(rest: &str) -> Option<(usize, usize)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|it| it.starts_with(['"', '#'])))?;
    let after = rest.get(prefix.len()..)?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    (after.as_bytes().get(hashes) == Some(&b'"')).then_some((prefix.len() + hashes + 1, hashes))
}

/// How far the closing quote is, escapes passed over.
fn escaped(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices();
    while let Some((index, it)) = chars.next() {
        if it == '\\' {
            chars.next();
        } else if it == quote {
            return index;
        }
    }
    rest.len()
}

/// What follows the quote of `'x'` or `'\n'`; nothing for a lifetime.
fn char_literal(rest: &str) -> usize {
    let after = rest.get(1..).unwrap_or_default();
    let mut chars = after.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => escaped(after, '\'') + 1,
        (Some(it), Some('\'')) => it.len_utf8() + 1,
        _ => 0,
    }
}

/// Marks the lines of items under `#[cfg(test)]`.
fn test_lines(code: &str) -> Vec<bool> {
    let mut lines = vec![false; code.lines().count()];
    let mut from = 0;
    while let Some(found) = code.get(from..).and_then(|it| it.find("#[cfg(test)]")) {
        let start = from + found;
        let end = start + item_length(code.get(start..).unwrap_or_default());
        let first = line_at(code, start) - 1;
        let last = line_at(code, end.saturating_sub(1)) - 1;
        for line in lines.iter_mut().take(last + 1).skip(first) {
            *line = true;
        }
        from = end;
    }
    lines
}

/// Up to the `;` or the closing brace of the item that begins here.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (index, it) in code.char_indices() {
        match it {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            ';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    code.len()
}

/// The line of a byte's place, counted from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Where `name` stands as a path of its own: `env::var` is found in `std::env::var_os`, not in `my_env::var`.
pub(super) fn find_path<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    iter::from_fn(move || {
        let found = from + code.get(from..)?.find(name)?;
        from = found + name.len();
        Some(found)
    })
    .filter(|at| !code.get(..*at).and_then(|it| it.chars().next_back()).is_some_and(is_word))
}

#[cfg(test)]
mod tests;
