//! What stands in the workspace, looked up in the order in which it is listed: no more than a page is held.

use std::cmp::Ordering;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use longshore::{Client, Code, Depth, Node, Path, Place, WorkspaceId};

/// So many nodes that nobody asked for are passed over, and so many more for each path that was asked for. Beyond that most
/// of the folder is not what is asked about, and looking up each path costs less than listing it.
const PASSED: u64 = 2_000;
const PASSED_EACH: u64 = 20;

/// All below a folder of the workspace, for who asks in order.
pub(crate) struct Tree {
    client: Client,
    workspace: Option<WorkspaceId>,
    listing: Option<BoxStream<'static, longshore::Result<Node>>>,
    next: Option<Node>,
    /// Whether a folder that is not there just has nothing below it. So it is until the first node: a folder that goes
    /// while it is listed says nothing of what it held.
    may_be_missing: bool,
    asked: u64,
    passed: u64,
    /// Whether the listing says no more of paths than that somebody has to look.
    is_left: bool,
}

/// What stands at a path.
#[derive(Debug)]
pub(crate) enum Found {
    Node(Box<Node>),
    Nothing,
    /// It takes a look.
    Unknown,
}

impl Tree {
    /// Lists what is below a place, where there may be nothing yet; nothing is asked for until somebody looks.
    pub(crate) fn new(client: &Client, place: Place) -> Self {
        Self { may_be_missing: true, ..Self::existing(client, place) }
    }

    /// Lists what is below a folder that is known to be there: one that is not found then is a listing that broke off.
    pub(crate) fn existing(client: &Client, place: Place) -> Self {
        let workspace = place.workspace;
        Self::over(client, workspace, client.files().list(place, Depth::All).boxed())
    }

    fn over(
        client: &Client,
        workspace: Option<WorkspaceId>,
        listing: BoxStream<'static, longshore::Result<Node>>,
    ) -> Self {
        Self {
            client: client.clone(),
            workspace,
            listing: Some(listing),
            next: None,
            may_be_missing: false,
            asked: 0,
            passed: 0,
            is_left: false,
        }
    }

    /// Returns the next node without taking it; nothing at the end. After an error there is none.
    pub(crate) async fn peek(&mut self) -> longshore::Result<Option<&Node>> {
        if self.next.is_none()
            && let Some(listing) = &mut self.listing
        {
            match listing.next().await {
                Some(Ok(node)) => {
                    self.may_be_missing = false;
                    self.next = Some(node);
                }
                None => self.listing = None,
                Some(Err(error)) => {
                    self.listing = None;
                    let is_missing = error.is(Code::NodeNotFound) || error.is(Code::NotAFolder);
                    if !(is_missing && self.may_be_missing) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(self.next.as_ref())
    }

    /// Takes the next node.
    pub(crate) fn take(&mut self) -> Option<Node> {
        self.next.take()
    }

    /// Returns what stands at a path. Paths must be asked for in order.
    pub(crate) async fn find(&mut self, path: &Path) -> Found {
        self.asked += 1;
        loop {
            if self.is_left {
                return Found::Unknown;
            }
            let order = match self.peek().await {
                Ok(None) => return Found::Nothing,
                Ok(Some(node)) => node.path.cmp(path),
                // Who looks is told why, or is luckier.
                Err(_) => {
                    self.is_left = true;
                    continue;
                }
            };
            match order {
                Ordering::Less => {
                    self.passed += 1;
                    drop(self.take());
                    if self.passed > PASSED + PASSED_EACH * self.asked {
                        self.is_left = true;
                        self.listing = None;
                    }
                }
                Ordering::Equal => {
                    return self.take().map_or(Found::Nothing, |node| Found::Node(Box::new(node)));
                }
                Ordering::Greater => return Found::Nothing,
            }
        }
    }

    /// Returns what looks at paths by themselves.
    pub(crate) fn looker(&self) -> Looker {
        Looker { client: self.client.clone(), workspace: self.workspace }
    }
}

/// Looks at paths by themselves.
pub(crate) struct Looker {
    client: Client,
    workspace: Option<WorkspaceId>,
}

impl Looker {
    /// Returns the node at a path; nothing too where nobody can tell, since who then sends the file is told why not.
    pub(crate) async fn look(&self, path: &Path) -> Option<Node> {
        self.client.files().by_path((self.workspace, path.clone())).await.ok()
    }
}

#[cfg(test)]
impl Tree {
    /// Lists nodes that a test makes up, for a server that nobody asks.
    pub(crate) fn of(nodes: Vec<Node>) -> Self {
        let client = Client::builder().url("http://127.0.0.1:1").api_key("none").build().unwrap();
        Self::over(&client, None, futures_util::stream::iter(nodes.into_iter().map(Ok)).boxed())
    }
}
