//! The same requests by HTTP/1.1 and by HTTP/2 (prior knowledge, no TLS), between two ends that have no disk.
//!
//! `http-versions serve --http 1|2 --listen 127.0.0.1:0` answers `GET /N` with N bytes from memory, swallows the N bytes
//! of a `PUT /N` and answers them with as much as a node is in JSON. `http-versions run --http 1|2 --url U --work W`
//! sends the requests of a work and prints one line of JSON: seconds, CPU seconds of its own, bytes.
//!
//! What is left to be seen is the protocol: what a request and a gigabyte cost, and what waits for what.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::{http1, http2};
use hyper::server::conn as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const USAGE: &str = "http-versions serve --http 1|2 [--windows default|raised|adaptive] [--listen 127.0.0.1:0]
http-versions run --http 1|2 --url http://HOST:PORT --work small-get|small-put|big-get|big-put|alone|mixed|mixed-get
    [--windows …] [--connections 1] [--streams 1, requests at once in all] [--together 1, files in a request]";

const MIB: u64 = 1 << 20;
const SMALL: u64 = 4 << 10;
const SMALL_FILES: u64 = 5_000;
const BIG: u64 = 1024 * MIB;
/// A large file goes in parts of 8 MiB, as the SDK has them, where more than one request is on its way at once.
const PARTS: u64 = 128;
/// How many small files are fetched beside a large one, and what of that one has passed before.
const BESIDE: u64 = 2_000;
const UNDER_WAY: u64 = 64 * MIB;
/// What a `PUT` is answered with.
const ANSWER: u64 = 600;

/// HTTP/2 as `raised` has it. A window bounds what a slow reader makes its end hold.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
const FRAME: u32 = 256 << 10;
const SEND_BUFFER: usize = 1 << 20;
const STREAMS: u32 = 256;

/// The client's reads by HTTP/1.1, as large as those of the SDK.
const READ_BUFFER: usize = 512 << 10;

static PIECE: [u8; 256 << 10] = [b'x'; 256 << 10];

type Meter = Arc<AtomicU64>;

/// So many bytes, counted as they are asked for.
struct Bulk {
    left: u64,
    given: Meter,
}

impl Body for Bulk {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let count = self.left.min(PIECE.len() as u64);
        self.left -= count;
        self.given.fetch_add(count, Ordering::Relaxed);
        let piece = PIECE.get(..usize::try_from(count).unwrap_or(PIECE.len())).unwrap_or(&PIECE);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads a body to its end; returns how long it was.
async fn swallow(mut body: Incoming, meter: &Meter) -> Result<u64> {
    let mut whole = 0;
    while let Some(frame) = body.frame().await {
        let count = frame?.data_ref().map_or(0, Bytes::len) as u64;
        meter.fetch_add(count, Ordering::Relaxed);
        whole += count;
    }
    Ok(whole)
}

/// How HTTP/2 holds a sender back.
#[derive(Clone, Copy)]
enum Windows {
    /// As hyper has it: at the client 2 MiB a stream and 5 MiB a connection, at the server 1 MiB each; frames of 16 KiB.
    Default,
    /// [`STREAM_WINDOW`], [`CONNECTION_WINDOW`], [`FRAME`].
    Raised,
    /// hyper follows what bandwidth and delay ask for, from 64 KiB up to 16 MiB; frames as in `Raised`.
    Adaptive,
}

/// The two ends' builders have the same names for the same things, and no trait.
macro_rules! with_windows {
    ($http:expr, $windows:expr) => {{
        let mut http = $http;
        http.timer(TokioTimer::new());
        match $windows {
            Windows::Default => {}
            Windows::Raised => {
                http.initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW);
                http.max_frame_size(FRAME).max_send_buf_size(SEND_BUFFER);
            }
            Windows::Adaptive => {
                http.adaptive_window(true).max_frame_size(FRAME).max_send_buf_size(SEND_BUFFER);
            }
        }
        http
    }};
}

async fn answer(request: Request<Incoming>) -> Result<Response<Bulk>> {
    let meter = Meter::default();
    let size: u64 = request.uri().path().trim_start_matches('/').parse()?;
    let (status, left) = if *request.method() == Method::GET {
        (StatusCode::OK, size)
    } else {
        ensure!(swallow(request.into_body(), &meter).await? == size, "a body of another size");
        (StatusCode::CREATED, ANSWER)
    };
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    Ok(response
        .header(header::ETAG, "\"0123456789abcdef0123456789abcdef\"")
        .body(Bulk { left, given: meter })?)
}

async fn serve(http2: bool, windows: Windows, listen: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    writeln!(io::stdout(), r#"{{"url":"http://{}"}}"#, listener.local_addr()?)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        while connections.try_join_next().is_some() {}
        let io = TokioIo::new(stream);
        connections.spawn(async move {
            let ended = if http2 {
                let mut http = with_windows!(server::http2::Builder::new(TokioExecutor::new()), windows);
                http.max_concurrent_streams(STREAMS).serve_connection(io, service_fn(answer)).await
            } else {
                server::http1::Builder::new().serve_connection(io, service_fn(answer)).await
            };
            if let Err(error) = ended {
                // A work that ends in the middle of a transfer is one cause; nobody is left to tell otherwise.
                writeln!(io::stderr(), "connection: {error}").ok();
            }
        });
    }
}

/// A way to send requests: a connection of its own, or a share in one.
enum Sender {
    One(http1::SendRequest<Bulk>),
    Two(http2::SendRequest<Bulk>),
}

impl Sender {
    async fn send(&mut self, request: Request<Bulk>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

/// What is to be done, and how.
#[derive(Clone)]
struct Job {
    http2: bool,
    windows: Windows,
    authority: String,
    connections: usize,
    streams: usize,
}

impl Job {
    /// Opens a connection, which lives as long as its task does.
    async fn connect(self) -> Result<(Sender, JoinSet<hyper::Result<()>>)> {
        let stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (io, mut task) = (TokioIo::new(stream), JoinSet::new());
        Ok(if self.http2 {
            let http = with_windows!(http2::Builder::new(TokioExecutor::new()), self.windows);
            let (sender, connection) = http.handshake(io).await?;
            task.spawn(connection);
            (Sender::Two(sender), task)
        } else {
            let (sender, connection) = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io).await?;
            task.spawn(connection);
            (Sender::One(sender), task)
        })
    }

    async fn ask(&self, sender: &mut Sender, method: &Method, size: u64, meter: &Meter) -> Result<()> {
        let put = *method == Method::PUT;
        let authority = if self.http2 { format!("http://{}", self.authority) } else { String::new() };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{authority}/{size}"))
            .header(header::AUTHORIZATION, "Bearer ls_0123456789abcdef0123456789abcdef0123456789abcdef")
            .header(header::USER_AGENT, "longshore/0.1.0")
            .header(header::ACCEPT, "application/json");
        if !self.http2 {
            request = request.header(header::HOST, &self.authority);
        }
        let body = Bulk { left: if put { size } else { 0 }, given: meter.clone() };
        let response = sender.send(request.body(body)?).await?;
        ensure!(response.status().is_success(), "{method} {size}: {}", response.status());
        let wanted = if put { ANSWER } else { size };
        ensure!(swallow(response.into_body(), meter).await? == wanted, "an answer of another size");
        Ok(())
    }

    /// Does a work and returns the line to print, without its braces.
    async fn run(self, work: &str, together: u64) -> Result<String> {
        let (whole, size) = match work {
            "small-get" | "small-put" => (SMALL_FILES * SMALL, together * SMALL),
            "big-get" | "big-put" => (BIG, if self.streams > 1 { BIG / PARTS } else { BIG }),
            "alone" | "mixed" | "mixed-get" => (BESIDE * SMALL, SMALL),
            _ => bail!(USAGE),
        };
        let method = if work.ends_with("-put") { Method::PUT } else { Method::GET };
        let (meter, beside) = (Meter::default(), Meter::default());
        let (mut start, mut connecting) = (Instant::now(), JoinSet::new());
        for _ in 0..if self.http2 { self.connections } else { self.streams } {
            connecting.spawn(self.clone().connect());
        }
        let connected: Result<Vec<_>> = connecting.join_all().await.into_iter().collect();
        let (mut senders, _tasks): (Vec<_>, Vec<_>) = connected?.into_iter().unzip();
        for worker in senders.len()..self.streams {
            if let Some(Sender::Two(shared)) = senders.get(worker % self.connections) {
                senders.push(Sender::Two(shared.clone()));
            }
        }
        let (mut senders, mut large) = (senders.into_iter(), JoinSet::new());
        if work.starts_with("mixed") {
            let (job, meter) = (self.clone(), beside.clone());
            let method = if work == "mixed" { Method::PUT } else { Method::GET };
            let mut sender = senders.next().context(USAGE)?;
            // It is begun again until the small ones are done, and then left where it is.
            large.spawn(async move { while job.ask(&mut sender, &method, BIG, &meter).await.is_ok() {} });
            while beside.load(Ordering::Relaxed) < UNDER_WAY {
                ensure!(large.try_join_next().is_none(), "the large transfer failed");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            start = Instant::now();
        }
        let passed = beside.load(Ordering::Relaxed);
        let (next, mut workers) = (Meter::default(), JoinSet::new());
        for mut sender in senders {
            let (job, method, meter, next) = (self.clone(), method.clone(), meter.clone(), next.clone());
            workers.spawn(async move {
                let mut times = Vec::new();
                loop {
                    let at = next.fetch_add(size, Ordering::Relaxed);
                    if at >= whole {
                        return anyhow::Ok(times);
                    }
                    let begun = Instant::now();
                    job.ask(&mut sender, &method, size.min(whole - at), &meter).await?;
                    times.push(begun.elapsed().as_secs_f64() * 1e3);
                }
            });
        }
        let mut times = Vec::new();
        for done in workers.join_all().await {
            times.extend(done?);
        }
        let seconds = start.elapsed().as_secs_f64();
        let rate = (beside.load(Ordering::Relaxed) - passed) as f64 / MIB as f64 / seconds;
        ensure!(large.try_join_next().is_none(), "the large transfer failed");
        times.sort_unstable_by(f64::total_cmp);
        let rank = |of_100: usize| times.get(times.len() * of_100 / 100).copied().unwrap_or(f64::NAN);
        let (bytes, median, p99) = (meter.load(Ordering::Relaxed), rank(50), rank(99));
        let times = format!(r#""median_ms":{median:.3},"p99_ms":{p99:.3}"#);
        Ok(format!(r#""seconds":{seconds:.4},"bytes":{bytes},{times},"beside_mib_s":{rate:.1}"#))
    }
}

/// CPU seconds of all threads of this process, as the scheduler counts them.
fn cpu_seconds() -> Result<f64> {
    let mut nanoseconds = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().context(USAGE)?;
    let (mut http2, mut windows, mut url, mut work) = (false, Windows::Default, None, None);
    let (mut listen, mut connections, mut streams, mut together) = (([127, 0, 0, 1], 0).into(), 1, 1, 1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().context(USAGE)?;
        match name.as_str() {
            "--http" if value == "1" || value == "2" => http2 = value == "2",
            "--windows" if value == "default" => windows = Windows::Default,
            "--windows" if value == "raised" => windows = Windows::Raised,
            "--windows" if value == "adaptive" => windows = Windows::Adaptive,
            "--listen" => listen = value.parse()?,
            "--url" => url = Some(value),
            "--work" => work = Some(value),
            "--connections" => connections = value.parse()?,
            "--streams" => streams = value.parse()?,
            "--together" => together = value.parse()?,
            _ => bail!(USAGE),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if verb == "serve" {
        return runtime.block_on(serve(http2, windows, listen));
    }
    ensure!(verb == "run" && connections > 0 && streams >= connections && together > 0, USAGE);
    let url = url.context(USAGE)?;
    let authority = url.strip_prefix("http://").context("--url: http:// only")?.to_owned();
    let job = Job { http2, windows, authority, connections, streams };
    let before = cpu_seconds()?;
    let line = runtime.block_on(job.run(&work.context(USAGE)?, together))?;
    writeln!(io::stdout(), "{{{line},\"cpu\":{:.4}}}", cpu_seconds()? - before)?;
    Ok(())
}
