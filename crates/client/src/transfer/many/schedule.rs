//! Which of many files move when: small ones in groups, the others by themselves, beside each other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered};
use futures_util::{FutureExt, Stream, StreamExt};
use longshore_core::WorkspaceId;
use tokio::sync::mpsc::UnboundedSender;

use crate::transfer::control::Control;
use crate::transfer::plan::{AHEAD, GROUPS_AT_ONCE, group_is_full};

#[cfg(test)]
mod tests;

/// What moves files one way.
pub(super) trait Work: Send + Sync + 'static {
    /// What the caller gives.
    type Given: Send + 'static;
    /// The same, once it was looked at.
    type Item: Send + 'static;
    /// How it ended.
    type Outcome: Send + 'static;

    /// Tells how many bytes of memory an item holds.
    fn held(given: &Self::Given) -> u64;

    /// Looks at items where that may block, in their order. The number is the item's place.
    fn look(&self, given: Vec<(usize, Self::Given)>) -> Vec<Self::Item>;

    /// Tells whether it is to be seen first if the item need not move at all.
    fn is_unsure(&self, item: &Self::Item) -> bool;

    /// Sees whether an item need not move: its outcome then, or itself.
    fn check(self: Arc<Self>, item: Self::Item) -> BoxFuture<'static, Result<Self::Outcome, Self::Item>>;

    /// Returns what an item can be moved with others by, if it can.
    fn grouping(&self, item: &Self::Item) -> Option<Grouping>;

    /// Moves one item.
    fn alone(self: Arc<Self>, item: Self::Item) -> BoxFuture<'static, Self::Outcome>;

    /// Moves items of one workspace together, and tells the outcome of each as it is known.
    fn together(
        self: Arc<Self>,
        workspace: Option<WorkspaceId>,
        items: Vec<Self::Item>,
        outcomes: UnboundedSender<Self::Outcome>,
    ) -> BoxFuture<'static, ()>;
}

/// What an item can be moved with others by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grouping {
    /// All of a group are of one workspace; nothing stands for the key's current one.
    pub(super) workspace: Option<WorkspaceId>,
    /// The item's length.
    pub(super) bytes: u64,
}

/// Small files that move together.
struct Group<T> {
    workspace: Option<WorkspaceId>,
    items: Vec<T>,
    bytes: u64,
}

/// What the caller gives, each with its place.
type Items<T> = BoxStream<'static, (usize, T)>;

/// Some of what the caller gives, and where the rest comes from; nothing once that was all.
struct Taken<T> {
    given: Vec<(usize, T)>,
    rest: Option<Items<T>>,
}

/// What has ended.
enum Ended<W: Work> {
    /// The wait for the next items; nothing where all was cancelled meanwhile.
    Waited(Option<Taken<W::Given>>),
    Looked(Vec<W::Item>),
    Checked(Option<W::Item>),
    Alone,
    Group,
}

/// Takes what is there, and waits only for the first of it; tells whether there is more. Who does not wait to the end has
/// taken nothing.
async fn take<W: Work>(items: &mut Items<W::Given>) -> (Vec<(usize, W::Given)>, bool) {
    let (mut given, mut held) = (Vec::new(), 0);
    let taking = poll_fn(|cx| {
        while given.len() < AHEAD && !group_is_full(given.len(), held) {
            match items.poll_next_unpin(cx) {
                Poll::Ready(Some((place, next))) => {
                    held += W::held(&next);
                    given.push((place, next));
                }
                Poll::Ready(None) => return Poll::Ready(false),
                Poll::Pending if given.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(true)
    });
    let goes_on = taking.await;
    (given, goes_on)
}

/// Moves what a caller gives. It is taken no further ahead than [`AHEAD`] items.
pub(super) struct Schedule<W: Work> {
    work: Arc<W>,
    /// Nothing while it is waited for, and once it has ended.
    items: Option<Items<W::Given>>,
    /// How many move, or are checked, at once.
    limit: usize,
    control: Control,
    outcomes: UnboundedSender<W::Outcome>,
    running: FuturesUnordered<BoxFuture<'static, Ended<W>>>,
    /// How many of those that run count towards the limit.
    moving: usize,
    checking: usize,
    groups: usize,
    looking: bool,
    /// Whether the caller has no item just now and will have more.
    waiting: bool,
    /// What was looked at and has not begun.
    seen: VecDeque<W::Item>,
    open: Option<Group<W::Item>>,
    /// What takes no more. While there is one nothing else begins, so that there are few.
    closed: VecDeque<Group<W::Item>>,
}

impl<W: Work> Schedule<W> {
    pub(super) fn new(
        work: W,
        items: impl Stream<Item = W::Given> + Send + 'static,
        limit: usize,
        control: Control,
        outcomes: UnboundedSender<W::Outcome>,
    ) -> Self {
        Self {
            work: Arc::new(work),
            items: Some(items.enumerate().boxed()),
            limit: limit.max(1),
            control,
            outcomes,
            running: FuturesUnordered::new(),
            moving: 0,
            checking: 0,
            groups: 0,
            looking: false,
            waiting: false,
            seen: VecDeque::new(),
            open: None,
            closed: VecDeque::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            if self.control.is_cancelled() {
                // What has not begun has no outcome.
                self.items = None;
                self.seen.clear();
                self.open = None;
                self.closed.clear();
            }
            while self.begin() {}
            match self.running.next().await {
                None => return,
                Some(Ended::Waited(came)) => {
                    self.waiting = false;
                    if let Some(taken) = came {
                        self.look_at(taken);
                    }
                }
                Some(Ended::Looked(items)) => {
                    self.looking = false;
                    self.seen.extend(items);
                }
                Some(Ended::Checked(item)) => {
                    self.moving -= 1;
                    self.checking -= 1;
                    if let Some(item) = item {
                        self.route(item);
                    }
                }
                Some(Ended::Alone) => self.moving -= 1,
                Some(Ended::Group) => {
                    self.moving -= 1;
                    self.groups -= 1;
                }
            }
        }
    }

    /// Begins one thing that there is room for; tells whether there was any.
    fn begin(&mut self) -> bool {
        if self.seen.is_empty()
            && !self.looking
            && let Some(items) = self.items.take()
        {
            self.look(items);
            return true;
        }
        if self.moving >= self.limit {
            // Small ones wait for more of their kind only while there is room for others.
            if self.groups == 0 && self.closed.is_empty() {
                self.closed.extend(self.open.take());
            }
            return false;
        }
        if !self.closed.is_empty() {
            return self.groups < GROUPS_AT_ONCE && self.begin_group();
        }
        if let Some(item) = self.seen.pop_front() {
            if self.work.is_unsure(&item) {
                self.check(item);
            } else {
                self.route(item);
            }
            return true;
        }
        let none_comes = self.items.is_none() && !self.waiting && !self.looking && self.checking == 0;
        // Nobody knows when the next one comes, and who gives it may wait for the outcome of these.
        let none_goes = self.waiting && self.groups == 0;
        if (none_comes || none_goes) && self.open.is_some() {
            self.closed.extend(self.open.take());
            return true;
        }
        false
    }

    /// Looks at the next items, or waits for them.
    fn look(&mut self, mut items: Items<W::Given>) {
        if let Some((given, goes_on)) = take::<W>(&mut items).now_or_never() {
            return self.look_at(Taken { given, rest: goes_on.then_some(items) });
        }
        self.waiting = true;
        let control = self.control.clone();
        self.running.push(Box::pin(async move {
            let taken = control.guard(async { Ok(take::<W>(&mut items).await) }).await;
            let taken = taken.ok();
            Ended::Waited(taken.map(|(given, goes_on)| Taken { given, rest: goes_on.then_some(items) }))
        }));
    }

    fn look_at(&mut self, Taken { given, rest }: Taken<W::Given>) {
        self.items = rest.filter(|_| !self.control.is_cancelled());
        if given.is_empty() {
            return;
        }
        self.looking = true;
        let work = Arc::clone(&self.work);
        self.running.push(Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || work.look(given)).await;
            Ended::Looked(looked.unwrap_or_else(|lost| match lost.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is stopping, and nothing moves any more.
                Err(_) => Vec::new(),
            }))
        }));
    }

    fn check(&mut self, item: W::Item) {
        self.moving += 1;
        self.checking += 1;
        let (checking, outcomes) = (Arc::clone(&self.work).check(item), self.outcomes.clone());
        self.running.push(Box::pin(async move {
            match checking.await {
                Ok(outcome) => {
                    // Who drops the stream drops this too; nobody else stops listening.
                    drop(outcomes.send(outcome));
                    Ended::Checked(None)
                }
                Err(item) => Ended::Checked(Some(item)),
            }
        }));
    }

    /// Has an item move, now or with others.
    fn route(&mut self, item: W::Item) {
        let Some(Grouping { workspace, bytes }) = self.work.grouping(&item) else {
            return self.begin_alone(item);
        };
        if self.open.as_ref().is_some_and(|group| group.workspace != workspace) {
            self.closed.extend(self.open.take());
        }
        let group = self.open.get_or_insert_with(|| Group { workspace, items: Vec::new(), bytes: 0 });
        group.bytes += bytes;
        group.items.push(item);
        if group_is_full(group.items.len(), group.bytes) {
            self.closed.extend(self.open.take());
        }
    }

    fn begin_alone(&mut self, item: W::Item) {
        self.moving += 1;
        let (moving, outcomes) = (Arc::clone(&self.work).alone(item), self.outcomes.clone());
        self.running.push(Box::pin(async move {
            drop(outcomes.send(moving.await));
            Ended::Alone
        }));
    }

    fn begin_group(&mut self) -> bool {
        let Some(Group { workspace, mut items, .. }) = self.closed.pop_front() else { return false };
        if items.len() < 2 {
            // By itself it needs no framing.
            if let Some(item) = items.pop() {
                self.begin_alone(item);
            }
            return true;
        }
        self.moving += 1;
        self.groups += 1;
        let moving = Arc::clone(&self.work).together(workspace, items, self.outcomes.clone());
        self.running.push(Box::pin(async move {
            moving.await;
            Ended::Group
        }));
        true
    }
}
