//! Errors of Rust as exceptions of `longshore.exceptions`, which are made there.

use std::convert::Infallible;

use longshore::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// An error of Rust that Python sees as an exception.
pub(crate) trait Raised: Send + 'static {
    /// Makes the exception.
    fn raised(&self, py: Python<'_>) -> PyErr;
}

impl Raised for Error {
    fn raised(&self, py: Python<'_>) -> PyErr {
        exception(py, self)
    }
}

impl Raised for Infallible {
    fn raised(&self, _: Python<'_>) -> PyErr {
        match *self {}
    }
}

/// Makes the exception of a client's error.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    make(py, error).unwrap_or_else(|failed| failed)
}

fn make(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let facts = PyDict::new(py);
    facts.set_item("kind", format!("{:?}", error.kind()))?;
    facts.set_item("code", error.code().map(longshore::ErrorCode::as_str))?;
    facts.set_item("status", error.status())?;
    facts.set_item("request_id", error.request_id())?;
    facts.set_item("retry_after", error.retry_after().map(|pause| pause.as_secs_f64()))?;
    facts.set_item("is_network", error.is_network())?;
    facts.set_item("is_local", error.is_local())?;
    facts.set_item("is_cancelled", error.is_cancelled())?;
    facts.set_item("os_error", os_error(error))?;
    facts.set_item("facts", pythonize::pythonize(py, error.facts())?)?;
    let make = MAKE.import(py, "longshore.exceptions", "_of_client")?;
    Ok(PyErr::from_value(make.call((error.to_string(),), Some(&facts))?))
}

/// Returns the number of the system's error that lies under one.
pub(crate) fn os_error(error: &dyn std::error::Error) -> Option<i32> {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(number) = found.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
            return Some(number);
        }
        cause = found.source();
    }
    None
}

/// Makes the exception of an argument that cannot be used.
pub(crate) fn invalid(py: Python<'_>, why: impl std::fmt::Display) -> PyErr {
    static INVALID: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = INVALID
        .import(py, "longshore.exceptions", "InvalidError")
        .and_then(|kind| kind.call1((why.to_string(),)));
    made.map_or_else(|failed| failed, PyErr::from_value)
}
