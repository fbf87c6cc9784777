//! Local files into the workspace, and what else is done there beside them.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::{Either, ready};
use futures_util::stream::{self, Stream, StreamExt};
use longshore::{
    Client, Code, IfMatch, Known, ManyOptions, Node, Path, Place, UpdateNode, UploadItem, UploadOptions,
    UploadOutcome, WorkspaceId,
};

use super::apart::apart;
use super::progress::Counters;
use super::summary::Outcome;

/// What is done in the workspace.
pub(crate) enum Job {
    /// Send a file.
    File(Load),
    /// Make a folder, and those above it.
    Folder(Path),
    /// Put a node into the trash, if it still is what was listed.
    Trash(Box<Node>),
    /// Nothing: this is how it ended.
    Done(Outcome),
}

/// A file that is sent.
pub(crate) struct Load {
    pub(crate) local: PathBuf,
    pub(crate) path: Path,
    /// Its size, as it was seen last.
    pub(crate) size: u64,
    /// What stands at the path, where somebody has looked.
    pub(crate) known: Known,
}

/// Sends files as it was asked for.
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) workspace: WorkspaceId,
    pub(crate) options: UploadOptions,
    /// What is said of each file once it is there.
    pub(crate) described: Option<UpdateNode>,
    pub(crate) counters: Arc<Counters>,
}

impl Sender {
    /// Does jobs, so many at once, and tells how each ended. It stops when that is dropped.
    pub(crate) fn run<S>(self, jobs: S, at_once: usize) -> impl Stream<Item = Outcome>
    where
        S: Stream<Item = Job> + Send + 'static,
    {
        let options = ManyOptions {
            concurrency: Some(at_once),
            progress: Some(self.counters.sink()),
            upload: self.options.clone(),
            ..ManyOptions::default()
        };
        let sender = Arc::new(self);
        let (loads, others) = apart(jobs, at_once, |job| match job {
            Job::File(load) => Either::Left(load),
            other => Either::Right(other),
        });
        let files = sender.client.files();
        let items = Arc::clone(&sender);
        let items = loads.enumerate().map(move |(index, load)| items.item(index, load));
        let uploads = files.upload_many_from(items, options);
        let doing = Arc::clone(&sender);
        let uploads = uploads.map(move |outcome| Arc::clone(&sender).uploaded(outcome));
        let others = others.map(move |job| Arc::clone(&doing).beside(job));
        let others = others.buffer_unordered(at_once).filter_map(ready);
        stream::select(uploads.buffer_unordered(at_once), others)
    }

    fn item(&self, index: usize, load: Load) -> UploadItem {
        let Load { local, path, size, known } = load;
        self.counters.will_move(index, &path, size);
        UploadItem { source: local.into(), target: self.place(path).into(), known, if_match: None }
    }

    fn place(&self, path: Path) -> Place {
        Place::from((self.workspace, path))
    }

    async fn uploaded(self: Arc<Self>, outcome: UploadOutcome) -> Outcome {
        let described = async {
            let node = outcome.result?;
            match &self.described {
                Some(change) => {
                    let unchanged = node.version_id.map(IfMatch::Version);
                    self.client.files().update(node.id, change, unchanged).await
                }
                None => Ok(node),
            }
        };
        match described.await {
            Ok(node) => Outcome::File(node.size),
            Err(error) => Outcome::Failed(outcome.target.to_string(), error.into()),
        }
    }

    /// Does what is no upload.
    async fn beside(self: Arc<Self>, job: Job) -> Option<Outcome> {
        let (path, done) = match job {
            // These go another way.
            Job::File(_) => return None,
            Job::Done(outcome) => return Some(outcome),
            Job::Folder(path) => {
                let made = self.client.files().mkdir(self.place(path.clone())).await;
                (path, made.map(|_| Outcome::Folder))
            }
            Job::Trash(node) => {
                let gone = trash(&self.client, &node).await;
                (node.path, gone.map(|()| Outcome::Deleted))
            }
        };
        Some(done.unwrap_or_else(|error| Outcome::Failed(path.to_string(), error.into())))
    }
}

/// Puts a node into the trash, a file only if it has the version that was listed.
pub(crate) async fn trash(client: &Client, node: &Node) -> longshore::Result<()> {
    match client.files().trash(node.id, node.version_id.map(IfMatch::Version)).await {
        Ok(_) => Ok(()),
        // It is gone, which is what was wanted.
        Err(error) if error.is(Code::NodeNotFound) => Ok(()),
        Err(error) => Err(error),
    }
}
