//! The keys of items that are done, in a file that only grows.
//!
//! The first line names the pipeline, and each other line is a key, with line ends and backslashes escaped. A line counts
//! when its end is there: what a killed process wrote half is cut off by the next.

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::blocking::Blocking;
use crate::moment::after;
use crate::tasks::Tasks;

#[cfg(test)]
mod tests;

/// What a file begins with, before the name of its pipeline.
const FORMAT: &str = "longshore-pipeline 1 ";

/// Where a pipeline writes down what is done.
///
/// Keys are written in groups, each flushed to the disk: by default 64, or what there is after a second, and the rest at the
/// end of the run. A process that is killed repeats what came after the last group. While a run goes on, the keys that the
/// file had at its beginning are in memory, and nobody else can use the file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    items: usize,
    pause: Duration,
}

impl Checkpoint {
    /// Names the file; it is made where there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), items: 64, pause: Duration::from_secs(1) }
    }

    /// Writes a group when it has `items` keys (0 counts as 1), or its first is as old as `pause`.
    #[must_use]
    pub fn group(mut self, items: usize, pause: Duration) -> Self {
        (self.items, self.pause) = (items.max(1), pause);
        self
    }

    /// Reads the file, and starts what writes to it.
    pub(super) async fn open(self, pipeline: &str, tasks: &Tasks) -> Result<Opened, CheckpointError> {
        let disk = Blocking::new(1);
        let (path, header) = (self.path.clone(), format!("{FORMAT}{}\n", escape(pipeline)));
        let opened = disk.run(move || open(&path, &header)).await;
        let (file, done) = match opened {
            Ok(opened) => opened.map_err(|error| error.at(&self.path))?,
            Err(lost) => return Err(Fault::Io(io::Error::other(lost)).at(&self.path)),
        };
        // As many wait as make the next group, while one is being written.
        let path = self.path.clone();
        let (sender, keys) = mpsc::channel(self.items.min(4_096));
        let (ended, end) = oneshot::channel();
        drop(tasks.spawn(async move {
            let result = self.write(disk, file, keys).await;
            // Who does not wait for the end has dropped the run.
            let _unwanted = ended.send(result);
        }));
        Ok(Opened { done, log: Log { keys: sender, end, path } })
    }

    async fn write(
        &self,
        disk: Blocking,
        mut file: File,
        mut keys: mpsc::Receiver<String>,
    ) -> io::Result<()> {
        while let Some(first) = keys.recv().await {
            let due = after(Instant::now(), self.pause);
            let (mut lines, mut count) = (line(&first), 1);
            while count < self.items
                && let Ok(Some(key)) = timeout_at(due, keys.recv()).await
            {
                lines.push_str(&line(&key));
                count += 1;
            }
            let written = disk.run(move || {
                file.write_all(lines.as_bytes())?;
                file.sync_data()?;
                Ok::<_, io::Error>(file)
            });
            file = written.await.map_err(io::Error::other)??;
        }
        Ok(())
    }
}

/// A checkpoint in use.
pub(super) struct Opened {
    /// The keys of the runs before.
    pub(super) done: HashSet<String>,
    pub(super) log: Log,
}

/// Where the keys of this run go.
pub(super) struct Log {
    keys: mpsc::Sender<String>,
    end: oneshot::Receiver<io::Result<()>>,
    path: PathBuf,
}

impl Log {
    /// Hands over a key to be written. False when no more are taken, and [`Log::close`] says why.
    pub(super) async fn note(&self, key: String) -> bool {
        self.keys.send(key).await.is_ok()
    }

    /// Waits until all is written.
    pub(super) async fn close(self) -> Result<(), CheckpointError> {
        drop(self.keys);
        let ended = self.end.await.unwrap_or_else(|lost| Err(io::Error::other(lost)));
        ended.map_err(|error| Fault::Io(error).at(&self.path))
    }
}

fn line(key: &str) -> String {
    let mut line = escape(key);
    line.push('\n');
    line
}

fn escape(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len() + 1);
    for letter in key.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Undoes [`escape`]; nothing, where that did not make it.
fn unescape(line: &str) -> Option<String> {
    let mut key = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        key.push(match letter {
            '\\' => match letters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(key)
}

fn open(path: &Path, header: &str) -> Result<(File, HashSet<String>), Fault> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    // A device may have no end.
    if !file.metadata()?.is_file() {
        return Err(Fault::Foreign);
    }
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Fault::InUse,
        TryLockError::Error(error) => Fault::Io(error),
    })?;
    let mut done = HashSet::new();
    let mut reader = BufReader::new(&mut file);
    let mut bytes = Vec::new();
    // No further than the header goes, for the first line of another file may be all of it.
    let mut whole = reader.by_ref().take(header.len() as u64).read_until(b'\n', &mut bytes)? as u64;
    if bytes != header.as_bytes() {
        // A process may have been killed before it had written the whole header.
        if !header.as_bytes().starts_with(&bytes) {
            return Err(Fault::Foreign);
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(header.as_bytes())?;
        file.sync_data()?;
        return Ok((file, done));
    }
    loop {
        bytes.clear();
        let length = reader.read_until(b'\n', &mut bytes)? as u64;
        if bytes.pop() != Some(b'\n') {
            break;
        }
        whole += length;
        // What a disk made of a lost page is the key of nothing.
        if let Some(key) = str::from_utf8(&bytes).ok().and_then(unescape) {
            done.insert(key);
        }
    }
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    Ok((file, done))
}

enum Fault {
    Foreign,
    InUse,
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    fn at(self, path: &Path) -> CheckpointError {
        let path = path.to_owned();
        match self {
            Self::Foreign => CheckpointError::Foreign { path },
            Self::InUse => CheckpointError::InUse { path },
            Self::Io(error) => CheckpointError::Io { path, error },
        }
    }
}

/// Why a checkpoint cannot be kept. The run ends with it: what went on would be done again.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is that of another pipeline, or none of ours; it was left as it is.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another run has the file open.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { path } => write!(f, "{} is no checkpoint of this pipeline", path.display()),
            Self::InUse { path } => write!(f, "the checkpoint {} is in use by another run", path.display()),
            Self::Io { path, error } => write!(f, "cannot keep the checkpoint {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Foreign { .. } | Self::InUse { .. } => None,
            Self::Io { error, .. } => Some(error),
        }
    }
}
