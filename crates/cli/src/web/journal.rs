//! What has been fetched into a folder, and what has begun: a line a step in a file of that folder.
//!
//! Lines are only ever added, each in one write, so that a process that is killed harms none but its last.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::filename::numbered;
use super::folder::Folder;
use super::lines::{self, Line};
use crate::failure::Failure;

/// Where it lies in the folder that is filled.
const NAME: &str = ".longshore-fetch";
/// A longer line is none of ours.
const LONGEST: u64 = 64 * 1_024;

/// What is known of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The URL's digest: the URL itself may hold secrets.
    pub(crate) url: String,
    /// What the file is called.
    pub(crate) name: String,
    /// What `If-Range` says when the rest is asked for: a strong ETag, or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) validator: Option<String>,
    /// How long the whole is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) length: Option<u64>,
    /// Whether the file is there, whole.
    pub(crate) done: bool,
}

/// What all downloads of a run know of each other and of runs before.
#[derive(Debug)]
pub(crate) struct Journal {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    entries: HashMap<String, Entry>,
    /// Whose name it is, by URL.
    owners: HashMap<String, String>,
    /// The URLs of this run.
    begun: HashSet<String>,
    /// Which number comes next behind a name that many have: trying all before it each time would take ever longer.
    next: HashMap<String, u64>,
}

impl Journal {
    /// Reads what earlier runs left in the folder. Blocks.
    pub(crate) fn open(folder: &Folder) -> Result<Self, Failure> {
        let mut file = folder.append(NAME)?;
        let failed = |error| folder.failed(NAME, &error);
        let (mut entries, mut owners) = (HashMap::new(), HashMap::new());
        let mut reader = BufReader::new(&file);
        while let Some(line) = lines::next(&mut reader, LONGEST).map_err(failed)? {
            // A line that is torn, or of somebody else, says nothing.
            if let Line::Whole(line, _) = line
                && let Ok(entry) = serde_json::from_slice::<Entry>(&line)
            {
                owners.insert(entry.name.clone(), entry.url.clone());
                entries.insert(entry.url.clone(), entry);
            }
        }
        // What comes next must not become part of a torn line.
        if file.seek(SeekFrom::End(0)).map_err(failed)? > 0 {
            file.seek(SeekFrom::End(-1)).map_err(failed)?;
            let mut last = [0];
            file.read_exact(&mut last).map_err(failed)?;
            if last != *b"\n" {
                file.write_all(b"\n").map_err(failed)?;
            }
        }
        let state = State { file, entries, owners, begun: HashSet::new(), next: HashMap::new() };
        Ok(Self { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at any time, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a URL for this run. False when the run has it already.
    pub(crate) fn begin(&self, url: &str) -> bool {
        self.lock().begun.insert(url.to_owned())
    }

    /// Returns what is known of a URL.
    pub(crate) fn entry(&self, url: &str) -> Option<Entry> {
        self.lock().entries.get(url).cloned()
    }

    /// Takes a name for a URL: this one, or one like it where another URL's file has it.
    pub(crate) fn name(&self, url: &str, wanted: &str, folder: &Folder) -> String {
        let mut state = self.lock();
        let mut number = state.next.get(wanted).copied().unwrap_or(1);
        loop {
            let name = if number == 1 { wanted.to_owned() } else { numbered(wanted, number) };
            let taken = state.owners.get(&name).is_some_and(|owner| {
                // A file of an earlier run that is gone needs no name.
                owner != url && (state.begun.contains(owner) || folder.has(&name) || folder.has_part(&name))
            });
            if !taken {
                state.next.insert(wanted.to_owned(), number + 1);
                state.owners.insert(name.clone(), url.to_owned());
                return name;
            }
            number += 1;
        }
    }

    /// Notes a step. Blocks.
    pub(crate) fn note(&self, entry: Entry) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut state = self.lock();
        state.file.write_all(&line)?;
        state.entries.insert(entry.url.clone(), entry);
        Ok(())
    }
}
