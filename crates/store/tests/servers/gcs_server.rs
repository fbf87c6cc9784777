//! A stand-in for Google Cloud Storage, as far as a store needs it: objects in JSON, their content in the manner of S3.
//!
//! The emulator that PyPI has ignores conditions, so this one keeps them. It is written from Google's reference of the JSON API
//! ("Objects: insert, get, list, delete, rewrite", "Resumable uploads") and of the XML API ("GET Object"). Pages are short, and a copy of
//! much content needs several requests, as the reference allows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::http_server::{HttpServer, Request, Response, decode};

/// The token that is accepted.
pub(crate) const TOKEN: &str = "a-token-of-google";

const PAGE: usize = 200;

/// How much one request of a copy moves.
const REWRITE: usize = 1024 * 1024;

/// What parts of an upload are multiples of.
const PART: usize = 256 * 1024;

#[derive(Clone, Debug)]
struct Object {
    content: Vec<u8>,
    generation: u64,
    updated: SystemTime,
    media_type: String,
    metadata: Value,
}

#[derive(Debug)]
struct Session {
    bucket: String,
    name: String,
    media_type: String,
    metadata: Value,
    must_be: Option<u64>,
    content: Vec<u8>,
}

#[derive(Debug, Default)]
struct Service {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    sessions: BTreeMap<u64, Session>,
    /// The last generation, or number of a session.
    last: u64,
}

type Refusal = (u16, &'static str);

const NOT_FOUND: Refusal = (404, "notFound");
const CONDITION: Refusal = (412, "conditionNotMet");

/// A running service.
pub(crate) struct GcsServer {
    server: HttpServer,
    service: Arc<Mutex<Service>>,
}

impl GcsServer {
    pub(crate) fn start() -> std::io::Result<Self> {
        let service = Arc::new(Mutex::new(Service::default()));
        let for_server = Arc::clone(&service);
        let server = HttpServer::start(move |request| {
            let host = request.header("host").unwrap_or_default().to_owned();
            lock(&for_server).answer(request, &host).unwrap_or_else(refused)
        })?;
        Ok(Self { server, service })
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    pub(crate) fn add_bucket(&self, name: &str) {
        lock(&self.service).buckets.insert(name.to_owned(), BTreeMap::new());
    }

    /// Returns the names of a bucket's uploads that were begun and neither ended nor given up.
    pub(crate) fn uploads(&self, bucket: &str) -> Vec<String> {
        let service = lock(&self.service);
        let open = service.sessions.values().filter(|session| session.bucket == bucket);
        open.map(|session| session.name.clone()).collect()
    }

    /// Returns the names of a bucket's objects.
    pub(crate) fn objects(&self, bucket: &str) -> Vec<String> {
        lock(&self.service).buckets[bucket].keys().cloned().collect()
    }

    /// Ends the service at once.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }
}

fn lock(service: &Mutex<Service>) -> MutexGuard<'_, Service> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused((status, reason): Refusal) -> Response {
    let error =
        json!({ "error": { "code": status, "errors": [{ "reason": reason }], "message": "refused" } });
    Response::new(status).header("Content-Type", "application/json").body(error.to_string())
}

fn said(body: &Value) -> Response {
    Response::new(200).header("Content-Type", "application/json").body(body.to_string())
}

fn described(name: &str, object: &Object) -> Value {
    json!({
        "kind": "storage#object",
        "name": name,
        "size": object.content.len().to_string(),
        "generation": object.generation.to_string(),
        "updated": jiff::Timestamp::try_from(object.updated).unwrap_or_default().to_string(),
        "contentType": object.media_type,
        "metadata": object.metadata,
    })
}

/// Returns a condition on a generation: 0 is that of what is not there.
fn condition(request: &Request, name: &str) -> Option<u64> {
    request.parameter(name).and_then(|text| text.parse().ok())
}

fn check(must_be: Option<u64>, found: Option<&Object>) -> Result<(), Refusal> {
    let is = found.map_or(0, |object| object.generation);
    if must_be.is_none_or(|must_be| must_be == is) { Ok(()) } else { Err(CONDITION) }
}

impl Service {
    fn answer(&mut self, request: &Request, host: &str) -> Result<Response, Refusal> {
        if let Some(id) = request.parameter("upload_id") {
            return self.upload(request, id.parse().map_err(|_| NOT_FOUND)?);
        }
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Err((401, "authError"));
        }
        let segments: Vec<_> = request.raw_path.trim_start_matches('/').split('/').map(decode).collect();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), &segments[..]) {
            ("POST", ["upload", "storage", "v1", "b", bucket, "o"]) => self.insert(request, bucket, host),
            ("GET", ["storage", "v1", "b", bucket, "o"]) => list(self.bucket(bucket)?, request),
            ("GET", ["storage", "v1", "b", bucket, "o", name]) => {
                let object = self.bucket(bucket)?.get(*name).ok_or(NOT_FOUND)?;
                Ok(said(&described(name, object)))
            }
            ("DELETE", ["storage", "v1", "b", bucket, "o", name]) => {
                let objects = self.bucket(bucket)?;
                let found = objects.get(*name).ok_or(NOT_FOUND)?;
                check(condition(request, "ifGenerationMatch"), Some(found))?;
                objects.remove(*name);
                Ok(Response::new(204))
            }
            ("POST", ["storage", "v1", "b", bucket, "o", from, "rewriteTo", "b", into, "o", to]) => {
                self.rewrite(request, (bucket, from), (into, to))
            }
            ("GET", [bucket, name]) => content(self.bucket(bucket)?.get(*name).ok_or(NOT_FOUND)?, request),
            _ => Err((400, "invalid")),
        }
    }

    fn bucket(&mut self, name: &str) -> Result<&mut BTreeMap<String, Object>, Refusal> {
        self.buckets.get_mut(name).ok_or(NOT_FOUND)
    }

    fn store(&mut self, session: Session) -> Result<Response, Refusal> {
        self.last += 1;
        #[expect(clippy::disallowed_methods, reason = "this stands for the service's clock")]
        let updated = SystemTime::now();
        let object = Object {
            content: session.content,
            generation: self.last,
            updated,
            media_type: session.media_type,
            metadata: session.metadata,
        };
        let bucket = self.bucket(&session.bucket)?;
        check(session.must_be, bucket.get(&session.name))?;
        let told = described(&session.name, &object);
        bucket.insert(session.name, object);
        Ok(said(&told))
    }

    fn insert(&mut self, request: &Request, bucket: &str, host: &str) -> Result<Response, Refusal> {
        self.bucket(bucket)?;
        let media_type = request.header("content-type").unwrap_or("application/octet-stream");
        let mut session = Session {
            bucket: bucket.to_owned(),
            name: request.parameter("name").ok_or((400, "required"))?.to_owned(),
            media_type: media_type.to_owned(),
            metadata: Value::Null,
            must_be: condition(request, "ifGenerationMatch"),
            content: Vec::new(),
        };
        match request.parameter("uploadType") {
            Some("media") => session.content.clone_from(&request.body),
            Some("multipart") => {
                let (resource, media_type, content) =
                    related(media_type, &request.body).ok_or((400, "invalid"))?;
                session.metadata = resource["metadata"].clone();
                (session.media_type, session.content) = (media_type, content);
            }
            Some("resumable") => {
                let resource: Value =
                    serde_json::from_slice(&request.body).map_err(|_| (400, "parseError"))?;
                session.metadata = resource["metadata"].clone();
                session.media_type = resource["contentType"].as_str().unwrap_or_default().to_owned();
                self.last += 1;
                self.sessions.insert(self.last, session);
                let place =
                    format!("http://{host}{}?uploadType=resumable&upload_id={}", request.raw_path, self.last);
                return Ok(Response::new(200).header("Location", place));
            }
            _ => return Err((400, "required")),
        }
        self.store(session)
    }

    /// Takes the next part of an upload, or gives the upload up.
    fn upload(&mut self, request: &Request, id: u64) -> Result<Response, Refusal> {
        if request.method == "DELETE" {
            self.sessions.remove(&id).ok_or(NOT_FOUND)?;
            return Ok(Response::new(499));
        }
        let session = self.sessions.get_mut(&id).ok_or(NOT_FOUND)?;
        let (range, size) = request
            .header("content-range")
            .and_then(|range| range.strip_prefix("bytes ")?.split_once('/'))
            .ok_or((400, "required"))?;
        if let Some((first, _)) = range.split_once('-') {
            if first.parse() != Ok(session.content.len()) {
                return Err((503, "backendError"));
            }
            session.content.extend_from_slice(&request.body);
        }
        if size == "*" {
            if !request.body.len().is_multiple_of(PART) {
                return Err((400, "badRequest"));
            }
            let last = session.content.len().saturating_sub(1);
            return Ok(Response::new(308).header("Range", format!("bytes=0-{last}")));
        }
        if size.parse() != Ok(session.content.len()) {
            return Err((400, "badRequest"));
        }
        let session = self.sessions.remove(&id).ok_or(NOT_FOUND)?;
        self.store(session)
    }

    fn rewrite(
        &mut self,
        request: &Request,
        (bucket, from): (&str, &str),
        (into, to): (&str, &str),
    ) -> Result<Response, Refusal> {
        let source = self.bucket(bucket)?.get(from).ok_or(NOT_FOUND)?.clone();
        check(condition(request, "ifSourceGenerationMatch"), Some(&source))?;
        let must_be = condition(request, "ifGenerationMatch");
        check(must_be, self.bucket(into)?.get(to))?;
        let before = request.parameter("rewriteToken").and_then(|token| token.parse().ok()).unwrap_or(0);
        let moved: usize = before + REWRITE;
        if moved < source.content.len() {
            return Ok(said(&json!({ "done": false, "rewriteToken": moved.to_string() })));
        }
        self.store(Session {
            bucket: into.to_owned(),
            name: to.to_owned(),
            media_type: source.media_type,
            metadata: source.metadata,
            must_be,
            content: source.content,
        })?;
        Ok(said(&json!({ "done": true })))
    }
}

fn list(bucket: &BTreeMap<String, Object>, request: &Request) -> Result<Response, Refusal> {
    let prefix = request.parameter("prefix").unwrap_or_default();
    let after = request.parameter("pageToken").unwrap_or_default();
    let most = request.parameter("maxResults").and_then(|text| text.parse().ok()).unwrap_or(PAGE).min(PAGE);
    let (mut items, mut prefixes): (Vec<Value>, Vec<String>) = Default::default();
    let mut next = None;
    let mut last = String::new();
    for (name, object) in bucket.range(prefix.to_owned()..) {
        let Some(rest) = name.strip_prefix(prefix) else { break };
        let cut = request.parameter("delimiter").and_then(|delimiter| rest.find(delimiter));
        let shown = cut.map_or_else(|| name.clone(), |cut| name[..=prefix.len() + cut].to_owned());
        if *shown <= *after || shown == last {
            continue;
        }
        if items.len() + prefixes.len() == most {
            next = Some(last);
            break;
        }
        match cut {
            Some(_) => prefixes.push(shown.clone()),
            None => items.push(described(name, object)),
        }
        last = shown;
    }
    let mut page = json!({ "kind": "storage#objects", "items": items, "prefixes": prefixes });
    if let Some(next) = next {
        page["nextPageToken"] = json!(next);
    }
    Ok(said(&page))
}

fn content(object: &Object, request: &Request) -> Result<Response, Refusal> {
    let must_be = request.header("x-goog-if-generation-match").and_then(|text| text.parse().ok());
    check(must_be, Some(object))?;
    let size = object.content.len();
    let range = request.range(size).map_err(|()| (416, "requestedRangeNotSatisfiable"))?;
    let mut response = Response::new(if range.is_some() { 206 } else { 200 })
        .header("x-goog-generation", object.generation)
        .header("Last-Modified", httpdate::fmt_http_date(object.updated))
        .header("Content-Type", &object.media_type);
    for (key, value) in object.metadata.as_object().into_iter().flatten() {
        response = response.header(&format!("x-goog-meta-{key}"), value.as_str().unwrap_or_default());
    }
    Ok(match range {
        None => response.body(object.content.clone()),
        Some(range) => response
            .header("Content-Range", format!("bytes {}-{}/{size}", range.start, range.end - 1))
            .body(&object.content[range]),
    })
}

/// Takes apart what is said of an object and its content: two parts, each with a head of its own.
fn related(media_type: &str, body: &[u8]) -> Option<(Value, String, Vec<u8>)> {
    let (_, boundary) = media_type.split_once("boundary=")?;
    let mark = format!("--{boundary}\r\n").into_bytes();
    let end = format!("\r\n--{boundary}--").into_bytes();
    let first = find(body, &mark)? + mark.len();
    let second = first + find(&body[first..], &mark)? + mark.len();
    let last = second + find(&body[second..], &end)?;
    let head = first + find(&body[first..], b"\r\n\r\n")? + 4;
    let resource = serde_json::from_slice(&body[head..second - mark.len()]).ok()?;
    let start = second + find(&body[second..], b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&body[second..start]).ok()?;
    let (_, media_type) = head.split_once("Content-Type: ")?;
    Some((resource, media_type.lines().next()?.to_owned(), body[start..last].to_vec()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
