//! How often somebody may come: requests of a key, requests of an address, and failed tries to show a secret, of an address and
//! at a thing that many may know of.
//!
//! It knows no HTTP, and no time but what it is given: microseconds of any clock, which a step back does not break ([`Steady`]). What it remembers is bounded, however many come.

mod rate;
mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};

use longshore_core::Timestamp;

pub use self::rate::Rate;
use self::rate::{Moment, SECOND};
use self::table::Table;
use crate::steady::Steady;

/// For how long a secret that was good is let try at once, counted from when it last was.
const KNOWN: Moment = 3_600 * SECOND;

/// How many times as often as one address all of them may fail at one thing: one alone shuts out nobody but itself.
const ADDRESSES: u32 = 10;

/// How often somebody may come; where there is nothing, as often as they like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests with one key.
    pub key: Option<Rate>,
    /// Requests of one address, with a key or without, before anything is asked of the key.
    pub address: Option<Rate>,
    /// Secrets of one address that were none.
    pub failures: Option<Rate>,
}

/// Somebody came too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    /// What is limited: `key`, `address`, `failures` or `passwords`.
    pub(crate) of: &'static str,
    pub(crate) rate: Rate,
    /// In how many whole seconds one more may come; at least 1.
    pub(crate) wait_seconds: u64,
}

/// Counts who comes.
#[derive(Debug)]
pub(crate) struct Throttle {
    rates: Rates,
    clock: Steady,
    addresses: Table<IpAddr>,
    failures: Table<IpAddr>,
    /// What was tried in vain to open, by such a hash as those below.
    things: Table<u64>,
    /// By a hash under a random secret of this process: whoever does not have the very text meets nobody's entry, so that
    /// nobody uses up what another may do.
    secrets: Table<u64>,
    hashes: RandomState,
}

impl Throttle {
    pub(crate) fn new(rates: Rates) -> Self {
        let (addresses, failures) = (Table::new(), Table::new());
        let (things, secrets) = (Table::new(), Table::new());
        let (clock, hashes) = (Steady::default(), RandomState::new());
        Self { rates, clock, addresses, failures, things, secrets, hashes }
    }

    fn moment(&self, now: Timestamp) -> Moment {
        self.clock.at(now).as_micros().saturating_mul(1_000)
    }

    /// Counts a request of an address.
    pub(crate) fn arrive(&self, address: IpAddr, now: Timestamp) -> Result<(), Excess> {
        let Some(rate) = self.rates.address else { return Ok(()) };
        let now = self.moment(now);
        let taken = self.addresses.with(network(address), now, |entry| rate.take(&mut entry.taken, now));
        taken.map_err(|wait| excess("address", rate, wait))
    }

    /// Tells whether a secret may be tried, and counts that as a request where `is_counted`. What was a good secret a while
    /// ago may be tried however many others of its address failed: who shares an address is not shut out by the others.
    pub(crate) fn attempt(
        &self,
        secret: &str,
        address: Option<IpAddr>,
        is_counted: bool,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Excess> {
        let (rate, hash, moment) =
            (self.rates.key.filter(|_| is_counted), self.hash(secret), self.moment(now));
        let visit = |entry: &mut table::Entry| {
            let is_known = entry.known_until > moment;
            if is_known {
                entry.known_until = moment + KNOWN;
            }
            (is_known, rate.map_or(Ok(()), |rate| rate.take(&mut entry.taken, moment)))
        };
        let seen = self.secrets.with_known(&hash, visit);
        let is_known = seen.is_some_and(|(is_known, _)| is_known);
        if !is_known {
            self.look_at_failures(address, moment)?;
        }
        if let Some(rate) = rate {
            // Who has not been seen is remembered only now, when the try is let in.
            let taken = seen.map(|(_, taken)| taken);
            let taken = taken.unwrap_or_else(|| self.secrets.with(hash, moment, visit).1);
            taken.map_err(|wait| excess("key", rate, wait))?;
        }
        Ok(Attempt { throttle: self, hash: Some(hash), address, thing: None, moment, is_known })
    }

    /// Tells whether something that people choose may be tried on a thing which many may know of: a password on a link or a name. Tries that
    /// fail are counted for the address, and for the thing from all addresses together.
    ///
    /// None is let try because it was good before: who is shut out would go on guessing, and see the right guess come through.
    pub(crate) fn guess(
        &self,
        thing: &str,
        address: Option<IpAddr>,
        is_counted: bool,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Excess> {
        let moment = self.moment(now);
        self.look_at_failures(address, moment)?;
        let hash = self.hash(thing);
        let thing = self.rates.failures.map(|rate| (hash, rate.times(ADDRESSES)));
        if let Some((thing, rate)) = thing {
            let look = |entry: &mut table::Entry| rate.look(entry.taken, moment);
            if let Some(Err(wait)) = self.things.with_known(&thing, look) {
                return Err(excess("passwords", rate, wait));
            }
        }
        if let Some(rate) = self.rates.key.filter(|_| is_counted) {
            // Who comes from one address uses up nothing of who comes from another.
            let one = self.hashes.hash_one((hash, address.map(network)));
            let taken = self.secrets.with(one, moment, |entry| rate.take(&mut entry.taken, moment));
            taken.map_err(|wait| excess("key", rate, wait))?;
        }
        Ok(Attempt { throttle: self, hash: None, address, thing, moment, is_known: false })
    }

    /// Refuses an address of which too many secrets were none.
    fn look_at_failures(&self, address: Option<IpAddr>, moment: Moment) -> Result<(), Excess> {
        let Some((rate, address)) = self.rates.failures.zip(address) else { return Ok(()) };
        let look = |entry: &mut table::Entry| rate.look(entry.taken, moment);
        match self.failures.with_known(&network(address), look) {
            Some(Err(wait)) => Err(excess("failures", rate, wait)),
            _ => Ok(()),
        }
    }

    fn hash(&self, secret: &str) -> u64 {
        self.hashes.hash_one(secret)
    }
}

/// A secret that is being tried.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    /// By what it is known again; nothing for what is never let try at once.
    hash: Option<u64>,
    address: Option<IpAddr>,
    /// What it is to open, and how often all together may fail to.
    thing: Option<(u64, Rate)>,
    moment: Moment,
    is_known: bool,
}

impl Attempt<'_> {
    /// It was a good one.
    pub(crate) fn succeeded(self) {
        let Self { throttle, hash, moment, is_known, .. } = self;
        if let Some(hash) = hash.filter(|_| !is_known && throttle.rates.failures.is_some()) {
            throttle.secrets.with(hash, moment, |entry| entry.known_until = moment + KNOWN);
        }
    }

    /// It was none. Tries that were let in side by side all count: who made more than were left waits the longer.
    pub(crate) fn failed(self) {
        let Self { throttle, hash, address, thing, moment, is_known } = self;
        if let Some(hash) = hash.filter(|_| is_known) {
            throttle.secrets.with_known(&hash, |entry| entry.known_until = 0);
        }
        if let Some((rate, address)) = throttle.rates.failures.zip(address) {
            throttle.failures.with(network(address), moment, |entry| rate.count(&mut entry.taken, moment));
        }
        if let Some((thing, rate)) = thing {
            throttle.things.with(thing, moment, |entry| rate.count(&mut entry.taken, moment));
        }
    }
}

/// Returns what is counted as one: an address of IPv4, the network of 64 bits that a host of IPv6 picks its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

fn excess(of: &'static str, rate: Rate, wait: Moment) -> Excess {
    let seconds = u64::try_from(wait).unwrap_or(0).div_ceil(SECOND.unsigned_abs());
    Excess { of, rate, wait_seconds: seconds.max(1) }
}
