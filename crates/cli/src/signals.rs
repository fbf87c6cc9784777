//! The signals that ask a program to end, for who passes them on to another.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::{Signal, getpgrp};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind};

const PASSED_ON: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Those signals, from now on: until somebody listens, each ends the program on the spot.
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        // What `nohup` or a shell has had ignored stays so, here and for all that is started.
        let wanted = PASSED_ON.into_iter().filter(|signal| ignored & (1 << (signal.as_raw() - 1)) == 0);
        wanted.map(|signal| Ok((signal, on(signal)?))).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next one that is to be passed on.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            let came = poll_fn(|cx| {
                let mut ready = self
                    .0
                    .iter_mut()
                    .filter_map(|(signal, source)| source.poll_recv(cx).is_ready().then_some(*signal));
                ready.next().map_or(Poll::Pending, Poll::Ready)
            })
            .await;
            if !is_from_terminal(came) {
                return came;
            }
        }
    }
}

/// Listens for one signal.
pub(crate) fn on(signal: Signal) -> io::Result<unix::Signal> {
    unix::signal(SignalKind::from_raw(signal.as_raw()))
}

/// Returns the set of signals that were ignored when this program was started, as bits.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Opens the terminal that this program was started from, if there is one.
pub(crate) fn terminal() -> Option<File> {
    File::open("/dev/tty").ok()
}

/// Tells whether a signal comes from the keys of a terminal: then all in the foreground have got it.
fn is_from_terminal(signal: Signal) -> bool {
    [Signal::INT, Signal::QUIT].contains(&signal)
        && terminal().and_then(|terminal| tcgetpgrp(terminal).ok()) == Some(getpgrp())
}
