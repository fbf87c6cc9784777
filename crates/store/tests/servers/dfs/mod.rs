//! A stand-in for Azure Data Lake Storage Gen2, as far as a store needs it.
//!
//! No emulator has this service: Azurite speaks Blob, Queue and Table alone. This is written from Microsoft Learn's REST
//! reference for Data Lake Storage Gen2 ("Filesystem - Get Properties", "Path - Create", "Path - Update", "Path - Read", "Path -
//! Get Properties", "Path - List", "Path - Delete" and their tables of error codes), "Authorize with Shared Key", and "Get Account
//! Information" of the Blob service. Directories are real, a rename keeps a file's tag, and wrong signatures are refused. What
//! the reference leaves open is decided against the client: a rename tells no tag, pages are short, a suffix range is not known.

mod tree;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use self::tree::{Conditions, Node, Refusal, Tree};
use crate::http_server::{HttpServer, Request, Response, decode};
use crate::shared_key::is_signed;

/// The one account, and its key.
pub(crate) const ACCOUNT: &str = "longshore";
pub(crate) const KEY: &str = "bG9uZ3Nob3JlIHRlc3RzIGEga2V5IG9mIGl0cyBvd24=";
/// A token that is as good as the key.
pub(crate) const TOKEN: &str = "a-token-of-entra";

/// So few, that listings and deletions of the suite have several pages.
const PAGE: usize = 200;
const APPEND_MOST: usize = 100 * 1024 * 1024;

/// How the service answers who asks whether a namespace is hierarchical.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    /// The status of a filesystem's properties.
    pub(crate) filesystem: u16,
    /// Whether they tell of the namespace.
    pub(crate) tells: bool,
    /// The status of the account's information.
    pub(crate) account: u16,
}

impl Answers {
    pub(crate) const ALL: Self = Self { filesystem: 200, tells: true, account: 200 };
}

#[derive(Debug)]
struct Service {
    filesystems: BTreeMap<String, (Tree, bool)>,
    answers: Answers,
    /// How often somebody asked whether a namespace is hierarchical.
    asked: usize,
    /// Whether the next rename is done, and nobody told.
    loses_rename: bool,
}

/// A running service with one account.
pub(crate) struct DfsServer {
    server: HttpServer,
    service: Arc<Mutex<Service>>,
}

impl DfsServer {
    pub(crate) fn start() -> std::io::Result<Self> {
        let service =
            Service { filesystems: BTreeMap::new(), answers: Answers::ALL, asked: 0, loses_rename: false };
        let service = Arc::new(Mutex::new(service));
        let for_server = Arc::clone(&service);
        let server = HttpServer::start(move |request| answer(&for_server, request))?;
        Ok(Self { server, service })
    }

    /// Returns where it is, as the endpoint of the account.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// Makes a filesystem with nothing in it.
    pub(crate) fn add_filesystem(&self, name: &str, hierarchical: bool) {
        lock(&self.service).filesystems.insert(name.to_owned(), (Tree::default(), hierarchical));
    }

    /// Returns every path of a filesystem.
    pub(crate) fn paths(&self, name: &str) -> Vec<String> {
        let service = lock(&self.service);
        service.filesystems[name].0.paths().map(str::to_owned).collect()
    }

    /// Leaves a file in a filesystem that was made so long ago.
    pub(crate) fn leave(&self, name: &str, path: &str, age: Duration) {
        if let Some((tree, _)) = lock(&self.service).filesystems.get_mut(name) {
            tree.leave(path, age).expect("nothing is in the way");
        }
    }

    pub(crate) fn set_answers(&self, answers: Answers) {
        lock(&self.service).answers = answers;
    }

    /// Returns how often somebody asked whether a namespace is hierarchical.
    pub(crate) fn asked(&self) -> usize {
        lock(&self.service).asked
    }

    /// Lets the next rename be done, and its answer be lost.
    pub(crate) fn lose_rename(&self) {
        lock(&self.service).loses_rename = true;
    }

    /// Ends the service at once.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }
}

fn lock(service: &Mutex<Service>) -> MutexGuard<'_, Service> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(service: &Mutex<Service>, request: &Request) -> Response {
    let is_bearer = request.header("authorization") == Some(&format!("Bearer {TOKEN}"));
    if !is_bearer && !is_signed(request, ACCOUNT, KEY) {
        return refused((403, "AuthenticationFailed"));
    }
    lock(service).answer(request).unwrap_or_else(refused)
}

fn refused((status, code): Refusal) -> Response {
    let body = json!({ "error": { "code": code, "message": "refused by the stand-in" } });
    Response::new(status)
        .header("x-ms-error-code", code)
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

impl Service {
    fn answer(&mut self, request: &Request) -> Result<Response, Refusal> {
        let (filesystem, path) = split(&request.raw_path);
        if request.parameter("restype") == Some("account") {
            return self.account_information();
        }
        let answers = self.answers;
        let is_about_filesystem = path.is_empty() && request.parameter("resource") == Some("filesystem");
        if is_about_filesystem && request.method == "HEAD" {
            self.asked += 1;
            if answers.filesystem != 200 {
                return Err((answers.filesystem, "AuthorizationPermissionMismatch"));
            }
        }
        let (tree, hierarchical) =
            self.filesystems.get_mut(&filesystem).ok_or((404, "FilesystemNotFound"))?;
        if is_about_filesystem {
            return match request.method.as_str() {
                "HEAD" if answers.tells => {
                    Ok(Response::new(200).header("x-ms-namespace-enabled", hierarchical))
                }
                "HEAD" => Ok(Response::new(200)),
                "GET" => list(tree, request),
                _ => Err((405, "UnsupportedHttpVerb")),
            };
        }
        if !*hierarchical {
            // The stand-in has no flat namespaces; who comes here has not asked, or not listened.
            return Err((400, "HierarchicalNamespaceNotEnabled"));
        }
        match request.method.as_str() {
            "PUT" if request.header("x-ms-rename-source").is_some() => {
                let renamed = rename(tree, &filesystem, &path, request)?;
                Ok(if std::mem::take(&mut self.loses_rename) { Response::lost() } else { renamed })
            }
            "PUT" => create(tree, &path, request),
            "PATCH" => update(tree, &path, request),
            "HEAD" => tree.get(&path, &conditions(request)).map(|node| described(node, 200)),
            "GET" => read(tree, &path, request),
            "DELETE" => delete(tree, &path, request),
            _ => Err((405, "UnsupportedHttpVerb")),
        }
    }

    fn account_information(&mut self) -> Result<Response, Refusal> {
        self.asked += 1;
        if self.answers.account != 200 {
            return Err((self.answers.account, "AuthorizationFailure"));
        }
        let hierarchical = self.filesystems.values().any(|(_, hierarchical)| *hierarchical);
        Ok(Response::new(200).header("x-ms-is-hns-enabled", hierarchical))
    }
}

/// Returns the filesystem and the path, decoded.
fn split(raw_path: &str) -> (String, String) {
    let below = raw_path.trim_start_matches('/');
    let (filesystem, path) = below.split_once('/').unwrap_or((below, ""));
    (decode(filesystem), decode(path))
}

fn conditions(request: &Request) -> Conditions {
    Conditions {
        must_be_new: request.header("if-none-match") == Some("*"),
        tag: request.header("if-match").map(str::to_owned),
    }
}

fn create(tree: &mut Tree, path: &str, request: &Request) -> Result<Response, Refusal> {
    let is_directory = match request.parameter("resource") {
        Some("file") => false,
        Some("directory") => true,
        _ => return Err((400, "MissingRequiredQueryParameter")),
    };
    if !request.body.is_empty() {
        return Err((400, "ContentLengthMustBeZero"));
    }
    let said = |name| request.header(name).unwrap_or_default().to_owned();
    let said = (said("x-ms-content-type"), said("x-ms-properties"));
    let node = tree.create(path, is_directory, said, &conditions(request))?;
    Ok(tagged(&node, 201))
}

fn rename(tree: &mut Tree, filesystem: &str, path: &str, request: &Request) -> Result<Response, Refusal> {
    let (from_filesystem, from) = split(request.header("x-ms-rename-source").unwrap_or_default());
    if from_filesystem != filesystem {
        return Err((400, "InvalidSourceUri"));
    }
    let tag = request.header("x-ms-source-if-match").map(str::to_owned);
    let source = Conditions { must_be_new: false, tag };
    tree.rename((&from, &source), (path, &conditions(request)))?;
    Ok(Response::new(201))
}

fn update(tree: &mut Tree, path: &str, request: &Request) -> Result<Response, Refusal> {
    let position = request.parameter("position").and_then(|text| text.parse().ok());
    let position: usize = position.ok_or((400, "MissingRequiredQueryParameter"))?;
    match request.parameter("action") {
        Some("append") if request.body.len() > APPEND_MOST => Err((413, "RequestBodyTooLarge")),
        Some("append") => {
            tree.append(path, position, request.body.clone())?;
            if request.parameter("flush") != Some("true") {
                return Ok(Response::new(202));
            }
            let node = tree.flush(path, position + request.body.len())?;
            Ok(tagged(&node, 202))
        }
        Some("flush") if !request.body.is_empty() => Err((400, "ContentLengthMustBeZero")),
        Some("flush") => Ok(tagged(&tree.flush(path, position)?, 200)),
        _ => Err((400, "InvalidQueryParameterValue")),
    }
}

fn read(tree: &Tree, path: &str, request: &Request) -> Result<Response, Refusal> {
    let node = tree.get(path, &conditions(request))?;
    let size = node.content.len();
    // The service knows no suffix ranges.
    let is_suffix = request.header("range").is_some_and(|range| range.starts_with("bytes=-"));
    let range = if is_suffix { None } else { request.range(size).map_err(|()| (416, "InvalidRange"))? };
    Ok(match range {
        None => described(node, 200).header("Content-Length", size).body(node.content.clone()),
        Some(range) => described(node, 206)
            .header("Content-Length", range.len())
            .header("Content-Range", format!("bytes {}-{}/{size}", range.start, range.end - 1))
            .body(&node.content[range]),
    })
}

fn delete(tree: &mut Tree, path: &str, request: &Request) -> Result<Response, Refusal> {
    let recursive = request.parameter("recursive") == Some("true");
    let is_rest = tree.delete(path, recursive, PAGE, &conditions(request))?;
    let response = Response::new(200);
    Ok(if is_rest { response.header("x-ms-continuation", "more/+=") } else { response })
}

fn list(tree: &Tree, request: &Request) -> Result<Response, Refusal> {
    let directory = request.parameter("directory").unwrap_or_default().trim_matches('/');
    let recursive = request.parameter("recursive").ok_or((400, "MissingRequiredQueryParameter"))? == "true";
    let after = decode(request.parameter("continuation").unwrap_or_default());
    let asked = request.parameter("maxResults").and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let (found, is_rest) = tree.list(directory, recursive, &after, PAGE.min(asked))?;
    let paths: Vec<_> = found.iter().map(|(path, node)| listed(path, node)).collect();
    let response = Response::new(200)
        .header("Date", httpdate::fmt_http_date(tree::now()))
        .header("Content-Type", "application/json;charset=utf-8")
        .body(json!({ "paths": paths }).to_string());
    Ok(match found.last().filter(|_| is_rest) {
        Some((last, _)) => response.header("x-ms-continuation", percent(last)),
        None => response,
    })
}

/// A continuation is opaque and has to fit into a header.
fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The service gives all values of a listing as text, and leaves out `isDirectory` where it is false.
fn listed(path: &str, node: &Node) -> serde_json::Value {
    let mut listed = json!({
        "name": path,
        "contentLength": node.content.len().to_string(),
        "etag": node.tag(),
        "lastModified": httpdate::fmt_http_date(node.modified),
    });
    if node.is_directory {
        listed["isDirectory"] = json!("true");
    }
    listed
}

fn tagged(node: &Node, status: u16) -> Response {
    Response::new(status)
        .header("ETag", format!("\"{}\"", node.tag()))
        .header("Last-Modified", httpdate::fmt_http_date(node.modified))
}

fn described(node: &Node, status: u16) -> Response {
    let kind = if node.is_directory { "directory" } else { "file" };
    let media_type =
        if node.content_type.is_empty() { "application/octet-stream" } else { &node.content_type };
    let response = tagged(node, status).header("x-ms-resource-type", kind).header("Content-Type", media_type);
    let response = if node.properties.is_empty() {
        response
    } else {
        response.header("x-ms-properties", &node.properties)
    };
    if status == 200 { response.header("Content-Length", node.content.len()) } else { response }
}
