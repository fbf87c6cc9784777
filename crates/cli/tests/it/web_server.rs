//! A web server of others, on this machine: it remembers what it was asked, and answers byte by byte as a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Asks another server the same, over a connection of its own, and returns its answer as it came.
    pub(crate) fn passed_on(&self, server: SocketAddr) -> Vec<u8> {
        let mut stream = TcpStream::connect(server).unwrap();
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "connection") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(self.body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Returns where the range begins that was asked for.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What the server does about a request.
pub(crate) enum Reply {
    /// Sends these bytes, head and all, and goes on.
    Send(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Sends these bytes and then nothing until the client goes away.
    Stall(Vec<u8>),
    /// Sends these bytes and then one more now and then until the client goes away.
    Drip(Vec<u8>),
}

type Script = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

pub(crate) struct WebServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    arrived: Condvar,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl WebServer {
    /// Starts a server that answers the n-th request (from 0) with what `script` makes of it.
    pub(crate) fn start(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            arrived: Condvar::new(),
            over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || {
            let mut serving = Vec::new();
            for stream in listener.incoming() {
                if own.over.load(Ordering::SeqCst) {
                    break;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&own));
                own.open.lock().unwrap().push(stream.try_clone().unwrap());
                serving.push(std::thread::spawn(move || serve(stream, &shared)));
            }
            for stream in own.open.lock().unwrap().drain(..) {
                let _gone = stream.shutdown(Shutdown::Both);
            }
            for thread in serving {
                thread.join().unwrap();
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.target).collect()
    }

    /// Waits until so many requests have come in all.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        let seen = self.shared.seen.lock().unwrap();
        let limit = Duration::from_secs(60);
        let (seen, _) =
            self.shared.arrived.wait_timeout_while(seen, limit, |seen| seen.len() < count).unwrap();
        assert!(seen.len() >= count, "only {} requests came", seen.len());
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _wakes_it = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            // A thread that failed has said why.
            let _ended = accepting.join();
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(seen) = read(&mut reader) {
        let place = {
            let mut all = shared.seen.lock().unwrap();
            all.push(seen.clone());
            shared.arrived.notify_all();
            all.len() - 1
        };
        // A client that has gone away wants nothing more.
        match (shared.script)(place, &seen) {
            Reply::Send(bytes) => {
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Reply::Cut(bytes) => {
                let _gone = stream.write_all(&bytes);
                let _gone = stream.shutdown(Shutdown::Both);
                return;
            }
            Reply::Drip(bytes) => {
                let mut sent = stream.write_all(&bytes);
                while sent.is_ok() && !shared.over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(400));
                    sent = stream.write_all(b"x");
                }
                return;
            }
            Reply::Stall(bytes) => {
                let _gone = stream.write_all(&bytes);
                let _ended = reader.read_to_end(&mut Vec::new());
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let field = line()?;
        let Some((name, value)) = field.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { method, target, headers, body: String::new(), at: Instant::now() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}

/// Returns an answer as it is sent, with the length of its body.
pub(crate) fn answer(status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = head(status, headers, body.len());
    bytes.extend_from_slice(body);
    bytes
}

/// Returns the head of an answer that announces so many bytes.
pub(crate) fn head(status: u16, headers: &[&str], length: usize) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Answers a request for a file as a server does that can send the rest of it.
pub(crate) fn ranged(seen: &Seen, etag: &str, content: &[u8]) -> Vec<u8> {
    let tag = format!("etag: {etag}");
    match seen.range_start().filter(|_| seen.header("if-range") == Some(etag)) {
        Some(start) if start < content.len() => {
            let range = format!("content-range: bytes {start}-{}/{}", content.len() - 1, content.len());
            answer(206, &[&tag, &range], &content[start..])
        }
        Some(_) => answer(416, &[&format!("content-range: bytes */{}", content.len())], ""),
        None => answer(200, &[&tag, "accept-ranges: bytes"], content),
    }
}
