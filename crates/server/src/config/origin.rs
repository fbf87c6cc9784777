//! Origins: of pages that may call the server from a browser, of the server itself, and of the content that links give.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::is_private;

/// Where pages come from whose scripts may read answers of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From anywhere.
    Any,
    /// From one scheme, host and port, as a browser writes them.
    Of(String),
}

const RULE: &str = "an origin is `*`, or a scheme and a host, as in `https://app.example.org`, with the port where it is \
                    not the scheme's own, and nothing behind it";

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.to_ascii_lowercase();
        let (scheme, host) = text.split_once("://").ok_or(RULE)?;
        let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
        let is_of_host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\,\"*".contains(&byte);
        // A browser leaves it out, and it would match nothing.
        let names_usual_port = [("http", ":80"), ("https", ":443")]
            .iter()
            .any(|(usual, port)| scheme == *usual && host.ends_with(port));
        let fits = !scheme.is_empty()
            && scheme.bytes().all(is_of_scheme)
            && !host.is_empty()
            && host.bytes().all(is_of_host)
            && !names_usual_port;
        if fits { Ok(Self::Of(text)) } else { Err(RULE) }
    }
}

/// The origin at which links give their content and nothing else is served, such as `https://content.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentOrigin {
    text: String,
    /// The port that need not be named.
    usual_port: &'static str,
}

const CONTENT_RULE: &str = "the content's origin is one scheme, http or https, and one host, as in \
                            `https://content.example.org`, with the port where it is not the scheme's own";

impl ContentOrigin {
    /// Returns it as a browser writes it: what a URL begins with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether a request came by this origin: `host` is what it names as its server, perhaps with a port.
    #[must_use]
    pub fn is_called(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let own = self.text.split_once("://").map_or("", |(_, host)| host);
        // Both are the same server to a browser's resolver, and names may end with the root's dot.
        let host = host.strip_suffix(self.usual_port).unwrap_or(&host);
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            _ => (host, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        match port {
            None => own == name,
            Some(port) => own.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) == Some(port),
        }
    }
}

impl FromStr for ContentOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Ok(Origin::Of(text)) = text.parse() else { return Err(CONTENT_RULE) };
        let usual_port = match text.split_once("://") {
            Some(("http", _)) => ":80",
            Some(("https", _)) => ":443",
            _ => return Err(CONTENT_RULE),
        };
        Ok(Self { text, usual_port })
    }
}

impl<'de> Deserialize<'de> for ContentOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The origin that people reach the server by, such as `https://files.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin(String);

const PUBLIC_RULE: &str = "the public origin is https and one host, as in `https://files.example.org`, or http at a loopback \
                           address, with the port where it is not the scheme's own";

impl PublicOrigin {
    /// Returns it as a browser writes it: what a URL begins with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(Origin::Of(text)) if is_private(&text) => Ok(Self(text)),
            _ => Err(PUBLIC_RULE),
        }
    }
}

impl<'de> Deserialize<'de> for PublicOrigin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentOrigin, Origin, PublicOrigin};

    #[test]
    fn a_public_origin_is_read_by_nobody_on_the_way() {
        for good in ["https://files.example.org", "https://a:8443", "http://127.0.0.1:7420", "http://[::1]:1"]
        {
            assert_eq!(good.parse::<PublicOrigin>().unwrap().as_str(), good);
        }
        for wrong in
            ["", "*", "http://files.example.org", "https://a/", "ftp://a", "http://127.0.0.1.a.example"]
        {
            wrong.parse::<PublicOrigin>().unwrap_err();
        }
    }

    #[test]
    fn a_content_origin_is_known_by_the_host_that_is_called() {
        for (origin, host, is_called) in [
            ("https://content.example.org", "content.example.org", true),
            ("https://content.example.org", "Content.Example.org:443", true),
            ("https://content.example.org", "content.example.org.", true),
            ("https://content.example.org", "content.example.org.:443", true),
            ("https://content.example.org", "content.example.org:80", false),
            ("https://content.example.org", "example.org", false),
            ("https://content.example.org", "content.example.org.evil.example", false),
            ("https://content.example.org", "", false),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://[::1]:8080", "[::1]", false),
            ("http://[::1]", "[::1]:80", true),
            ("http://127.0.0.1:7421", "127.0.0.1:7421", true),
            ("http://127.0.0.1:7421", "127.0.0.1:7420", false),
        ] {
            assert_eq!(
                origin.parse::<ContentOrigin>().unwrap().is_called(host),
                is_called,
                "{origin} {host}"
            );
        }
        for wrong in
            ["*", "", "content.example.org", "ftp://content.example.org", "https://content.example.org/"]
        {
            wrong.parse::<ContentOrigin>().unwrap_err();
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for (text, origin) in [
            ("https://app.example.org", "https://app.example.org"),
            ("HTTPS://App.example.org:8443", "https://app.example.org:8443"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            assert_eq!(text.parse(), Ok(Origin::Of(origin.to_owned())));
        }
        assert_eq!("*".parse(), Ok(Origin::Any));
        for wrong in [
            "",
            "null",
            "app.example.org",
            "https://",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://*.example.org",
            "https://me@app.example.org",
            "https://app.example.org:443",
            "http://localhost:80",
            "https://b\u{fc}cher.example",
            "ht tp://host",
        ] {
            wrong.parse::<Origin>().unwrap_err();
        }
    }
}
