//! The file that answers go into: also the record of what has been answered.
//!
//! Every line has its row's key, and a line is there whole or not at all, so no second file could know better what is
//! left to do. A small file beside it says of which question the answers are.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};
use crate::web::lines::{self, Line};

/// A longer line is none of ours: an answer's text may grow sixfold when it is escaped, and the row stands beside it.
const LONGEST: u64 = 256 * 1_024 * 1_024;
/// So is a longer checkpoint.
const LONGEST_CHECKPOINT: u64 = 4 * 1_024;
/// How every checkpoint begins.
const CHECKPOINT_BEGINNING: &[u8] = br#"{"longshore_enrich":"#;

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

/// A line of the failures' file, as far as it tells one from somebody else's.
#[derive(Deserialize)]
struct FailedKeyed {
    #[expect(dead_code, reason = "it must be there")]
    key: String,
    #[expect(dead_code, reason = "it must be there")]
    code: String,
    #[expect(dead_code, reason = "it must be there")]
    attempts: u32,
}

/// How every line of either file begins.
const BEGINNING: &[u8] = br#"{"key":""#;

impl Results {
    /// Opens both files and reads which keys have an answer. A torn last line is cut off; the failures of the run before
    /// are forgotten, since they are tried again.
    ///
    /// Nothing is cut or forgotten that is not known to be of this verb, and nothing before all of it was looked at; `rows`
    /// is the table that is read meanwhile.
    pub(crate) fn open(
        rows: &Path,
        path: &Path,
        failures_path: &Path,
        question: &[&str],
    ) -> Result<(Self, Keys), Failure> {
        let answers = OpenOptions::new().read(true).append(true).create(true).open(path);
        let answers = answers.map_err(|error| cannot("write", path, &error))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let failures = options.open(failures_path).map_err(|error| cannot("write", failures_path, &error))?;
        keep_apart(rows, (path, &answers), (failures_path, &failures))?;
        hold(&answers, path)?;
        let has_failures = failures.metadata().is_ok_and(|found| found.is_file());
        if has_failures {
            hold(&failures, failures_path)?;
        }
        let (keys, whole) = read(&answers, path)?;
        let checkpoint = Checkpoint::of(path)?;
        if has_failures {
            check_failures(&failures, failures_path)?;
        }
        checkpoint.take_up(path, question, keys.0.is_empty())?;
        if let Some(whole) = whole {
            cut(&answers, whole).map_err(|error| cannot("write", path, &error))?;
        }
        if has_failures {
            cut(&failures, 0).map_err(|error| cannot("write", failures_path, &error))?;
        }
        Ok((Self { path: path.to_owned(), answers, failures }, keys))
    }

    /// Adds whole lines to both files.
    pub(crate) fn write(&mut self, answers: &[u8], failures: &[u8]) -> Result<(), Failure> {
        let written = self.answers.write_all(answers).and_then(|()| self.failures.write_all(failures));
        written.map_err(|error| cannot("write", &self.path, &error))
    }

    /// Waits until the disk has it all.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let flush = |file: &File| match file.sync_data() {
            // Such as /dev/null, which keeps nothing.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            flushed => flushed,
        };
        let flushed = flush(&self.answers).and_then(|()| flush(&self.failures));
        flushed.map_err(|error| cannot("write", &self.path, &error))
    }
}

/// Keeps other programs from a file.
fn hold(file: &File, path: &Path) -> Result<(), Failure> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => {
            let message = format!("another program writes {}", path.display());
            Err(Failure::new(Exit::Conflict, "local_busy", message))
        }
        Err(errno) => Err(cannot("write", path, &errno.into())),
    }
}

/// Refuses one file for two of the three purposes, by whatever names it is called.
fn keep_apart(rows: &Path, answers: (&Path, &File), failures: (&Path, &File)) -> Result<(), Failure> {
    let identity = |metadata: io::Result<Metadata>| {
        metadata.ok().filter(Metadata::is_file).map(|found| (found.dev(), found.ino()))
    };
    let stdin = || rustix::fs::fstat(io::stdin()).ok().map(|found| (found.st_dev, found.st_ino));
    let of_rows = if rows == Path::new("-") { stdin() } else { identity(fs::metadata(rows)) };
    let (of_answers, of_failures) = (identity(answers.1.metadata()), identity(failures.1.metadata()));
    let all = [(rows, of_rows), (answers.0, of_answers), (failures.0, of_failures)];
    for (place, (one, identity)) in all.iter().enumerate() {
        let same = all[place + 1..].iter().find(|(_, other)| identity.is_some() && other == identity);
        if let Some((other, _)) = same {
            let message = format!("{} and {} are one file", one.display(), other.display());
            return Err(Failure::invalid(message).hint("the table, -o and --failures are three files"));
        }
    }
    Ok(())
}

/// Reads the keys of all whole lines. Where the last line is torn, it also returns how long the file is without it.
fn read(answers: &File, path: &Path) -> Result<(Keys, Option<u64>), Failure> {
    let failed = |error: io::Error| cannot("read", path, &error);
    let mut keys = Keys::default();
    let mut whole = 0;
    let mut reader = BufReader::new(answers);
    for number in 1_u64.. {
        let Some(line) = lines::next(&mut reader, LONGEST).map_err(failed)? else { break };
        let foreign = || {
            let message = format!("line {number} of {} is no answer of this verb", path.display());
            Failure::new(Exit::Conflict, "local_exists", message).hint("choose another -o")
        };
        let line = match line {
            Line::Whole(line, true) => line,
            // It has lost its end; unless it is somebody else's, which never had one.
            Line::Whole(torn, false) if is_ours(&torn, whole > 0, path) => return Ok((keys, Some(whole))),
            Line::Whole(_, false) | Line::TooLong => return Err(foreign()),
        };
        let Keyed { key } = serde_json::from_slice(&line).map_err(|_| foreign())?;
        keys.insert(&key);
        whole = reader.stream_position().map_err(failed)?;
    }
    Ok((keys, None))
}

/// Tells whether a last line without an end is the beginning of one of ours. There must be more that says so than how it
/// begins: whole lines before it, or the file beside it.
fn is_ours(torn: &[u8], has_lines: bool, path: &Path) -> bool {
    let has_checkpoint = || Checkpoint::of(path).is_ok_and(|checkpoint| checkpoint.0.is_some());
    let begins = torn.iter().zip(BEGINNING).all(|(one, other)| one == other);
    begins && (has_lines || has_checkpoint()) || has_lines && has_checkpoint()
}

/// Refuses to forget what is no list of failures.
fn check_failures(failures: &File, path: &Path) -> Result<(), Failure> {
    let first = lines::next(&mut BufReader::new(failures), LONGEST);
    let is_ours = match first.map_err(|error| cannot("read", path, &error))? {
        None => true,
        Some(Line::Whole(line, true)) => serde_json::from_slice::<FailedKeyed>(&line).is_ok(),
        Some(Line::Whole(torn, false)) => torn.starts_with(BEGINNING),
        Some(Line::TooLong) => false,
    };
    if is_ours {
        return Ok(());
    }
    let message = format!("{} has something else than failures of this verb", path.display());
    Err(Failure::new(Exit::Conflict, "local_exists", message).hint("choose another --failures"))
}

/// Cuts a file, and goes on at its end.
fn cut(mut file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length)).map(drop)
}

/// What the file beside the answers says; nothing where there is none.
struct Beside(Option<Checkpoint>);

impl Checkpoint {
    /// Reads what stands beside the answers, unless it is somebody else's.
    fn of(path: &Path) -> Result<Beside, Failure> {
        let beside = with_ending(path, ".checkpoint");
        let file = match File::open(&beside) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Beside(None)),
            Err(error) => return Err(cannot("read", &beside, &error)),
        };
        let mut text = Vec::new();
        file.take(LONGEST_CHECKPOINT)
            .read_to_end(&mut text)
            .map_err(|error| cannot("read", &beside, &error))?;
        if let Ok(checkpoint) = serde_json::from_slice(&text) {
            return Ok(Beside(Some(checkpoint)));
        }
        // One that is torn says nothing.
        if text.iter().zip(CHECKPOINT_BEGINNING).all(|(one, other)| one == other) {
            return Ok(Beside(None));
        }
        let message = format!("{} is in the way: it is no file of this verb", beside.display());
        Err(Failure::new(Exit::Conflict, "local_exists", message).hint("choose another -o"))
    }
}

impl Beside {
    /// Takes up the answers to a question. Refuses to mix them with those to another.
    fn take_up(&self, path: &Path, question: &[&str], empty: bool) -> Result<(), Failure> {
        let beside = with_ending(path, ".checkpoint");
        let mut hasher = Sha256::new();
        for part in question {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let digest = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let wanted = Checkpoint { longshore_enrich: 1, question: digest };
        let there = self.0.as_ref();
        if !empty && there.is_some_and(|there| *there != wanted) {
            let message = format!("{} has the answers to another question", path.display());
            return Err(Failure::new(Exit::Conflict, "local_exists", message)
                .hint(format!("choose another -o, or remove {} to go on with these", beside.display())));
        }
        if there != Some(&wanted) {
            let text = serde_json::to_vec(&wanted).unwrap_or_default();
            fs::write(&beside, text).map_err(|error| cannot("write", &beside, &error))?;
        }
        Ok(())
    }
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
