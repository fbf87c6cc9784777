//! From names to addresses.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// A look-up under way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// A source of addresses: the system's, or one that a test scripts.
pub trait Resolver: Debug + Send + Sync + 'static {
    /// Returns every address that `host` has now.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// What the machine itself asks: its hosts file and name servers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
