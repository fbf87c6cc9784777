//! Peers that behave as a test tells them to, names that lead where it tells them to.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_egress::{Guard, Resolver, Resolving, Settings};
use longshore_flow::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server on this machine that reads a request's head and hands the connection to the test.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The heads and what came with them, in their order.
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    tasks: Tasks,
}

impl Peer {
    pub(crate) async fn start<F, W>(answer: F) -> Self
    where
        F: Fn(TcpStream, String) -> W + Send + Sync + 'static,
        W: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::start_at(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    pub(crate) fn start_at<F, W>(listener: TcpListener, answer: F) -> Self
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

    /// A server that gives everybody the same answer.
    pub(crate) async fn answering(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |mut stream, _| {
            let answer = answer.clone();
            async move { stream.write_all(answer.as_bytes()).await }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
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

/// Settings that let a test dial this machine.
pub(crate) fn local() -> Settings {
    Settings {
        allow_http: true,
        ports: vec!["1-65535".parse().unwrap()],
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    }
}

pub(crate) fn local_guard() -> Guard {
    Guard::new(local()).unwrap()
}

/// Gives one list of addresses per look, and the last one for ever.
#[derive(Debug)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    pub(crate) looks: AtomicUsize,
    /// How long each look takes.
    pub(crate) pause: Duration,
}

impl Script {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect());
        Arc::new(Self {
            answers: Mutex::new(answers.collect()),
            looks: AtomicUsize::new(0),
            pause: Duration::ZERO,
        })
    }

    pub(crate) fn looks(&self) -> usize {
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
