//! The sweeper's clock: when blobs without a version are looked for.

use std::time::Duration;

use longshore_engine::Engine;
use tokio::time::sleep;

use crate::error::chain;

/// The first sweep leaves a starting server in peace for a moment.
const FIRST: Duration = Duration::from_secs(10);

/// Sweeps soon, and then at every interval, until it is dropped.
pub(crate) async fn run(engine: Engine, interval: Duration) {
    sleep(FIRST.min(interval)).await;
    loop {
        match engine.sweep().await {
            Ok(swept) => {
                let (seen, removed, bytes) = (swept.seen, swept.removed, swept.bytes);
                tracing::debug!(seen, removed, bytes, "swept");
            }
            Err(error) => tracing::warn!(error = chain(&error), "a sweep failed; the next one tries again"),
        }
        sleep(interval).await;
    }
}
