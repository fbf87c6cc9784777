//! A wire to a server that can be cut, or fall silent.

use std::io::{Read as _, Result, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A wire. Dropped, it is cut.
pub(super) struct Proxy {
    pub(super) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    ends: Mutex<Vec<TcpStream>>,
    connections: AtomicUsize,
    /// How many more bytes clients may send before the wire is cut.
    left: AtomicU64,
    is_cut: AtomicBool,
    is_silent: Mutex<bool>,
    speaks: Condvar,
}

impl Proxy {
    pub(super) fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State { left: AtomicU64::new(u64::MAX), ..State::default() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
                shared.connections.fetch_add(1, Ordering::SeqCst);
                for (from, to, counts) in [(&client, &server, true), (&server, &client, false)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let state = Arc::clone(&shared);
                    thread::spawn(move || state.carry(from, to, counts));
                }
                shared.ends.lock().unwrap().extend([client, server]);
            }
        });
        Ok(Self { port, state })
    }

    /// Returns how many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Cuts every connection, and takes no other.
    pub(super) fn cut(&self) {
        self.state.cut();
    }

    /// Takes connections again.
    pub(super) fn mend(&self) {
        self.state.left.store(u64::MAX, Ordering::SeqCst);
        self.state.is_cut.store(false, Ordering::SeqCst);
    }

    /// Cuts the wire after clients have sent so many bytes more.
    pub(super) fn cut_after(&self, bytes: u64) {
        self.state.left.store(bytes, Ordering::SeqCst);
    }

    /// Carries nothing more from servers to clients, or all again.
    pub(super) fn silence(&self, is_silent: bool) {
        *self.state.is_silent.lock().unwrap() = is_silent;
        self.state.speaks.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.silence(false);
        self.cut();
    }
}

impl State {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for end in self.ends.lock().unwrap().drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, counts: bool) {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(size @ 1..) = from.read(&mut buffer) {
            if !counts {
                let silent = self.is_silent.lock().unwrap();
                drop(self.speaks.wait_while(silent, |silent| *silent).unwrap());
            } else if self.left.load(Ordering::SeqCst) != u64::MAX {
                let left = self.left.load(Ordering::SeqCst).saturating_sub(size as u64);
                self.left.store(left, Ordering::SeqCst);
                if left == 0 {
                    self.cut();
                }
            }
            if to.write_all(&buffer[..size]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
        from.shutdown(Shutdown::Both).ok();
    }
}
