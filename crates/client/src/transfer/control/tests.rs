use std::future::pending;

use futures_util::FutureExt;

use super::Control;

#[tokio::test]
async fn a_pause_holds_and_lets_go() {
    let control = Control::new();
    control.pass().await.unwrap();
    control.pause();
    assert!(control.is_paused());
    let mut waiting = Box::pin(control.pass());
    assert!((&mut waiting).now_or_never().is_none());
    control.clone().resume();
    waiting.await.unwrap();
}

#[tokio::test]
async fn what_is_cancelled_stays_so() {
    let control = Control::new();
    control.pause();
    let mut waiting = Box::pin(control.pass());
    assert!((&mut waiting).now_or_never().is_none());
    control.cancel();
    assert!(waiting.await.unwrap_err().is_cancelled());
    control.resume();
    control.pause();
    assert!(control.is_cancelled() && !control.is_paused());
    assert!(control.guard(pending::<super::Result<()>>()).await.unwrap_err().is_cancelled());
    let error = control.pass().await.unwrap_err();
    assert!(!error.is_retryable() && !error.is_network(), "{error}");
}
