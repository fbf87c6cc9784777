//! When to try again: exponential backoff with full jitter, and `Retry-After`.

use std::time::{Duration, SystemTime};

#[cfg(test)]
mod tests;

/// How often, and after which pauses, something that failed is tried again.
///
/// The pause before attempt *n* + 1 is drawn evenly from nothing up to `base` × 2ⁿ⁻¹, at most `cap`: full
/// jitter, which spreads callers that failed together better than any fixed pause does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest pause after the first failure.
    pub base: Duration,
    /// The longest pause after any failure that names none itself.
    pub cap: Duration,
    /// How often something is tried in all; 1 means never again.
    pub max_attempts: u32,
    /// The longest pause that a `Retry-After` can ask for.
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(20),
            max_attempts: 5,
            retry_after_cap: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Returns the policy that never tries again.
    #[must_use]
    pub fn never() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// Returns the pause after the failure of attempt `attempt` (the first is 1), or nothing to give up.
    ///
    /// `unit_random` is a random number from 0 to 1. A `retry_after` is a floor: its pause is kept in full,
    /// up to its own cap, and the jitter comes on top, so that those who were told the same time do not
    /// return as one.
    #[must_use]
    pub fn delay(&self, attempt: u32, unit_random: f64, retry_after: Option<Duration>) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        let ceiling = self.base.saturating_mul(1 << doublings).min(self.cap);
        // NaN clamps to NaN; comparing makes it nothing.
        let unit = if unit_random > 0.0 { unit_random.min(1.0) } else { 0.0 };
        let Some(asked) = retry_after else {
            return Some(ceiling.mul_f64(unit).min(ceiling));
        };
        let jitter = self.base.min(self.cap).mul_f64(unit);
        Some(asked.min(self.retry_after_cap).saturating_add(jitter))
    }
}

/// Reads a `Retry-After` field (RFC 9110, section 10.2.3): seconds, or an HTTP date compared with `now`.
///
/// A date that has passed means no pause; more than `cap` means `cap`; what is neither form is nothing.
#[must_use]
pub fn parse_retry_after(field: &str, now: SystemTime, cap: Duration) -> Option<Duration> {
    let field = field.trim();
    if field.is_empty() {
        return None;
    }
    if field.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only a number too large for 64 bits fails here, and that is surely past the cap.
        let seconds = field.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(cap));
    }
    let date = httpdate::parse_http_date(field).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(cap))
}
