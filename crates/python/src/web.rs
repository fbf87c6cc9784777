//! HTTP to servers of others: an agent whose requests Python bounds and tries again itself.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use longshore_web::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use longshore_web::{Again, Answer, Ask, Fault, Method, Refused, Settings, Url, parse_url};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

use crate::failure::{Raised, invalid};
use crate::pending::Pending;
use crate::stream::Stream;

impl Raised for Refused {
    fn raised(&self, py: Python<'_>) -> PyErr {
        static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let (fault, os_error) = match self.fault {
            None => (None, None),
            Some(Fault::System(number)) => (None, Some(number)),
            Some(Fault::Certificate) => (Some("certificate"), None),
            Some(Fault::Tls) => (Some("tls"), None),
            Some(Fault::Protocol) => (Some("protocol"), None),
            Some(Fault::CutOff) => (Some("cut_off"), None),
        };
        let is_retryable = self.again != Again::Never;
        let made = MAKE
            .import(py, "longshore.aio.flow.web", "_of_agent")
            .and_then(|make| make.call1((self.code, &self.message, is_retryable, fault, os_error)));
        made.map_or_else(|failed| failed, PyErr::from_value)
    }
}

/// Sends GETs, over connections that it keeps.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Agent(Arc<longshore_web::Agent>);

#[pymethods]
impl Agent {
    /// Makes one. Both bounds are in seconds: how long nothing may come, and how long a connection may take.
    #[new]
    fn new(py: Python<'_>, timeout: f64, connect_timeout: f64, ca_file: Option<PathBuf>) -> PyResult<Self> {
        let seconds = |said| Duration::try_from_secs_f64(said).map_err(|error| invalid(py, error));
        let settings = Settings {
            user_agent: concat!("longshore-python/", env!("CARGO_PKG_VERSION")),
            ca_file,
            connect: seconds(connect_timeout)?,
            idle: seconds(timeout)?,
            downgrade: false,
            upgrade: false,
            resend: true,
            // What a library does is not chosen by the environment it happens to run in.
            proxies: false,
        };
        Ok(Self(Arc::new(longshore_web::Agent::new(settings, None))))
    }

    /// Gives the status, the fields and the body, which has at most so many bytes.
    fn fetch(
        &self,
        py: Python<'_>,
        url: &str,
        headers: HashMap<String, String>,
        max_bytes: usize,
    ) -> PyResult<Pending> {
        let (agent, ask) = (Arc::clone(&self.0), ask(py, url, &headers)?);
        let fetch = async move {
            let mut answer = agent.follow(&ask).await?;
            let body = collect(&mut answer, max_bytes).await?;
            Ok::<_, Refused>((answer, body))
        };
        Ok(Pending::verb(fetch, |py, (answer, body): (Answer, Vec<u8>)| {
            let told = (answer.status().as_u16(), fields(py, &answer)?, PyBytes::new(py, &body));
            Ok(told.into_pyobject(py)?.into_any().unbind())
        }))
    }

    /// Gives the status, the fields, where the answer came from, and a stream of its body.
    fn open(&self, py: Python<'_>, url: &str, headers: HashMap<String, String>) -> PyResult<Pending> {
        let (agent, ask) = (Arc::clone(&self.0), ask(py, url, &headers)?);
        Ok(Pending::verb(async move { agent.follow(&ask).await }, |py, answer| {
            let (status, fields) = (answer.status().as_u16(), fields(py, &answer)?);
            let told = (status, fields, answer.url.to_string(), Stream::bytes(chunks(answer)));
            Ok(told.into_pyobject(py)?.into_any().unbind())
        }))
    }
}

fn ask(py: Python<'_>, url: &str, headers: &HashMap<String, String>) -> PyResult<Ask> {
    let url = parse(url).map_err(|refused| refused.raised(py))?;
    let mut secrets = HeaderMap::new();
    for (name, value) in headers {
        let cannot = || PyValueError::new_err(format!("the header {name:?} cannot be sent"));
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| cannot())?;
        let latin: Option<Vec<u8>> = value.chars().map(|char| u8::try_from(char).ok()).collect();
        let mut value = latin.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()).ok_or_else(cannot)?;
        value.set_sensitive(true);
        secrets.insert(field, value);
    }
    // What comes is handed on as it comes.
    let plain = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    Ok(Ask { method: Method::GET, url, headers: plain, secrets, body: None })
}

/// Reads a URL that says what it means: nothing is taken out of it, and no password is in it.
fn parse(text: &str) -> Result<Url, Refused> {
    let is_plain = !text.bytes().any(|byte| byte <= b' ' || byte == 0x7F);
    let url =
        parse_url(text).ok().filter(|url| is_plain && url.username().is_empty() && url.password().is_none());
    url.ok_or_else(|| {
        Refused::never("web_url", "that is no URL of http or https, or it has a password in it")
    })
}

/// Returns the fields with their names in lower case; more of one name are joined by `, `.
fn fields<'py>(py: Python<'py>, answer: &Answer) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    for name in answer.headers().keys() {
        let values = answer.headers().get_all(name).iter();
        let values: Vec<String> =
            values.map(|value| value.as_bytes().iter().copied().map(char::from).collect()).collect();
        told.set_item(name.as_str(), values.join(", "))?;
    }
    Ok(told)
}

async fn collect(answer: &mut Answer, most: usize) -> Result<Vec<u8>, Refused> {
    let too_large = || Refused::never("web_too_large", format!("the answer has more than {most} bytes"));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn chunks(answer: Answer) -> impl futures_util::Stream<Item = Result<Bytes, Refused>> + Send {
    try_unfold(answer, |mut answer| async move { Ok(answer.chunk().await?.map(|chunk| (chunk, answer))) })
}
