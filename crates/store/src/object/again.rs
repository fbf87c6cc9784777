//! Doing again what [`Store::with_retry`](crate::Store::with_retry) cannot: it keeps no content and no place in a listing, and one
//! part or page of thousands that a busy service refused must not end the whole.

use std::error::Error as _;
use std::time::Duration;

use http::StatusCode;
use longshore_flow::RetryPolicy;

use crate::error::{Error, Result};
use crate::http::Refused;
use crate::layer::unit_random;

/// A few times soon after each other; who wants more has the layer.
pub(super) const POLICY: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(200),
    cap: Duration::from_secs(5),
    max_attempts: 4,
    retry_after_cap: Duration::from_secs(20),
};

/// Does again what is not possible just now. What is not the same done twice, for its first attempt may have been done after
/// all, is done again only where the service said that it has not.
pub(crate) async fn again<T, F>(is_same_twice: bool, mut once: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut attempt = 1;
    loop {
        let error = match once().await {
            Err(error) if error.is_retryable() && (is_same_twice || was_turned_away(&error)) => error,
            result => return result,
        };
        match POLICY.delay(attempt, unit_random(), error.retry_after()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
        attempt += 1;
    }
}

/// Returns whether the service did not even begin.
fn was_turned_away(error: &Error) -> bool {
    let refused = error.source().and_then(|source| source.downcast_ref::<Refused>());
    refused.is_some_and(|refused| {
        matches!(refused.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    })
}
