//! The metadata of a workspace as one transaction sees it, as JSON lines.
//!
//! Nothing is collected on the way but the digests of the distinct contents (32 bytes each) and who is named. The transaction
//! never waits for who reads the archive: the lines are put aside while it runs.

use std::collections::{BTreeSet, HashSet};

use bytes::{Bytes, BytesMut};
use longshore_core::export::{
    ContentLine, ExportCounts, LINE_BYTES, NodeLine, PrincipalLine, Section, WorkspaceLine,
};
use longshore_core::wire::NodeKind;
use longshore_core::{Code, Digest, Name, NodeId, PrincipalId, Timestamp, WorkspaceId, WorkspacePath};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::db::nodes::NodeRow;
use crate::db::purge::GROUP;
use crate::db::{self, Tx};
use crate::error::{Error, Result};
use crate::workspaces;

/// How many rows are read at once.
const PAGE: u32 = 500;

/// From how many bytes on lines are handed over.
const PIECE: usize = 64 * 1_024;

/// How many pieces wait to be put aside.
pub(super) const PIECES: usize = 8;

/// Lines of a section.
pub(super) type Lines = (Section, Bytes);

/// Where lines go. On SQLite a transaction runs in a thread of its own and must not wait as a task does.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    pub(super) sender: mpsc::Sender<Lines>,
    pub(super) blocks: bool,
}

impl Pipe {
    async fn send(&self, lines: Lines) -> Result<()> {
        let sent = if self.blocks { self.sender.blocking_send(lines) } else { self.sender.send(lines).await };
        sent.map_err(|_| Error::new(Code::Internal, "nobody puts the lines of an export aside"))
    }
}

/// What one moment had.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) workspace: WorkspaceLine,
    pub(super) counts: ExportCounts,
    /// When its newest version was made.
    pub(super) newest: Timestamp,
}

/// A folder whose children are to be listed, from after one on.
struct Frame {
    folder: NodeId,
    path: WorkspacePath,
    after: String,
}

struct Taking {
    pipe: Pipe,
    lines: [BytesMut; Section::ALL.len()],
    counts: ExportCounts,
    contents: HashSet<Digest>,
    named: BTreeSet<PrincipalId>,
    newest: Timestamp,
}

/// Hands all lines of a workspace over.
pub(super) async fn take(tx: &mut Tx, workspace: WorkspaceId, pipe: Pipe) -> Result<Taken> {
    let found = db::exports::workspace(tx, workspace).await?;
    let found = found.ok_or_else(|| workspaces::not_found(workspace))?;
    let mut taking = Taking {
        pipe,
        lines: Default::default(),
        counts: ExportCounts::default(),
        contents: HashSet::new(),
        named: BTreeSet::from([found.created_by]),
        newest: found.created_at,
    };
    taking.nodes(tx, found.root_id).await?;
    taking.members(tx, workspace).await?;
    taking.events(tx, &found).await?;
    taking.principals(tx).await?;
    for section in Section::ALL {
        taking.hand_over(section).await?;
    }
    Ok(Taken { workspace: found, counts: taking.counts, newest: taking.newest })
}

impl Taking {
    async fn hand_over(&mut self, section: Section) -> Result<()> {
        let lines = self.lines[section as usize].split().freeze();
        if lines.is_empty() { Ok(()) } else { self.pipe.send((section, lines)).await }
    }

    async fn write(&mut self, section: Section, line: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(line).map_err(Error::corrupt)?;
        if text.len() > LINE_BYTES {
            let what = section.file();
            return Err(Error::corrupt(format_args!("a line of {what} has more bytes than one may have")));
        }
        let lines = &mut self.lines[section as usize];
        lines.extend_from_slice(&text);
        lines.extend_from_slice(b"\n");
        self.counts.count(section);
        if lines.len() >= PIECE { self.hand_over(section).await } else { Ok(()) }
    }

    /// Walks down from the root: each node after the folder that it is in.
    async fn nodes(&mut self, tx: &mut Tx, root: NodeId) -> Result<()> {
        let row =
            db::nodes::get(tx, root).await?.ok_or_else(|| Error::corrupt("a workspace without a root"))?;
        self.node(row, WorkspacePath::root()).await?;
        self.notes(tx, &[root]).await?;
        let mut frames = vec![Frame { folder: root, path: WorkspacePath::root(), after: String::new() }];
        while let Some(frame) = frames.pop() {
            let children = db::nodes::all_children(tx, frame.folder, &frame.after, PAGE).await?;
            let Some(last) = children.last().map(|last| last.id.to_string()) else { continue };
            if children.len() == PAGE as usize {
                frames.push(Frame { folder: frame.folder, path: frame.path.clone(), after: last });
            }
            let ids: Vec<_> = children.iter().map(|child| child.id).collect();
            let files = children.iter().filter(|child| child.kind == NodeKind::File);
            let files: Vec<_> = files.map(|child| child.id).collect();
            for child in children {
                let path = frame.path.join(Name::new(child.name.as_str()).map_err(Error::corrupt)?)?;
                if child.kind == NodeKind::Folder {
                    frames.push(Frame { folder: child.id, path: path.clone(), after: String::new() });
                }
                self.node(child, path).await?;
            }
            for group in files.chunks(GROUP) {
                self.versions(tx, group).await?;
            }
            for group in ids.chunks(GROUP) {
                self.notes(tx, group).await?;
            }
        }
        Ok(())
    }

    async fn node(&mut self, row: NodeRow, path: WorkspacePath) -> Result<()> {
        self.named.extend([row.created_by, row.updated_by]);
        let line = NodeLine {
            id: row.id,
            parent_id: row.parent,
            kind: row.kind,
            name: row.name,
            path,
            version_id: row.version,
            version_number: row.version_number,
            size: row.size,
            media_type: row.media_type,
            digest: row.digest,
            metadata: row.metadata,
            labels: row.labels,
            created_at: row.created_at,
            created_by: row.created_by,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
            trashed_at: row.trashed_at,
            fence: row.fence,
        };
        self.write(Section::Nodes, &line).await
    }

    async fn versions(&mut self, tx: &mut Tx, files: &[NodeId]) -> Result<()> {
        let (mut file, mut number) = (String::new(), 0);
        loop {
            let page = db::exports::versions(tx, files, (&file, number), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            (file, number) = (last.node_id.to_string(), last.number);
            for line in &page {
                self.named.insert(line.created_by);
                self.newest = self.newest.max(line.created_at);
                self.write(Section::Versions, line).await?;
                if self.contents.insert(line.digest) {
                    let content = ContentLine { digest: line.digest, size: line.size, version_id: line.id };
                    self.write(Section::Contents, &content).await?;
                    self.counts.bytes += line.size;
                }
            }
            if page.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn notes(&mut self, tx: &mut Tx, nodes: &[NodeId]) -> Result<()> {
        let (mut node, mut note) = (String::new(), String::new());
        loop {
            let page = db::exports::notes(tx, nodes, (&node, &note), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            (node, note) = (last.node_id.to_string(), last.id.to_string());
            for line in &page {
                self.named.insert(line.author);
                self.write(Section::Notes, line).await?;
            }
            if page.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    async fn members(&mut self, tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = db::exports::members(tx, workspace, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.principal_id.to_string();
            for line in &page {
                self.named.extend([line.principal_id, line.added_by]);
                self.write(Section::Members, line).await?;
            }
        }
    }

    async fn events(&mut self, tx: &mut Tx, workspace: &WorkspaceLine) -> Result<()> {
        let mut after = workspace.first_seq.saturating_sub(1);
        loop {
            let page = db::exports::events(tx, workspace.id, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            for line in &page {
                self.named.insert(line.actor);
                self.write(Section::Events, line).await?;
            }
        }
    }

    /// Says what those are called who are named anywhere. Longshore itself is nobody's principal.
    async fn principals(&mut self, tx: &mut Tx) -> Result<()> {
        for id in std::mem::take(&mut self.named) {
            if id == PrincipalId::LONGSHORE {
                continue;
            }
            let found = db::access::principal(tx, id).await?;
            let found = found.ok_or_else(|| Error::corrupt(format_args!("{id} acted and is nobody")))?;
            let line: PrincipalLine = db::imports::principal_line(found);
            self.write(Section::Principals, &line).await?;
        }
        Ok(())
    }
}
