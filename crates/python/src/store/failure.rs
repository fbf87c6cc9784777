//! Errors of a store as exceptions of `longshore.exceptions`, which are made there.

use longshore_store::{Capability, Error};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::said;
use crate::failure::{Raised, os_error};

impl Raised for Error {
    fn raised(&self, py: Python<'_>) -> PyErr {
        exception(py, self)
    }
}

/// Makes the exception of a store's error.
pub(super) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    of(py, error, error.path(), error.backend())
}

/// Makes the exception of an error that knows no place yet.
pub(super) fn exception_at(py: Python<'_>, error: &Error, path: &str, backend: &str) -> PyErr {
    of(py, error, error.path().or(Some(path)), error.backend().or(Some(backend)))
}

fn of(py: Python<'_>, error: &Error, path: Option<&str>, backend: Option<&str>) -> PyErr {
    let facts = PyDict::new(py);
    let filled = (|| {
        facts.set_item("kind", format!("{:?}", error.kind()))?;
        facts.set_item("path", path)?;
        facts.set_item("backend", backend)?;
        facts.set_item("capability", error.capability().map(said::capability))?;
        facts.set_item("retry_after", error.retry_after().map(|pause| pause.as_secs_f64()))?;
        facts.set_item("os_error", os_error(error))
    })();
    filled.map_or_else(|failed| failed, |()| make(py, error.message(), &facts))
}

/// Makes the exception of a backend that lacks something.
pub(super) fn lacking(py: Python<'_>, capability: Capability, path: &str, backend: &str) -> PyErr {
    let facts = PyDict::new(py);
    let filled = (|| {
        facts.set_item("kind", "Unsupported")?;
        facts.set_item("path", path)?;
        facts.set_item("backend", backend)?;
        facts.set_item("capability", said::capability(capability))
    })();
    let message = format!("the backend lacks the capability {capability:?}");
    filled.map_or_else(|failed| failed, |()| make(py, &message, &facts))
}

fn make(py: Python<'_>, message: &str, facts: &Bound<'_, PyDict>) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE
        .import(py, "longshore.exceptions", "_of_store")
        .and_then(|make| make.call((message,), Some(facts)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}
