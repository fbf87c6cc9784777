//! Which pages of other origins may call the server from a browser.

use std::str::FromStr;

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

#[cfg(test)]
mod tests {
    use super::Origin;

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
