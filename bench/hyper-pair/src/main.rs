//! A bare hyper server and client: the floor under every transfer that `bench/` measures.
//!
//! `hyper-pair serve --dir D --listen 127.0.0.1:0` keeps a `PUT` body as a file below D
//! and answers a `GET` with it; `hyper-pair up|down --url U --dir D --concurrency N`
//! moves a folder there or back.
//!
//! It does the least that moves the bytes: no hash, no database, no temporary file, no
//! flush, no authentication, and file calls made on the runtime's own threads. Nothing
//! here is a model for a real server; a transfer that comes near its times has little
//! left to win.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const READ: u64 = 256 * 1024;
const USAGE: &str = "hyper-pair serve --dir D [--listen 127.0.0.1:0]
hyper-pair up|down --url http://HOST:PORT --dir D [--concurrency 8]";

/// A file's bytes, read as the connection asks for them.
struct FileBody {
    file: File,
    left: u64,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let want = self.left.min(READ);
        let mut buffer = Vec::with_capacity(usize::try_from(want).unwrap_or(usize::MAX));
        let read = (&self.file).take(want).read_to_end(&mut buffer);
        Poll::Ready(Some(match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.left -= count as u64;
                Ok(Frame::data(buffer.into()))
            }
            Err(error) => Err(error),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

type AnyBody = Either<FileBody, Full<Bytes>>;

fn text(bytes: impl Into<Bytes>) -> AnyBody {
    Either::Right(Full::new(bytes.into()))
}

fn file_body(path: &Path) -> Result<AnyBody> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let left = file.metadata()?.len();
    Ok(Either::Left(FileBody { file, left }))
}

/// Writes a body to a new file, frame by frame.
async fn receive(mut body: Incoming, path: &Path) -> Result<()> {
    let mut file = match File::create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().context("a path without a folder")?)?;
            File::create(path)
        }
        other => other,
    }
    .with_context(|| path.display().to_string())?;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            file.write_all(&data)?;
        }
    }
    Ok(())
}

/// The files below a folder, as paths relative to it.
fn list(dir: &Path) -> Result<Vec<String>> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let name = path.strip_prefix(dir)?.to_str();
                found.push(name.context("a name that is not UTF-8")?.to_owned());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Joins a path taken from the wire to a folder, refusing one that leads out of it.
fn below(dir: &Path, name: &str) -> Result<PathBuf> {
    let name = Path::new(name);
    ensure!(
        name.components().all(|c| matches!(c, Component::Normal(_))),
        "a path that leads out of the folder"
    );
    Ok(dir.join(name))
}

async fn answer(dir: &Path, request: Request<Incoming>) -> Result<Response<AnyBody>> {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    Ok(match *request.method() {
        Method::GET if name.is_empty() => Response::new(text(list(dir)?.join("\n"))),
        Method::GET => Response::new(file_body(&below(dir, &name)?)?),
        Method::PUT => {
            receive(request.into_body(), &below(dir, &name)?).await?;
            let mut response = Response::new(text(""));
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        _ => bail!("neither GET nor PUT"),
    })
}

async fn serve(dir: PathBuf, listen: SocketAddr) -> Result<()> {
    fs::create_dir_all(&dir)?;
    let listener = TcpListener::bind(listen).await?;
    writeln!(io::stdout(), r#"{{"url":"http://{}"}}"#, listener.local_addr()?)?;
    let dir = Arc::new(dir);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        while connections.try_join_next().is_some() {}
        let dir = dir.clone();
        connections.spawn(async move {
            let service = service_fn(|request| answer(&dir, request));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                // Nobody is left to tell when standard error is gone too.
                writeln!(io::stderr(), "connection: {error}").ok();
            }
        });
    }
}

/// One keep-alive connection to the server.
struct Client {
    authority: String,
    sender: SendRequest<AnyBody>,
    _connection: JoinSet<hyper::Result<()>>,
}

impl Client {
    async fn connect(url: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").context("--url: http:// only")?;
        let authority = authority.trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&authority).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { authority, sender, _connection: driver })
    }

    async fn send(&mut self, method: Method, name: &str, body: AnyBody) -> Result<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/{name}"))
            .header(header::HOST, &self.authority)
            .body(body)?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        ensure!(response.status().is_success(), "{name}: {}", response.status());
        Ok(response.into_body())
    }

    async fn put(&mut self, dir: &Path, name: &str) -> Result<()> {
        let body = file_body(&dir.join(name))?;
        let answer = self.send(Method::PUT, name, body).await?;
        answer.collect().await?;
        Ok(())
    }

    async fn get(&mut self, dir: &Path, name: &str) -> Result<()> {
        let answer = self.send(Method::GET, name, text("")).await?;
        receive(answer, &below(dir, name)?).await
    }
}

async fn transfer(up: bool, url: String, dir: PathBuf, concurrency: usize) -> Result<()> {
    let names = if up {
        list(&dir)?
    } else {
        let mut client = Client::connect(&url).await?;
        let body = client.send(Method::GET, "", text("")).await?;
        let listing = body.collect().await?.to_bytes();
        let listing = std::str::from_utf8(&listing)?;
        listing.lines().map(str::to_owned).collect()
    };
    fs::create_dir_all(&dir)?;
    let work = Arc::new((dir, names, AtomicUsize::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency.min(work.1.len()) {
        let (work, url) = (work.clone(), url.clone());
        workers.spawn(async move {
            let (dir, names, next) = &*work;
            let mut client = Client::connect(&url).await?;
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                if up {
                    client.put(dir, name).await?;
                } else {
                    client.get(dir, name).await?;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().context(USAGE)?;
    let (mut dir, mut url, mut listen, mut concurrency) = (None, None, None, 8);
    while let Some(name) = arguments.next() {
        let value = arguments.next().context(USAGE)?;
        match name.as_str() {
            "--dir" => dir = Some(PathBuf::from(value)),
            "--url" => url = Some(value),
            "--listen" => listen = Some(value.parse()?),
            "--concurrency" => concurrency = value.parse()?,
            _ => bail!(USAGE),
        }
    }
    let dir = dir.context(USAGE)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().build()?;
    runtime.block_on(async move {
        match verb.as_str() {
            "serve" => serve(dir, listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))).await,
            "up" | "down" => transfer(verb == "up", url.context(USAGE)?, dir, concurrency).await,
            _ => bail!(USAGE),
        }
    })
}
