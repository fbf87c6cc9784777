//! Texts that are typed without being seen, or come on standard input: passwords and tokens are never arguments, which others
//! see in the list of processes.

use std::future::pending;
use std::io::{self, BufRead, IsTerminal, Read};
use std::sync::{OnceLock, mpsc};

use longshore::HiddenText;
use rustix::process::Signal;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::failure::Failure;
use crate::output::Output;
use crate::signals::{Signals, exit_after};

/// The most bytes that are read: far more than a password or a token has.
const MOST: u64 = 64 * 1_024;

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        // Once: what it shows when the first question is asked is what it shows when nothing is asked.
        static WATCHED: OnceLock<()> = OnceLock::new();
        if WATCHED.set(()).is_ok() {
            mend_at_signals(before.clone())?;
        }
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &unseen)?;
        Ok(Self(before))
    }
}

/// From now on, a signal that ends the program gives the terminal back as it was: a shell shows nothing otherwise either.
///
/// It listens where it waits, as there may be no runtime here.
fn mend_at_signals(before: Termios) -> io::Result<()> {
    let (ready, is_ready) = mpsc::channel();
    exit_after(async move {
        match Signals::of([Signal::INT, Signal::TERM, Signal::HUP]) {
            Ok(mut signals) => {
                ready.send(Ok(())).ok();
                signals.any().await;
                tcsetattr(io::stdin(), OptionalActions::Now, &before).ok();
            }
            Err(error) => {
                ready.send(Err(error)).ok();
                pending::<()>().await;
            }
        }
    })?;
    is_ready.recv().map_err(io::Error::other)?
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

/// Reads the next line of standard input, which is asked for where somebody sits there.
pub(crate) fn read(question: &str, output: Output) -> Result<HiddenText, Failure> {
    let failed = |error: &io::Error| Failure::local(format!("cannot read {question}"), error);
    let mut line = String::new();
    if io::stdin().is_terminal() {
        let unseen = Unseen::begin().map_err(|error| failed(&error))?;
        output.ask(&format!("{question}: ")).map_err(|error| failed(&error))?;
        io::stdin().lock().take(MOST).read_line(&mut line).map_err(|error| failed(&error))?;
        drop(unseen);
        // The end of the line was not shown either.
        output.ask("\n").map_err(|error| failed(&error))?;
    } else {
        io::stdin().lock().take(MOST).read_line(&mut line).map_err(|error| failed(&error))?;
    }
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(HiddenText::new(text.strip_suffix('\r').unwrap_or(text)))
}

/// Reads a new password: twice where it is typed, so that what nobody has seen is what was meant.
pub(crate) fn read_new(question: &str, output: Output) -> Result<HiddenText, Failure> {
    let first = read(question, output)?;
    if io::stdin().is_terminal() && read(&format!("{question}, once more"), output)? != first {
        return Err(Failure::invalid("the two are not the same".to_owned()));
    }
    Ok(first)
}
