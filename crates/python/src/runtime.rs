//! The one runtime of a process, on which all that waits runs.

use std::num::NonZero;
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};

/// A runtime and the process that made it.
struct Owned {
    process: u32,
    runtime: Runtime,
}

static RUNTIME: OnceLock<std::io::Result<Owned>> = OnceLock::new();

/// Has the heap keep what the chunks of a stream need, rather than give it back to the kernel with each and take it again page by
/// page, which costs as much as reading the file.
///
/// glibc learns from the largest block that it frees to keep twice as much; other heaps learn nothing from it.
fn keep_memory() {
    const LARGEST: usize = 4 * 1024 * 1024;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST)));
}

/// Returns how many threads the runtime has: half as many as there are cores, since Python's own take the others, and threads
/// that wake each other for a small request cost more than they bring. Nothing where Tokio's own variable says it.
fn threads() -> Option<usize> {
    let said = Python::attach(|py| py.import("os")?.getattr("environ")?.contains("TOKIO_WORKER_THREADS"));
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    (!said.unwrap_or(false)).then(|| (cores() / 2).max(1))
}

/// Returns the process's runtime, which is begun with the first that asks for it.
///
/// A process that was forked has its memory and none of its threads: whoever waited there would wait for ever.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    let begun = RUNTIME.get_or_init(|| {
        keep_memory();
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().thread_name("longshore");
        if let Some(threads) = threads() {
            builder.worker_threads(threads);
        }
        let runtime = builder.build()?;
        Ok(Owned { process: std::process::id(), runtime })
    });
    match begun {
        Ok(owned) if owned.process == std::process::id() => Ok(&owned.runtime),
        Ok(_) => Err(PyRuntimeError::new_err(
            "longshore was used before this process was forked, and does not work in the child: use the `spawn` or \
             `forkserver` start method of multiprocessing, or make clients and stores after the fork alone",
        )),
        Err(error) => Err(PyRuntimeError::new_err(format!("no thread could be started: {error}"))),
    }
}
