//! What may be asked at all: schemes, ports, hosts and their addresses.

use std::fmt::{self, Debug, Display};
use std::net::IpAddr;
use std::sync::Arc;

use http::uri::PathAndQuery;
use url::{Host, Url};

use crate::address::refusal;
use crate::connect::Tls;
use crate::error::{Error, ErrorKind, Result};
use crate::resolve::{Resolver, SystemResolver};
use crate::settings::Settings;

/// No program needs longer ones, and they are stored and shown.
const LONGEST_URL: usize = 2048;
/// A name with more addresses than this is not asked at the others.
const MOST_ADDRESSES: usize = 16;

/// The way out. Clones share settings and trust.
#[derive(Clone, Debug)]
pub struct Guard(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) tls: Tls,
    resolver: Arc<dyn Resolver>,
    /// Who is asked for [`Guard::check`].
    checking: Arc<dyn Resolver>,
}

/// A URL that passed [`Guard::check_url`].
///
/// Its path and query may hold a token, so `Debug` shows only where it leads.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(pub(crate) Url);

impl Target {
    /// Returns the whole URL, normalised.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(crate) fn host(&self) -> Host<&str> {
        // `check` made sure of it.
        self.0.host().unwrap_or(Host::Domain(""))
    }

    /// The path and query, as they stand in a request's first line.
    pub(crate) fn origin_form(&self) -> Result<PathAndQuery> {
        let text = match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        };
        text.parse().map_err(|_| blocked("the URL's path or query has a character HTTP does not take"))
    }

    /// Host and port, as they stand in a request's `Host`.
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.0.origin().ascii_serialization())
    }
}

impl Guard {
    /// Makes a guard that asks the system for addresses.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn new(settings: Settings) -> Result<Self> {
        let (sending, checking) = SystemResolver::both();
        Self::with_resolvers(settings, Arc::new(sending), Arc::new(checking))
    }

    /// Makes a guard that asks `resolver` for addresses.
    ///
    /// # Errors
    /// When the file of authorities cannot be used.
    pub fn with_resolver(settings: Settings, resolver: Arc<dyn Resolver>) -> Result<Self> {
        Self::with_resolvers(settings, Arc::clone(&resolver), resolver)
    }

    pub(crate) fn with_resolvers(
        settings: Settings,
        resolver: Arc<dyn Resolver>,
        checking: Arc<dyn Resolver>,
    ) -> Result<Self> {
        let tls = Tls::new(settings.ca_file.as_deref())?;
        Ok(Self(Arc::new(Inner { settings, tls, resolver, checking })))
    }

    /// Checks a URL's form, scheme, port and host, and its address where the host is one, in any spelling.
    ///
    /// # Errors
    /// [`ErrorKind::BlockedUrl`] and [`ErrorKind::BlockedAddress`].
    pub fn check_url(&self, url: &str) -> Result<Target> {
        let url = Url::parse(url).map_err(|error| blocked(format!("this is no URL: {error}")))?;
        self.check_parsed(url)
    }

    /// Checks a URL as [`Guard::check_url`] does, and the addresses that its host has now.
    ///
    /// A name that leads nowhere at the moment passes: it is checked again whenever it is dialled.
    ///
    /// # Errors
    /// [`ErrorKind::BlockedUrl`] and [`ErrorKind::BlockedAddress`].
    pub async fn check(&self, url: &str) -> Result<Target> {
        let target = self.check_url(url)?;
        let looked = tokio::time::timeout(
            crate::Limits::default().connect,
            self.addresses_by(&*self.0.checking, &target),
        );
        let looked = looked.await;
        match looked {
            Ok(Err(error)) if error.kind() == ErrorKind::BlockedAddress => Err(error),
            _ => Ok(target),
        }
    }

    pub(crate) fn check_parsed(&self, mut url: Url) -> Result<Target> {
        let settings = &self.0.settings;
        let default_port = match url.scheme() {
            "https" => 443,
            "http" if settings.allow_http => 80,
            "http" => return Err(blocked("the URL must begin with https")),
            _ => return Err(blocked("the URL must begin with https, or http where the server allows it")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(blocked("the URL must not carry a user or a password"));
        }
        if url.as_str().len() > LONGEST_URL {
            return Err(blocked(format!("the URL is longer than {LONGEST_URL} bytes")));
        }
        let port = url.port().unwrap_or(default_port);
        if port != default_port && !settings.ports.iter().any(|ports| ports.contains(port)) {
            return Err(blocked(format!("port {port} is not among the ports the server allows")));
        }
        let literal = match url.host() {
            None => return Err(blocked("the URL names no host")),
            Some(Host::Domain("")) => return Err(blocked("the URL names no host")),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        if let Some(address) = literal
            && let Some(what) = refusal(address, &settings.networks)
        {
            return Err(Error::new(ErrorKind::BlockedAddress, format!("{address} is {what}")));
        }
        // It is for the reader of the answer and never sent.
        url.set_fragment(None);
        let target = Target(url);
        target.origin_form()?;
        Ok(target)
    }

    /// Returns the addresses to dial, after every address the host has was checked.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>> {
        self.addresses_by(&*self.0.resolver, target).await
    }

    async fn addresses_by(&self, resolver: &dyn Resolver, target: &Target) -> Result<Vec<IpAddr>> {
        let mut found = match target.host() {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => {
                let found = resolver.resolve(name).await;
                found.map_err(|_| Error::new(ErrorKind::Resolve, format!("no address of {name} is known")))?
            }
        };
        // What a name leads to is not told: it would be a look inside. A literal was refused before, by name.
        if found.iter().any(|address| refusal(*address, &self.0.settings.networks).is_some()) {
            let message = "the host has an address that is not a public one";
            return Err(Error::new(ErrorKind::BlockedAddress, message));
        }
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Resolve, "the host has no address"));
        }
        found.truncate(MOST_ADDRESSES);
        Ok(found.into_iter().map(|address| address.to_canonical()).collect())
    }
}

fn blocked(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::BlockedUrl, message)
}
