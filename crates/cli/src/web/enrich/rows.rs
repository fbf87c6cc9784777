//! The rows of a table: CSV with a header, or a JSON object a line.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::one_line;
use crate::failure::Failure;
use crate::web::lines;

/// A longer row is none: a quote that nobody closed would take in all the rest.
const LONGEST: u64 = 16 * 1_024 * 1_024;

/// A row.
#[derive(Debug)]
pub(crate) struct Row {
    /// From 1, the header not counted.
    pub(crate) number: u64,
    /// The row as an object: as it came, or made of a CSV row's columns in their order.
    pub(crate) json: Box<RawValue>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Columns(Arc<[String]>, csv::StringRecord),
    Members(HashMap<String, Box<RawValue>>),
}

/// A row that cannot be read.
#[derive(Debug)]
pub(crate) struct BadRow {
    pub(crate) number: u64,
    pub(crate) message: String,
    /// Whether the text cannot be read on from there: there may be more rows, and nobody knows them.
    pub(crate) is_last: bool,
}

impl BadRow {
    fn new(number: u64, message: impl Into<String>) -> Self {
        Self { number, message: message.into(), is_last: false }
    }
}

/// Rows as they are read; it blocks.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, BadRow>> + Send>;

impl Row {
    /// Returns what the row has in a column: text as it is, everything else as JSON writes it, null as nothing.
    pub(crate) fn value(&self, column: &str) -> Option<Cow<'_, str>> {
        match &self.values {
            Values::Columns(header, record) => {
                let place = header.iter().position(|name| name == column)?;
                record.get(place).map(Cow::Borrowed)
            }
            Values::Members(members) => {
                let value = members.get(column)?.get();
                Some(match value {
                    "null" => Cow::Borrowed(""),
                    text if text.starts_with('"') => Cow::Owned(serde_json::from_str(text).ok()?),
                    other => Cow::Borrowed(other),
                })
            }
        }
    }
}

/// Reads CSV, whose first row names the columns; those `wanted` must be among them. Reads that row at once.
pub(crate) fn csv<'a>(
    text: Box<dyn Read + Send>,
    delimiter: u8,
    wanted: impl Iterator<Item = &'a str>,
) -> Result<Rows, Failure> {
    let since = Arc::new(AtomicU64::new(0));
    let metered = Metered { text, since: Arc::clone(&since) };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(metered);
    let header = reader.headers().map_err(|error| Failure::invalid(format!("the header: {error}")))?;
    let header: Arc<[String]> = header.iter().map(str::to_owned).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Failure::invalid(format!("the header has the column {twice:?} twice")));
    }
    for column in wanted {
        if !seen.contains(column) {
            let known: Vec<_> = header.iter().map(String::as_str).collect();
            let message = format!("there is no column {column:?}");
            return Err(Failure::invalid(message).hint(format!("the columns are: {}", known.join(", "))));
        }
    }
    let mut number = 0;
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut record = csv::StringRecord::new();
        since.store(0, Relaxed);
        number += 1;
        match reader.read_record(&mut record) {
            Ok(false) => None,
            Ok(true) => Some(made(number, &header, record)),
            Err(error) => {
                ended = error.is_io_error();
                Some(Err(BadRow { is_last: ended, ..BadRow::new(number, error.to_string()) }))
            }
        }
    })))
}

fn made(number: u64, header: &Arc<[String]>, record: csv::StringRecord) -> Result<Row, BadRow> {
    let bad = |error: serde_json::Error| BadRow::new(number, error.to_string());
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    let mut map = serializer.serialize_map(Some(header.len())).map_err(bad)?;
    for (name, value) in header.iter().zip(&record) {
        map.serialize_entry(name, value).map_err(bad)?;
    }
    map.end().map_err(bad)?;
    let json = RawValue::from_string(String::from_utf8(json).unwrap_or_default()).map_err(bad)?;
    Ok(Row { number, json, values: Values::Columns(Arc::clone(header), record) })
}

/// Reads JSON, an object a line; blank lines are no rows.
pub(crate) fn json_lines(text: Box<dyn Read + Send>) -> Rows {
    let mut reader = BufReader::new(text);
    let (mut number, mut ended) = (0, false);
    Box::new(std::iter::from_fn(move || {
        while !ended {
            let line = match lines::next(&mut reader, LONGEST) {
                Ok(line) => line?,
                Err(error) => {
                    ended = true;
                    number += 1;
                    return Some(Err(BadRow { is_last: true, ..BadRow::new(number, error.to_string()) }));
                }
            };
            let line = match line.text(LONGEST) {
                Ok(line) => line,
                Err(error) => {
                    number += 1;
                    return Some(Err(BadRow::new(number, error.to_string())));
                }
            };
            let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            number += 1;
            return Some(object(number, line));
        }
        None
    }))
}

fn object(number: u64, line: &[u8]) -> Result<Row, BadRow> {
    let bad = |message: String| BadRow::new(number, message);
    let text = std::str::from_utf8(line).map_err(|_| bad("the row is no UTF-8".to_owned()))?;
    let members = serde_json::from_str(text).map_err(|error| bad(format!("no object of JSON: {error}")))?;
    let json = one_line(text).ok_or_else(|| bad("no object of JSON".to_owned()))?;
    Ok(Row { number, json, values: Values::Members(members) })
}

/// A text that breaks off where one row takes in too much of it.
struct Metered {
    text: Box<dyn Read + Send>,
    since: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.load(Relaxed) > LONGEST {
            let message = format!("a row has more than {LONGEST} bytes: is a quote not closed?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let read = self.text.read(buffer)?;
        self.since.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
