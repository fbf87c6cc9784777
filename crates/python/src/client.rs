//! The client: each verb by its name, with what it takes as Python's plain objects.

mod guard;
mod verbs;

pub(crate) use self::guard::Guard;

use std::path::PathBuf;
use std::time::Duration;

use longshore::{
    Builder, Content, DownloadItem, Folder, Name, Node, NodeId, Place, RetryPolicy, Target, Timeouts,
    UploadItem, VersionId, WorkspaceId,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pythonize::{depythonize, pythonize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::{exception, invalid};
use crate::pending::{Pending, bytes};
use crate::runtime::runtime;
use crate::source::source;
use crate::stream::Stream;
use crate::transfers::{DownloadSaid, UploadSaid, Watched};

/// What a client is made of.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    url: Option<String>,
    api_key: Option<String>,
    concurrency: Option<usize>,
    limit_rate: Option<u64>,
    ca_file: Option<PathBuf>,
    connect_timeout: Option<f64>,
    idle_timeout: Option<f64>,
    max_attempts: Option<u32>,
    retry_base: Option<f64>,
    retry_cap: Option<f64>,
    retry_after_cap: Option<f64>,
}

/// Reads what Python has said.
fn read<T: DeserializeOwned>(said: &Bound<'_, PyAny>) -> PyResult<T> {
    depythonize(said).map_err(|error| invalid(said.py(), error))
}

fn seconds(py: Python<'_>, said: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(said).map_err(|error| invalid(py, error))
}

/// Makes a Python object of what a verb gave.
fn value<T: Serialize + Send + 'static>(
    verb: impl Future<Output = longshore::Result<T>> + Send + 'static,
) -> Pending {
    Pending::verb(verb, plain)
}

fn plain<T: Serialize>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    Ok(pythonize(py, &value)?.unbind())
}

/// A file's place, as Python says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetSaid {
    path: Option<longshore::Path>,
    workspace: Option<WorkspaceId>,
    parent: Option<String>,
    name: Option<Name>,
    node: Option<NodeId>,
}

/// A folder: `root`, or its id.
fn folder(py: Python<'_>, said: &str, workspace: Option<WorkspaceId>) -> PyResult<Folder> {
    if said == "root" {
        return Ok(Folder::Root(workspace));
    }
    said.parse().map(Folder::Id).map_err(|error| invalid(py, error))
}

impl TargetSaid {
    fn target(self, py: Python<'_>) -> PyResult<Target> {
        match self {
            Self { path: Some(path), workspace, .. } => Ok(Target::Path(Place { workspace, path })),
            Self { node: Some(node), .. } => Ok(Target::Version { node }),
            Self { parent, name: Some(name), workspace, .. } => {
                let parent = folder(py, parent.as_deref().unwrap_or("root"), workspace)?;
                Ok(Target::Child { parent, name })
            }
            _ => Err(invalid(py, "a target is a path, a name in a folder, or a file")),
        }
    }
}

/// Content that is downloaded, as Python says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentSaid {
    node: Option<NodeId>,
    version: Option<VersionId>,
    path: Option<longshore::Path>,
    workspace: Option<WorkspaceId>,
}

impl ContentSaid {
    fn content(self, py: Python<'_>) -> PyResult<Content> {
        match self {
            Self { node: Some(node), version: Some(version), .. } => Ok(Content::Version(node, version)),
            Self { node: Some(node), .. } => Ok(Content::File(node)),
            Self { path: Some(path), workspace, .. } => Ok(Content::Place(Place { workspace, path })),
            _ => Err(invalid(py, "content is of a file or at a path")),
        }
    }
}

/// A connection to a server, with all that its verbs share.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Client(longshore::Client);

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, settings: &Bound<'_, PyAny>) -> PyResult<Self> {
        let said: Settings = read(settings)?;
        let mut builder = match (said.url, said.api_key) {
            (url, Some(key)) => {
                let builder = Builder::default().api_key(key);
                match url {
                    Some(url) => builder.url(url),
                    None => builder,
                }
            }
            (url, None) => {
                let builder = Builder::from_env().map_err(|error| exception(py, &error))?;
                match url {
                    Some(url) => builder.url(url),
                    None => builder,
                }
            }
        };
        builder = builder.user_agent(concat!("longshore-python/", env!("CARGO_PKG_VERSION")));
        if let Some(concurrency) = said.concurrency {
            builder = builder.concurrency(concurrency);
        }
        if let Some(rate) = said.limit_rate {
            builder = builder.limit_rate(rate);
        }
        if let Some(path) = said.ca_file {
            builder = builder.ca_file(path);
        }
        let (mut timeouts, mut retry) = (Timeouts::default(), RetryPolicy::default());
        for (said, place) in
            [(said.connect_timeout, &mut timeouts.connect), (said.idle_timeout, &mut timeouts.idle)]
        {
            if let Some(said) = said {
                *place = seconds(py, said)?;
            }
        }
        retry.max_attempts = said.max_attempts.unwrap_or(retry.max_attempts);
        for (said, place) in [
            (said.retry_base, &mut retry.base),
            (said.retry_cap, &mut retry.cap),
            (said.retry_after_cap, &mut retry.retry_after_cap),
        ] {
            if let Some(said) = said {
                *place = seconds(py, said)?;
            }
        }
        let _inside = runtime()?.enter();
        let client = builder.retry(retry).timeouts(timeouts).build();
        client.map(Self).map_err(|error| exception(py, &error))
    }

    /// Makes one whose next write carries this key.
    fn with_idempotency_key(&self, py: Python<'_>, key: &str) -> PyResult<Self> {
        self.0.with_idempotency_key(key).map(Self).map_err(|error| exception(py, &error))
    }

    /// Makes one whose writes are under these locks.
    fn under(&self, py: Python<'_>, tokens: Vec<String>) -> PyResult<Self> {
        let tokens = tokens.iter().map(|token| token.parse()).collect::<Result<Vec<_>, _>>();
        Ok(Self(self.0.under(tokens.map_err(|error| invalid(py, error))?)))
    }

    /// Does what is named, with what it takes.
    #[pyo3(signature = (verb, *args))]
    fn call(&self, verb: &str, args: &Bound<'_, PyTuple>) -> PyResult<Pending> {
        verbs::call(&self.0, verb, args.as_any())
    }

    /// Lists what is named, with what it takes.
    #[pyo3(signature = (verb, *args))]
    fn list(&self, verb: &str, args: &Bound<'_, PyTuple>) -> PyResult<Stream> {
        verbs::list(&self.0, verb, args.as_any())
    }

    /// Takes a lock that renews itself.
    fn hold(&self, nodes: &Bound<'_, PyAny>, options: &Bound<'_, PyAny>) -> PyResult<Pending> {
        guard::hold(nodes.py(), &self.0, read(nodes)?, read(options)?)
    }

    fn upload(
        &self,
        py: Python<'_>,
        from_: &Bound<'_, PyTuple>,
        target: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
        watched: Watched,
    ) -> PyResult<Pending> {
        let target = read::<TargetSaid>(target)?.target(py)?;
        let options = watched.upload(py, read::<UploadSaid>(options)?.options(py)?);
        let (files, source) = (self.0.files(), source(from_)?);
        Ok(value(async move { files.upload(source, target, &options).await }))
    }

    /// Uploads what a list has, each a source and a target; gives how each ended, as they end.
    fn upload_many(
        &self,
        py: Python<'_>,
        items: Vec<(Bound<'_, PyTuple>, Bound<'_, PyAny>)>,
        options: &Bound<'_, PyAny>,
        concurrency: Option<usize>,
        watched: Watched,
    ) -> PyResult<Stream> {
        let items = items.into_iter().map(|(from, target)| {
            Ok(UploadItem::from((source(&from)?, read::<TargetSaid>(&target)?.target(py)?)))
        });
        let items = items.collect::<PyResult<Vec<_>>>()?;
        let mut many = watched.many(py, concurrency);
        many.upload = read::<UploadSaid>(options)?.options(py)?;
        let outcomes = self.0.files().upload_many(items, many);
        Ok(Stream::objects(outcomes, |py, outcome| {
            let told = PyDict::new(py);
            told.set_item("index", outcome.index)?;
            told.set_item("skipped", outcome.skipped)?;
            ended(py, &told, outcome.result, plain)?;
            Ok(told.into_any().unbind())
        }))
    }

    fn download(&self, py: Python<'_>, content: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let (files, content) = (self.0.files(), read::<ContentSaid>(content)?.content(py)?);
        Ok(Pending::verb(async move { files.download(content).await }, bytes))
    }

    /// Opens content; gives what is known of it, and a stream of its bytes.
    fn open(
        &self,
        py: Python<'_>,
        content: &Bound<'_, PyAny>,
        options: &Bound<'_, PyAny>,
    ) -> PyResult<Pending> {
        let (files, content) = (self.0.files(), read::<ContentSaid>(content)?.content(py)?);
        let options = read::<DownloadSaid>(options)?.options();
        Ok(Pending::verb(async move { files.stream(content, &options).await }, opened))
    }

    /// Opens folders and files as one zip.
    fn archive(&self, workspace: Option<String>, items: Vec<String>, py: Python<'_>) -> PyResult<Pending> {
        let workspace = workspace.map(|id| id.parse()).transpose().map_err(|error| invalid(py, error))?;
        let files = self.0.files();
        Ok(Pending::verb(async move { files.archive(workspace, items).await }, opened))
    }

    fn download_to(
        &self,
        py: Python<'_>,
        content: &Bound<'_, PyAny>,
        path: PathBuf,
        options: &Bound<'_, PyAny>,
        watched: Watched,
    ) -> PyResult<Pending> {
        let (files, content) = (self.0.files(), read::<ContentSaid>(content)?.content(py)?);
        let options = watched.download(py, read::<DownloadSaid>(options)?.options());
        Ok(Pending::verb(async move { files.download_to(content, path, &options).await }, downloaded))
    }

    /// Downloads what a list has, each content and a path, or a node as a listing gave it and a path.
    fn download_many(
        &self,
        py: Python<'_>,
        items: Vec<(Bound<'_, PyAny>, PathBuf)>,
        options: &Bound<'_, PyAny>,
        concurrency: Option<usize>,
        watched: Watched,
    ) -> PyResult<Stream> {
        let items = items.into_iter().map(|(content, path)| match depythonize::<Node>(&content) {
            Ok(node) => Ok(DownloadItem::of(node, path)),
            Err(_) => Ok(DownloadItem::from((read::<ContentSaid>(&content)?.content(py)?, path))),
        });
        let items = items.collect::<PyResult<Vec<_>>>()?;
        let mut many = watched.many(py, concurrency);
        many.download = read::<DownloadSaid>(options)?.options();
        let outcomes = self.0.files().download_many(items, many);
        Ok(Stream::objects(outcomes, |py, outcome| {
            let told = PyDict::new(py);
            told.set_item("index", outcome.index)?;
            ended(py, &told, outcome.result, downloaded)?;
            Ok(told.into_any().unbind())
        }))
    }
}

fn ended<T>(
    py: Python<'_>,
    told: &Bound<'_, PyDict>,
    result: longshore::Result<T>,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>>,
) -> PyResult<()> {
    match result {
        Ok(value) => told.set_item("value", convert(py, value)?),
        Err(error) => told.set_item("error", exception(py, &error).into_value(py)),
    }
}

fn opened(py: Python<'_>, download: longshore::Download) -> PyResult<Py<PyAny>> {
    let known = PyDict::new(py);
    known.set_item("length", download.length())?;
    known.set_item("version_id", download.version().map(|version| version.to_string()))?;
    known.set_item("digest", download.digest().map(|digest| digest.to_string()))?;
    known.set_item("media_type", download.media_type())?;
    let stream = Stream::bytes(download);
    Ok((known, stream).into_pyobject(py)?.into_any().unbind())
}

fn downloaded(py: Python<'_>, done: longshore::Downloaded) -> PyResult<Py<PyAny>> {
    let told = PyDict::new(py);
    told.set_item("bytes", done.bytes)?;
    told.set_item("digest", done.digest.to_string())?;
    told.set_item("version_id", done.version.map(|version| version.to_string()))?;
    told.set_item("reused", done.reused)?;
    told.set_item("skipped", done.skipped)?;
    Ok(told.into_any().unbind())
}
