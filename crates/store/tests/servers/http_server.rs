//! A small HTTP/1.1 server for our own stand-ins: one thread per connection, whole bodies, kept-alive connections.
//!
//! It exists because a stand-in must be hermetic and stoppable at any moment; it knows no more of HTTP than storage clients
//! send (a length or chunks, no upgrades, no pipelining).

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use percent_encoding::percent_decode_str;

/// A request, whole.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path as it was sent, percent-encoded.
    pub(crate) raw_path: String,
    /// The query, decoded, in the order it was sent.
    pub(crate) query: Vec<(String, String)>,
    /// The headers by lower-case name.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Returns the first value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns a header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the bytes that a `Range` header names in content of `size` bytes; an error if it lies past the end.
    pub(crate) fn range(&self, size: usize) -> std::result::Result<Option<std::ops::Range<usize>>, ()> {
        let asked = self.header("range").or_else(|| self.header("x-ms-range"));
        let Some((first, last)) = asked.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            return Ok(None);
        };
        let range = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => first..size.min(last + 1),
            (Ok(first), Err(_)) => first..size,
            (Err(_), Ok(count)) => size.saturating_sub(count)..size,
            (Err(_), Err(_)) => return Ok(None),
        };
        if range.start >= size { Err(()) } else { Ok(Some(range)) }
    }
}

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the connection breaks instead of carrying it.
    lost: bool,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Makes an answer that nobody gets.
    pub(crate) fn lost() -> Self {
        Self { lost: true, ..Self::default() }
    }

    fn write_to(&self, mut connection: &TcpStream, is_head: bool) -> Result<()> {
        let mut head = format!("HTTP/1.1 {} Status\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        // A HEAD tells the length of what a GET would give, where the handler has said so.
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut whole = head.into_bytes();
        if !is_head {
            whole.extend_from_slice(&self.body);
        }
        connection.write_all(&whole)
    }
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// A running server. Dropping it ends it, with its connections.
pub(crate) struct HttpServer {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    acceptor: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    handler: Box<Handler>,
    ended: AtomicBool,
    /// The open ones, by number.
    connections: Mutex<HashMap<usize, TcpStream>>,
}

impl HttpServer {
    pub(crate) fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || for_thread.accept(&listener));
        Ok(Self { port, shared, acceptor: Mutex::new(Some(acceptor)) })
    }

    /// Ends the server at once: connections break wherever they are, and new ones are refused.
    pub(crate) fn stop(&self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(acceptor) = acceptor else { return };
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        acceptor.join().ok();
        for (_, connection) in self.shared.connections().drain() {
            connection.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<usize, TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for (number, connection) in listener.incoming().enumerate() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(connection) = connection else { continue };
            let Ok(for_stop) = connection.try_clone() else { continue };
            self.connections().insert(number, for_stop);
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                connection.set_nodelay(true).ok();
                // A connection that breaks is the client's to notice.
                shared.serve(&connection).ok();
                connection.shutdown(Shutdown::Both).ok();
                shared.connections().remove(&number);
            });
        }
    }

    fn serve(&self, connection: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(connection);
        while let Some(request) = read_request(&mut reader)? {
            let response = (self.handler)(&request);
            if response.lost || self.ended.load(Ordering::SeqCst) {
                return Ok(());
            }
            response.write_to(connection, request.method == "HEAD")?;
        }
        Ok(())
    }
}

fn read_request(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let Some(line) = read_line(reader)? else { return Ok(None) };
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(Error::other("no request"));
    };
    let (raw_path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        raw_path: raw_path.to_owned(),
        query: query.split('&').filter(|pair| !pair.is_empty()).map(decode_pair).collect(),
        ..Request::default()
    };
    while let Some(line) = read_line(reader)?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| Error::other("no header"))?;
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if request.header("transfer-encoding").is_some() {
        while let Some(line) = read_line(reader)? {
            let size = usize::from_str_radix(&line, 16).map_err(Error::other)?;
            let begun = request.body.len();
            request.body.resize(begun + size, 0);
            reader.read_exact(&mut request.body[begun..])?;
            read_line(reader)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        request.body = vec![0; length.parse().map_err(Error::other)?];
        reader.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}

/// Reads a line without its end, or nothing at the end of the connection.
fn read_line(reader: &mut impl BufRead) -> Result<Option<String>> {
    let mut line = String::new();
    if reader.by_ref().take(64 * 1024).read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn decode_pair(pair: &str) -> (String, String) {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
}

/// Decodes percent-encoded text.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Sends a request on a connection of its own, and returns the status of the answer.
pub(crate) fn send(port: u16, request: &Request) -> Result<u16> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let query: Vec<_> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut head = format!("{} {}?{} HTTP/1.1\r\n", request.method, request.raw_path, query.join("&"));
    head.push_str(&format!("Host: 127.0.0.1:{port}\r\nConnection: close\r\n"));
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    connection.write_all(head.as_bytes())?;
    connection.write_all(&request.body)?;
    let line = read_line(&mut BufReader::new(connection))?.unwrap_or_default();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Error::other(format!("no status in {line:?}")))
}
