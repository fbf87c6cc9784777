//! Putting files into a drop box: new ones alone, of which nothing is shown afterwards.

use bytes::Bytes;
use longshore_core::wire::{Dropped, OnConflict, ShareMode};
use longshore_core::{Code, Digest, Name, Timestamp};

use super::not_found;
use super::visit::{Visit, enter, told};
use crate::act::Premises;
use crate::db::Tx;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::Idempotency;
use crate::nodes::Target;
use crate::upload::{Upload, UploadOptions};

/// After how many bytes it is asked again whether the link still takes them.
const LOOK: u64 = 16 * 1_024 * 1_024;

/// What is said of a file before it comes into a drop box.
#[derive(Clone, Debug, Default)]
pub struct DropOptions {
    /// How many bytes will come, where that is known.
    pub length: Option<u64>,
    /// The media type the visitor states.
    pub media_type: Option<String>,
    /// Digests the content must have.
    pub digests: Vec<Digest>,
    /// What makes a repeat of the request within the visit give the first answer again.
    pub idempotency: Option<Idempotency>,
}

/// A file on its way into a drop box. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Dropping {
    engine: Engine,
    visit: Visit,
    upload: Upload,
    /// How many bytes have come since the link was last looked at.
    unasked: u64,
}

/// Tells a visitor why a file did not go in: nothing of what lies there, of who is at work there, or of how much there is.
fn refused(error: Error) -> Error {
    match error.code() {
        Code::Locked => Error::new(Code::Locked, "somebody is at work there: come again later"),
        Code::QuotaExceeded => Error::new(Code::QuotaExceeded, "there is no room for this"),
        // Everything that is named is the folder itself.
        Code::NodeNotFound | Code::NotAFolder => not_found(),
        _ => told(error),
    }
}

async fn ensure_taken(tx: &mut Tx, visit: &Visit, now: Timestamp) -> Result<()> {
    enter(tx, visit, ShareMode::Drop, now).await.map(drop)
}

impl Engine {
    /// Begins to put a file into a drop box. A name that is taken there gets a number, of which the visitor hears nothing.
    pub async fn begin_drop(&self, visit: &Visit, name: Name, options: DropOptions) -> Result<Dropping> {
        let (now, visiting) = (self.now(), visit.clone());
        let entered = self.db().read(move |tx| {
            let visit = visiting.clone();
            Box::pin(async move { enter(tx, &visit, ShareMode::Drop, now).await })
        });
        let entered = entered.await.map_err(refused)?;
        let DropOptions { length, media_type, digests, idempotency } = options;
        let idempotency = match idempotency {
            Some(key) => Some(key.of_visit(visit.id()?)),
            None => None,
        };
        let options = UploadOptions {
            length,
            media_type,
            digests,
            on_conflict: OnConflict::Rename,
            metadata: None,
            premises: Premises { idempotency, ..Premises::default() },
        };
        let target = Target::Child { parent: entered.share.node_id, name };
        // In boxes: what awaits an upload that is looked after stays small.
        let upload = Box::pin(self.begin_upload(&entered.actor, target, options)).await.map_err(refused)?;
        Ok(Dropping { engine: self.clone(), visit: visit.clone(), upload, unasked: 0 })
    }
}

impl Dropping {
    /// Takes the next bytes of the content. Every 16 MiB it is asked anew whether the link takes them.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.unasked += bytes.len() as u64;
        if self.unasked >= LOOK {
            self.unasked = 0;
            let (visit, now) = (self.visit.clone(), self.engine.now());
            let asked = self.engine.db().read(move |tx| {
                let visit = visit.clone();
                Box::pin(async move { ensure_taken(tx, &visit, now).await })
            });
            match asked.await {
                // The visit may end while what it has begun goes on.
                Err(error) if error.code() == Code::ShareNotOpened => {}
                asked => asked.map_err(refused)?,
            }
        }
        Box::pin(self.upload.write(bytes)).await.map_err(refused)
    }

    /// Ends the content: verifies it, makes it durable, and commits it as a file, where the link takes it still.
    pub async fn finish(self) -> Result<Dropped> {
        let node = Box::pin(self.upload.finish()).await.map_err(refused)?.node;
        let digest = node.digest.ok_or_else(|| Error::corrupt("a file without a digest"))?;
        Ok(Dropped { size: node.size, digest, stored_at: node.created_at })
    }
}
