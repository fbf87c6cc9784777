//! All that is printed: results on standard output, everything else on standard error.

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use longshore::Timestamp;
use serde::Serialize;

use crate::cli::{Color, Global};
use crate::failure::{Exit, Failure};
use crate::text::{self, flat, indented, visible};

const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What the token of a share link begins with.
const SHARE_TOKEN: &str = longshore_core::ShareToken::PREFIX;
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// How results are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let choice = match global.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Self { json: global.json, quiet: global.quiet }
    }

    /// Prints a line of the result.
    pub(crate) fn line(self, text: &str) -> io::Result<()> {
        writeln!(anstream::stdout().lock(), "{}", visible(text))
    }

    /// Prints a result that is JSON already, or content, as it is.
    pub(crate) fn raw(self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Prints one object: as JSON where that was asked for, else as `text` says.
    pub(crate) fn object<T: Serialize>(self, object: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        if self.json {
            return self.json_line(object);
        }
        let text = text(object);
        if text.is_empty() { Ok(()) } else { self.line(&text) }
    }

    /// Prints an object as one line of JSON.
    pub(crate) fn json_line<T: Serialize>(self, object: &T) -> io::Result<()> {
        let mut line = text::json(&serde_json::to_string(object)?);
        line.push('\n');
        self.raw(line.as_bytes())
    }

    /// Begins a list that is printed item by item.
    pub(crate) fn list(self) -> io::Result<List> {
        let mut list = List { out: BufWriter::new(Box::new(io::stdout())), json: self.json, items: 0 };
        if self.json {
            list.out.write_all(br#"{"items":["#)?;
        }
        Ok(list)
    }

    /// Prints a short list that is there as a whole: as JSON where that was asked for, else in columns.
    pub(crate) fn table<T: Serialize, const N: usize>(
        self,
        items: &[T],
        heads: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> io::Result<()> {
        if !self.json {
            return self.line(&columns(heads, &[], items.iter().map(row)));
        }
        let mut list = self.list()?;
        items.iter().try_for_each(|item| list.item(item, |_| String::new()))?;
        list.end()
    }

    /// Puts a question, which stays without an end of line.
    pub(crate) fn ask(self, question: &str) -> io::Result<()> {
        let mut err = anstream::stderr().lock();
        write!(err, "{}", visible(question))?;
        err.flush()
    }

    /// Says something that is not the result; not with `--quiet`.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            say(&visible(text));
        }
    }

    /// Shows an error.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            #[derive(Serialize)]
            struct Body<'a> {
                error: &'a Failure,
            }
            say(&text::json(&serde_json::to_string(&Body { error: failure }).unwrap_or_default()));
            return;
        }
        say(&format!("{ERROR}error:{ERROR:#} {}", indented(&failure.message)));
        if let Some(hint) = &failure.hint {
            say(&format!("{HINT}hint:{HINT:#} {}", indented(hint)));
        }
    }

    /// Tells whether somebody watches standard error.
    pub(crate) fn is_watched(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// Prints a line on standard error. Where even that is gone nobody can be told.
fn say(text: &str) {
    let _gone = writeln!(anstream::stderr().lock(), "{text}");
}

/// Shows help, the version, or what is wrong with the command line.
pub(crate) fn usage(refusal: &clap::Error) -> Exit {
    let text = refusal.to_string();
    // What stands at a wrong place may be the address of a share link, which is a secret.
    if text.contains(SHARE_TOKEN) {
        say(&without_tokens(&text));
        return Exit::Usage;
    }
    let _gone = refusal.print();
    if refusal.use_stderr() { Exit::Usage } else { Exit::Ok }
}

/// Leaves the tokens of share links out of a text.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split(SHARE_TOKEN);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(SHARE_TOKEN);
        shown.push('…');
        shown.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric()));
    }
    shown
}

/// A list on its way out, in constant memory: `{"items":[…]}`, or lines.
pub(crate) struct List {
    out: BufWriter<Box<dyn Write>>,
    json: bool,
    items: u64,
}

impl List {
    pub(crate) fn item<T: Serialize>(&mut self, item: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        if !self.json {
            self.items += 1;
            return writeln!(self.out, "{}", visible(&text(item)));
        }
        if self.items > 0 {
            self.out.write_all(b",")?;
        }
        self.items += 1;
        self.out.write_all(b"\n")?;
        self.out.write_all(text::json(&serde_json::to_string(item)?).as_bytes())?;
        Ok(())
    }

    pub(crate) fn end(mut self) -> io::Result<()> {
        if self.json {
            self.out.write_all(b"\n]}\n")?;
        }
        self.out.flush()
    }
}

/// Lays out a short list in columns; those in `right` are numbers.
fn columns<const N: usize>(
    heads: [&str; N],
    right: &[usize],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads);
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| flat(&cell))));
    let last = N - 1;
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if place == last { 0 } else { 2 }));
        if right.contains(&place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Writes a size for people: `4.0 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while value >= 1_023.95 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Writes a count with its thousands set apart: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a time to the second.
pub(crate) fn time(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// Writes what may be missing.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::{columns, count, size};

    #[test]
    fn sizes_and_counts_read_well() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (3_221_225_472, "3.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = [["日本".to_owned(), "1".to_owned()], ["a".to_owned(), "100".to_owned()]];
        assert_eq!(columns(["NAME", "SIZE"], &[1], rows), "NAME  SIZE\n日本     1\na      100");
    }
}
