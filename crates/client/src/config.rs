//! How a client is set up. The one module that reads the environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderValue, Uri};
use longshore_core::ShareToken;
use longshore_flow::RetryPolicy;

use crate::api::visitor::Visitor;
use crate::client::Client;
use crate::client::visit::Visit;
use crate::error::{Error, Result};
use crate::transport::connect::Connector;

/// Where a server listens that nobody configured.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7420";

/// How many files move at once where nobody said.
pub const DEFAULT_CONCURRENCY: usize = 32;

const URL_VARIABLE: &str = "LONGSHORE_URL";
/// What stands in a share link's address before its token.
const BEFORE_TOKEN: &str = "/v1/shares/";

const KEY_VARIABLE: &str = "LONGSHORE_API_KEY";

/// How long the client waits for a sign of life.
///
/// There is no limit on how long a transfer takes in all: a large file over a thin line is no error as long
/// as its bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next bytes, in either direction.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(60) }
    }
}

/// A text that debug output does not show.
#[derive(Clone)]
struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// A client's settings, before it is made.
#[derive(Clone, Debug)]
pub struct Builder {
    url: String,
    api_key: Option<Secret>,
    user_agent: String,
    pub(crate) concurrency: usize,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeouts: Timeouts,
    ca_file: Option<PathBuf>,
    pub(crate) limit_rate: Option<u64>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            url: DEFAULT_URL.to_owned(),
            api_key: None,
            user_agent: concat!("longshore-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            concurrency: DEFAULT_CONCURRENCY,
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            ca_file: None,
            limit_rate: None,
        }
    }
}

/// What every request needs, made once.
#[derive(Debug)]
pub(crate) struct Base {
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// The URL's own path, which every route follows; without a `/` at its end.
    pub(crate) prefix: String,
    pub(crate) host: HeaderValue,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) user_agent: HeaderValue,
}

impl Builder {
    /// Takes the settings of the environment: `LONGSHORE_URL` ([`DEFAULT_URL`] when it is not set) and
    /// `LONGSHORE_API_KEY`, which must be set.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| {
            #[expect(
                clippy::disallowed_methods,
                reason = "this module is where the client reads the environment"
            )]
            std::env::var(name).ok()
        })
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name| read(name).filter(|value| !value.trim().is_empty());
        let key = set(KEY_VARIABLE).ok_or_else(|| {
            Error::no_key(format!("{KEY_VARIABLE} is not set; it names the API key to use"))
        })?;
        let builder = Self::default().api_key(key);
        Ok(match set(URL_VARIABLE) {
            Some(url) => builder.url(url),
            None => builder,
        })
    }

    /// Sets the server's URL, such as `https://files.example.org`; its path, if any, comes before every route.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sets the API key. Without one, only routes that need none answer.
    #[must_use]
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(Secret(key.into()));
        self
    }

    /// Sets how many files `upload_many` and `download_many` move at once where their options do not say, and how many
    /// requests for content, parts of large files among them, run at once at most; [`DEFAULT_CONCURRENCY`] unless set. A server that refuses some for now (429, 503) gets fewer, and more again as it takes them.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Sets how often, and after which pauses, what is safe to repeat is tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how long the client waits for a sign of life.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets a file of PEM certificates that are trusted beside those of the system.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Sets how many bytes a second all of the client's connections together may move, both ways, with all that HTTP and
    /// TLS add; any number unless set, and 0 counts as 1. A rate so low that a connection waits for its turn as long as
    /// the idle time-outs allow ends transfers instead of slowing them.
    #[must_use]
    pub fn limit_rate(mut self, bytes_per_second: u64) -> Self {
        self.limit_rate = Some(bytes_per_second);
        self
    }

    /// Sets what the client calls itself in `User-Agent`.
    #[must_use]
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// Makes the client. Nothing is connected yet.
    pub fn build(self) -> Result<Client> {
        let uri = self.parse_url()?;
        let host = uri
            .authority()
            .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
            .ok_or_else(|| Error::invalid(format!("{:?} names no host", self.url)))?;
        let authorization = self.api_key.as_ref().map(bearer).transpose()?;
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|_| Error::invalid("the user agent holds characters no header can"))?;
        let base = Base {
            origin: format!(
                "{}://{}",
                uri.scheme_str().unwrap_or_default(),
                host.to_str().unwrap_or_default()
            ),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            host,
            authorization,
            user_agent,
        };
        let connector =
            Connector::new(uri, self.ca_file.as_deref(), self.timeouts.connect)?.paced(self.limit_rate);
        Ok(Client::new(&self, base, connector))
    }

    /// Makes a visitor of a share link by its address, with these settings but for the URL and the API key, which belong to
    /// another server perhaps and are not sent.
    pub fn visit(self, url: &str) -> Result<Visitor> {
        // What is wrong is said without the address: it is a secret, also where it is not quite one.
        let malformed = |why: &str| Error::invalid(format!("this is no share link's address: {why}"));
        let Some((base, token)) = url.trim().rsplit_once(BEFORE_TOKEN) else {
            return Err(malformed("it does not have the form https://HOST/v1/shares/lsh_…"));
        };
        let token: ShareToken =
            token.parse().map_err(|_| malformed("what follows /v1/shares/ is no whole token"))?;
        let settings = Self { api_key: None, ..self.url(base) };
        let plain = settings.clone().build().map_err(|error| error.hiding(token.reveal()))?;
        Ok(Visitor::of(&plain, Visit::new(plain.clone(), settings, token)))
    }

    fn parse_url(&self) -> Result<Uri> {
        let wrong = |why: &str| Error::invalid(format!("{:?} is no server's URL: {why}", self.url));
        let uri: Uri = self.url.trim().parse().map_err(|_| wrong("it cannot be read"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it begins with neither http:// nor https://"));
        }
        if uri.query().is_some() {
            return Err(wrong("it has a query"));
        }
        if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(wrong("a name and password belong nowhere near it"));
        }
        Ok(uri)
    }
}

fn bearer(Secret(key): &Secret) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim()))
        .map_err(|_| Error::invalid("the API key holds characters no key has"))?;
    // So that no debug print shows it.
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{Builder, DEFAULT_URL};

    #[test]
    fn a_missing_key_names_its_variable() {
        let error = Builder::from_variables(|_| None).unwrap_err();
        assert!(error.to_string().contains("LONGSHORE_API_KEY"), "{error}");
        let blank = |name: &str| (name == "LONGSHORE_API_KEY").then(|| "  ".to_owned());
        assert!(Builder::from_variables(blank).is_err());
    }

    #[test]
    fn the_url_has_a_default() {
        let only_key = |name: &str| (name == "LONGSHORE_API_KEY").then(|| "lsk_x".to_owned());
        assert_eq!(Builder::from_variables(only_key).unwrap().url, DEFAULT_URL);
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in ["", "localhost:7420", "ftp://host", "/v1", "http://host/?a=b", "http://me:secret@host"] {
            assert!(Builder::default().url(bad).build().is_err(), "{bad:?}");
        }
        assert!(Builder::default().api_key("a\nb").build().is_err());
        let client = Builder::default().api_key("lsk_secret").build().unwrap();
        assert!(!format!("{client:?}").contains("secret"));
    }
}
