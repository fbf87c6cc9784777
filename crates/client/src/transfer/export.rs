//! Whole workspaces: an archive that is watched while it comes, and one that is sent.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use longshore_core::export::{END, MEDIA_TYPE};
use longshore_core::path::encode_segment;
use longshore_core::tar::{Part, Reader};
use longshore_core::wire::Workspace;
use longshore_core::{Code, Name};

use super::plan::is_whole;
use super::progress::{ProgressSink, Report};
use super::reader::{self, Hashed, open_file};
use super::source::{ByteStream, Source};
use super::threads::blocking;
use super::upload::Guard;
use crate::client::{Client, IDEMPOTENCY_KEY, Lane, read};
use crate::error::{Error, Result};
use crate::transport::body::{Body, Sending};

/// Sees to it that an export comes whole: one that was cut has no end.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    reader: Reader,
    /// The file that came last.
    last: String,
}

fn malformed(detail: impl std::fmt::Display) -> Error {
    Error::mismatch(Code::ExportMalformed, format!("what came is no whole export: {detail}"))
}

impl Watched {
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some(part) = self.reader.read(&mut bytes).map_err(malformed)? {
            if let Part::Begin { name, .. } = part {
                self.last = name;
            }
        }
        Ok(())
    }

    pub(crate) fn end(&self) -> Result<()> {
        if self.reader.is_over() && self.last == END {
            return Ok(());
        }
        Err(malformed(format_args!("it ends before {END}")))
    }
}

/// How a workspace is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Whether those of the server who are called like somebody in the archive, and alone are, are them, and members as they
    /// were. Without it all who are named get stand-ins who may do nothing.
    pub match_members: bool,
    /// Whether the quota comes along.
    pub keep_quota: bool,
    /// What is told of progress.
    pub progress: Option<ProgressSink>,
}

/// An archive that is ready to be sent.
enum Ready {
    Memory(Bytes),
    File(PathBuf),
    Stream(Option<ByteStream>, Option<u64>),
}

/// Sends an archive; again where it broke off, unless it is a stream.
pub(crate) async fn import(
    client: &Client,
    name: &Name,
    source: Source,
    options: &ImportOptions,
) -> Result<Workspace> {
    let mut route = format!("/v1/workspaces/import?name={}", encode_segment(name.as_str()));
    if options.match_members {
        route.push_str("&members=match");
    }
    if options.keep_quota {
        route.push_str("&quota=1");
    }
    let report = Report::new(options.progress.clone(), 0);
    let mut ready = match source {
        Source::Bytes(bytes) => Ready::Memory(bytes),
        Source::Path(path) => Ready::File(path),
        Source::Stream { len, stream } => Ready::Stream(Some(stream), len),
    };
    let (key, mut tries) = (client.write_key()?, client.tries());
    let mut is_first = true;
    let result = loop {
        let mut sending = None;
        let attempt = async {
            let (body, length) = body(&mut ready, &report, &mut sending).await?;
            if std::mem::take(&mut is_first) {
                report.started(length);
            }
            let mut request = client.request(Method::POST, &route, body)?;
            request.headers_mut().insert(IDEMPOTENCY_KEY, key.clone());
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
            let _guard = sending.clone().map(Guard);
            let mut answer = client.send(request, sending.clone(), Lane::Common).await?;
            read::<Workspace>(&mut answer).await
        };
        let outcome = Box::pin(attempt).await;
        let sent = sending.as_ref().map_or(0, |sending| sending.bytes());
        let error = match outcome {
            Ok(made) => break Ok((made, sent)),
            Err(error) => sending.and_then(|sending| sending.take_failure()).unwrap_or(error),
        };
        if matches!(ready, Ready::Stream(..)) {
            break Err(error);
        }
        match tries.again(error).await {
            Ok(retried) => report.retried(&retried, sent),
            Err(error) => break Err(error),
        }
    };
    report.ended(result, |(_, sent)| *sent).map(|(made, _)| made)
}

/// Makes the body of the next attempt, and says how long it is where that is known.
async fn body(
    ready: &mut Ready,
    report: &Report,
    sending: &mut Option<Arc<Sending>>,
) -> Result<(Body, Option<u64>)> {
    let watched = Sending::new(report.clone());
    match ready {
        Ready::Memory(bytes) if is_whole(bytes.len() as u64) => {
            Ok((Body::Whole(bytes.clone()), Some(bytes.len() as u64)))
        }
        Ready::Memory(bytes) => {
            *sending = Some(Arc::clone(&watched));
            Ok((Body::Pieces(bytes.clone(), watched), Some(bytes.len() as u64)))
        }
        Ready::File(path) => {
            let opening = path.clone();
            let (file, metadata) = blocking(move || open_file(&opening)).await?;
            *sending = Some(Arc::clone(&watched));
            let length = metadata.len();
            let chunks = reader::read_ahead(file, length, path.clone(), Arc::clone(&watched));
            Ok((Body::Chunks(chunks, Some(length), watched), Some(length)))
        }
        Ready::Stream(stream, length) => {
            let stream = stream.take().ok_or_else(|| Error::invalid("a stream can be sent only once"))?;
            *sending = Some(Arc::clone(&watched));
            let chunks = Box::pin(Hashed::new(stream, *length, Arc::clone(&watched)));
            Ok((Body::Chunks(chunks, *length, watched), *length))
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::export::END;
    use longshore_core::tar;

    use super::Watched;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut bytes: Vec<_> = names.iter().flat_map(|name| tar::header(name, 0, 0)).collect();
        bytes.extend(tar::END);
        bytes
    }

    fn watch(bytes: &[u8]) -> bool {
        let mut watched = Watched::default();
        bytes.chunks(100).all(|piece| watched.take(piece).is_ok()) && watched.end().is_ok()
    }

    #[test]
    fn what_was_cut_is_known_as_such() {
        let whole = archive(&["a", END]);
        assert!(watch(&whole));
        assert!((0..whole.len()).step_by(50).all(|cut| !watch(&whole[..cut])));
        assert!(!watch(&archive(&["a"])), "it ends in order, and says nothing of an end");
        assert!(!watch(&[1; 512]));
    }
}
