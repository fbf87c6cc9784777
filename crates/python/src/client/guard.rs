//! Locks that renew themselves.

use std::sync::Arc;

use longshore::{Client, HoldOptions, LockGuard, NodeId, VersionId};
use pyo3::prelude::*;
use pythonize::pythonize;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use super::seconds;
use crate::failure::exception;
use crate::pending::{Pending, nothing};

/// How a lock is wanted, as Python says it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HoldSaid {
    /// In seconds.
    ttl: Option<f64>,
    /// In seconds.
    wait: Option<f64>,
    purpose: Option<String>,
    owner_label: Option<String>,
    if_version: Option<VersionId>,
}

impl HoldSaid {
    pub(super) fn options(self, py: Python<'_>) -> PyResult<HoldOptions> {
        let mut options = HoldOptions {
            purpose: self.purpose,
            owner_label: self.owner_label,
            if_version: self.if_version,
            ..HoldOptions::default()
        };
        if let Some(ttl) = self.ttl {
            options.ttl = seconds(py, ttl)?;
        }
        if let Some(wait) = self.wait {
            options.wait = seconds(py, wait)?;
        }
        Ok(options)
    }
}

/// Locks that are held until they are released, or this is gone.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Guard(Arc<Holding>);

struct Holding {
    guard: Mutex<Option<LockGuard>>,
    /// Closed once they are to be given back: who waits for their loss lets go of them.
    is_over: Semaphore,
}

/// Takes the locks of these nodes, all or none.
pub(super) fn hold(py: Python<'_>, client: &Client, nodes: Vec<NodeId>, said: HoldSaid) -> PyResult<Pending> {
    let (locks, options) = (client.locks(), said.options(py)?);
    let held = async move {
        match *nodes {
            [node] => locks.hold(node, &options).await,
            _ => locks.hold_many(&nodes, &options).await,
        }
    };
    Ok(Pending::verb(held, |py, guard| {
        let known = pythonize(py, guard.locks())?;
        let tokens: Vec<_> = guard.tokens().iter().map(|token| token.reveal().to_owned()).collect();
        let holding = Holding { guard: Mutex::new(Some(guard)), is_over: Semaphore::new(0) };
        let guard = Guard(Arc::new(holding));
        Ok((known, tokens, guard).into_pyobject(py)?.into_any().unbind())
    }))
}

#[pymethods]
impl Guard {
    /// Waits until the lock is lost; gives the error that says how, or `None` once it is given back.
    fn lost(&self) -> Pending {
        let holding = Arc::clone(&self.0);
        let lost = async move {
            let guard = holding.guard.lock().await;
            let guard = guard.as_ref()?;
            tokio::select! {
                error = guard.lost() => Some(error),
                _closed = holding.is_over.acquire() => None,
            }
        };
        Pending::new(lost, |py, error| match error {
            Some(error) => Ok(exception(py, &error).into_value(py).into_any()),
            None => Ok(py.None()),
        })
    }

    /// Gives the error of the loss, if the lock is lost by now.
    fn loss(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let guard = self.0.guard.try_lock().ok()?;
        let error = guard.as_ref()?.ensure_held().err()?;
        Some(exception(py, &error).into_value(py).into_any())
    }

    /// Gives the locks back, and waits for that.
    fn release(&self) -> Pending {
        let holding = Arc::clone(&self.0);
        let released = async move {
            holding.is_over.close();
            match holding.guard.lock().await.take() {
                Some(guard) => guard.release().await,
                None => Ok(()),
            }
        };
        Pending::verb(released, nothing)
    }
}
