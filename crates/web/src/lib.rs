//! HTTP to servers that are not ours: one request at a time, through redirects and time-outs, over connections that are kept.
//!
//! Nothing a server says is trusted: not its lengths, its redirects or its sizes. What is secret goes to the host that was
//! named, to no other, and into no message. What came of a request is said so that its caller can decide about another:
//! nothing is tried again here, but for a GET that met a connection which had just ended.

#![warn(missing_docs)]

use std::time::Duration;

mod agent;
mod dialled;
mod hosts;
mod refused;

pub use reqwest::{Method, StatusCode, Url, header};

pub use self::agent::{Agent, Answer, Ask, REFUSAL, Settings};
pub use self::hosts::{Manners, Pace};
pub use self::refused::{Again, Fault, Refused};

/// The longest pause that a server may ask for; one that asks for more is kept waiting for no longer than this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Reads a URL that may be dialled: http or https, with a host. Fails with `web_url`.
pub fn parse_url(text: &str) -> Result<Url, Refused> {
    let refuse = |message| Err(Refused::never("web_url", message));
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            // What cannot be read cannot be cleared of its secrets either, so the query and what may be a password go.
            let told = text.split(['?', '#']).next().unwrap_or_default();
            let told = told.rsplit('@').next().unwrap_or_default();
            return refuse(format!("{told:?} is no URL: {error}"));
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse(format!("{} is neither http nor https", shown(&url)));
    }
    Ok(url)
}

/// Returns a URL for messages: a password, and what a query calls a secret, is left out.
pub fn shown(url: &Url) -> String {
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
