//! What stands in the workspace, looked up in the order in which it is listed: no more than a page is held.

use longshore::{Client, Code, Depth, Listing, Node, Path, Place};

/// All below a folder of the workspace, for who asks in order.
pub(crate) struct Tree {
    listing: Option<Listing<Node>>,
    next: Option<Node>,
}

impl Tree {
    /// Lists what is below a place; nothing is asked for yet.
    pub(crate) fn new(client: &Client, place: Place) -> Self {
        Self { listing: Some(client.files().list(place, Depth::All)), next: None }
    }

    /// Returns the next node without taking it; nothing at the end. What is not there has nothing below it.
    pub(crate) async fn peek(&mut self) -> longshore::Result<Option<&Node>> {
        if self.next.is_none()
            && let Some(listing) = &mut self.listing
        {
            match listing.next().await {
                Some(Ok(node)) => self.next = Some(node),
                None => self.listing = None,
                Some(Err(error)) => {
                    self.listing = None;
                    if !error.is(Code::NodeNotFound) && !error.is(Code::NotAFolder) {
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

    /// Returns what stands at a path. Paths must be asked for in order. Where the listing broke off nothing is known.
    pub(crate) async fn find(&mut self, path: &Path) -> Option<Node> {
        loop {
            // Who is not told what is there sends it, and is told why that fails.
            match self.peek().await.ok()??.path.cmp(path) {
                std::cmp::Ordering::Less => drop(self.take()),
                std::cmp::Ordering::Equal => return self.take(),
                std::cmp::Ordering::Greater => return None,
            }
        }
    }
}
