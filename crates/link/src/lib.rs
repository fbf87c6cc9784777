//! A bad network between two programs of one machine: a TCP proxy that delays, slows, stalls and cuts.
//!
//! For tests and benchmarks alone; nothing that is shipped may name it. What it does to a connection follows from a
//! seed and the connection's number, so that a run can be had again. It counts what crossed it, so that a test can
//! tell how much was sent twice.

#![warn(missing_docs)]

mod connection;
mod dice;
mod pace;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longshore_flow::Tasks;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use self::connection::Connection;
pub use self::dice::Dice;
use self::pace::Pace;

/// The socket's own buffer where connections are cut: what waits there when one is reset is lost, and yet counted.
const SMALL_BUFFER: u32 = 64 * 1024;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What a link does to what passes it.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// What all that is drawn follows from.
    pub seed: u64,
    /// How much later each byte arrives, in either direction. The bandwidth stays, as far as `held` goes.
    pub delay: Duration,
    /// The most bytes a second in each direction, of all connections together; nothing for no limit.
    pub rate: Option<u64>,
    /// Which connections break, and when; nothing for none.
    pub cuts: Option<Cuts>,
    /// The most bytes of one direction of one connection that are on their way at once.
    pub held: u32,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { seed: 0, delay: Duration::ZERO, rate: None, cuts: None, held: 16 * 1024 * 1024 }
    }
}

/// Which connections break, and when.
#[derive(Clone, Debug)]
pub struct Cuts {
    /// After how many bytes a connection breaks: for each one, a number out of these is drawn.
    pub after: Range<u64>,
    /// Which bytes are counted.
    pub way: CutWay,
    /// How many connections are cut in all; the later ones are left alone.
    pub most: u64,
}

/// Which bytes of a connection count towards its cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutWay {
    /// Those to the target.
    Up,
    /// Those from the target.
    Down,
    /// For each connection, one of the two is drawn.
    Either,
}

/// What has crossed a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that were written to the target.
    pub up: u64,
    /// Bytes that were written to those who connected.
    pub down: u64,
    /// Connections that were let through.
    pub connections: u64,
    /// Connections that were cut, by what was drawn or by [`Link::cut_all`].
    pub cuts: u64,
    /// Connections that were refused.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Counters {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
    drawn: AtomicU64,
    cuts: AtomicU64,
    refused: AtomicU64,
}

struct Shared {
    target: watch::Sender<SocketAddr>,
    conditions: Conditions,
    counters: Counters,
    up: Pace,
    down: Pace,
    stalled: watch::Sender<bool>,
    refusing: watch::Sender<bool>,
    /// Raised by one for each time that all connections are cut.
    cut: watch::Sender<u64>,
}

/// A link that runs until it is dropped.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Tasks,
}

impl Link {
    /// Starts a link to `target` on a free port of the loopback.
    pub async fn start(target: SocketAddr, conditions: Conditions) -> io::Result<Self> {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), target, conditions).await
    }

    /// Starts a link from an address to `target`.
    pub async fn listen(address: SocketAddr, target: SocketAddr, conditions: Conditions) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        if conditions.cuts.is_some() {
            // The accepted ones inherit it.
            socket.set_send_buffer_size(SMALL_BUFFER)?;
        }
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: watch::Sender::new(target),
            up: Pace::new(conditions.rate),
            down: Pace::new(conditions.rate),
            conditions,
            counters: Counters::default(),
            stalled: watch::Sender::new(false),
            refusing: watch::Sender::new(false),
            cut: watch::Sender::new(0),
        });
        let tasks = Tasks::new();
        tasks.spawn(accept(listener, Arc::clone(&shared), tasks.clone()));
        Ok(Self { address, shared, tasks })
    }

    /// Returns where the link listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what has crossed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            up: read(&counters.up),
            down: read(&counters.down),
            connections: read(&counters.connections),
            cuts: read(&counters.cuts),
            refused: read(&counters.refused),
        }
    }

    /// Sends new connections to another address, such as that of a server that was started again.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.target.send_replace(target);
    }

    /// Lets nothing pass while this is set, and keeps all connections open; new ones wait.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalled.send_replace(stalled);
    }

    /// Breaks each new connection at once while this is set; those that are open stay.
    pub fn refuse(&self, refusing: bool) {
        self.shared.refusing.send_replace(refusing);
    }

    /// Breaks all connections that are open now.
    pub fn cut_all(&self) {
        self.shared.cut.send_modify(|times| *times += 1);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: Tasks) {
    loop {
        let Ok((peer, _)) = listener.accept().await else {
            // Out of descriptors, or a peer that is gone already; the next one may do better.
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        if *shared.refusing.borrow() {
            shared.counters.refused.fetch_add(1, Ordering::SeqCst);
            reset(&peer);
            continue;
        }
        let number = shared.counters.connections.fetch_add(1, Ordering::SeqCst);
        let connection = Connection::new(Arc::clone(&shared), number);
        tasks.spawn(connection.open(peer));
    }
}

/// Makes closing a connection a reset.
fn reset(stream: &TcpStream) {
    // What cannot be reset is closed all the same.
    let _closed_politely = stream.set_zero_linger();
}
