//! HTTP as plainly as it goes, so that nothing is repeated, and an answer can be lost on purpose.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than a server is ever paused.
const PATIENCE: Duration = Duration::from_secs(12);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of what was refused.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    /// The server sends it, and nobody gets it.
    IsLost,
    /// The line is cut as soon as the request is sent.
    IsCutOff,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'a str, path: String) -> Self {
        Self { method, path, headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self.header("Content-Type", "application/json")
    }

    pub(crate) fn content(mut self, body: String) -> Self {
        self.body = body;
        self.header("Content-Type", "application/octet-stream")
    }
}

/// A connection to one server.
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub(crate) fn open(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Says whether the server has not hung up yet.
    pub(crate) fn is_open(&self) -> bool {
        let is_quiet = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            Ok::<_, std::io::Error>(matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock))
        };
        is_quiet(&self.stream).unwrap_or(false)
    }

    /// Sends a request and reads the answer; nothing where it does not come whole. Then the connection is of no more
    /// use. An answer that is lost was sent, so that the request is over: who asked may know that and not more.
    pub(crate) fn ask(&mut self, key: &str, request: &Request<'_>, fate: Fate) -> Option<Answer> {
        self.send_head(key, request, request.body.len())?;
        self.send(&request.body)?;
        if fate == Fate::IsCutOff {
            return None;
        }
        self.read()
    }

    /// Sends a request up to its body, which will have so many bytes; without a key where it is empty.
    pub(crate) fn send_head(&mut self, key: &str, request: &Request<'_>, length: usize) -> Option<()> {
        let Request { method, path, headers, .. } = request;
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: longshore\r\n");
        if !key.is_empty() {
            text += &format!("Authorization: Bearer {key}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        self.send(&format!("{text}Content-Length: {length}\r\n\r\n"))
    }

    /// Sends the next bytes.
    pub(crate) fn send(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).ok()
    }

    /// Reads an answer.
    pub(crate) fn read(&mut self) -> Option<Answer> {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        let head = loop {
            if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => received.extend_from_slice(&buffer[..count]),
            }
        };
        let mut body = received.split_off(head);
        let head = String::from_utf8(received).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = match answer.header("content-length") {
            Some(length) => length.parse().ok()?,
            None if status == 204 => 0,
            None => panic!("an answer of unknown length: {}", answer.head),
        };
        let missing = length - body.len();
        let start = body.len();
        body.resize(start + missing, 0);
        self.stream.read_exact(&mut body[start..]).ok()?;
        answer.body = body;
        Some(answer)
    }
}
