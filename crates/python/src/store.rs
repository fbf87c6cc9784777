//! The store: each verb with what it takes as Python's plain objects; what it gives are tuples, which Python names.

mod failure;
mod said;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use longshore_store::{
    Capability, Config, Content, Error, ErrorKind, List, ReadOptions, StorePath, WriteOptions,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyTuple;

use self::failure::exception;
use crate::feed::Feed;
use crate::pending::{Pending, bytes, nothing, truth};
use crate::runtime::runtime;
use crate::source::file_chunks;
use crate::stream::Stream;

/// A folder of a storage, and what is in front of it.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Store {
    store: Arc<longshore_store::Store>,
    /// The folder's path in what was opened.
    root: StorePath,
}

/// Takes content: `("bytes", bytes)`, `("file", descriptor, position)` or `("feed", Feed)`.
fn content(said: &Bound<'_, PyTuple>) -> PyResult<Content> {
    let broke_off = |error: std::io::Error| {
        Error::new(ErrorKind::InvalidContent, "the content could not be read").with_source(error)
    };
    let value = said.get_item(1)?;
    match said.get_item(0)?.extract::<&str>()? {
        "bytes" => Ok(Bytes::from_owner(value.extract::<PyBackedBytes>()?).into()),
        "file" => {
            let (_, chunks) = file_chunks(value.extract()?, said.get_item(2)?.extract()?)?;
            Ok(Content::stream(chunks.map_err(broke_off)))
        }
        _ => Ok(Content::stream(value.cast::<Feed>()?.get().chunks()?.map_err(broke_off))),
    }
}

impl Store {
    fn refuse(&self, py: Python<'_>, path: &str, error: &Error) -> PyErr {
        failure::exception_at(py, error, path, self.store.name())
    }

    /// Refuses at once what no file can be asked for by.
    fn check(&self, py: Python<'_>, path: &str, capability: Capability) -> PyResult<()> {
        if !self.store.supports(capability) {
            return Err(failure::lacking(py, capability, path, self.store.name()));
        }
        StorePath::parse_below_root(path).map_err(|error| self.refuse(py, path, &error))?;
        self.store.native_path(path).map(drop).map_err(|error| exception(py, &error))
    }

    fn list(max_depth: Option<usize>, pattern: Option<String>) -> List {
        List { max_depth, pattern }
    }
}

#[pymethods]
impl Store {
    /// Opens what a URL names. Nothing is asked of a storage behind a network.
    #[new]
    fn new(
        py: Python<'_>,
        url: &str,
        options: HashMap<String, String>,
        environment: HashMap<String, String>,
    ) -> PyResult<Self> {
        let config = Config::parse(url).map_err(|error| exception(py, &error))?;
        let config = options.into_iter().fold(config, |config, (key, value)| config.with_option(key, value));
        let config = config.with_environment(environment);
        let runtime = runtime()?;
        let opened = py.detach(|| {
            let _inside = runtime.enter();
            longshore_store::Store::open(config)
        });
        let store = opened.map_err(|error| exception(py, &error))?;
        Ok(Self { store: Arc::new(store), root: StorePath::ROOT })
    }

    /// Gives a path as every store has it, for the backend of that name.
    #[staticmethod]
    fn normal_path(py: Python<'_>, path: &str, backend: &str) -> PyResult<String> {
        match StorePath::parse(path) {
            Ok(normal) => Ok(normal.as_str().to_owned()),
            Err(error) => Err(failure::exception_at(py, &error, path, backend)),
        }
    }

    /// Gives the store of a folder of this one.
    fn child(&self, py: Python<'_>, path: &str) -> PyResult<Self> {
        let below = StorePath::parse(path).map_err(|error| self.refuse(py, path, &error))?;
        let store = self.store.child(path).map_err(|error| exception(py, &error))?;
        Ok(Self { store: Arc::new(store), root: self.root.join(&below) })
    }

    #[getter]
    fn name(&self) -> &'static str {
        self.store.name()
    }

    #[getter]
    fn root(&self) -> &str {
        self.root.as_str()
    }

    #[getter]
    fn capabilities(&self) -> Vec<String> {
        self.store.capabilities().iter().map(said::capability).collect()
    }

    fn native_path(&self, py: Python<'_>, path: &str) -> PyResult<String> {
        self.store.native_path(path).map_err(|error| exception(py, &error))
    }

    /// Gives the path here of what the storage itself names so; nothing where it lies elsewhere.
    fn path_of_native(&self, native: &str) -> Option<String> {
        self.store.path_of_native(native).map(|path| path.as_str().to_owned())
    }

    fn read_bytes(
        &self,
        path: String,
        start: Option<i64>,
        end: Option<u64>,
        if_match: Option<String>,
    ) -> Pending {
        let (store, options) =
            (Arc::clone(&self.store), ReadOptions { range: said::range(start, end), if_match });
        let read = async move { store.read(&path, options).await?.bytes().await };
        Pending::verb(read, bytes)
    }

    /// Reads a file piece by piece; it is opened with the first.
    fn read(
        &self,
        py: Python<'_>,
        path: String,
        start: Option<i64>,
        end: Option<u64>,
        if_match: Option<String>,
    ) -> PyResult<Stream> {
        self.check(py, &path, Capability::Read)?;
        let (store, options) =
            (Arc::clone(&self.store), ReadOptions { range: said::range(start, end), if_match });
        let opening = async move { store.read(&path, options).await };
        Ok(Stream::bytes(futures_util::stream::once(opening).try_flatten().boxed()))
    }

    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    #[pyo3(signature = (path, from_, *, overwrite, metadata, media_type, algorithm, atomic))]
    fn write(
        &self,
        py: Python<'_>,
        path: String,
        from_: &Bound<'_, PyTuple>,
        overwrite: bool,
        metadata: Option<BTreeMap<String, String>>,
        media_type: Option<String>,
        algorithm: Option<&str>,
        atomic: bool,
    ) -> PyResult<Pending> {
        if atomic {
            self.check(py, &path, Capability::AtomicWrite)?;
        }
        let algorithm = algorithm.map(|name| said::algorithm(py, name)).transpose()?;
        let content = content(from_)?;
        let options = WriteOptions { overwrite, media_type, metadata: metadata.unwrap_or_default() };
        let store = Arc::clone(&self.store);
        let write = async move {
            match algorithm {
                Some(algorithm) => {
                    // Not in the thread that asks: it may be much that is to be computed.
                    tokio::task::yield_now().await;
                    store.write_with_hash(&path, content, algorithm, options).await
                }
                None => store.write(&path, content, options).await,
            }
        };
        Ok(Pending::verb(write, said::written))
    }

    fn delete(&self, path: String, missing_ok: bool) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.delete(&path, missing_ok).await }, nothing)
    }

    fn delete_folder(&self, path: String, recursive: bool, missing_ok: bool) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.delete_folder(&path, recursive, missing_ok).await }, nothing)
    }

    fn exists(&self, path: String) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.exists(&path).await }, truth)
    }

    fn is_file(&self, path: String) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.is_file(&path).await }, truth)
    }

    fn is_folder(&self, path: String) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.is_folder(&path).await }, truth)
    }

    fn file_info(&self, path: String) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.file_info(&path).await }, said::file)
    }

    fn head(&self, path: String) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.head(&path).await }, said::written)
    }

    fn folder_info(&self, path: String, max_depth: Option<usize>) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.folder_info(&path, max_depth).await }, said::summary)
    }

    fn list_files(
        &self,
        py: Python<'_>,
        path: &str,
        max_depth: Option<usize>,
        pattern: Option<String>,
    ) -> PyResult<Stream> {
        let files = self.store.list_files(path, &Self::list(max_depth, pattern));
        Ok(Stream::results(files.map_err(|error| exception(py, &error))?, said::file))
    }

    fn list_folders(
        &self,
        py: Python<'_>,
        path: &str,
        max_depth: Option<usize>,
        pattern: Option<String>,
    ) -> PyResult<Stream> {
        let folders = self.store.list_folders(path, &Self::list(max_depth, pattern));
        Ok(Stream::results(folders.map_err(|error| exception(py, &error))?, said::folder))
    }

    /// Lists files, as tuples, and folders, as their paths.
    fn iter_children(&self, py: Python<'_>, path: &str) -> PyResult<Stream> {
        let entries = self.store.list(path, &List::CHILDREN);
        Ok(Stream::results(entries.map_err(|error| exception(py, &error))?, said::entry))
    }

    fn glob(&self, py: Python<'_>, pattern: &str) -> PyResult<Stream> {
        let files = self.store.glob(pattern);
        Ok(Stream::results(files.map_err(|error| exception(py, &error))?, said::file))
    }

    #[pyo3(name = "move")]
    fn move_file(&self, from_: String, to: String, overwrite: bool) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.move_file(&from_, &to, overwrite).await }, nothing)
    }

    fn copy(&self, from_: String, to: String, overwrite: bool) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.copy_file(&from_, &to, overwrite).await.map(drop) }, nothing)
    }

    fn ping(&self) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.ping().await }, nothing)
    }

    /// Waits for what is still under way.
    fn close(&self) -> Pending {
        let store = Arc::clone(&self.store);
        Pending::verb(async move { store.close().await }, nothing)
    }
}
