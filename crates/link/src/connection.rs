//! One connection through the link.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::{CutWay, Dice, SMALL_BUFFER, Shared, reset};
use crate::pace::Pace;

/// The most bytes that are read at once.
const BITE: usize = 64 * 1024;

/// How one connection is to end, drawn before it begins.
#[derive(Clone, Copy)]
struct Cut {
    up: bool,
    after: u64,
    reset: bool,
}

pub(crate) struct Connection {
    shared: Arc<Shared>,
    cut: Option<Cut>,
    all: watch::Receiver<u64>,
}

/// Bytes on their way, and when they arrive; none at the end.
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Why a direction moves no more.
enum Ended {
    /// Its sender has said all.
    Quietly,
    /// It is to be cut here.
    Cut,
}

/// One direction of a connection.
struct Way<'a> {
    shared: &'a Shared,
    pace: &'a Pace,
    counter: &'a AtomicU64,
    cut_after: Option<u64>,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, number: u64) -> Self {
        let mut dice = Dice::of(shared.conditions.seed, number);
        let cut = shared.conditions.cuts.as_ref().map(|cuts| {
            let after = dice.within(&cuts.after);
            let up = match cuts.way {
                CutWay::Up => true,
                CutWay::Down => false,
                CutWay::Either => dice.roll().is_multiple_of(2),
            };
            Cut { up, after, reset: dice.roll().is_multiple_of(2) }
        });
        let all = shared.cut.subscribe();
        Self { shared, cut, all }
    }

    /// Connects to the target and moves bytes.
    pub(crate) async fn open(self, peer: TcpStream) {
        self.shared.pass().await;
        match self.connect().await {
            Ok(target) => self.run(peer, target).await,
            Err(_) => reset(&peer),
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let target = *self.shared.target.borrow();
        let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if self.cut.is_some() {
            socket.set_send_buffer_size(SMALL_BUFFER)?;
        }
        socket.connect(target).await
    }

    /// Moves bytes both ways until both sides have said all, one breaks, or the connection is cut.
    async fn run(mut self, mut peer: TcpStream, mut target: TcpStream) {
        for stream in [&peer, &target] {
            // Without it small requests only take longer.
            let _slow = stream.set_nodelay(true);
        }
        let shared = &*self.shared;
        let counters = &shared.counters;
        let cut_after = |up: bool| self.cut.filter(|cut| cut.up == up).map(|cut| cut.after);
        let up = Way { shared, pace: &shared.up, counter: &counters.up, cut_after: cut_after(true) };
        let down = Way { shared, pace: &shared.down, counter: &counters.down, cut_after: cut_after(false) };
        let (from_peer, to_peer) = peer.split();
        let (from_target, to_target) = target.split();
        let both = async {
            tokio::try_join!(up.run(from_peer, to_target), down.run(from_target, to_peer)).map(drop)
        };
        let broken = tokio::select! {
            ended = both => match ended {
                Ok(()) => return,
                Err(Some(Ended::Cut)) => true,
                Err(_) => false,
            },
            _ = self.all.changed() => true,
        };
        if broken {
            counters.cuts.fetch_add(1, Ordering::SeqCst);
        }
        if self.cut.is_none_or(|cut| cut.reset) {
            reset(&peer);
            reset(&target);
        } else {
            // An orderly end in the middle of what was to come.
            let _gone = peer.shutdown().await;
            let _gone = target.shutdown().await;
        }
    }
}

impl Shared {
    /// Waits out a stall.
    async fn pass(&self) {
        // It fails only once the link is gone, and this with it.
        drop(self.stalled.subscribe().wait_for(|stalled| !stalled).await);
    }
}

impl Way<'_> {
    /// Fails with nothing where a socket breaks.
    async fn run(&self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), Option<Ended>> {
        let (sender, receiver) = mpsc::channel(1024);
        let reading = async { self.read(from, sender).await.map_err(|_| None) };
        let writing = async {
            match self.write(to, receiver).await {
                Ok(Ended::Quietly) => Ok(()),
                Ok(Ended::Cut) => Err(Some(Ended::Cut)),
                Err(_) => Err(None),
            }
        };
        tokio::try_join!(reading, writing).map(drop)
    }

    async fn read(&self, mut from: ReadHalf<'_>, sender: mpsc::Sender<Parcel>) -> io::Result<()> {
        let conditions = &self.shared.conditions;
        let held = conditions.held.max(1);
        let room = Arc::new(Semaphore::new(held as usize));
        let most = self.pace.bite(BITE.min(held as usize));
        let mut buffer = vec![0; most];
        loop {
            let count = from.read(&mut buffer).await?;
            let permits = u32::try_from(count).unwrap_or(held);
            let room = Arc::clone(&room).acquire_many_owned(permits).await.ok();
            let due = Instant::now() + conditions.delay;
            let parcel = Parcel { due, bytes: buffer[..count].to_vec(), _room: room };
            if sender.send(parcel).await.is_err() || count == 0 {
                return Ok(());
            }
        }
    }

    async fn write(&self, mut to: WriteHalf<'_>, mut parcels: mpsc::Receiver<Parcel>) -> io::Result<Ended> {
        let mut moved = 0;
        while let Some(parcel) = parcels.recv().await {
            tokio::time::sleep_until(parcel.due).await;
            self.shared.pass().await;
            if parcel.bytes.is_empty() {
                break;
            }
            let mut bytes = parcel.bytes.as_slice();
            let end = self.cut_after.filter(|after| moved + bytes.len() as u64 >= *after);
            if let Some(after) = end {
                // No shorter than nothing: what is over was let through already.
                bytes = &bytes[..usize::try_from(after.saturating_sub(moved)).unwrap_or(0)];
            }
            self.pace.take(bytes.len()).await;
            to.write_all(bytes).await?;
            moved += bytes.len() as u64;
            self.counter.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            if end.is_some() && self.may_cut() {
                return Ok(Ended::Cut);
            }
            if end.is_some() {
                // No cut is left: the rest of the parcel, and all after it, passes.
                let rest = &parcel.bytes[bytes.len()..];
                to.write_all(rest).await?;
                self.counter.fetch_add(rest.len() as u64, Ordering::SeqCst);
                moved = 0;
            }
        }
        to.shutdown().await?;
        Ok(Ended::Quietly)
    }

    /// Takes one of the cuts that are left.
    fn may_cut(&self) -> bool {
        let most = self.shared.conditions.cuts.as_ref().map_or(0, |cuts| cuts.most);
        let drawn = &self.shared.counters.drawn;
        drawn
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |drawn| (drawn < most).then(|| drawn + 1))
            .is_ok()
    }
}
