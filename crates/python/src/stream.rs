//! What comes bit by bit, crossing to Python in batches.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, iter, try_unfold};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::failure::Raised;
use crate::pending::{Pending, bytes, nothing};

/// The most items that cross together.
const BATCH: usize = 256;
/// How many bytes cross together, where so many are there.
const BYTES: usize = 1024 * 1024;

/// What makes a Python object of one batch.
type Batch = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Items that come in batches; `next` gives none at the end.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Stream(Arc<Mutex<Option<BoxStream<'static, Batch>>>>);

impl Stream {
    fn of(batches: BoxStream<'static, Batch>) -> Self {
        Self(Arc::new(Mutex::new(Some(batches))))
    }

    /// Gives items as lists of plain objects.
    pub(crate) fn items<T, S>(items: S) -> Self
    where
        T: Serialize + Send + 'static,
        S: futures_util::Stream<Item = longshore::Result<T>> + Send + 'static,
    {
        Self::results(items, |py, item| Ok(pythonize::pythonize(py, &item)?.unbind()))
    }

    /// Gives items as lists, made one by one; a failure is raised after what came before it.
    pub(crate) fn results<T, E, S>(
        items: S,
        convert: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>> + Clone + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: Raised,
        S: futures_util::Stream<Item = Result<T, E>> + Send + 'static,
    {
        let batches = items.ready_chunks(BATCH).flat_map(move |batch| {
            let convert = convert.clone();
            let mut good = Vec::with_capacity(batch.len());
            let mut failed = None;
            for item in batch {
                match item {
                    Ok(item) => good.push(item),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let good = (!good.is_empty()).then(|| -> Batch {
                Box::new(move |py| {
                    let items = good.into_iter().map(|item| convert(py, item));
                    let items = items.collect::<PyResult<Vec<_>>>()?;
                    Ok(PyList::new(py, items)?.into_any().unbind())
                })
            });
            let failed = failed.map(|error| -> Batch { Box::new(move |py| Err(error.raised(py))) });
            iter(good.into_iter().chain(failed))
        });
        Self::of(batches.boxed())
    }

    /// Gives Python objects, made one by one.
    pub(crate) fn objects<T, S>(
        items: S,
        convert: impl Fn(Python<'_>, T) -> PyResult<Py<PyAny>> + Clone + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        S: futures_util::Stream<Item = T> + Send + 'static,
    {
        Self::results(items.map(Ok::<_, Infallible>), convert)
    }

    /// Gives bytes, joined up to 1 MiB where so many are there already.
    pub(crate) fn bytes<E, S>(chunks: S) -> Self
    where
        E: Raised,
        S: futures_util::Stream<Item = Result<Bytes, E>> + Send + 'static,
    {
        let joined = try_unfold((chunks.fuse().boxed(), None), |(mut chunks, failed)| async move {
            if let Some(error) = failed {
                return Err(error);
            }
            let Some(first) = chunks.try_next().await? else { return Ok(None) };
            let mut size = first.len();
            let mut pieces = vec![first];
            let mut failed = None;
            while size < BYTES {
                match chunks.next().now_or_never().flatten() {
                    Some(Ok(more)) => {
                        size += more.len();
                        pieces.push(more);
                    }
                    Some(Err(error)) => {
                        failed = Some(error);
                        break;
                    }
                    None => break,
                }
            }
            Ok(Some((pieces, (chunks, failed))))
        });
        let batches = joined.map(|pieces| -> Batch {
            Box::new(move |py| match pieces {
                Ok(pieces) => joined_bytes(py, &pieces),
                Err(error) => Err(error.raised(py)),
            })
        });
        Self::of(batches.boxed())
    }
}

/// Makes one object of pieces, copying each once.
fn joined_bytes(py: Python<'_>, pieces: &[Bytes]) -> PyResult<Py<PyAny>> {
    if let [whole] = pieces {
        return bytes(py, whole.clone());
    }
    let size = pieces.iter().map(Bytes::len).sum();
    let whole = PyBytes::new_with(py, size, |mut rest| {
        for piece in pieces {
            let (place, behind) = rest.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            rest = behind;
        }
        Ok(())
    })?;
    Ok(whole.into_any().unbind())
}

#[pymethods]
impl Stream {
    /// Waits for the next batch: a list of items, or bytes; `None` once all have come.
    fn next(&self) -> Pending {
        let stream = Arc::clone(&self.0);
        let next = async move {
            let mut stream = stream.lock().await;
            let next = match stream.as_mut() {
                Some(batches) => batches.next().await,
                None => None,
            };
            if next.is_none() {
                *stream = None;
            }
            next
        };
        Pending::new(next, |py, batch| match batch {
            Some(batch) => batch(py),
            None => Ok(py.None()),
        })
    }

    /// Lets go of all that the stream holds: what is under way ends.
    fn close(&self) -> Pending {
        let stream = Arc::clone(&self.0);
        Pending::new(async move { drop(stream.lock().await.take()) }, nothing)
    }
}
