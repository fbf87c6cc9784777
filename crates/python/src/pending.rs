//! Work of Rust that Python waits for: `await pending` in a loop, `pending.wait()` in a thread.
//!
//! It is tried at once, in the thread that asks: what cannot block is done then, and costs no turn of the loop. Else it goes to
//! the runtime once it is woken ([`Handoff`]), and what it ended with to the loop's [`Queue`].

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable};
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::failure::Raised;
use crate::handoff::Handoff;
use crate::queue::{self, Queue};
use crate::runtime::runtime;

/// What work ended with, as Python will see it.
pub(crate) type Ended = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

type Work = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// How often a thread that waits looks whether its user has interrupted it.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each step leaves it whole, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn nothing(py: Python<'_>, (): ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

pub(crate) fn truth(py: Python<'_>, value: bool) -> PyResult<Py<PyAny>> {
    Ok(value.into_pyobject(py)?.to_owned().into_any().unbind())
}

pub(crate) fn bytes(py: Python<'_>, bytes: Bytes) -> PyResult<Py<PyAny>> {
    Ok(PyBytes::new(py, &bytes).into_any().unbind())
}

/// Where the work stands.
enum State {
    /// Nobody has waited for it.
    Idle(Work),
    /// On its way, for a task that waits for this future of its loop.
    Running(Running),
    /// It was cancelled, and its task waits until it is cleared away: then it is told this.
    Stopping(PyErr),
    Over,
}

/// Work on its way.
struct Running {
    abort: AbortHandle,
    /// Where it is, or was before it went to the runtime.
    handoff: Arc<Handoff>,
    /// Who is told of the end, once.
    waiter: Arc<Mutex<Waiter>>,
    /// What the task waits for.
    future: Py<PyAny>,
}

impl Running {
    /// Ends the work. It is dropped on the runtime.
    fn stop(&self) {
        self.abort.abort();
        self.handoff.wake_now();
    }
}

enum Waiter {
    Waits(Py<PyAny>),
    WasTold,
}

/// Work that runs once it is waited for.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Pending(Mutex<State>);

impl Pending {
    /// Makes it of a future, and of what makes a Python object of that one's output.
    pub(crate) fn new<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        let work = async move {
            match AssertUnwindSafe(work).catch_unwind().await {
                Ok(output) => Box::new(move |py: Python<'_>| convert(py, output)) as Ended,
                Err(panic) => Box::new(move |_: Python<'_>| Err(panicked(&*panic))) as Ended,
            }
        };
        Self::of(Box::pin(work))
    }

    /// Makes it of a verb that may fail.
    pub(crate) fn verb<T: Send + 'static, E: Raised>(
        verb: impl Future<Output = Result<T, E>> + Send + 'static,
        convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        Self::new(verb, |py, result| match result {
            Ok(value) => convert(py, value),
            Err(error) => Err(error.raised(py)),
        })
    }

    fn of(work: Work) -> Self {
        Self(Mutex::new(State::Idle(work)))
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *locked(&self.0), State::Over)
    }

    fn put(&self, state: State) {
        *locked(&self.0) = state;
    }
}

/// Makes the exception of a fault of ours.
fn panicked(panic: &(dyn std::any::Any + Send)) -> PyErr {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
    PyRuntimeError::new_err(format!("longshore failed inside: {}", text.unwrap_or_default()))
}

/// A task that ends with who waits for it.
struct Task(tokio::task::JoinHandle<Ended>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tries work once, without the interpreter's lock; gives it back where it must wait, with who is told when it can go on.
fn try_once(py: Python<'_>, mut work: Work) -> PyResult<Result<Ended, (Work, Arc<Handoff>)>> {
    let runtime = runtime()?;
    Ok(py.detach(move || {
        let _inside = runtime.enter();
        let handoff = Handoff::new(runtime);
        match work.as_mut().poll(&mut Context::from_waker(&handoff.waker())) {
            Poll::Ready(ended) => Ok(ended),
            Poll::Pending => Err((work, handoff)),
        }
    }))
}

/// Leaves work that was tried to whoever wakes it, for the loop that runs in this thread.
fn start(py: Python<'_>, work: Work, handoff: Arc<Handoff>) -> PyResult<Running> {
    let queue = queue::of_running_loop(py)?;
    let future = queue.future(py)?;
    let waiter = Arc::new(Mutex::new(Waiter::Waits(future.clone_ref(py))));
    let (abort, registration) = AbortHandle::new_pair();
    let told = Arc::clone(&waiter);
    handoff.leave(Box::pin(async move {
        // What is aborted is dropped before this goes on: what it had begun is cleared away by then.
        let ended = Abortable::new(work, registration).await.ok();
        tell(&told, &queue, ended);
    }));
    Ok(Running { abort, handoff, waiter, future })
}

fn tell(waiter: &Mutex<Waiter>, queue: &Queue, ended: Option<Ended>) {
    let waiter = std::mem::replace(&mut *locked(waiter), Waiter::WasTold);
    if let Waiter::Waits(future) = waiter {
        queue.push(future, ended);
    }
}

fn waited_twice() -> PyErr {
    PyRuntimeError::new_err("this was waited for already")
}

fn stop(value: Py<PyAny>) -> PyErr {
    PyStopIteration::new_err((value,))
}

#[pymethods]
impl Pending {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Goes on: gives the future to wait for, or ends with what the work ended with.
    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.take() {
            State::Idle(work) => match try_once(py, work)? {
                Ok(ended) => Err(stop(ended(py)?)),
                Err((work, handoff)) => {
                    let running = start(py, work, handoff)?;
                    let future = queue::to_wait_for(py, &running.future)?;
                    self.put(State::Running(running));
                    Ok(future)
                }
            },
            // Its task is woken when the future is done.
            State::Running(running) => Err(stop(running.future.call_method0(py, "result")?)),
            State::Stopping(why) => Err(why),
            State::Over => Err(waited_twice()),
        }
    }

    fn send(&self, py: Python<'_>, value: Py<PyAny>) -> PyResult<Py<PyAny>> {
        drop(value);
        self.__next__(py)
    }

    /// Ends the work, because its task was cancelled: the task goes on once what was begun is cleared away.
    #[pyo3(signature = (kind, value=None, traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        drop(traceback);
        let why = PyErr::from_value(value.filter(|value| !value.is_none()).unwrap_or(kind));
        let State::Running(running) = self.take() else { return Err(why) };
        running.stop();
        let queue = queue::of_running_loop(py)?;
        let future = queue.future(py)?;
        {
            let mut waiter = locked(&running.waiter);
            if matches!(*waiter, Waiter::WasTold) {
                return Err(why);
            }
            *waiter = Waiter::Waits(future.clone_ref(py));
        }
        self.put(State::Stopping(why));
        queue::to_wait_for(py, &future)
    }

    fn close(&self) {
        if let State::Running(running) = self.take() {
            running.stop();
        }
    }

    /// Begins the work now; gives what waits for its end.
    fn start(&self) -> PyResult<Self> {
        let State::Idle(work) = self.take() else { return Err(waited_twice()) };
        let mut task = Task(runtime()?.spawn(work));
        Ok(Self::of(Box::pin(async move {
            match (&mut task.0).await {
                Ok(ended) => ended,
                Err(error) => Box::new(move |_: Python<'_>| Err(PyRuntimeError::new_err(error.to_string()))),
            }
        })))
    }

    /// Waits in this thread. A user who interrupts it ends the work.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let State::Idle(mut work) = self.take() else { return Err(waited_twice()) };
        let runtime = runtime()?;
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(PyRuntimeError::new_err("a callback of longshore cannot wait for longshore"));
        }
        loop {
            let tried = py.detach(move || {
                runtime.block_on(async move {
                    match tokio::time::timeout(LOOK, work.as_mut()).await {
                        Ok(ended) => Ok(ended),
                        Err(_) => Err(work),
                    }
                })
            });
            match tried {
                Ok(ended) => return ended(py),
                Err(rest) => work = rest,
            }
            if let Err(interrupted) = py.check_signals() {
                py.detach(move || {
                    let _inside = runtime.enter();
                    drop(work);
                });
                return Err(interrupted);
            }
        }
    }
}
