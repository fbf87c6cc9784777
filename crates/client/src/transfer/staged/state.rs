//! What a program that died leaves for its next run: where the parts of a large upload are at the server.
//!
//! The first line names the content; each line after it a part and where it is. Lines are only ever added, and a torn last
//! one counts for nothing. Nothing here is believed by itself: the server says what it has, and the whole is verified.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use longshore_core::{Clock, SystemClock, Timestamp};
use rustix::fs::{AtFlags, CWD};

use crate::transfer::own::open_locked;
use crate::transfer::reader::Stamp;

/// Begins the first line; the number grows when the lines' meaning changes.
const MAGIC: &str = "longshore-upload 1";
/// What the names of states end with.
const ENDING: &str = "upload";
/// How long a state stays that nobody goes on with: the server has removed the parts long before.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// How long the server keeps an upload to which no more bytes come. Where it does so for less, it says that it is gone.
const SERVER_KEEPS: Duration = Duration::from_hours(24);
/// How many files of the folder are looked at for that.
const PRUNED: usize = 1_000;
/// The most bytes of a state that are read: far more than its few lines have.
const MOST: u64 = 64 * 1024;
/// Places in a workspace are nobody else's business.
const MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Which upload a state is of.
#[derive(Clone, Debug)]
pub(super) struct UploadKey<'a> {
    /// The server, by its name and the path before its routes.
    pub(super) server: String,
    /// Where the file goes.
    pub(super) target: String,
    /// The local file, from the root.
    pub(super) source: &'a Path,
    pub(super) stamp: Stamp,
    /// How many parts there are, and how long the first is: another plan begins anew.
    pub(super) plan: (usize, u64),
}

impl UploadKey<'_> {
    /// Returns the state's name: the same for the same file as long as it does not change.
    fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let Stamp { length, seconds, nanos } = self.stamp;
        let source = self.source.as_os_str().as_encoded_bytes();
        let numbers = format!("{length} {seconds} {nanos}");
        for field in [self.server.as_bytes(), self.target.as_bytes(), source, numbers.as_bytes()] {
            hasher.update(&(field.len() as u64).to_le_bytes()).update(field);
        }
        format!("{}.{ENDING}", hasher.finalize().to_hex())
    }

    fn line(&self) -> String {
        let (count, share) = self.plan;
        format!("{MAGIC} {} {count} {share}\n", self.stamp.length)
    }
}

/// The state of one upload, which this process alone has in hand. Blocks.
pub(super) struct State {
    file: File,
    path: PathBuf,
    begin: String,
    /// Held by who adds a line: parts are begun beside each other.
    adding: Mutex<()>,
}

/// Where each part is, as far as it was noted.
pub(super) type Places = Vec<Option<String>>;

impl State {
    /// Tells whether an upload was begun, so that the server has something of it, and not ended.
    pub(super) fn is_there(folder: &Path, key: &UploadKey<'_>, now: Timestamp) -> bool {
        let Ok(file) = File::open(folder.join(key.name())) else { return false };
        let is_young = file.metadata().is_ok_and(|found| written(&found).plus(SERVER_KEEPS) > now);
        let (mut text, begin) = (String::new(), key.line());
        let lines = file.take(MOST).read_to_string(&mut text).ok().and_then(|_| text.strip_prefix(&begin));
        is_young && lines.is_some_and(|lines| parse(lines, key.plan.0).1 > 0)
    }

    /// Opens the state of an upload, or begins it. Nothing where another process has it in hand, or none can be kept: the
    /// upload goes on without.
    pub(super) fn open(folder: &Path, key: &UploadKey<'_>) -> Option<(Self, Places)> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).ok()?;
        prune(folder, SystemClock.now());
        let path = folder.join(key.name());
        let file = open_locked(CWD, &path, MODE).ok()?;
        let state = Self { file, path, begin: key.line(), adding: Mutex::default() };
        let places = match state.read(key.plan.0) {
            Some(places) => places,
            None => {
                state.restart().ok()?;
                vec![None; key.plan.0]
            }
        };
        Some((state, places))
    }

    fn read(&self, count: usize) -> Option<Places> {
        let mut text = String::new();
        (&self.file).take(MOST).read_to_string(&mut text).ok()?;
        let (places, sound) = parse(text.strip_prefix(&self.begin)?, count);
        let sound = self.begin.len() + sound;
        if sound < text.len() {
            // What was torn goes, so that the next line is one. Else the file is as old as its last line.
            self.file.set_len(sound as u64).ok()?;
        }
        Some(places)
    }

    /// Forgets all that was noted.
    pub(super) fn restart(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.append(&self.begin)
    }

    /// Notes where a part is.
    pub(super) fn note(&self, part: usize, place: &str) -> io::Result<()> {
        self.append(&format!("{part} {place}\n"))
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let _alone = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        // In one write, so that what is torn is at the end.
        let end = self.file.metadata()?.len();
        self.file.write_all_at(line.as_bytes(), end)
    }

    /// Removes the state: there is nothing to go on with.
    pub(super) fn remove(&self) {
        // What stays is of no harm: its parts are gone.
        let _left_behind = rustix::fs::unlinkat(CWD, &self.path, AtFlags::empty());
    }
}

/// Returns when a file was last written to.
fn written(found: &Metadata) -> Timestamp {
    Timestamp::from_micros(found.mtime().saturating_mul(1_000_000))
}

/// Removes what earlier runs have left and none went on with: of a file that changed since, its name comes never again.
fn prune(folder: &Path, now: Timestamp) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().take(PRUNED) {
        let path = entry.path();
        let is_old = |found: &Metadata| found.is_file() && written(found).plus(KEPT) < now;
        if path.extension().is_some_and(|ending| ending == ENDING)
            && entry.metadata().is_ok_and(|found| is_old(&found))
            && let Ok(_locked) = open_locked(CWD, &path, MODE)
        {
            let _left_behind = rustix::fs::unlinkat(CWD, &path, AtFlags::empty());
        }
    }
}

/// Reads the lines of parts; returns how many bytes of them are sound.
fn parse(lines: &str, count: usize) -> (Places, usize) {
    let (mut places, mut rest) = (vec![None; count], lines);
    while let Some((line, after)) = rest.split_once('\n') {
        let read = line.split_once(' ').and_then(|(part, place)| {
            let is_place = place.starts_with('/') && place.bytes().all(|byte| byte.is_ascii_graphic());
            Some((part.parse::<usize>().ok()?, place)).filter(|_| is_place)
        });
        let Some((slot, place)) = read.and_then(|(part, place)| Some((places.get_mut(part)?, place))) else {
            break;
        };
        // A part that was begun anew is where it was begun last.
        *slot = Some(place.to_owned());
        rest = after;
    }
    (places, lines.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use longshore_core::{Clock, SystemClock};

    use super::{KEPT, SERVER_KEEPS, Stamp, State, UploadKey, parse, prune};

    fn subject(nanos: i64) -> UploadKey<'static> {
        UploadKey {
            server: "host".to_owned(),
            target: "/a".to_owned(),
            source: Path::new("/local/a"),
            stamp: Stamp { length: 9, seconds: 1, nanos },
            plan: (2, 5),
        }
    }

    #[test]
    fn what_was_noted_is_there_again_for_the_same_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("made/here");
        let (state, places) = State::open(&within, &subject(1)).unwrap();
        assert_eq!(places, [None, None]);
        state.note(1, "/v1/uploads/x").unwrap();
        assert!(State::open(&within, &subject(1)).is_none(), "another has it in hand");
        drop(state);
        let (state, places) = State::open(&within, &subject(1)).unwrap();
        assert_eq!(places, [None, Some("/v1/uploads/x".to_owned())]);
        let mode = fs::metadata(&state.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (_, others) = State::open(&within, &subject(2)).unwrap();
        assert_eq!(others, [None, None]);
        state.remove();
        assert_eq!(fs::read_dir(&within).unwrap().count(), 1);
    }

    #[test]
    fn parts_that_are_begun_at_once_are_all_noted() {
        let folder = tempfile::tempdir().unwrap();
        let many = || UploadKey { plan: (400, 5), ..subject(1) };
        let (state, _) = State::open(folder.path(), &many()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let state = &state;
                scope.spawn(move || {
                    for part in (thread..400).step_by(4) {
                        state.note(part, &format!("/v1/uploads/{part}")).unwrap();
                    }
                });
            }
        });
        drop(state);
        let (_, places) = State::open(folder.path(), &many()).unwrap();
        assert!(places.iter().enumerate().all(|(part, place)| *place == Some(format!("/v1/uploads/{part}"))));
    }

    #[test]
    fn a_torn_line_counts_for_nothing_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (state, _) = State::open(folder.path(), &subject(1)).unwrap();
        state.note(0, "/v1/uploads/a").unwrap();
        state.append("1 /v1/upl").unwrap();
        drop(state);
        let (state, places) = State::open(folder.path(), &subject(1)).unwrap();
        assert_eq!(places, [Some("/v1/uploads/a".to_owned()), None]);
        state.note(1, "/v1/uploads/b").unwrap();
        drop(state);
        let (state, places) = State::open(folder.path(), &subject(1)).unwrap();
        assert_eq!(places[1].as_deref(), Some("/v1/uploads/b"));
        state.restart().unwrap();
        drop(state);
        assert_eq!(State::open(folder.path(), &subject(1)).unwrap().1, [None, None]);
    }

    #[test]
    fn only_what_the_server_may_still_have_was_begun() {
        let folder = tempfile::tempdir().unwrap();
        let is_there = |number, now| State::is_there(folder.path(), &subject(number), now);
        let now = SystemClock.now();
        assert!(!is_there(1, now));
        let (state, _) = State::open(folder.path(), &subject(1)).unwrap();
        assert!(!is_there(1, now), "no part was begun");
        state.append("0 /v1/upl").unwrap();
        assert!(!is_there(1, now), "nor is a torn line one");
        drop(state);
        let (state, _) = State::open(folder.path(), &subject(1)).unwrap();
        state.note(0, "/v1/uploads/a").unwrap();
        assert!(is_there(1, now) && !is_there(2, now), "in hand or not");
        assert!(!is_there(1, now.plus(SERVER_KEEPS).plus(SERVER_KEEPS)), "the server has removed it");
        let before = fs::metadata(&state.path).unwrap().modified().unwrap();
        drop(state);
        let (state, _) = State::open(folder.path(), &subject(1)).unwrap();
        assert_eq!(
            fs::metadata(&state.path).unwrap().modified().unwrap(),
            before,
            "a look makes it no younger"
        );
        state.restart().unwrap();
        assert!(!is_there(1, now));
    }

    #[test]
    fn what_nobody_went_on_with_goes_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let (state, _) = State::open(folder.path(), &subject(1)).unwrap();
        fs::write(folder.path().join("else"), "not ours").unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let later = SystemClock.now().plus(KEPT).plus(KEPT);
        prune(folder.path(), later);
        assert_eq!(count(), 2, "somebody has it in hand");
        drop(state);
        prune(folder.path(), SystemClock.now());
        assert_eq!(count(), 2);
        prune(folder.path(), later);
        assert_eq!(count(), 1);
    }

    #[test]
    fn what_is_no_line_ends_what_is_believed() {
        assert_eq!(parse("0 /a\n7 /b\n1 /c\n", 2), (vec![Some("/a".to_owned()), None], 5));
        assert_eq!(parse("0 http://else/a\n", 1), (vec![None], 0));
        assert_eq!(parse("0 /a b\n", 1), (vec![None], 0));
    }
}
