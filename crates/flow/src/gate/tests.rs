use std::time::Duration;

use tokio::time::Instant;

use super::Gate;

#[tokio::test(start_paused = true)]
async fn an_open_gate_does_not_wait() {
    let start = Instant::now();
    Gate::new().pass().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_longest_pause_counts_for_all() {
    let gate = Gate::new();
    let start = Instant::now();
    gate.close_for(Duration::from_secs(5));
    gate.close_for(Duration::from_secs(2));
    tokio::join!(gate.pass(), gate.pass());
    assert!(start.elapsed() >= Duration::from_secs(5));
    assert!(gate.closed_for().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_grows_holds_who_already_waits() {
    let gate = Gate::new();
    let start = Instant::now();
    gate.close_for(Duration::from_secs(1));
    tokio::join!(gate.pass(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        gate.close_for(Duration::from_secs(3));
    });
    assert!(start.elapsed() >= Duration::from_millis(3_500));
}

#[tokio::test(start_paused = true)]
async fn an_opened_gate_lets_through_at_once() {
    let gate = Gate::new();
    gate.close_for(Duration::from_secs(5));
    gate.open();
    assert!(gate.closed_for().is_none());
    gate.close_for(Duration::from_secs(1));
    assert_eq!(gate.closed_for(), Some(Duration::from_secs(1)));
}
