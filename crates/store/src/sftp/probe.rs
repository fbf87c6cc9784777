//! What a server really does, found by trying it once with files of the store's own.
//!
//! A name of an extension is no proof: some servers list one and do something else, and a plain rename replaces a standing
//! file on one server and fails on the next.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Shared;
use super::fault::{Answer, Fault};
use super::replace::ASIDE;
use super::session::Session;
use super::stage::Temporary;
use super::wire::{Type, open};
use crate::capability::{Capability, CapabilitySet};
use crate::error::Result;

pub(super) const POSIX_RENAME: &str = "posix-rename@openssh.com";
pub(super) const HARDLINK: &str = "hardlink@openssh.com";

/// What every server can do, as long as nothing else is known of it.
pub(super) const USUAL: CapabilitySet = CapabilitySet::of(&[
    Capability::Read,
    Capability::Write,
    Capability::Delete,
    Capability::List,
    Capability::Move,
    Capability::Copy,
    Capability::Hierarchy,
]);

/// What a server of files like OpenSSH's can do. A moved file has two names for a moment, a time of seconds tells no two
/// contents apart, and no request makes a folder's entries durable.
const MOST: CapabilitySet = CapabilitySet::of(Capability::ALL)
    .without(Capability::AtomicMove)
    .without(Capability::ConditionalRead)
    .without(Capability::Metadata)
    .without(Capability::MediaType)
    .without(Capability::Durable);

/// How a server makes files visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    /// Whether it replaces a standing file in one step, with a request that is there for that.
    pub(super) replaces: bool,
    /// Whether it makes hard links, and none onto a standing file.
    pub(super) links: bool,
    /// Whether who opened a file goes on with its content after it was replaced.
    pub(super) keeps_open: bool,
}

impl Ways {
    pub(super) fn capabilities(self) -> CapabilitySet {
        let claims = [
            (Capability::AtomicWrite, self.replaces),
            (Capability::AtomicCreate, self.links),
            (Capability::SnapshotRead, self.keeps_open),
        ];
        let missing = claims.into_iter().filter(|(_, is)| !is);
        missing.fold(MOST, |all, (capability, _)| all.without(capability))
    }
}

/// Tries it out, and sweeps up what crashes have left.
pub(super) async fn find(shared: &Shared, session: &Arc<Session>) -> Result<Ways> {
    let failed = |fault: Fault| fault.error("trying what the server can do");
    // Each goes by being dropped, however this ends.
    let names = [(); 3].map(|()| Temporary::new(shared, session));
    let [first, second, third] = &names;
    for (name, content) in [(first, "1"), (second, "22")] {
        let handle = name.create(shared).await?;
        let written = async {
            handle.begin_write(0, Bytes::from_static(content.as_bytes())).await?.done().await?;
            handle.close().await
        };
        written.await.map_err(failed)?;
    }
    // The server's own clock: only it compares with the times of its files.
    let now = session.lstat(&second.path).await.map_err(failed)?;
    sweep(shared, session, now.modified()).await.map_err(failed)?;
    let is_done = |done: Answer<()>| match done {
        Ok(()) => Ok(true),
        Err(fault) if fault.is_broken() => Err(failed(fault)),
        Err(_) => Ok(false),
    };
    let size_of = async |path: &str| match session.lstat(path).await {
        Ok(there) => Ok(there.size),
        Err(fault) if fault.is_broken() => Err(failed(fault)),
        Err(_) => Ok(None),
    };
    let mut ways = Ways { replaces: false, links: false, keeps_open: false };
    if session.server().hardlink {
        let replaced = is_done(session.rename(Some(HARDLINK), &first.path, &second.path).await)?;
        let made = is_done(session.rename(Some(HARDLINK), &first.path, &third.path).await)?;
        ways.links = made
            && !replaced
            && size_of(&second.path).await? == Some(2)
            && size_of(&third.path).await? == Some(1);
    }
    if session.server().posix_rename {
        // With links the first name would be the same file as the third, which is all the same to a rename.
        let reader = session.open(&second.path, open::READ).await.map_err(failed)?;
        let renamed = is_done(session.rename(Some(POSIX_RENAME), &first.path, &second.path).await)?;
        ways.replaces =
            renamed && size_of(&second.path).await? == Some(1) && size_of(&first.path).await?.is_none();
        // Without links the server's files may be anything; then one that was kept open once proves nothing.
        if ways.replaces && ways.links {
            let kept = reader.read(0, BytesMut::with_capacity(3), 3).await;
            ways.keeps_open = kept.is_ok_and(|bytes| bytes[..] == b"22"[..]);
        }
    }
    Ok(ways)
}

/// Removes the temporary files last written longer ago than was said. What cannot be removed stays.
async fn sweep(shared: &Shared, session: &Arc<Session>, now: Option<std::time::SystemTime>) -> Answer<()> {
    let folder = shared.place.temporary();
    let is_old = |written: Option<std::time::SystemTime>| {
        let age = now.and_then(|now| now.duration_since(written?).ok());
        age.is_some_and(|age| age > shared.connection.options.sweep_older_than)
    };
    let opened = session.open_folder(&folder).await?;
    while let Some(names) = opened.names().await? {
        for found in names.iter().filter(|found| is_old(found.attributes.modified())) {
            let Ok(name) = std::str::from_utf8(&found.name) else { continue };
            if found.attributes.kind() != Type::File || name.ends_with(ASIDE) {
                continue;
            }
            match session.remove(&format!("{folder}/{name}")).await {
                Err(fault) if fault.is_broken() => return Err(fault),
                _ => {}
            }
        }
    }
    Ok(())
}
