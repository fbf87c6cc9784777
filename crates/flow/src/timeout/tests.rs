use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{TimedOut, with_timeout};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn what_is_late_is_dropped_and_named() {
    let held = Arc::new(());
    let holds = held.clone();
    let start = Instant::now();
    let late = with_timeout("the answer", 5 * SECOND, async move {
        let _holds = holds;
        pending::<()>().await;
    });
    let error = late.await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(error, TimedOut { what: "the answer".into(), limit: 5 * SECOND });
    assert_eq!(error.to_string(), "the answer took longer than 5s");
    assert_eq!(Arc::strong_count(&held), 1, "what it held is gone");
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_is_in_time() {
    assert_eq!(with_timeout("nothing", Duration::ZERO, ready(7)).await, Ok(7));
    assert_eq!(with_timeout("nothing", Duration::MAX, tokio::time::sleep(SECOND)).await, Ok(()));
}
