//! What tests need: peers that behave as they are told to, names that lead where they are told to.
//!
//! All of it panics where it cannot go on, as tests do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_flow::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::guard::Guard;
use crate::resolve::{Resolver, Resolving};
use crate::settings::Settings;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on this machine that reads a request's head and hands the connection to the test.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The heads and what came with them, in their order.
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    tasks: Tasks,
}

impl Peer {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// `answer` gets the connection, and the request as text.
    pub async fn start<F, W>(answer: F) -> Self
    where
        F: Fn(TcpStream, String) -> W + Send + Sync + 'static,
        W: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::start_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    /// Starts one on a socket that listens already.
    pub fn start_at<F, W>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(TcpStream, String) -> W + Send + Sync + 'static,
        W: Future<Output = io::Result<()>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::new(Mutex::default()), Arc::new(AtomicUsize::new(0)));
        let tasks = Tasks::new();
        let (all, kept, count) = (tasks.clone(), Arc::clone(&requests), Arc::clone(&connections));
        let answer = Arc::new(answer);
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let (kept, answer): (Arc<Mutex<Vec<_>>>, _) = (Arc::clone(&kept), Arc::clone(&answer));
                all.spawn(async move {
                    let Ok(request) = read_request(&mut stream).await else { return };
                    kept.lock().unwrap().push(request.clone());
                    // The guest may hang up on it; that is what some tests want.
                    answer(stream, request).await.ok();
                });
            }
        });
        Self { address, requests, connections, tasks }
    }

    /// Starts one that gives everybody the same answer.
    pub async fn answering(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |mut stream, _| {
            let answer = answer.clone();
            async move { stream.write_all(answer.as_bytes()).await }
        })
        .await
    }

    /// Returns the URL of a path there.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the requests that have come, as text, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests have come, and returns them.
    pub async fn until(&self, count: usize) -> Vec<String> {
        let start = Instant::now();
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            assert!(start.elapsed() < PATIENCE, "{} requests came, not {count}", requests.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns how many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |digits| digits.parse().unwrap());
            if body.len() >= length {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Returns a header of a request's text, by its name in lower case.
#[must_use]
pub fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    let (head, _) = request.split_once("\r\n\r\n")?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Returns the content of a request's text.
#[must_use]
pub fn content(request: &str) -> &str {
    request.split_once("\r\n\r\n").map_or("", |(_, content)| content)
}

/// Settings that let a test dial this machine.
#[must_use]
pub fn local() -> Settings {
    Settings {
        allow_http: true,
        ports: vec!["1-65535".parse().unwrap()],
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    }
}

/// A guard of those settings.
#[must_use]
pub fn local_guard() -> Guard {
    Guard::new(local()).unwrap()
}

/// Gives one list of addresses per look, and the last one for ever.
#[derive(Debug)]
pub struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    looks: AtomicUsize,
    /// How long each look takes.
    pub pause: Duration,
}

impl Script {
    /// Makes one of addresses as text.
    #[must_use]
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        Arc::new(Self {
            answers: Mutex::new(answers.collect()),
            looks: AtomicUsize::new(0),
            pause: Duration::ZERO,
        })
    }

    /// Returns how often somebody has looked.
    #[must_use]
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

impl Resolver for Script {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async {
            tokio::time::sleep(self.pause).await;
            self.looks.fetch_add(1, Ordering::SeqCst);
            let mut answers = self.answers.lock().unwrap();
            let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            next.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }
}
