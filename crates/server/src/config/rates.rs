//! How often somebody may come.

use crate::error::{Error, Result};
use crate::throttle::{Rate, Rates};

/// The most of anything that is counted: far more than one server answers.
const MOST: u32 = 1_000_000;

/// How often somebody may come. Who comes more often is told when to come again (429), and nothing has happened.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct RatesConfig {
    /// How many requests one key may send in a second; 0 for any number. A batch is one request.
    #[config(env = "LONGSHORE_RATES_KEY_PER_SECOND", default = 0)]
    pub key_per_second: u32,
    /// How many requests a key may send at once after a silence.
    #[config(env = "LONGSHORE_RATES_KEY_BURST", default = 10000)]
    pub key_burst: u32,
    /// How many requests may come from one address in a second, with a key or without; 0 for any number. An address of IPv6
    /// counts with the 64 bits that it begins with.
    #[config(env = "LONGSHORE_RATES_ADDRESS_PER_SECOND", default = 0)]
    pub address_per_second: u32,
    /// How many requests may come from an address at once after a silence.
    #[config(env = "LONGSHORE_RATES_ADDRESS_BURST", default = 10000)]
    pub address_burst: u32,
    /// How many keys that are none may come from one address in a minute; 0 for any number. Keys that were good within the
    /// last hour go on being served.
    #[config(env = "LONGSHORE_RATES_FAILURES_PER_MINUTE", default = 20)]
    pub failures_per_minute: u32,
    /// How many keys that are none may come from an address at once after a silence.
    #[config(env = "LONGSHORE_RATES_FAILURES_BURST", default = 20)]
    pub failures_burst: u32,
}

impl RatesConfig {
    pub(super) fn check(&self) -> Result<()> {
        for (name, least, count) in [
            ("key_per_second", 0, self.key_per_second),
            ("key_burst", 1, self.key_burst),
            ("address_per_second", 0, self.address_per_second),
            ("address_burst", 1, self.address_burst),
            ("failures_per_minute", 0, self.failures_per_minute),
            ("failures_burst", 1, self.failures_burst),
        ] {
            if !(least..=MOST).contains(&count) {
                return Err(Error::new(format!("the configuration: rates.{name} is {least} to {MOST}")));
            }
        }
        Ok(())
    }

    pub(crate) fn rates(&self) -> Rates {
        Rates {
            key: Rate::per_second(self.key_per_second, self.key_burst),
            address: Rate::per_second(self.address_per_second, self.address_burst),
            failures: Rate::per_minute(self.failures_per_minute, self.failures_burst),
        }
    }
}
