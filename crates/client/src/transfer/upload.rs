//! One upload: what is there already is not sent, and the way of what is follows from its length.

pub(super) mod begun;
mod once;
pub(super) mod ready;
pub(crate) mod same;

use std::path::PathBuf;
use std::sync::Arc;

use http::header::HeaderName;
use longshore_core::wire::{Node, OnConflict};
use longshore_core::{Code, Digest, LockToken};

use self::begun::Begun;
use self::once::Upload;
use super::content::Content;
use super::control::Control;
use super::delta::{self, Delta};
use super::plan::STAGED;
use super::progress::{ProgressSink, Report};
use super::single::{Single, Whole};
use super::source::{Known, Source, Target, UploadItem};
use super::staged::Staged;
use super::staged::protocol::Tus;
use crate::api::files::IfMatch;
use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transport::body::Sending;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// How an upload is made.
///
/// An upload that fails is sent again when the server says that nothing happened (429, 503), when no
/// connection came about, or when one broke before all of the content had left. When it broke after that, or
/// the server says that it lost sight of its own commit ([`Code::OutcomeUnknown`]), the client first looks what
/// stands at the target: the same content is the answer. Else all of it is sent again under the same key, by
/// which the server knows it: what had been stored the first time is then the answer, and not stored twice. A full
/// disk (507) is told at once.
///
/// Of content of more than 1 MiB, which is no stream, the server keeps what has come when a connection breaks, and only the
/// rest is sent again; from 32 MiB on it goes in up to four parts beside each other. A file that is written to meanwhile is
/// an error, and nothing of it appears.
///
/// [`Code::OutcomeUnknown`]: longshore_core::Code::OutcomeUnknown
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// What happens where the name is taken by a file.
    pub on_conflict: OnConflict,
    /// Writes only if this stands there.
    pub if_match: Option<IfMatch>,
    /// Writes only if nothing stands there.
    pub if_none_match: bool,
    /// The media type to state; left out, the server finds out by itself.
    pub media_type: Option<String>,
    /// The lock to write under, in place of those that the client holds; it must cover the target.
    pub lock: Option<LockToken>,
    /// The content's digest, where the caller knows it; the server verifies it.
    pub digest: Option<Digest>,
    /// What is told of progress.
    pub progress: Option<ProgressSink>,
    /// Whether nothing is sent where a file of the same length and digest stands at the target: that is the answer then.
    /// It means nothing where a file must be made, or take a name of its own, and to a stream.
    pub skip_same: bool,
    /// Whether a write states the version that it replaces, as some workspaces' rules ask
    /// ([`crate::WorkspaceSettings`]): what stands at the target is looked up just before, and somebody else's write in
    /// between is a failure. It means nothing where `if_match` is said, and where a file must be made, or take a name of its
    /// own.
    pub state_version: bool,
    /// Whether only what changed is sent of a new version.
    pub delta: Delta,
    /// A folder for what is known of large files under way, so that a program which died can go on with them in its next
    /// run: a file of 8 MiB or more, by its path, is taken up where it stopped if it has not changed and the server still
    /// has what was sent. What is kept there goes once the file is uploaded, or can never be as it is; it stays where
    /// another run may do better, because of a lock, a premise or a fault. Left out, nothing is kept, here or at the server.
    pub resume: Option<PathBuf>,
    /// The caller's hand on the upload.
    pub control: Option<Control>,
}

impl UploadOptions {
    pub(crate) fn hand(&self) -> Control {
        self.control.clone().unwrap_or_default()
    }
}

/// Breaks a body off when the attempt it belongs to is dropped.
pub(crate) struct Guard(pub(crate) Arc<Sending>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Returns the length of a source that has one; nothing for what is not there or no file. Blocks.
pub(crate) fn length(source: &Source) -> Option<u64> {
    match source {
        // What else is wrong is told when it is read.
        Source::Path(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
        Source::Bytes(bytes) => Some(bytes.len() as u64),
        Source::Stream { len, .. } => *len,
    }
}

/// Uploads one file, unless it is there already and the options say to look.
pub(crate) async fn upload_or_skip(
    client: &Client,
    source: Source,
    target: Target,
    options: &UploadOptions,
    report: Report,
) -> Result<Node> {
    let mut item = UploadItem::new(source, target, Known::Unknown);
    if same::is_asked(options) {
        let looking = same::look(client, &mut item, options);
        if let Some(found) = options.hand().guard(looking).await.transpose() {
            return same::told(&report, found);
        }
    }
    let options = UploadOptions { if_match: item.if_match.or(options.if_match), ..options.clone() };
    upload(client, item.source, &item.target, &item.known, &options, report).await
}

/// How content goes to the server.
enum Way<'a> {
    /// In shares, which a later run can go on with.
    Staged(Staged<'a>),
    /// In one upload that is gone on with where it broke.
    Single(Content),
    /// In one request that is sent again as a whole.
    Once(Source),
}

impl<'a> Way<'a> {
    /// Decides by length and kind.
    async fn of(
        client: &'a Client,
        source: Source,
        target: &'a Target,
        options: &'a UploadOptions,
        report: &'a Report,
        begun: &'a Begun<'a>,
    ) -> Result<Self> {
        // A key of the caller's goes with one request.
        if matches!(source, Source::Stream { .. }) || client.has_own_key() || target.is_root() {
            return Ok(Self::Once(source));
        }
        Ok(match Content::of(source).await? {
            Ok(content) if content.length() >= STAGED => {
                Self::Staged(Staged::new(client, content, target, options, report, begun).await?)
            }
            Ok(content) => Self::Single(content),
            Err(source) => Self::Once(source),
        })
    }
}

/// Uploads one file.
pub(crate) async fn upload(
    client: &Client,
    source: Source,
    target: &Target,
    known: &Known,
    options: &UploadOptions,
    report: Report,
) -> Result<Node> {
    let begun = Begun::new(Tus { client, options });
    let uploading = async {
        if matches!(target, Target::Version { .. }) && options.on_conflict != OnConflict::Version {
            return Err(Error::invalid("`on_conflict` says nothing about a new version of a known file"));
        }
        let path = source.path().map(PathBuf::from);
        let way = Way::of(client, source, target, options, &report, &begun).await?;
        let is_begun = match &way {
            Way::Staged(staged) => staged.is_begun().await?,
            Way::Single(_) | Way::Once(_) => false,
        };
        // What was begun is gone on with: it may be whole at the server by now, and would be a second version otherwise.
        if !is_begun
            && let Some(path) = &path
            && let Some(node) =
                delta::try_upload(client, path, target, known, options, &report, &begun).await?
        {
            return Ok(node);
        }
        match way {
            Way::Staged(staged) => staged.run().await,
            Way::Single(content) => {
                let whole = Whole::new(content).await?;
                Single::new(client, target, options, &report, &begun, whole).await?.run().await
            }
            Way::Once(source) => Upload::prepare(client, source, target, options, &report).await?.run().await,
        }
    };
    let result = options.hand().guard(Box::pin(uploading)).await;
    match &result {
        // Not under the hand that may have ended it.
        Err(error) if !error.is_network() => begun.remove_all().await,
        // Who cannot be reached is not asked again.
        _ => begun.forget_all(),
    }
    report.ended(result, |node| node.size)
}

/// Returns the digest that the server is to verify: the one that was stated, where ours is of another kind.
pub(super) fn to_verify(options: &UploadOptions, own: Digest) -> Result<Digest> {
    match options.digest {
        Some(stated) if stated.algorithm() != own.algorithm() => Ok(stated),
        Some(stated) if stated != own => {
            let message = "the content does not have the digest that was stated";
            Err(Error::mismatch(Code::DigestMismatch, message))
        }
        _ => Ok(own),
    }
}

/// Returns the locks that a write to a target names.
pub(crate) fn locks(client: &Client, target: &Target, options: &UploadOptions) -> Named {
    match (&options.lock, target) {
        (Some(lock), _) => client.locks_named(lock),
        (None, Target::Version { node }) => client.locks_on([*node]),
        (None, Target::Child { parent, .. }) => client.locks_on(parent.id()),
        (None, Target::Path(_)) => client.locks_on([]),
    }
}

/// Returns what stands at a target.
pub(crate) async fn find(client: &Client, target: &Target) -> Result<Node> {
    let files = client.files();
    match target {
        Target::Path(place) => files.by_path(place.clone()).await,
        Target::Version { node } => files.get(*node).await,
        Target::Child { parent, name } => {
            let (id, query) = parent.route();
            let mark = if query.is_empty() { "" } else { "?" };
            let path = format!("/v1/files/{id}{mark}{query}");
            let parent: Node = client.json(Call::get(path)).await?;
            let path = parent.path.join(name.clone())?;
            files.by_path((parent.workspace_id, path)).await
        }
    }
}
