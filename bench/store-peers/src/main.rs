//! Does one work with one of the peers and prints what it cost, as a line of JSON.
//!
//! Its one argument is the task, as JSON: see [`Task`]. What is measured begins after the store is open and has answered once,
//! and ends with the last operation.

mod longshore;
mod object;
mod opendal_peer;

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What is to be done, and where.
#[derive(Clone, Debug, Deserialize)]
struct Task {
    /// `longshore`, `object_store` or `opendal`.
    peer: String,
    /// `memory`, `local`, `s3` or `sftp`.
    kind: String,
    /// The folder, or the bucket.
    root: String,
    /// The service: `http://127.0.0.1:PORT`, or `127.0.0.1:PORT` of an SSH server.
    #[serde(default)]
    endpoint: String,
    /// Who logs in, with what.
    #[serde(default)]
    user: String,
    #[serde(default)]
    secret: String,
    /// The private key's file and the file of known hosts.
    #[serde(default)]
    key: String,
    #[serde(default)]
    known_hosts: String,
    /// `read`, `write`, `list`, `stream`, `put`, or `fill` (makes what the others read).
    work: String,
    /// How many operations.
    operations: u64,
    /// How many at once.
    at_once: usize,
    /// How many bytes each.
    size: u64,
    /// How many files there are to read.
    #[serde(default)]
    files: u64,
}

/// What it cost.
#[derive(Debug, Serialize)]
struct Cost {
    seconds: f64,
    cpu: f64,
    /// Bytes moved, or entries listed.
    done: u64,
    /// The most memory the process ever held, in bytes.
    peak: u64,
}

/// Large content goes in parts of this size, so many at once.
const PART: usize = 8 * 1024 * 1024;
const PARTS_AT_ONCE: usize = 8;
/// What a source of large content gives at once.
const CHUNK: usize = 1024 * 1024;

enum Peer {
    Longshore(longshore::Peer),
    Object(object::Peer),
    OpenDal(opendal_peer::Peer),
}

macro_rules! each {
    ($self:ident, $peer:ident => $call:expr) => {
        match $self {
            Self::Longshore($peer) => $call,
            Self::Object($peer) => $call,
            Self::OpenDal($peer) => $call,
        }
    };
}

impl Peer {
    fn open(task: &Task) -> Result<Self> {
        Ok(match task.peer.as_str() {
            "longshore" => Self::Longshore(longshore::Peer::open(task)?),
            "object_store" => Self::Object(object::Peer::open(task)?),
            "opendal" => Self::OpenDal(opendal_peer::Peer::open(task)?),
            other => bail!("no peer {other}"),
        })
    }

    async fn read(&self, path: &str) -> Result<u64> {
        each!(self, peer => peer.read(path).await)
    }

    async fn stream(&self, path: &str) -> Result<u64> {
        each!(self, peer => peer.stream(path).await)
    }

    async fn write(&self, path: &str, content: Bytes) -> Result<()> {
        each!(self, peer => peer.write(path, content).await)
    }

    async fn put(&self, path: &str, size: u64) -> Result<()> {
        each!(self, peer => peer.put(path, size).await)
    }

    async fn list(&self, path: &str) -> Result<u64> {
        each!(self, peer => peer.list(path).await)
    }
}

/// Returns the chunks of a large content: one buffer, shared, so that making it costs nothing.
fn chunks(size: u64) -> impl Iterator<Item = Bytes> + Send {
    let chunk: Bytes = (0..CHUNK).map(|place| (place % 251) as u8).collect();
    (0..size.div_ceil(CHUNK as u64)).map(move |number| {
        let left = size - number * CHUNK as u64;
        chunk.slice(..usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK)))
    })
}

fn small(number: u64) -> String {
    format!("small/{:02}/{number:05}", number % 20)
}

async fn run(peer: &Peer, task: &Task) -> Result<u64> {
    let each = |number: u64| async move {
        match task.work.as_str() {
            "read" => {
                let size = peer.read(&small(number.wrapping_mul(2_654_435_761) % task.files)).await?;
                ensure!(size == task.size, "read {size} bytes, not {}", task.size);
                Ok(size)
            }
            "fill" => {
                let content = Bytes::from(vec![number as u8; usize::try_from(task.size)?]);
                peer.write(&small(number), content).await.map(|()| task.size)
            }
            "write" => {
                let content = Bytes::from(vec![number as u8; usize::try_from(task.size)?]);
                let path = format!("new/{}/{:02}/{number}", std::process::id(), number % 20);
                peer.write(&path, content).await.map(|()| task.size)
            }
            "stream" => {
                let size = peer.stream("large").await?;
                ensure!(size == task.size, "read {size} bytes, not {}", task.size);
                Ok(size)
            }
            "put" => peer.put("large", task.size).await.map(|()| task.size),
            "list" => {
                let entries = peer.list("many").await?;
                ensure!(entries == task.files, "listed {entries} entries, not {}", task.files);
                Ok(entries)
            }
            other => bail!("no work {other}"),
        }
    };
    stream::iter(0..task.operations)
        .map(each)
        .buffer_unordered(task.at_once)
        .try_fold(0, |sum, done| async move { Ok(sum + done) })
        .await
}

fn cpu() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

async fn measured(task: &Task) -> Result<Cost> {
    let peer = Peer::open(task)?;
    // The first use connects; that is none of what is measured. What it reads need not be there.
    peer.read("warm").await.ok();
    if task.kind == "memory" {
        let fill = Task { work: "fill".to_owned(), operations: task.files, ..task.clone() };
        run(&peer, &fill).await?;
    }
    let (begun, before) = (Instant::now(), cpu());
    let done = run(&peer, task).await.with_context(|| format!("{task:?}"))?;
    Ok(Cost { seconds: begun.elapsed().as_secs_f64(), cpu: cpu() - before, done, peak: peak()? })
}

fn main() -> Result<()> {
    let text = std::env::args().nth(1).context("the task is missing")?;
    let task: Task = serde_json::from_str(&text).context("the task is no JSON")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cost = runtime.block_on(measured(&task))?;
    println!("{}", serde_json::to_string(&cost)?);
    Ok(())
}
