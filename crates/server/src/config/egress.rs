//! What the server may dial where a user named the address: the receivers of webhooks.

use std::path::PathBuf;

use longshore_engine::egress::{Network, Ports, Settings};
use serde::{Deserialize, Deserializer, de};

/// Where the server may send requests that a user asked for. Without any of this: https, port 443, public addresses.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct EgressConfig {
    /// Whether http may be asked too, on port 80.
    #[config(env = "LONGSHORE_EGRESS_ALLOW_HTTP", default = false)]
    pub allow_http: bool,
    /// Ports that may be asked besides the schemes' own, with commas between them: `8443, 9000-9010`.
    #[config(env = "LONGSHORE_EGRESS_PORTS", default = "")]
    pub ports: Listed<Ports>,
    /// Networks that may be asked although they are not public, with commas between them: `10.1.0.0/16, fd12::/32`.
    #[config(env = "LONGSHORE_EGRESS_NETWORKS", default = "")]
    pub networks: Listed<Network>,
    /// A file with certificate authorities (PEM) to trust besides this machine's.
    #[config(env = "LONGSHORE_EGRESS_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

/// A list as text, with commas between its items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed<T>(pub Vec<T>);

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let read = |item: &str| item.parse().map_err(|error| de::Error::custom(format!("{item:?}: {error}")));
        items.map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl EgressConfig {
    /// Returns what the guard is made of.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            allow_http: self.allow_http,
            ports: self.ports.0.clone(),
            networks: self.networks.0.clone(),
            ca_file: self.ca_file.clone(),
            user_agent: Some(format!("Longshore/{}", env!("CARGO_PKG_VERSION"))),
        }
    }
}
