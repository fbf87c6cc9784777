//! Replacing a file on a server that has no request for that: in steps, of which none loses content.
//!
//! The standing file goes aside, the new one takes its name, and the one aside goes; or comes back where the server refuses.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Shared;
use super::fault::{Answer, Fault};
use super::session::Session;
use super::stage::Temporary;
use super::upkeep::Upkeep;
use super::wire::Type;

/// How the names of files end that were put aside. They are never swept: one may be all that is left of a file.
pub(super) const ASIDE: &str = ".aside";

/// Gives a file the name of another, which goes.
pub(super) async fn replace(shared: &Shared, session: &Arc<Session>, from: &str, to: &str) -> Answer<()> {
    match session.rename(None, from, to).await {
        Err(fault) if !fault.is_broken() => {
            // The protocol's own rename fails if the file stands.
            if !session.lstat(to).await.is_ok_and(|there| there.kind() == Type::File) {
                return Err(fault);
            }
        }
        renamed => return renamed,
    }
    // A move may be the first that needs it. What is wrong with it shows at once.
    shared.place.make_folder(session, crate::own_names::TEMPORARY).await.ok();
    let mut aside = Temporary::new(shared, session);
    aside.path.push_str(ASIDE);
    // From here on it is nobody's to take away.
    aside.is_gone = true;
    let (from, to, session) = (from.to_owned(), to.to_owned(), Arc::clone(session));
    let running = Upkeep::start(&shared.connection.upkeep);
    let (tell, told) = oneshot::channel();
    // Whoever asked may give up at any point: it is brought to its end all the same.
    shared.connection.tasks.spawn(async move {
        let done = in_steps(&session, &from, &to, &mut aside).await;
        drop(aside);
        drop(session);
        // Nobody may wait for it any more.
        tell.send(done).ok();
        drop(running);
    });
    told.await.unwrap_or(Err(Fault::Broken("the session has ended")))
}

async fn in_steps(session: &Session, from: &str, to: &str, aside: &mut Temporary) -> Answer<()> {
    match session.rename(None, to, &aside.path).await {
        Ok(()) => {}
        // Another has taken it away.
        Err(fault) if fault.is_missing() => return session.rename(None, from, to).await,
        Err(fault) if fault.is_broken() => return Err(torn(from, to, &aside.path)),
        Err(fault) => return Err(fault),
    }
    let fault = match session.rename(None, from, to).await {
        Ok(()) => {
            // By being dropped it goes at the latest, or when there is a session again.
            aside.is_gone = session.remove(&aside.path).await.is_ok();
            return Ok(());
        }
        Err(fault) if fault.is_broken() => return Err(torn(from, to, &aside.path)),
        Err(fault) => fault,
    };
    match session.rename(None, &aside.path, to).await {
        Ok(()) => Err(fault),
        // Another has written the file meanwhile, so that what is aside was replaced by that.
        Err(back)
            if !back.is_broken() && session.lstat(to).await.is_ok_and(|there| there.kind() == Type::File) =>
        {
            aside.is_gone = false;
            Err(fault)
        }
        Err(_) => Err(torn(from, to, &aside.path)),
    }
}

fn torn(from: &str, to: &str, aside: &str) -> Fault {
    Fault::Torn(format!(
        "a file was being replaced when the server failed: if {to} does not stand there, its older content is {aside} and the newer {from}"
    ))
}
