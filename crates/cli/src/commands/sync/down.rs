//! What makes a local folder as one of the workspace is.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, Stream};
use longshore::{Name, Node, NodeKind, Path};
use longshore_flow::Blocking;

use super::{Change, Mark, Step, other_kind};
use crate::failure::{Exit, Failure};
use crate::transfer::clash::Clashes;
use crate::transfer::landing::{Landing, Spot, other};
use crate::transfer::merge::{Entry, Kind, Left, Merge, Met, is_within};
use crate::transfer::receive::{Get, Job};
use crate::transfer::same::{Reader, open_file};
use crate::transfer::summary::Outcome;

const HINT: &str = "--delete removes what is in the way";

/// What is to be done about a path.
pub(super) enum Plan {
    Step(Step<Job>),
    /// Fetch it, unless it is the same where there is an entry.
    Fetch(Option<(Entry, u64)>, Box<Node>, Ground),
}

/// Where files go; nothing in a rehearsal.
type Ground = Option<(Arc<Landing>, usize)>;

/// Decides path by path. What is removed is removed at once: it is only a name on this machine's disk, and what comes next
/// may need the room.
pub(super) struct Planner {
    merge: Merge,
    landing: Option<Arc<Landing>>,
    /// Where whole folders are removed, which takes its time.
    disk: Blocking,
    folder: Path,
    delete: bool,
    clashes: Clashes,
    /// What is here and is left as it is.
    left: Left,
    /// What is not fetched, since its folder cannot be made.
    blocked: Left,
    /// Folders that are here alone, from the outermost to the one at hand: each goes when all in it was looked at.
    extra: Vec<Path>,
    /// What comes before the next path.
    waiting: VecDeque<Plan>,
}

impl Planner {
    pub(super) fn new(
        merge: Merge,
        landing: Option<Arc<Landing>>,
        clashes: Clashes,
        folder: Path,
        delete: bool,
    ) -> Self {
        Self {
            merge,
            landing,
            disk: Blocking::new(1),
            folder,
            delete,
            clashes,
            left: Left::default(),
            blocked: Left::default(),
            extra: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn plans(self) -> impl Stream<Item = Plan> {
        stream::unfold(self, async |mut planner| Some((planner.next().await?, planner)))
    }

    async fn next(&mut self) -> Option<Plan> {
        loop {
            if let Some(plan) = self.waiting.pop_front() {
                return Some(plan);
            }
            let Some(met) = self.merge.next().await else {
                self.close(None);
                return self.waiting.pop_front();
            };
            match &met {
                Met::Local(entry) | Met::Both(entry, _) => self.close(Some(&entry.path)),
                Met::Remote(node) => self.close(Some(&node.path)),
                // Nothing is known of what comes after: what was not looked at whole stays.
                Met::Broken(_) => self.extra.clear(),
                Met::Nameless(..) => {}
            }
            let plan = match met {
                Met::Broken(failure) => Some(Plan::Step(failed(&self.folder, failure))),
                // It stands nowhere else, and where it does is not for this program to tell.
                Met::Nameless(..) => Some(Plan::Step(Step::Done(Outcome::Skipped))),
                Met::Local(entry) => self.local(entry).map(Plan::Step),
                Met::Remote(node) => self.remote(node),
                Met::Both(entry, node) => self.both(entry, node).await,
            };
            self.waiting.extend(plan);
        }
    }

    fn names<'a>(&self, path: &'a Path) -> &'a [Name] {
        path.names().get(self.folder.names().len()..).unwrap_or_default()
    }

    /// Removes the folders that are here alone and do not hold `path`: all in them was looked at.
    fn close(&mut self, path: Option<&Path>) {
        while let Some(folder) =
            self.extra.pop_if(|folder| path.is_none_or(|path| !is_within(path, Some(folder))))
        {
            let removed = self.landing.as_ref().map(|landing| landing.remove_folder(self.names(&folder)));
            match removed {
                None => {}
                Some(Ok(())) => {
                    let step = Step::Made(deleted(NodeKind::Folder, &folder));
                    self.waiting.push_back(Plan::Step(step));
                }
                // What is left in it was told by itself.
                Some(Err(failure)) if failure.code == "local_not_empty" => {}
                Some(Err(failure)) => self.waiting.push_back(Plan::Step(failed(&folder, failure))),
            }
        }
    }

    /// Decides about what is on this machine alone.
    fn local(&mut self, entry: Entry) -> Option<Step<Job>> {
        if self.left.holds(&entry.path) {
            return None;
        }
        match entry.kind {
            Kind::Unreadable(failure) => {
                let told = failed(entry.local.display(), failure);
                self.left.leave(&entry.path);
                // Nobody has looked at all in the folders that it is in.
                self.extra.retain(|folder| !is_within(&entry.path, Some(folder)));
                Some(told)
            }
            _ if !self.delete => None,
            Kind::Other => Some(Step::Done(Outcome::Skipped)),
            Kind::Folder => {
                self.extra.push(entry.path.clone());
                // It goes, and is counted, when it is left.
                self.landing.is_none().then(|| Step::Made(deleted(NodeKind::Folder, &entry.path)))
            }
            Kind::File(_) => Some(match self.remove_file(&entry.path) {
                Ok(()) => Step::Made(deleted(NodeKind::File, &entry.path)),
                Err(failure) => failed(entry.local.display(), failure),
            }),
        }
    }

    /// Decides about what is in the workspace alone.
    fn remote(&mut self, node: Box<Node>) -> Option<Plan> {
        if self.blocked.holds(&node.path) {
            return None;
        }
        if let Err(failure) = self.clashes.check(&node.path) {
            return Some(Plan::Step(failed(&node.path, failure)));
        }
        Some(match node.kind {
            NodeKind::Folder => Plan::Step(self.make(Mark::Add, &node)),
            NodeKind::File => Plan::Fetch(None, node, self.ground()),
        })
    }

    /// Decides about what is on both sides.
    async fn both(&mut self, entry: Entry, node: Box<Node>) -> Option<Plan> {
        if let Err(failure) = self.clashes.check(&node.path) {
            self.left.leave(&node.path);
            return Some(Plan::Step(failed(&node.path, failure)));
        }
        let refused = match (entry.kind, node.kind) {
            (Kind::Folder, NodeKind::Folder) => return None,
            (Kind::File(size), NodeKind::File) => {
                let entry = Entry { kind: Kind::File(size), ..entry };
                return Some(Plan::Fetch(Some((entry, size)), node, self.ground()));
            }
            (Kind::Folder, NodeKind::File) => {
                self.left.leave(&entry.path);
                match self
                    .make_room(&entry.local, &entry.path, "a folder", "a file", Landing::remove_all)
                    .await
                {
                    Ok(()) => return Some(Plan::Fetch(None, node, self.ground())),
                    Err(failure) => failure,
                }
            }
            (Kind::File(_), NodeKind::Folder) => {
                match self
                    .make_room(&entry.local, &entry.path, "a file", "a folder", Landing::remove_file)
                    .await
                {
                    Ok(()) => return Some(Plan::Step(self.make(Mark::Change, &node))),
                    Err(failure) => failure,
                }
            }
            (Kind::Other, _) => other(&entry.local),
            (Kind::Unreadable(failure), _) => failure,
        };
        self.left.leave(&node.path);
        self.blocked.leave(&node.path);
        Some(Plan::Step(failed(&node.path, refused)))
    }

    fn ground(&self) -> Ground {
        self.landing.clone().map(|landing| (landing, self.folder.names().len()))
    }

    fn make(&mut self, mark: Mark, node: &Node) -> Step<Job> {
        let change = Change::new(mark, NodeKind::Folder, &node.path, 0);
        let made = self.landing.as_ref().map(|landing| landing.folder(self.names(&node.path)));
        match made {
            None | Some(Ok(_)) => Step::Made(change),
            Some(Err(failure)) => {
                self.blocked.leave(&node.path);
                failed(&node.path, failure)
            }
        }
    }

    fn remove_file(&self, path: &Path) -> Result<(), Failure> {
        self.landing.as_ref().map_or(Ok(()), |landing| landing.remove_file(self.names(path)))
    }

    async fn make_room(
        &mut self,
        local: &std::path::Path,
        path: &Path,
        is: &str,
        wanted: &str,
        remove: fn(&Landing, &[Name]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.delete {
            return Err(other_kind(local.display(), is, wanted, HINT));
        }
        let Some(landing) = self.landing.clone() else { return Ok(()) };
        let names = self.names(path).to_vec();
        let removed = self.disk.run(move || remove(&landing, &names)).await;
        removed.map_err(|error| Failure::new(Exit::Unexpected, "unexpected", error.to_string()))?
    }
}

/// Returns what a plan comes to once the file was read.
pub(super) async fn checked(plan: Plan, reader: Reader) -> Step<Job> {
    let (entry, node, ground) = match plan {
        Plan::Step(step) => return step,
        Plan::Fetch(entry, node, ground) => (entry, node, ground),
    };
    let replaces = entry.is_some();
    if let Some((entry, size)) = entry {
        let local = entry.local;
        if reader.is_same(&node, size, move || open_file(&local)).await {
            return Step::Done(Outcome::Same(size));
        }
    }
    let mark = if replaces { Mark::Change } else { Mark::Add };
    let change = Change::new(mark, NodeKind::File, &node.path, node.size);
    let Some((landing, depth)) = ground else { return Step::Made(change) };
    let spot = landing.file(node.path.names().get(depth..).unwrap_or_default());
    match spot.and_then(|spot: Spot| spot.free(replaces)) {
        Ok(to) => Step::Do(change, Job::File(Get { node, to, replaces })),
        Err(failure) => failed(&node.path, failure),
    }
}

fn deleted(kind: NodeKind, path: &Path) -> Change {
    Change::new(Mark::Delete, kind, path, 0)
}

fn failed(what: impl std::fmt::Display, failure: Failure) -> Step<Job> {
    Step::Done(Outcome::Failed(what.to_string(), failure))
}
