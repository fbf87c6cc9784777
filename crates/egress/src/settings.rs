//! What an operator may allow beyond the default.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use crate::network::Network;

/// What may be dialled. The default is https on port 443 of public addresses.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether plain http may be asked too, on port 80.
    pub allow_http: bool,
    /// Ports that may be dialled besides the schemes' own.
    pub ports: Vec<Ports>,
    /// Networks that may be dialled although they are not public.
    pub networks: Vec<Network>,
    /// A PEM file of certificate authorities to trust besides this machine's.
    pub ca_file: Option<PathBuf>,
    /// What the requests call themselves; nothing leaves the header out.
    pub user_agent: Option<String>,
}

/// One port, or a range of them: `8443`, `8000-8999`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(RangeInclusive<u16>);

/// A text is no port nor range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedPorts;

impl Display for MalformedPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port is a number from 1 to 65535, a range two of them with `-` between")
    }
}

impl std::error::Error for MalformedPorts {}

impl Ports {
    /// Tells whether a port is among these.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.contains(&port)
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self(port..=port)
    }
}

impl FromStr for Ports {
    type Err = MalformedPorts;

    fn from_str(text: &str) -> Result<Self, MalformedPorts> {
        let number = |digits: &str| match digits.parse() {
            Ok(port) if port > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
            _ => Err(MalformedPorts),
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (number(first)?, number(last)?);
        if first > last { Err(MalformedPorts) } else { Ok(Self(first..=last)) }
    }
}

impl Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.start() == self.0.end() {
            write!(f, "{}", self.0.start())
        } else {
            write!(f, "{}-{}", self.0.start(), self.0.end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ports;

    #[test]
    fn a_port_and_a_range_are_read() {
        let range: Ports = "8000-8999".parse().unwrap();
        assert!(range.contains(8000) && range.contains(8999) && !range.contains(9000));
        assert_eq!(range.to_string(), "8000-8999");
        assert_eq!("443".parse(), Ok(Ports::from(443)));
        for text in ["", "0", "-", "1-", "65536", "9-8", "+1", "1-2-3", "http"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
