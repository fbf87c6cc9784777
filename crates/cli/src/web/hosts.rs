//! What all requests to one host share: the pause it asked for, and how many may run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_flow::adaptive::Permit;
use longshore_flow::{Gate, Limiter, Rate};
use reqwest::Url;

/// More hosts than this are not remembered once nobody speaks to them.
const MOST: usize = 1_024;

/// Every host that is spoken to.
#[derive(Debug)]
pub(crate) struct Hosts {
    at_once: usize,
    known: Mutex<HashMap<String, Arc<Host>>>,
}

/// One host: scheme, name and port.
#[derive(Debug)]
pub(crate) struct Host {
    gate: Gate,
    limiter: Limiter,
}

impl Hosts {
    /// Lets at most `at_once` requests run at any host.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { at_once, known: Mutex::default() }
    }

    /// Returns what is shared about the host of a URL.
    pub(crate) fn of(&self, url: &Url) -> Arc<Host> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MOST {
            known.retain(|_, host| Arc::strong_count(host) > 1 || host.gate.closed_for().is_some());
        }
        // As many as the user said from the first on: a pause to find out would be longer than most runs.
        let new = || Host { gate: Gate::new(), limiter: Limiter::new(1, self.at_once, self.at_once) };
        Arc::clone(known.entry(url.origin().ascii_serialization()).or_insert_with(|| Arc::new(new())))
    }
}

impl Host {
    /// Waits until one more request may be sent: now, and not in a moment.
    pub(crate) async fn enter(&self, pace: Option<&Pace>) -> Permit {
        loop {
            self.gate.pass().await;
            let permit = self.limiter.acquire().await;
            if let Some(pace) = pace {
                pace.rate.take(pace.each).await;
            }
            // It may have closed while this waited.
            if self.gate.closed_for().is_none() {
                return permit;
            }
        }
    }

    /// Keeps all requests back for as long as the host asked.
    pub(crate) fn pause(&self, pause: Duration) {
        self.gate.close_for(pause);
    }
}

/// So many requests in a time.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    /// What one request takes of the rate.
    each: u64,
}

impl Pace {
    /// Allows `count` requests in so many `seconds`, evenly spread.
    pub(crate) fn new(count: u64, seconds: u64) -> Self {
        let count = count.max(1);
        // The bucket gets `count` tokens a second and holds what one request takes.
        let burst = Duration::from_secs(seconds).div_f64(count as f64);
        Self { rate: Rate::new(count, burst), each: seconds }
    }
}
