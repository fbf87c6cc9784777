//! What has ended, on its way to a loop: threads of the runtime put it here and write a byte into a pipe, and the loop takes all
//! there is at each wake-up. So many ends share one turn, and no thread of the runtime waits for the interpreter's lock.

use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyWeakrefReference;

use crate::pending::{Ended, locked};

/// What has ended for one loop.
pub(crate) struct Queue {
    ended: Mutex<Vec<(Py<PyAny>, Option<Ended>)>>,
    /// Whether the loop knows that there is something.
    is_told: AtomicBool,
    writer: PipeWriter,
    /// Without keeping it.
    event_loop: Py<PyWeakrefReference>,
}

impl Queue {
    /// Takes what a future of the loop is to be ended with; nothing where it only is to be over.
    pub(crate) fn push(&self, future: Py<PyAny>, ended: Option<Ended>) {
        locked(&self.ended).push((future, ended));
        if !self.is_told.swap(true, Ordering::AcqRel) {
            // A loop that is gone reads nothing, and nobody waits in it.
            let _gone = (&self.writer).write(&[1]);
        }
    }

    /// Makes a future of the loop.
    pub(crate) fn future(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let event_loop = self.event_loop.bind(py).upgrade();
        let event_loop =
            event_loop.ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("the event loop is gone"))?;
        Ok(event_loop.call_method0(pyo3::intern!(py, "create_future"))?.unbind())
    }
}

/// What a loop calls when there is something in its queue.
#[pyclass(module = "longshore._longshore", frozen)]
struct Drain {
    queue: Arc<Queue>,
    reader: Mutex<PipeReader>,
}

#[pymethods]
impl Drain {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        // Before the queue is looked at: who comes later tells again.
        let mut bytes = [0; 16];
        let _nothing = locked(&self.reader).read(&mut bytes);
        self.queue.is_told.store(false, Ordering::Release);
        let ended = std::mem::take(&mut *locked(&self.queue.ended));
        for (future, ended) in ended {
            // The task that waited may have been cancelled, and its loop be closing.
            let result = end(py, future.bind(py), ended);
            if let Err(error) = result {
                error.write_unraisable(py, Some(future.bind(py)));
            }
        }
        Ok(())
    }
}

fn end(py: Python<'_>, future: &Bound<'_, PyAny>, ended: Option<Ended>) -> PyResult<()> {
    if future.call_method0(pyo3::intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match ended.map_or_else(|| Ok(py.None()), |ended| ended(py)) {
        Ok(value) => future.call_method1(pyo3::intern!(py, "set_result"), (value,))?,
        Err(error) => future.call_method1(pyo3::intern!(py, "set_exception"), (error.into_value(py),))?,
    };
    Ok(())
}

/// Returns a future as an iterator gives it to the task that drives it.
pub(crate) fn to_wait_for(py: Python<'_>, future: &Py<PyAny>) -> PyResult<Py<PyAny>> {
    future.setattr(py, pyo3::intern!(py, "_asyncio_future_blocking"), true)?;
    Ok(future.clone_ref(py))
}

thread_local! {
    /// The queue of the loop that ran here last.
    static LAST: RefCell<Weak<Queue>> = const { RefCell::new(Weak::new()) };
}

/// Returns the queue of the loop that runs in this thread; makes it with the first that asks.
pub(crate) fn of_running_loop(py: Python<'_>) -> PyResult<Arc<Queue>> {
    static RUNNING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let running = RUNNING.import(py, "asyncio", "get_running_loop")?.call0()?;
    if let Some(queue) = LAST.with_borrow(Weak::upgrade)
        && queue.event_loop.bind(py).upgrade().is_some_and(|known| known.is(&running))
    {
        return Ok(queue);
    }
    let queue = find_or_make(py, &running)?;
    LAST.set(Arc::downgrade(&queue));
    Ok(queue)
}

/// Finds a loop's queue, which goes with the loop.
fn find_or_make(py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Queue>> {
    static QUEUES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let queues = QUEUES
        .get_or_try_init(py, || {
            let dictionary = py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?;
            PyResult::Ok(dictionary.unbind())
        })?
        .bind(py);
    let found = queues.call_method1("get", (event_loop,))?;
    if let Ok(drain) = found.cast::<Drain>() {
        return Ok(Arc::clone(&drain.get().queue));
    }
    let (reader, writer) = std::io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true).map_err(std::io::Error::from)?;
    rustix::io::ioctl_fionbio(&writer, true).map_err(std::io::Error::from)?;
    let descriptor = reader.as_raw_fd();
    let queue = Arc::new(Queue {
        ended: Mutex::default(),
        is_told: AtomicBool::new(false),
        writer,
        event_loop: PyWeakrefReference::new(event_loop)?.unbind(),
    });
    let drain = Bound::new(py, Drain { queue: Arc::clone(&queue), reader: Mutex::new(reader) })?;
    // The loop has it from now on; a closed one lets go of it.
    event_loop.call_method1("add_reader", (descriptor, &drain))?;
    queues.set_item(event_loop, drain)?;
    Ok(queue)
}
