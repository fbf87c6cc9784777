//! HTTP to servers that are not ours, for `fetch` and `enrich`: many requests at once, each tried again where that may
//! help, and what a server asks for (`429`, `Retry-After`) kept by all of them together.
//!
//! Nothing a server says is trusted: not its names, its lengths, its redirects or its sizes. A secret goes to the host
//! that the user named, to no other, and into no message.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use longshore_flow::RetryPolicy;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::failure::{Exit, Failure};
use crate::profiles::variable;

pub(crate) mod agent;
pub(crate) mod content;
pub(crate) mod download;
pub(crate) mod enrich;
pub(crate) mod filename;
pub(crate) mod folder;
pub(crate) mod hosts;
pub(crate) mod journal;
pub(crate) mod lines;
pub(crate) mod link;
pub(crate) mod patience;
pub(crate) mod refused;
pub(crate) mod watched;

/// The longest pause that a server may ask for; one that asks for more is kept waiting for no longer than this.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Fields that belong to the exchange itself, which this program makes.
const OWN: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "range",
    "if-range",
    "proxy-authorization",
    "expect",
];

// No doc comment: clap would take it for the verb's own. No `Debug`: headers are secrets.
#[derive(Args)]
#[command(next_help_heading = "Requests")]
pub(crate) struct Requests {
    /// Send this header to the hosts you name, though not to one they redirect to; may be given many times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Send the token in this variable of the environment as `Authorization: Bearer`
    #[arg(long, value_name = "NAME")]
    bearer_env: Option<String>,
    /// How often a request is tried again after a fault that may pass
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    retries: u32,
    /// Trust these certificates (PEM) besides the machine's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Follow redirects from https to http, too
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
}

impl Requests {
    /// Returns what goes with every request, with the token in it.
    pub(crate) fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        for line in &self.headers {
            // The value may be a secret: no message shows it.
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| Failure::invalid("a header is written as 'Name: value', with a colon"))?;
            let name = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| Failure::invalid(format!("{name:?} is no name of a header")))?;
            if OWN.contains(&name.as_str()) {
                return Err(Failure::invalid(format!("the header {name} is made by the request itself")));
            }
            let mut value = HeaderValue::from_str(value.trim())
                .map_err(|_| Failure::invalid(format!("the value of the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        if let Some(name) = &self.bearer_env {
            let token = variable(name)
                .ok_or_else(|| Failure::invalid(format!("the environment has nothing in {name}")))?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| Failure::invalid(format!("the token in {name} cannot be sent in a header")))?;
            value.set_sensitive(true);
            if headers.insert(AUTHORIZATION, value).is_some() {
                return Err(Failure::invalid(
                    "--bearer-env and a header Authorization cannot be given together",
                ));
            }
        }
        Ok(headers)
    }

    /// Returns how often, and after which pauses, a request is tried.
    pub(crate) fn policy(&self) -> RetryPolicy {
        RetryPolicy {
            max_attempts: self.retries.saturating_add(1),
            retry_after_cap: LONGEST_PAUSE,
            ..RetryPolicy::default()
        }
    }
}

/// Reads a URL that may be dialled: http or https, with a host.
pub(crate) fn url(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|error| {
        // What cannot be read cannot be cleared of its secrets either, so the query and what may be a password go.
        let told = text.split(['?', '#']).next().unwrap_or_default();
        let told = told.rsplit('@').next().unwrap_or_default();
        Failure::new(Exit::Invalid, "web_url", format!("{told:?} is no URL: {error}"))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::new(
            Exit::Invalid,
            "web_url",
            format!("{} is neither http nor https", shown(&url)),
        ));
    }
    Ok(url)
}

/// Returns a URL for messages: a password, and what a query calls a secret, is left out.
pub(crate) fn shown(url: &Url) -> String {
    const SECRET: [&str; 7] = ["key", "secret", "token", "sig", "signature", "password", "credential"];
    let mut shown = url.clone();
    shown.set_fragment(None);
    if !shown.username().is_empty() || shown.password().is_some() {
        let _no_host = shown.set_password(None);
        let _no_host = shown.set_username("***");
    }
    let is_secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        SECRET.iter().any(|end| name.ends_with(end))
    };
    if url.query_pairs().any(|(name, _)| is_secret(&name)) {
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let mut query = shown.query_pairs_mut();
        query.clear();
        for (name, value) in pairs {
            let value = if is_secret(&name) { "***" } else { &value };
            query.append_pair(&name, value);
        }
        drop(query);
    }
    shown.into()
}

#[cfg(test)]
mod tests;
