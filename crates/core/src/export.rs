//! The archive that a whole workspace leaves and comes in as: `docs/export.md` describes it for other readers.
//!
//! It is a tar of plain files in one order: the header, a file of JSON lines for each kind of metadata, each content once under
//! its BLAKE3, and the end, without which it was cut.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{EventId, KeyId, LockId, NodeId, NoteId, PrincipalId, VersionId, WorkspaceId};
use crate::path::WorkspacePath;
use crate::time::Timestamp;
use crate::wire::{Labels, Metadata, NodeKind, PrincipalKind, Quota, Role, TextRange, WorkspaceSettings};

/// What the header calls the format.
pub const FORMAT: &str = "longshore-export";
/// The version of the format that is written and read.
pub const VERSION: u32 = 1;
/// The media type of the archive.
pub const MEDIA_TYPE: &str = "application/x-tar";
/// The name of the header's file, which is the first.
pub const HEADER: &str = "longshore-export.json";
/// The name of the last file.
pub const END: &str = "end.json";
/// What the names of contents begin with; their BLAKE3 in hexadecimal follows.
pub const CONTENTS: &str = "blobs/";
/// The most bytes of one line.
pub const LINE_BYTES: usize = 4 * 1_024 * 1_024;

/// A kind of metadata. Its file has a line for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Who is named anywhere.
    Principals,
    /// Who has which role.
    Members,
    /// Folders and files, the trash's too; each after the folder that it is in.
    Nodes,
    /// Versions of files.
    Versions,
    /// Notes on nodes.
    Notes,
    /// The log, oldest first.
    Events,
    /// Which contents follow, in which order.
    Contents,
}

impl Section {
    /// All of them, in the order of the archive.
    pub const ALL: [Self; 7] = [
        Self::Principals,
        Self::Members,
        Self::Nodes,
        Self::Versions,
        Self::Notes,
        Self::Events,
        Self::Contents,
    ];

    /// Returns the name of its file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Principals => "metadata/principals.jsonl",
            Self::Members => "metadata/members.jsonl",
            Self::Nodes => "metadata/nodes.jsonl",
            Self::Versions => "metadata/versions.jsonl",
            Self::Notes => "metadata/notes.jsonl",
            Self::Events => "metadata/events.jsonl",
            Self::Contents => "metadata/contents.jsonl",
        }
    }
}

/// How much an archive has of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportCounts {
    /// Who is named.
    pub principals: u64,
    /// Members.
    pub members: u64,
    /// Folders and files.
    pub nodes: u64,
    /// Versions.
    pub versions: u64,
    /// Notes.
    pub notes: u64,
    /// Events.
    pub events: u64,
    /// Distinct contents.
    pub contents: u64,
    /// The bytes of the distinct contents.
    pub bytes: u64,
}

impl ExportCounts {
    /// Returns how many lines the file of a kind has.
    #[must_use]
    pub const fn lines(&self, section: Section) -> u64 {
        match section {
            Section::Principals => self.principals,
            Section::Members => self.members,
            Section::Nodes => self.nodes,
            Section::Versions => self.versions,
            Section::Notes => self.notes,
            Section::Events => self.events,
            Section::Contents => self.contents,
        }
    }

    /// Counts a line more.
    pub const fn count(&mut self, section: Section) {
        *match section {
            Section::Principals => &mut self.principals,
            Section::Members => &mut self.members,
            Section::Nodes => &mut self.nodes,
            Section::Versions => &mut self.versions,
            Section::Notes => &mut self.notes,
            Section::Events => &mut self.events,
            Section::Contents => &mut self.contents,
        } += 1;
    }
}

/// The first file: what the archive is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The Longshore that wrote it.
    pub longshore: String,
    /// The moment that it shows.
    pub taken_at: Timestamp,
    /// The workspace.
    pub workspace: WorkspaceLine,
    /// How much there is of each.
    pub counts: ExportCounts,
}

/// The workspace itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceLine {
    /// Its id where it comes from.
    pub id: WorkspaceId,
    /// Its name there.
    pub name: String,
    /// The root folder.
    pub root_id: NodeId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: PrincipalId,
    /// Its rules.
    pub settings: WorkspaceSettings,
    /// How much it may keep.
    pub quota: Quota,
    /// The place of the oldest event that its log keeps.
    pub first_seq: u64,
    /// The place of its newest event.
    pub seq: u64,
    /// When the newest event happened that the log has no longer.
    pub forgotten_at: Option<Timestamp>,
}

/// Somebody who is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalLine {
    /// The id by which the other lines name them.
    pub id: PrincipalId,
    /// A person or an agent.
    pub kind: PrincipalKind,
    /// What they are called.
    pub name: String,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberLine {
    /// Who it is.
    pub principal_id: PrincipalId,
    /// Their role.
    pub role: Role,
    /// Since when they are a member.
    pub added_at: Timestamp,
    /// Who made them one.
    pub added_by: PrincipalId,
}

/// A folder or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeLine {
    /// Its id.
    pub id: NodeId,
    /// The folder that it is in; nothing for the root, which is the first line.
    pub parent_id: Option<NodeId>,
    /// Folder or file.
    pub kind: NodeKind,
    /// Its name; empty for the root.
    pub name: String,
    /// Its path; where it or a folder above is in the trash, the one that it had.
    pub path: WorkspacePath,
    /// The current version; nothing for a folder.
    pub version_id: Option<VersionId>,
    /// That one's number; 0 for a folder.
    pub version_number: u64,
    /// That one's length.
    pub size: u64,
    /// That one's media type.
    pub media_type: Option<String>,
    /// That one's digest.
    pub digest: Option<Digest>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its labels.
    pub labels: Labels,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: PrincipalId,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who changed it last.
    pub updated_by: PrincipalId,
    /// When it went to the trash itself; nothing for what lies in a folder that did.
    pub trashed_at: Option<Timestamp>,
    /// How often a lock on it was granted or broken.
    pub fence: u64,
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionLine {
    /// Its id.
    pub id: VersionId,
    /// The file.
    pub node_id: NodeId,
    /// Its place among the file's versions.
    pub number: u64,
    /// Its length.
    pub size: u64,
    /// Its media type, as found by looking at it.
    pub media_type: String,
    /// The one that its writer stated.
    pub stated_media_type: Option<String>,
    /// Its BLAKE3: the name of its content.
    pub digest: Digest,
    /// Its SHA-256, where its writer sent it.
    pub sha256: Option<Digest>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: PrincipalId,
    /// The file's fence then.
    pub fence: u64,
    /// What people call it.
    pub label: Option<String>,
}

/// A note on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteLine {
    /// Its id.
    pub id: NoteId,
    /// The node.
    pub node_id: NodeId,
    /// The version that it is about, which may be gone.
    pub version_id: Option<VersionId>,
    /// The part of the text that it is about.
    pub range: Option<TextRange>,
    /// What it says.
    pub text: String,
    /// Who wrote it.
    pub author: PrincipalId,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub edited_at: Option<Timestamp>,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// Its place in the log.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
    /// What happened.
    pub r#type: String,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: PrincipalId,
    /// With which key.
    pub key_id: Option<KeyId>,
    /// In which request.
    pub request_id: Option<String>,
    /// To which node.
    pub node_id: Option<NodeId>,
    /// The version that was current after it.
    pub version_id: Option<VersionId>,
    /// The version that was current before it.
    pub previous_version_id: Option<VersionId>,
    /// The place of the first event of the same act.
    pub act: u64,
    /// The fence of the lock that covered it.
    pub fence: Option<u64>,
    /// That lock.
    pub lock_id: Option<LockId>,
    /// Where the node is after it.
    pub path: Option<String>,
    /// Where it was before, if it moved.
    pub path_before: Option<String>,
    /// The folder that it is in after it.
    pub parent_id: Option<NodeId>,
    /// The folder that it was in before, if that was another.
    pub parent_before: Option<NodeId>,
    /// What an undo goes back to: what the node was, `{"absent":true}` where it was not, nothing where it did not change.
    pub before: Option<serde_json::Value>,
    /// What more there is to say, by type.
    pub data: serde_json::Value,
}

/// A content that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentLine {
    /// Its BLAKE3.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
    /// A version that has it.
    pub version_id: VersionId,
}

/// The last file: what was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportEnd {
    /// How much there was of each, as the header said.
    pub counts: ExportCounts,
    /// The BLAKE3 of the files before the contents, one after the other.
    pub metadata: Digest,
}
