//! What all requests to one host share: the pause it asked for, and how many may run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_flow::adaptive::Permit;
use longshore_flow::{Gate, Limiter, Rate};
use reqwest::Url;

/// More hosts than this are not remembered once nobody speaks to them.
const MOST: usize = 1_024;

/// How all requests of an agent spare each host together.
#[derive(Debug)]
pub struct Manners {
    /// How many run at one host at once, at most; fewer where it is overloaded.
    pub at_once: usize,
    /// How many there are in a time, at all hosts together.
    pub pace: Option<Pace>,
}

/// Every host that is spoken to.
#[derive(Debug)]
pub(crate) struct Hosts {
    manners: Manners,
    known: Mutex<HashMap<String, Arc<Host>>>,
}

/// One host: scheme, name and port.
#[derive(Debug)]
struct Host {
    gate: Gate,
    limiter: Limiter,
}

impl Hosts {
    pub(crate) fn new(manners: Manners) -> Self {
        Self { manners, known: Mutex::default() }
    }

    pub(crate) fn at_once(&self) -> usize {
        self.manners.at_once
    }

    /// Returns what is shared about the host of a URL.
    fn of(&self, url: &Url) -> Arc<Host> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MOST {
            known.retain(|_, host| Arc::strong_count(host) > 1 || host.gate.closed_for().is_some());
        }
        let at_once = self.manners.at_once;
        // As many as the user said from the first on: a pause to find out would be longer than most runs.
        let new = || Host { gate: Gate::new(), limiter: Limiter::new(1, at_once, at_once) };
        Arc::clone(known.entry(url.origin().ascii_serialization()).or_insert_with(|| Arc::new(new())))
    }

    /// Waits until one more request may be sent to the host of a URL: now, and not in a moment.
    pub(crate) async fn enter(&self, url: &Url) -> Visit {
        let host = self.of(url);
        loop {
            host.gate.pass().await;
            let permit = host.limiter.acquire().await;
            if let Some(pace) = &self.manners.pace {
                pace.rate.take(pace.each).await;
            }
            // It may have closed while this waited.
            if host.gate.closed_for().is_none() {
                return Visit { host, permit };
            }
        }
    }
}

/// A request that runs at a host.
#[derive(Debug)]
pub(crate) struct Visit {
    host: Arc<Host>,
    /// What becomes of the request is told to it.
    pub(crate) permit: Permit,
}

impl Visit {
    /// Keeps all requests back for as long as the host asked.
    pub(crate) fn pause(&self, pause: Duration) {
        self.host.gate.close_for(pause);
    }
}

/// So many requests in a time.
#[derive(Debug)]
pub struct Pace {
    rate: Rate,
    /// What one request takes of the rate.
    each: u64,
}

impl Pace {
    /// Allows `count` requests in so many `seconds`, evenly spread.
    pub fn new(count: u64, seconds: u64) -> Self {
        let count = count.max(1);
        // The bucket gets `count` tokens a second and holds what one request takes.
        let burst = Duration::from_secs(seconds).div_f64(count as f64);
        Self { rate: Rate::new(count, burst), each: seconds }
    }
}
