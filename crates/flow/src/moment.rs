//! Moments in the future that a caller or a server names, however far they are.

use std::time::Duration;

use tokio::time::Instant;

/// As good as never, and near enough for every clock: thirty years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Returns the moment that is `pause` after `start`; thirty years after it, where `pause` is longer, because a sum past the
/// end of the clock would panic.
#[must_use]
pub fn after(start: Instant, pause: Duration) -> Instant {
    start + pause.min(FAR)
}
