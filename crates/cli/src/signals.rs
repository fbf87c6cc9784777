//! The signals that ask a program to end: for who passes them on to another, who stops in order, and who must be gone at once.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::thread;

use rustix::process::{Signal, getpgrp};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind};

use crate::failure::Exit;

const PASSED_ON: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// Some signals, from now on: until somebody listens, each ends the program on the spot.
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    /// Listens for those that are to be passed on.
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        // What `nohup` or a shell has had ignored stays so, here and for all that is started.
        let wanted = PASSED_ON.into_iter().filter(|signal| ignored & (1 << (signal.as_raw() - 1)) == 0);
        Self::of(wanted)
    }

    pub(crate) fn of(wanted: impl IntoIterator<Item = Signal>) -> io::Result<Self> {
        wanted.into_iter().map(|signal| Ok((signal, on(signal)?))).collect::<io::Result<_>>().map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn any(&mut self) -> Signal {
        poll_fn(|cx| {
            let mut ready = self
                .0
                .iter_mut()
                .filter_map(|(signal, source)| source.poll_recv(cx).is_ready().then_some(*signal));
            ready.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Waits for the next one that is to be passed on.
    pub(crate) async fn next(&mut self) -> Signal {
        loop {
            let came = self.any().await;
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

/// Listens from now on, and not only once it is waited for, for Ctrl-C and for the signal that asks a program to
/// end.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    let mut signals = interrupts();
    async move {
        signals.any().await;
    }
}

/// Does the same for who then puts away what is under way. Another one ends the program at once, whatever it waits for: a
/// disk that hangs, or who should read what it prints.
pub(crate) fn interrupted_once() -> impl Future<Output = ()> {
    let mut signals = interrupts();
    async move {
        signals.any().await;
        // Without one more the program ends as soon as all is put away; without the thread in that way alone.
        let _unwatched = exit_after(async move {
            signals.any().await;
        });
    }
}

/// Listens for the two; one that cannot be listened for does not come.
fn interrupts() -> Signals {
    let wanted = [Signal::INT, Signal::TERM].into_iter();
    Signals(wanted.filter_map(|signal| Some((signal, on(signal).ok()?))).collect())
}

/// Ends the program as an interrupted one once `cue` is over, whatever main waits for by then. Where it cannot be waited
/// for, `cue` is dropped.
///
/// The thread ends with the program.
pub(crate) fn exit_after(cue: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let watch = move || {
        // Made here: where a thread is refused, none is dropped among tasks, which would be a panic.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(cue);
        #[expect(clippy::exit, clippy::disallowed_methods, reason = "main may be waiting for ever")]
        std::process::exit(Exit::Interrupted.number().into());
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop)
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
