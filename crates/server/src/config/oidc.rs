//! Providers of OpenID Connect, by which people may sign in besides passwords.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::net::IpAddr;

use axum::http::Uri;
use serde::Deserialize;

use super::Secret;
use crate::error::{Error, Result};

/// The most characters of a provider's name.
const NAME: usize = 32;
/// The most characters of what people call it.
const LABEL: usize = 100;

/// The tables `[[oidc]]` of a file, as they stand there. `Debug` shows their number alone.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct OidcTables(Vec<BTreeMap<String, Stated>>);

/// A value of such a table. What is wrong is refused by us, as the reader of TOML would show the line, with a secret in it
/// perhaps.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Stated {
    Text(String),
    List(Vec<String>),
    Other(serde::de::IgnoredAny),
}

impl Debug for OidcTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} providers", self.0.len())
    }
}

impl OidcTables {
    /// Reads the providers, all of which must be good.
    pub fn providers(&self) -> Result<Vec<OidcConfig>> {
        let all = self.0.iter().map(OidcConfig::read).collect::<Result<Vec<_>>>()?;
        let mut names = BTreeSet::new();
        for one in &all {
            one.check()?;
            if !names.insert(&one.name) {
                return Err(refuse(&one.name, "name", "is taken by another provider"));
            }
        }
        Ok(all)
    }
}

fn refuse(name: &str, field: &str, why: &str) -> Error {
    Error::new(format!("the configuration: oidc.{field} of {name:?} {why}"))
}

/// A provider of OpenID Connect: a table `[[oidc]]` of the file each.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// What it is called in URLs: a-z, 0-9 and `-`.
    pub name: String,
    /// What people call it; left out, the name.
    pub label: Option<String>,
    /// Its issuer, exactly as it names itself: https, or http at a loopback address.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// What this server proves by that it is this. `${NAME}` is a variable of the environment.
    pub client_secret: Secret,
    /// What is asked for; `openid` is among it.
    pub scopes: Vec<String>,
    /// Domains of e-mail addresses: whom the provider knows by a verified one there is let in as a new person without any
    /// role. Without any nobody is who is neither known nor invited.
    pub allowed_domains: Vec<String>,
}

fn usual_scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

/// Tells whether what goes to a URL is read by nobody on the way: it is https, or stays on this machine.
pub(crate) fn is_private(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            host.eq_ignore_ascii_case("localhost")
                || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        _ => false,
    }
}

impl OidcConfig {
    fn read(table: &BTreeMap<String, Stated>) -> Result<Self> {
        let name = match table.get("name") {
            Some(Stated::Text(name)) => name.as_str(),
            _ => "",
        };
        let opt_text = |field: &str| match table.get(field) {
            None => Ok(None),
            Some(Stated::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(refuse(name, field, "is a text")),
        };
        let text = |field: &str| opt_text(field)?.ok_or_else(|| refuse(name, field, "is missing"));
        let list = |field: &str| match table.get(field) {
            None => Ok(None),
            Some(Stated::List(list)) => Ok(Some(list.clone())),
            Some(_) => Err(refuse(name, field, "is a list of texts")),
        };
        const FIELDS: &[&str] =
            &["name", "label", "issuer", "client_id", "client_secret", "scopes", "allowed_domains"];
        if let Some(field) = table.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(refuse(name, field, "is not known"));
        }
        Ok(Self {
            name: text("name")?,
            label: opt_text("label")?,
            issuer: text("issuer")?,
            client_id: text("client_id")?,
            client_secret: Secret(text("client_secret")?),
            scopes: list("scopes")?.unwrap_or_else(usual_scopes),
            allowed_domains: list("allowed_domains")?.unwrap_or_default(),
        })
    }

    fn refuse(&self, field: &str, why: &str) -> Error {
        refuse(&self.name, field, why)
    }

    fn check(&self) -> Result<()> {
        let ensure = |holds: bool, field: &str, why: &str| match holds {
            true => Ok(()),
            false => Err(self.refuse(field, why)),
        };
        let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_name = (1..=NAME).contains(&self.name.len()) && self.name.bytes().all(is_of_name);
        ensure(is_name, "name", "is 1 to 32 characters of a-z, 0-9 and `-`")?;
        let label = self.label();
        let is_label = (1..=LABEL).contains(&label.chars().count()) && !label.chars().any(char::is_control);
        ensure(is_label, "label", "is 1 to 100 characters")?;
        let is_issuer =
            is_private(&self.issuer) && is_word(&self.issuer) && !self.issuer.contains(['?', '#']);
        ensure(is_issuer, "issuer", "is an https URL, or http at a loopback address, without a query")?;
        ensure(is_word(&self.client_id), "client_id", "is one word")?;
        ensure(!self.secret()?.0.is_empty(), "client_secret", "is not empty")?;
        let are_scopes = self.scopes.iter().all(|scope| is_word(scope));
        ensure(are_scopes && self.scopes.iter().any(|scope| scope == "openid"), "scopes", "has `openid`")?;
        let are_domains = self.allowed_domains.iter().all(|one| is_word(one) && !one.contains('@'));
        ensure(are_domains, "allowed_domains", "are domains such as `example.org`")
    }

    /// Returns what people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }

    /// Returns the secret, out of the environment where it names a variable.
    pub(crate) fn secret(&self) -> Result<Secret> {
        let Some(name) = self.client_secret.0.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        else {
            return Ok(self.client_secret.clone());
        };
        let mut variables = std::env::vars_os();
        let found = variables.find(|(key, _)| key == name).and_then(|(_, value)| value.into_string().ok());
        found.map(Secret).ok_or_else(|| self.refuse("client_secret", "names a variable that is not set"))
    }
}
