//! So much in a second, and no more: a token bucket that tasks wait at.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// A token bucket: it fills at a steady rate up to what it holds, and who takes waits until there is enough.
///
/// Who comes first is served first, however much is asked for, so nobody starves. Who gives up while waiting (a dropped
/// future) has taken nothing and holds up nobody. The time is tokio's, which a test can stop and move.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    most: f64,
    /// Held while waiting: that is the queue, and tokio's is a fair one.
    state: Mutex<State>,
}

/// How many requests and bytes a second may have; shared by all tasks of a client.
///
/// ```
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use longshore_flow::Rates;
///
/// let rates = Rates::new(Some(50), Some(1 << 20), Duration::from_secs(1));
/// rates.take_request().await;
/// // … and for each chunk that was read or is to be written:
/// rates.take_bytes(64 * 1024).await;
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Rates {
    requests: Option<Rate>,
    bytes: Option<Rate>,
}

impl Rates {
    /// Allows so many requests and bytes in a second, and any number where there is none; 0 counts as 1. How long a silence is
    /// made up for at once afterwards is `burst`.
    #[must_use]
    pub fn new(requests: Option<u64>, bytes: Option<u64>, burst: Duration) -> Self {
        let rate = |per_second: Option<u64>| per_second.map(|each| Rate::new(each, burst));
        Self { requests: rate(requests), bytes: rate(bytes) }
    }

    /// Tells whether requests are counted.
    #[must_use]
    pub const fn limits_requests(&self) -> bool {
        self.requests.is_some()
    }

    /// Tells whether bytes are counted.
    #[must_use]
    pub const fn limits_bytes(&self) -> bool {
        self.bytes.is_some()
    }

    /// Waits until one more request may begin, as [`Rate::take`] does.
    pub async fn take_request(&self) {
        if let Some(requests) = &self.requests {
            requests.take(1).await;
        }
    }

    /// Waits until so many bytes more may pass, as [`Rate::take`] does; more than a second's are no error.
    pub async fn take_bytes(&self, count: usize) {
        if let Some(bytes) = &self.bytes {
            bytes.take(count as u64).await;
        }
    }
}

#[derive(Debug)]
struct State {
    /// Below nothing after somebody took more than the bucket holds: then the next one waits longer.
    tokens: f64,
    filled: Instant,
}

impl Rate {
    /// Makes a full bucket that gets `per_second` tokens in a second (0 counts as 1) and holds those of `burst`, but one at
    /// least.
    #[must_use]
    pub fn new(per_second: u64, burst: Duration) -> Self {
        let per_second = per_second.max(1) as f64;
        let most = (per_second * burst.as_secs_f64()).max(1.0);
        Self { per_second, most, state: Mutex::new(State { tokens: most, filled: Instant::now() }) }
    }

    /// Takes `amount` tokens, as soon as they are there.
    ///
    /// More than the bucket holds is given when it is full, and those who come later wait until that is made up for: over
    /// time the rate is kept, whatever the pieces. Nothing (0) is taken at once.
    pub async fn take(&self, amount: u64) {
        if amount == 0 {
            return;
        }
        let amount = amount as f64;
        let needed = amount.min(self.most);
        let mut state = self.state.lock().await;
        loop {
            let now = Instant::now();
            let filled = now.saturating_duration_since(state.filled).as_secs_f64() * self.per_second;
            state.tokens = (state.tokens + filled).min(self.most);
            state.filled = now;
            let missing = needed - state.tokens;
            if missing <= 0.0 {
                state.tokens -= amount;
                return;
            }
            // At the least what the timer can tell apart, so that no rounding makes this spin.
            let wait = (missing / self.per_second).clamp(0.001, 86_400.0);
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        }
    }
}
