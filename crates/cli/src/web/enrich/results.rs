//! The file that answers go into: also the record of what has been answered.
//!
//! Every line has its row's key, and a line is there whole or not at all, so no second file could know better what is
//! left to do. A small file beside it says of which question the answers are.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};
use crate::web::lines;

/// A longer line is none of ours: an answer's text may grow sixfold when it is escaped, and the row stands beside it.
const LONGEST: u64 = 256 * 1_024 * 1_024;

/// Answers and failures on their way to the disk. All of it blocks.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    answers: File,
    failures: File,
}

/// The keys that have an answer, each as the beginning of its digest.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashSet<[u8; 16]>);

impl Keys {
    fn digest(key: &str) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(key.as_bytes())[..16]);
        short
    }

    /// Takes a key in. False when it was there.
    pub(crate) fn insert(&mut self, key: &str) -> bool {
        self.0.insert(Self::digest(key))
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.0.contains(&Self::digest(key))
    }
}

#[derive(Deserialize)]
struct Keyed {
    key: String,
}

/// What the answers of a file are of.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Checkpoint {
    longshore_enrich: u32,
    /// The digest of the question: it may hold secrets.
    question: String,
}

impl Results {
    /// Opens both files and reads which keys have an answer. A torn last line is cut off; the failures of the run before
    /// are forgotten, since they are tried again.
    pub(crate) fn open(path: &Path, failures: &Path, question: &[&str]) -> Result<(Self, Keys), Failure> {
        let answers = OpenOptions::new().read(true).append(true).create(true).open(path);
        let answers = answers.map_err(|error| cannot("write", path, &error))?;
        match rustix::fs::flock(&answers, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let message = format!("another program writes {}", path.display());
                return Err(Failure::new(Exit::Conflict, "local_busy", message));
            }
            Err(errno) => return Err(cannot("write", path, &errno.into())),
        }
        let keys = read(&answers, path)?;
        check(path, question, keys.0.is_empty())?;
        let failures = File::create(failures).map_err(|error| cannot("write", failures, &error))?;
        Ok((Self { path: path.to_owned(), answers, failures }, keys))
    }

    /// Adds whole lines to both files.
    pub(crate) fn write(&mut self, answers: &[u8], failures: &[u8]) -> Result<(), Failure> {
        let written = self.answers.write_all(answers).and_then(|()| self.failures.write_all(failures));
        written.map_err(|error| cannot("write", &self.path, &error))
    }

    /// Waits until the disk has it all.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.answers.sync_data().and_then(|()| self.failures.sync_data());
        flushed.map_err(|error| cannot("write", &self.path, &error))
    }
}

fn read(mut answers: &File, path: &Path) -> Result<Keys, Failure> {
    let failed = |error: io::Error| cannot("read", path, &error);
    let mut keys = Keys::default();
    let mut whole = 0;
    let mut reader = BufReader::new(answers);
    for number in 1_u64.. {
        let Some(line) = lines::next(&mut reader, LONGEST).map_err(failed)? else { break };
        let end = reader.stream_position().map_err(failed)?;
        // The last line has lost its end where its length is all that was read.
        if end - whole == line.len() as u64 {
            answers.set_len(whole).map_err(failed)?;
            answers.seek(SeekFrom::End(0)).map_err(failed)?;
            break;
        }
        let Ok(Keyed { key }) = serde_json::from_slice(&line) else {
            let message = format!("line {number} of {} is no answer of this verb", path.display());
            return Err(Failure::new(Exit::Conflict, "local_exists", message).hint("choose another -o"));
        };
        keys.insert(&key);
        whole = end;
    }
    Ok(keys)
}

/// Refuses to mix the answers to two questions.
fn check(path: &Path, question: &[&str], empty: bool) -> Result<(), Failure> {
    let beside = with_ending(path, ".checkpoint");
    let mut hasher = Sha256::new();
    for part in question {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = Checkpoint { longshore_enrich: 1, question: digest };
    let there = fs::read(&beside).ok().and_then(|bytes| serde_json::from_slice::<Checkpoint>(&bytes).ok());
    if !empty && there.as_ref().is_some_and(|there| *there != wanted) {
        let message = format!("{} has the answers to another question", path.display());
        return Err(Failure::new(Exit::Conflict, "local_exists", message)
            .hint(format!("choose another -o, or remove {} to go on with these", beside.display())));
    }
    if there.as_ref() != Some(&wanted) {
        let text = serde_json::to_vec(&wanted).unwrap_or_default();
        fs::write(&beside, text).map_err(|error| cannot("write", &beside, &error))?;
    }
    Ok(())
}

/// Returns a path with more at its end.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::local(format!("cannot {verb} {}", path.display()), error)
}
