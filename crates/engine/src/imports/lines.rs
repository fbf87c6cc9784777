//! The lines of an import's metadata: what each may say, and what must have come before it.

use std::collections::HashSet;

use longshore_core::export::{
    ContentLine, EventLine, ExportHeader, LINE_BYTES, MemberLine, NodeLine, NoteLine, PrincipalLine, Section,
    VersionLine,
};
use longshore_core::wire::NodeKind;
use longshore_core::{Algorithm, Code, Name, NodeId, PrincipalId, WorkspacePath};
use serde::de::DeserializeOwned;

use super::malformed;
use crate::db::Tx;
use crate::db::crossings::{self, CrossingId, Line};
use crate::db::nodes::State;
use crate::error::{Error, Result};
use crate::nodes::{check_label, check_labels, check_metadata};
use crate::{notes, versions, words};

/// The most principals that an archive names: they are kept in mind while it comes.
const MOST_NAMED: u64 = 1_000_000;
/// The most members, as of any workspace.
const MOST_MEMBERS: u64 = 10_000;
/// The greatest place in a log, number of a version and fence: beyond what any workspace comes to, and so far from the greatest
/// number that there is that whoever counts on has room.
pub(super) const MOST_COUNTED: u64 = 1 << 50;
/// The longest media type, name of an event and id of a request.
const WORD: usize = 255;

/// What must have come before a line.
#[derive(Clone, Debug)]
enum After {
    Nothing,
    /// The folder that a node lies in, of which this is the path.
    Folder(NodeId, WorkspacePath),
    File(NodeId),
    Node(NodeId),
}

/// A line that may be kept once what it stands on is there.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    line: Line,
    after: After,
}

impl Ready {
    pub(super) const fn bytes(&self) -> usize {
        self.line.text.len()
    }
}

/// What is known of the lines before.
#[derive(Debug)]
pub(super) struct Lines {
    section: Section,
    /// How many have come.
    pub(super) count: u64,
    /// Bytes without an end of a line.
    rest: Vec<u8>,
    seq: u64,
}

/// What all lines are held against.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) header: ExportHeader,
    named: HashSet<PrincipalId>,
}

impl Known {
    pub(super) fn new(header: ExportHeader) -> Self {
        Self { header, named: HashSet::new() }
    }

    fn names(&self, id: PrincipalId) -> std::result::Result<(), String> {
        if id == PrincipalId::LONGSHORE || self.named.contains(&id) {
            return Ok(());
        }
        Err(format!("it names {id}, whom {} does not have", Section::Principals.file()))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> std::result::Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Says of a rule of ours what it says.
fn holds(result: Result<()>) -> std::result::Result<(), String> {
    result.map_err(|error| error.detail().to_owned())
}

fn word(what: &str, text: Option<&str>) -> std::result::Result<(), String> {
    holds(words::check(what, text, WORD))
}

fn number(what: &str, number: u64) -> std::result::Result<(), String> {
    if number <= MOST_COUNTED { Ok(()) } else { Err(format!("`{what}` is too large")) }
}

impl Lines {
    pub(super) fn new(section: Section) -> Self {
        Self { section, count: 0, rest: Vec::new(), seq: 0 }
    }

    pub(super) const fn section(&self) -> Section {
        self.section
    }

    /// Takes bytes, and gives the lines that they end.
    pub(super) fn take(&mut self, known: &mut Known, mut bytes: &[u8]) -> Result<Vec<Ready>> {
        let mut ready = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.grow(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.rest);
            ready.push(self.line(known, &line)?);
        }
        self.grow(bytes)?;
        Ok(ready)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<()> {
        if self.rest.len() + bytes.len() > LINE_BYTES {
            return Err(self.wrong(self.count + 1, &format!("it has more than {LINE_BYTES} bytes")));
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn wrong(&self, number: u64, why: &str) -> Error {
        malformed(self.section.file(), format_args!("line {number}: {why}"))
    }

    /// Refuses a file that ends in the middle of a line, or has another number of them than announced.
    pub(super) fn end(&self, header: &ExportHeader) -> Result<()> {
        if !self.rest.is_empty() {
            return Err(self.wrong(self.count + 1, "it has no end"));
        }
        let announced = header.counts.lines(self.section);
        if self.count == announced {
            return Ok(());
        }
        let detail = format!("{announced} lines were announced, and it has {}", self.count);
        Err(malformed(self.section.file(), detail))
    }

    fn line(&mut self, known: &mut Known, bytes: &[u8]) -> Result<Ready> {
        self.count += 1;
        let number = self.count;
        if number > known.header.counts.lines(self.section) {
            return Err(self.wrong(number, "it has more lines than were announced"));
        }
        let read = str::from_utf8(bytes)
            .map_err(|_| "it is not UTF-8".to_owned())
            .and_then(|text| Ok((self.read(known, text)?, text.to_owned())));
        match read {
            Ok(((line, after), text)) => Ok(Ready { line: Line { number, text, ..line }, after }),
            Err(why) => Err(self.wrong(number, &why)),
        }
    }

    fn read(&mut self, known: &mut Known, text: &str) -> std::result::Result<(Line, After), String> {
        match self.section {
            Section::Principals => principal(known, parse(text)?),
            Section::Members => member(known, parse(text)?),
            Section::Nodes => node(known, self.count, parse(text)?),
            Section::Versions => version(known, parse(text)?),
            Section::Notes => note(known, parse(text)?),
            Section::Events => self.event(known, parse(text)?),
            Section::Contents => content(parse(text)?),
        }
    }

    fn event(&mut self, known: &Known, line: EventLine) -> std::result::Result<(Line, After), String> {
        known.names(line.actor)?;
        let workspace = &known.header.workspace;
        if line.seq <= self.seq || line.seq < workspace.first_seq || line.seq > workspace.seq {
            return Err("its place does not follow the one before, or the log has no such place".to_owned());
        }
        if line.act > line.seq {
            return Err("its act begins after it".to_owned());
        }
        self.seq = line.seq;
        word("type", Some(&line.r#type))?;
        word("request_id", line.request_id.as_deref())?;
        number("fence", line.fence.unwrap_or(0))?;
        for path in [&line.path, &line.path_before].into_iter().flatten() {
            path.parse::<WorkspacePath>().map_err(|error| error.to_string())?;
        }
        let is_root = line.node_id == Some(workspace.root_id);
        match line.before {
            Some(absent) if absent == serde_json::json!({ "absent": true }) && !is_root => {}
            Some(before) => {
                let state = serde_json::from_value::<State>(before).map_err(|error| error.to_string());
                state
                    .and_then(|state| check_state(&state, is_root))
                    .map_err(|why| format!("`before`: {why}"))?;
            }
            None => {}
        }
        if !line.data.is_object() {
            return Err("`data` is an object".to_owned());
        }
        Ok((Line::default(), After::Nothing))
    }
}

/// Holds what an undo would bring back against the rules for nodes.
fn check_state(state: &State, is_root: bool) -> std::result::Result<(), String> {
    if is_root != state.parent_id.is_none() || is_root && (state.trashed || !state.name.is_empty()) {
        return Err(
            "the root is a folder without a name, in no folder and not in the trash, and it alone".to_owned()
        );
    }
    if !is_root {
        Name::new(state.name.as_str()).map_err(|error| error.to_string())?;
    }
    holds(check_metadata(&state.metadata))?;
    holds(check_labels(&state.labels))
}

fn principal(known: &mut Known, line: PrincipalLine) -> std::result::Result<(Line, After), String> {
    if known.header.counts.principals > MOST_NAMED {
        return Err(format!("there are more than {MOST_NAMED} of them"));
    }
    if line.id == PrincipalId::LONGSHORE || line.name.trim().is_empty() {
        return Err("it has no name, or is Longshore itself".to_owned());
    }
    word("name", Some(&line.name))?;
    known.named.insert(line.id);
    Ok((Line { id: Some(line.id.to_string()), ..Line::default() }, After::Nothing))
}

fn member(known: &Known, line: MemberLine) -> std::result::Result<(Line, After), String> {
    if known.header.counts.members > MOST_MEMBERS {
        return Err(format!("there are more than {MOST_MEMBERS} of them"));
    }
    known.names(line.principal_id)?;
    known.names(line.added_by)?;
    if line.principal_id == PrincipalId::LONGSHORE {
        return Err("Longshore itself is no member".to_owned());
    }
    let place = Some(format!("m {}", line.principal_id));
    Ok((Line { place, ..Line::default() }, After::Nothing))
}

fn node(known: &Known, count: u64, line: NodeLine) -> std::result::Result<(Line, After), String> {
    known.names(line.created_by)?;
    known.names(line.updated_by)?;
    holds(check_metadata(&line.metadata))?;
    holds(check_labels(&line.labels))?;
    word("media_type", line.media_type.as_deref())?;
    for (what, found) in [("fence", line.fence), ("size", line.size), ("number", line.version_number)] {
        number(what, found)?;
    }
    let has_content = line.version_id.is_some() && line.media_type.is_some() && line.digest.is_some();
    let is_right = match line.kind {
        NodeKind::File => has_content && line.version_number > 0,
        NodeKind::Folder => {
            !has_content && line.version_id.is_none() && line.version_number == 0 && line.size == 0
        }
    };
    if !is_right {
        return Err("a file has a version with all that is said of it, and a folder has none".to_owned());
    }
    let is_root = line.id == known.header.workspace.root_id;
    if is_root != (count == 1) || is_root != line.parent_id.is_none() {
        return Err("the root is the first node, and the only one in no folder".to_owned());
    }
    let after = match line.parent_id {
        Some(parent) => {
            let name = Name::new(line.name.as_str()).map_err(|error| error.to_string())?;
            if line.path.names().last() != Some(&name) {
                return Err("its path does not end with its name".to_owned());
            }
            After::Folder(parent, line.path.clone())
        }
        None if !line.name.is_empty()
            || !line.path.is_root()
            || line.kind == NodeKind::File
            || line.trashed_at.is_some() =>
        {
            return Err("the root is a folder without a name, and not in the trash".to_owned());
        }
        None => After::Nothing,
    };
    let place = line.parent_id.filter(|_| line.trashed_at.is_none());
    let kept = Line {
        id: Some(line.id.to_string()),
        place: place.map(|parent| format!("n {parent} {}", line.name)),
        kind: Some(if line.kind == NodeKind::File { "file" } else { "folder" }),
        path: Some(line.path.to_string()),
        ..Line::default()
    };
    Ok((kept, after))
}

fn version(known: &Known, line: VersionLine) -> std::result::Result<(Line, After), String> {
    known.names(line.created_by)?;
    word("media_type", Some(&line.media_type))?;
    word("stated_media_type", line.stated_media_type.as_deref())?;
    for (what, found) in [("fence", line.fence), ("size", line.size), ("number", line.number)] {
        number(what, found)?;
    }
    if line.number == 0 {
        return Err("the first version has the number 1".to_owned());
    }
    if line.digest.algorithm() != Algorithm::Blake3
        || line.sha256.is_some_and(|digest| digest.algorithm() != Algorithm::Sha256)
    {
        return Err("`digest` is a BLAKE3, and `sha256` a SHA-256".to_owned());
    }
    if let Some(label) = &line.label {
        holds(check_label(label, versions::LABEL))?;
    }
    let place = Some(format!("v {} {}", line.node_id, line.number));
    Ok((Line { id: Some(line.id.to_string()), place, ..Line::default() }, After::File(line.node_id)))
}

fn note(known: &Known, line: NoteLine) -> std::result::Result<(Line, After), String> {
    known.names(line.author)?;
    holds(notes::check_text(&line.text))?;
    if let Some(range) = line.range {
        number("end", range.end)?;
        if range.start > range.end {
            return Err("its range ends before it begins".to_owned());
        }
    }
    Ok((Line { id: Some(line.id.to_string()), ..Line::default() }, After::Node(line.node_id)))
}

fn content(line: ContentLine) -> std::result::Result<(Line, After), String> {
    number("size", line.size)?;
    if line.digest.algorithm() != Algorithm::Blake3 {
        return Err("`digest` is a BLAKE3".to_owned());
    }
    Ok((Line { id: Some(line.digest.to_string()), ..Line::default() }, After::Nothing))
}

/// Keeps lines, each after what it stands on.
pub(super) async fn keep(tx: &mut Tx, import: CrossingId, section: Section, lines: &[Ready]) -> Result<()> {
    for Ready { line, after } in lines {
        let wrong = |why: &str| malformed(section.file(), format_args!("line {}: {why}", line.number));
        let (node, kind, parent) = match after {
            After::Nothing => (None, "", None),
            After::Folder(folder, path) => {
                (Some(*folder), "folder", path.split_last().map(|(parent, _)| parent))
            }
            After::File(file) => (Some(*file), "file", None),
            After::Node(node) => (Some(*node), "", None),
        };
        if let Some(node) = node {
            let found = crossings::node(tx, import, node).await?;
            let Some((found, path)) = found else {
                return Err(wrong(&format!("it is about {node}, which no line before it has")));
            };
            if found.is_empty() || (!kind.is_empty() && found != kind) {
                return Err(wrong(&format!("it is about {node}, which is no {kind}")));
            }
            if parent.is_some_and(|parent| parent.to_string() != path) {
                return Err(wrong("its path does not lead through its folder"));
            }
        }
        crossings::insert_line(tx, import, section.file(), line).await.map_err(|error| {
            match error.code() {
                Code::NameTaken => wrong("its id, its name or its number is there twice"),
                _ => error,
            }
        })?;
    }
    Ok(())
}
