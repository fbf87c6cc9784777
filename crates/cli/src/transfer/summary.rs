//! What a transfer came to.

use std::time::Duration;

use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output::{Output, count, size};

/// How many failures are kept word for word; the others are only counted.
const KEPT: usize = 1_000;
/// How many of them are shown to people.
const SHOWN: usize = 20;

/// How one item ended.
pub(crate) enum Outcome {
    /// A file of this many bytes was moved.
    File(u64),
    /// A file of this many bytes was there already, the same, and was not moved.
    Same(u64),
    /// A folder was made.
    Folder,
    /// A file, or a folder with all below it, was removed.
    Deleted,
    /// It was left out on purpose.
    Skipped,
    /// It failed; the others go on.
    Failed(String, Failure),
}

/// An item that failed.
#[derive(Serialize)]
pub(crate) struct Failed {
    path: String,
    code: String,
    message: String,
    #[serde(skip)]
    hint: Option<String>,
}

/// Why not everything was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// By the user.
    Interrupted,
    /// Everything failed for the same reason, which would not go away.
    GaveUp(Exit),
}

/// What a transfer came to; `--json` prints just this.
#[derive(Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Files that were there already.
    pub(crate) same: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) folders: u64,
    /// What was removed; only where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deleted: Option<u64>,
    seconds: f64,
    failures: Vec<Failed>,
    #[serde(skip)]
    stopped: Option<Stopped>,
    /// Whether it was stopped before everything had been tried.
    incomplete: bool,
}

impl Summary {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::File(bytes) => {
                self.files += 1;
                self.bytes += bytes;
            }
            Outcome::Same(_) => self.same += 1,
            Outcome::Folder => self.folders += 1,
            Outcome::Deleted => self.deleted = Some(self.deleted.unwrap_or(0) + 1),
            Outcome::Skipped => self.skipped += 1,
            Outcome::Failed(path, Failure { code, message, hint, .. }) => {
                self.failed += 1;
                if self.failures.len() < KEPT {
                    self.failures.push(Failed { path, code, message, hint });
                }
            }
        }
    }

    pub(crate) fn end(&mut self, took: Duration, stopped: Option<Stopped>) {
        self.seconds = (took.as_secs_f64() * 1_000.0).round() / 1_000.0;
        self.stopped = stopped;
        self.incomplete = stopped.is_some();
    }

    /// Prints it, the failures on standard error, and returns the code to end with.
    pub(crate) fn show(&self, verb: &str, output: Output) -> std::io::Result<Exit> {
        self.show_saying(verb, "symbolic links and special files are not moved", output)
    }

    /// Does the same where something else is why items were skipped.
    pub(crate) fn show_saying(&self, verb: &str, skipped: &str, output: Output) -> std::io::Result<Exit> {
        if self.skipped > 0 {
            output.note(&format!("note: {} skipped: {skipped}", count(self.skipped)));
        }
        if output.json {
            output.json_line(self)?;
        } else {
            self.show_failures(output);
            if !output.quiet {
                output.line(&self.text(verb))?;
            }
        }
        Ok(match self.stopped {
            Some(Stopped::Interrupted) => Exit::Interrupted,
            Some(Stopped::GaveUp(exit)) => exit,
            None if self.failed > 0 => Exit::Partial,
            None => Exit::Ok,
        })
    }

    /// Does the same for a verb that goes on where it was stopped.
    pub(crate) fn show_resumable(&self, verb: &str, output: Output) -> std::io::Result<Exit> {
        let exit = self.show(verb, output)?;
        if self.stopped == Some(Stopped::Interrupted) && !output.json {
            output.note("note: the same command goes on from there: what is there is not moved again");
        }
        Ok(exit)
    }

    fn show_failures(&self, output: Output) {
        let mut hinted = Vec::new();
        for failed in self.failures.iter().take(SHOWN) {
            let message = if failed.message.contains(&failed.path) {
                failed.message.clone()
            } else {
                format!("{}: {}", failed.path, failed.message)
            };
            // A hint that many share is said once.
            let hint = failed.hint.clone().filter(|hint| !hinted.contains(hint));
            hinted.extend(hint.clone());
            output.failure(&Failure { hint, ..Failure::new(Exit::Partial, &failed.code, message) });
        }
        let more = self.failed.saturating_sub(SHOWN as u64);
        if more > 0 {
            output.note(&format!("note: {} more failed; --json lists them", count(more)));
        }
        match self.stopped {
            Some(Stopped::Interrupted) => {
                output.note("note: interrupted; what was under way may be there: whole, or not at all");
            }
            Some(Stopped::GaveUp(_)) => output.note("note: gave up, since everything failed alike"),
            None => {}
        }
    }

    fn text(&self, verb: &str) -> String {
        let plural =
            |number: u64, one: &str| format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" });
        let mut text = format!("{verb} {}", plural(self.files, "file"));
        if self.folders > 0 {
            text.push_str(&format!(", {}", plural(self.folders, "folder")));
        }
        text.push_str(&format!(", {} in {:.2} s", size(self.bytes), self.seconds));
        if self.seconds > 0.0 && self.files > 0 {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is shown rounded"
            )]
            let rate = |number: u64| (number as f64 / self.seconds) as u64;
            text.push_str(&format!(" ({}/s, {} files/s)", size(rate(self.bytes)), count(rate(self.files))));
        }
        if self.same > 0 {
            text.push_str(&format!("; {} there already", count(self.same)));
        }
        if let Some(deleted) = self.deleted {
            text.push_str(&format!("; {} deleted", count(deleted)));
        }
        if self.failed > 0 {
            text.push_str(&format!("; {} failed", count(self.failed)));
        }
        text
    }
}
