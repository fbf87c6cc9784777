//! From names to addresses.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// A look-up under way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// A source of addresses: the system's, or one that a test scripts.
pub trait Resolver: Debug + Send + Sync + 'static {
    /// Returns every address that `host` has now.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// How many look-ups wait for the machine's name servers at once. A look-up cannot be called off, and holds a thread of
/// those that all blocking work shares: name servers that do not answer must not take them all.
const AT_ONCE: usize = 32;

/// How many more there are for those who only ask whether a URL may be dialled: whoever sets URLs with names that no name
/// server answers for holds up others who do, and nothing that is sent.
const CHECKS: usize = 8;

type LookUp = fn(&str) -> io::Result<Vec<IpAddr>>;

/// What the machine itself asks: its hosts file and name servers.
#[derive(Clone, Debug)]
pub(crate) struct SystemResolver {
    slots: Arc<Semaphore>,
    look_up: LookUp,
}

impl SystemResolver {
    /// Makes the one for requests, and the one for checks.
    pub(crate) fn both() -> (Self, Self) {
        (Self::with(look_up, AT_ONCE), Self::with(look_up, CHECKS))
    }

    fn with(look_up: LookUp, at_once: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(at_once)), look_up }
    }
}

fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)?;
            let (host, look_up) = (host.to_owned(), self.look_up);
            let found = tokio::task::spawn_blocking(move || {
                let found = look_up(&host);
                // Not before: whoever asked may have gone, and the thread is still taken.
                drop(slot);
                found
            });
            found.await.map_err(io::Error::other)?
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::{AT_ONCE, CHECKS, Resolver, SystemResolver};
    use crate::{ErrorKind, Guard, Request, Settings};

    /// How many ask a name server that does not answer, and whether it answers now.
    static ASKING: Mutex<(usize, bool)> = Mutex::new((0, false));
    static ANSWERED: Condvar = Condvar::new();

    fn hanging(_: &str) -> io::Result<Vec<IpAddr>> {
        let mut asking = ASKING.lock().unwrap();
        asking.0 += 1;
        drop(ANSWERED.wait_while(asking, |(_, answers)| !*answers).unwrap());
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn name_servers_that_do_not_answer_take_so_many_threads_and_no_more() {
        let resolver = SystemResolver::with(hanging, AT_ONCE);
        let impatient = async |_| timeout(Duration::from_millis(50), resolver.resolve("example.com")).await;
        // Nobody who asks waits for long; what they asked for goes on.
        for _ in 0..2 {
            assert!(join_all((0..AT_ONCE).map(impatient)).await.iter().all(Result::is_err));
        }
        while ASKING.lock().unwrap().0 < AT_ONCE {
            sleep(Duration::from_millis(5)).await;
            assert!(join_all((0..AT_ONCE).map(impatient)).await.iter().all(Result::is_err));
        }
        let guard = Guard::with_resolver(Settings::default(), Arc::new(resolver.clone())).unwrap();
        let mut request = Request::get(guard.check_url("https://example.com/").unwrap());
        request.limits.connect = Duration::from_millis(50);
        assert_eq!(guard.send(request).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(ASKING.lock().unwrap().0, AT_ONCE);
        ASKING.lock().unwrap().1 = true;
        ANSWERED.notify_all();
        assert_eq!(resolver.resolve("example.com").await.unwrap(), [Ipv4Addr::LOCALHOST]);
    }

    #[tokio::test]
    async fn the_machine_knows_its_own_name() {
        let found = SystemResolver::both().0.resolve("localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
    #[tokio::test(start_paused = true)]
    async fn checks_that_nobody_answers_hold_up_nothing_that_is_sent() {
        fn public(_: &str) -> io::Result<Vec<IpAddr>> {
            Ok(vec![Ipv4Addr::new(93, 184, 215, 14).into()])
        }
        let (sending, checking) =
            (SystemResolver::with(public, AT_ONCE), SystemResolver::with(public, CHECKS));
        let held = Arc::clone(&checking.slots).try_acquire_many_owned(CHECKS.try_into().unwrap()).unwrap();
        let guard = Guard::with_resolvers(Settings::default(), Arc::new(sending), Arc::new(checking));
        let guard = guard.unwrap();
        // A check waits for a while, and passes: the address is looked at again when it is dialled.
        let target = guard.check("https://example.com/").await.unwrap();
        assert_eq!(guard.addresses(&target).await.unwrap().len(), 1);
        drop(held);
    }
}
