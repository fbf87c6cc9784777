//! Waiting for a future on the thread that calls, while a runtime drives what the future needs.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use crate::error::{Error, ErrorKind, Result};

/// How many threads drive timers and sockets. The content itself is moved by the threads that call.
const THREADS: usize = 2;

/// Who drives what is waited for.
#[derive(Clone, Debug)]
pub(super) struct Driver {
    runtime: Handle,
    /// Held for its end alone.
    _own: Option<Arc<Own>>,
}

#[derive(Debug)]
struct Own(Option<Runtime>);

impl Drop for Own {
    fn drop(&mut self) {
        // To wait for its threads, as a runtime that is dropped does, is forbidden in async code, where this may be.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Driver {
    pub(super) fn own() -> Result<Self> {
        let built = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("longshore-store")
            .enable_all()
            .build();
        let runtime = built.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "no threads are to be had for a runtime").with_source(error)
        })?;
        Ok(Self { runtime: runtime.handle().clone(), _own: Some(Arc::new(Own(Some(runtime)))) })
    }

    pub(super) fn of(runtime: Handle) -> Result<Self> {
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            let message = "a blocking store needs a runtime with threads of its own: one of the current thread does nothing \
                           while that thread waits";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self { runtime, _own: None })
    }

    /// Waits until a future is done.
    ///
    /// Tokio's own way to do this panics in async code; this one holds up the thread, as whoever calls a blocking store has
    /// asked for. No other runtime's thread is needed for the future to go on.
    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        let is_inside = Handle::try_current().is_ok_and(|current| current.id() == self.runtime.id());
        let _entered = self.runtime.enter();
        if is_inside {
            // On a thread of that runtime: others of it must take over what this one has in hand.
            tokio::task::block_in_place(|| park(future))
        } else {
            park(future)
        }
    }
}

/// Polls a future on this thread, which sleeps in between.
fn park<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken { thread: std::thread::current(), is_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        while !woken.is_woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}

struct Woken {
    thread: Thread,
    /// A thread may be unparked by anybody, and for nothing.
    is_woken: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Something that is used, and dropped, within its runtime: what cleans up after itself may begin tasks there.
#[derive(Debug)]
pub(super) struct Held<T> {
    driver: Driver,
    /// Nothing once it was taken.
    value: Option<T>,
}

impl<T> Held<T> {
    pub(super) const fn new(driver: Driver, value: T) -> Self {
        Self { driver, value: Some(value) }
    }

    /// Returns the value with who waits for what it does, unless it was taken.
    pub(super) fn get(&mut self) -> Option<(&Driver, &mut T)> {
        self.value.as_mut().map(|value| (&self.driver, value))
    }

    /// Takes the value for good.
    pub(super) fn take(&mut self) -> Option<(&Driver, T)> {
        self.value.take().map(|value| (&self.driver, value))
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let _entered = self.driver.runtime.enter();
        self.value = None;
    }
}
