//! What makes the workspace as a local folder is.

use futures_util::stream::{self, Stream};
use longshore::{Client, Known, Node, NodeKind, Path};

use super::{Change, Mark, Step, other_kind};
use crate::failure::Failure;
use crate::transfer::merge::{Entry, Kind, Left, Merge, Met};
use crate::transfer::same::{Reader, open_file};
use crate::transfer::send::{Job, Load, trash};
use crate::transfer::summary::Outcome;

/// What is to be done about a path.
pub(super) enum Plan {
    Step(Step<Job>),
    /// Send it unless it is the same.
    Compare(Entry, u64, Box<Node>),
}

/// Decides path by path. What stands in the way of another kind is put away at once, so that what comes next finds room.
pub(super) struct Planner {
    merge: Merge,
    /// Nothing in a rehearsal.
    client: Option<Client>,
    folder: Path,
    delete: bool,
    /// What of the workspace is left as it is: nobody can tell whether it is missing here, or it went with its folder.
    left: Left,
    /// What is not sent, since its folder cannot be made.
    blocked: Left,
}

impl Planner {
    pub(super) fn new(merge: Merge, client: Option<Client>, folder: Path, delete: bool) -> Self {
        Self { merge, client, folder, delete, left: Left::default(), blocked: Left::default() }
    }

    pub(super) fn plans(self) -> impl Stream<Item = Plan> {
        stream::unfold(self, async |mut planner| Some((planner.next().await?, planner)))
    }

    async fn next(&mut self) -> Option<Plan> {
        loop {
            let step = match self.merge.next().await? {
                Met::Nameless(local, failure) => failed(local.display(), failure),
                Met::Broken(failure) => failed(&self.folder, failure),
                Met::Local(entry) => match self.local(entry) {
                    Some(step) => step,
                    None => continue,
                },
                Met::Remote(node) => match self.remote(node) {
                    Some(step) => step,
                    None => continue,
                },
                Met::Both(entry, node) => match (entry.kind, node.kind) {
                    (Kind::Folder, NodeKind::Folder) => continue,
                    (Kind::File(size), NodeKind::File) if size == node.size => {
                        let kind = Kind::File(size);
                        return Some(Plan::Compare(Entry { kind, ..entry }, size, node));
                    }
                    (kind, _) => self.both(Entry { kind, ..entry }, &node).await,
                },
            };
            return Some(Plan::Step(step));
        }
    }

    /// Decides about what is on this machine alone.
    fn local(&mut self, entry: Entry) -> Option<Step<Job>> {
        if self.blocked.holds(&entry.path) {
            return None;
        }
        Some(match entry.kind {
            Kind::Folder => folder(Mark::Add, entry.path),
            Kind::File(size) => file(Mark::Add, entry, size, Known::Unknown),
            Kind::Other => Step::Done(Outcome::Skipped),
            Kind::Unreadable(failure) => {
                let told = failed(entry.local.display(), failure);
                self.left.leave(&entry.path);
                told
            }
        })
    }

    /// Decides about what is in the workspace alone.
    fn remote(&mut self, node: Box<Node>) -> Option<Step<Job>> {
        if !self.delete || self.left.holds(&node.path) {
            return None;
        }
        if node.kind == NodeKind::Folder {
            // All below goes with it.
            self.left.leave(&node.path);
        }
        Some(Step::Do(Change::new(Mark::Delete, node.kind, &node.path, 0), Job::Trash(node)))
    }

    /// Decides about what differs at first sight.
    async fn both(&mut self, entry: Entry, node: &Node) -> Step<Job> {
        match entry.kind {
            Kind::File(size) if node.kind == NodeKind::File => {
                file(Mark::Change, entry, size, node.clone().into())
            }
            Kind::File(size) => {
                self.left.leave(&entry.path);
                match make_room(self.client.as_ref(), self.delete, node, "a folder", "a file").await {
                    Ok(()) => file(Mark::Change, entry, size, Known::Unknown),
                    Err(failure) => failed(&node.path, failure),
                }
            }
            Kind::Folder => {
                match make_room(self.client.as_ref(), self.delete, node, "a file", "a folder").await {
                    Ok(()) => folder(Mark::Change, entry.path),
                    Err(failure) => {
                        self.blocked.leave(&entry.path);
                        failed(&node.path, failure)
                    }
                }
            }
            Kind::Other => {
                self.left.leave(&entry.path);
                Step::Done(Outcome::Skipped)
            }
            Kind::Unreadable(failure) => {
                self.left.leave(&entry.path);
                failed(entry.local.display(), failure)
            }
        }
    }
}

/// Puts away what stands where something of another kind goes, if that is wanted.
async fn make_room(
    client: Option<&Client>,
    delete: bool,
    node: &Node,
    is: &str,
    wanted: &str,
) -> Result<(), Failure> {
    if !delete {
        let hint = "--delete puts what is in the way into the trash";
        return Err(other_kind(&node.path, is, wanted, hint));
    }
    match client {
        Some(client) => Ok(trash(client, node).await?),
        None => Ok(()),
    }
}

/// Returns what a plan comes to once the file was read.
pub(super) async fn checked(plan: Plan, reader: Reader) -> Step<Job> {
    match plan {
        Plan::Step(step) => step,
        Plan::Compare(entry, size, node) => {
            let local = entry.local.clone();
            if reader.is_same(&node, size, move || open_file(&local)).await {
                return Step::Done(Outcome::Same(size));
            }
            file(Mark::Change, entry, size, Known::Node(node))
        }
    }
}

fn file(mark: Mark, entry: Entry, size: u64, known: Known) -> Step<Job> {
    let change = Change::new(mark, NodeKind::File, &entry.path, size);
    Step::Do(change, Job::File(Load { local: entry.local, path: entry.path, size, known }))
}

fn folder(mark: Mark, path: Path) -> Step<Job> {
    Step::Do(Change::new(mark, NodeKind::Folder, &path, 0), Job::Folder(path))
}

fn failed(what: impl std::fmt::Display, failure: Failure) -> Step<Job> {
    Step::Done(Outcome::Failed(what.to_string(), failure))
}
