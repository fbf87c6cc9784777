//! The form of a store's URL.
//!
//! A reader of our own, as the common ones mend what they read (they resolve `..`, drop line ends, take `file:a` for
//! `file:///a`), and a store's path is never mended. No error shows the text: a password may be in any part of it.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::invalid;
use crate::error::Result;

/// The parts of a URL, decoded.
#[derive(Clone)]
pub(super) struct Url {
    /// In lower case.
    pub(super) scheme: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Without the brackets of an IPv6 address; never empty.
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    /// With its leading `/`, where there is one.
    pub(super) path: String,
}

impl Url {
    /// Reads a URL, and the options in its query.
    pub(super) fn parse(text: &str) -> Result<(Self, BTreeMap<String, String>)> {
        let refuse = |why: &str| Err(invalid(format!("the URL of the store: {why}")));
        if text.chars().any(char::is_control) {
            return refuse("there is a control character in it");
        }
        if text.contains('#') {
            return refuse("there is a `#` in it; write %23");
        }
        let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
            return refuse("it does not begin with a scheme, as `file:///folder` does");
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            user: None,
            password: None,
            host: None,
            port: None,
            path: String::new(),
        };
        let path = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                url.read_authority(authority)?;
                path
            }
            None => rest,
        };
        if path.contains('@') || query.contains('@') {
            // Most likely a password with a `/` or a `?` in it, which is not to be shown as a path.
            return refuse(
                "there is an `@` behind the host; write %40 (and in a password / as %2F and ? as %3F)",
            );
        }
        url.path = decode(path, "path")?;
        if url.path.split(['/', '\\']).any(|segment| segment == "..") {
            return refuse("the path has a `..` segment");
        }
        Ok((url, options(query)?))
    }

    fn read_authority(&mut self, text: &str) -> Result<()> {
        let (user, place) = text.rsplit_once('@').map_or((None, text), |(user, place)| (Some(user), place));
        if let Some(user) = user {
            let (name, password) =
                user.split_once(':').map_or((user, None), |(name, password)| (name, Some(password)));
            self.user = Some(decode(name, "user")?).filter(|name| !name.is_empty());
            self.password = password.map(|password| decode(password, "password")).transpose()?;
        }
        let (host, port) = match place.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, rest.strip_prefix(':').or(Some(""))),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        self.host = Some(decode(host, "host")?).filter(|host| !host.is_empty());
        if let Some(port) = port {
            let number = port.parse().ok().filter(|port| *port > 0);
            // What stands there may be the end of a password with a `/` in it.
            let why = "the URL of the store: the port is no number from 1 to 65535 (in a password write / as %2F and @ as %40)";
            self.port = Some(number.ok_or_else(|| invalid(why.to_owned()))?);
        }
        Ok(())
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn decode(text: &str, part: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok();
    decoded
        .filter(|text| !text.contains('\0'))
        .map(Into::into)
        .ok_or_else(|| invalid(format!("the URL of the store: the {part} is no UTF-8, or has a NUL in it")))
}

fn options(query: &str) -> Result<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        // Without `=` it may be half of a secret with a `&` in it: not even its name is shown.
        let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(invalid(
                "the URL of the store: an option is written key=value (and & as %26)".to_owned(),
            ));
        };
        let key = decode(key, "query")?;
        let value = decode(value, "query")?;
        if options.insert(key.clone(), value).is_some() {
            return Err(invalid(format!("the URL of the store: the option {key:?} is there twice")));
        }
    }
    Ok(options)
}
