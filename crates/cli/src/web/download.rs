//! One URL into one file: asked for, taken in, gone on with where it broke, and named when it is whole.

use std::io;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use longshore_flow::{Blocking, Rate};
use longshore_web::header::{CONTENT_DISPOSITION, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use longshore_web::{Again, Agent, Answer, Ask, Method, Refused, StatusCode};

use super::content::{self, Begun};
use super::ended::Ended;
use super::filename;
use super::folder::{Folder, Part};
use super::journal::{Entry, Journal};
use super::link::Link;
use super::patience::Patience;
use super::watched::Watched;
use crate::failure::{Exit, Failure};
use crate::transfer::progress::Counters;
use crate::transfer::summary::Outcome;

/// Bytes that are written at once.
const PIECE: usize = 256 * 1_024;
/// Attempts count anew when one has brought so much more than all before: a bad network ends no long download.
const HEADWAY: u64 = 64 * 1_024;

/// Downloads files into a folder.
pub(crate) struct Downloads {
    pub(crate) agent: Agent,
    /// What goes to the hosts that were named.
    pub(crate) headers: HeaderMap,
    pub(crate) patience: Patience,
    pub(crate) folder: Arc<Folder>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) disk: Blocking,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rate: Option<Rate>,
    /// Whether files that stand in the way are replaced.
    pub(crate) force: bool,
}

/// A download on its way. Dropped before its end, it leaves a part only where that can be gone on with.
struct Progress {
    link: Link,
    folder: Arc<Folder>,
    name: Option<String>,
    /// Shared with the thread that writes. Nothing before the first answer.
    part: Option<Arc<Mutex<Part>>>,
    /// How many bytes the part has.
    length: u64,
    /// How it is shown; nothing before it is asked for.
    watched: Option<Watched>,
    validator: Option<String>,
    /// How long the whole is, where that is known.
    whole: Option<u64>,
    /// Whether the journal knows that the part is there.
    noted: bool,
    /// Whether the file has its name.
    landed: bool,
}

impl Downloads {
    /// Brings the file of a URL here, unless it is here already; `place` is its own among all.
    pub(crate) async fn fetch(&self, place: usize, link: Link) -> Outcome {
        if !self.journal.begin(&link.id) {
            return Outcome::Skipped;
        }
        let shown = link.shown.clone();
        match self.take(place, link).await {
            Ok(Some(bytes)) => Outcome::File(bytes),
            Ok(None) => Outcome::Skipped,
            Err(failure) => Outcome::Failed(shown, failure),
        }
    }

    async fn take(&self, place: usize, link: Link) -> Result<Option<u64>, Failure> {
        let mut progress = Progress::new(link, Arc::clone(&self.folder));
        if let Some(entry) = self.journal.entry(&progress.link.id) {
            if !self.force && self.is_there(&progress, &entry).await? {
                return Ok(None);
            }
            progress.watched = Some(self.watch(place));
            self.resume(&mut progress, entry).await?;
        }
        progress.watched.get_or_insert_with(|| self.watch(place));
        self.attempts(&mut progress).await.map(Some)
    }

    fn watch(&self, place: usize) -> Watched {
        Watched::new(Arc::clone(&self.counters), place)
    }

    /// Tells whether the file is there that an earlier run has brought, or fails where it is another by now.
    async fn is_there(&self, progress: &Progress, entry: &Entry) -> Result<bool, Failure> {
        let (name, length) = (entry.name.clone(), self.folder.length(&entry.name));
        if !entry.done {
            // A whole file that has its name has no part any more: that run ended before it could note so.
            if self.folder.has_part(&name) || length.is_none() || length != entry.length {
                return Ok(false);
            }
        } else if !self.folder.has(&name) {
            return Ok(false);
        }
        let other = |code, what: &str| {
            let message = format!("{} is there, and {what}", self.folder.shown(&entry.name).display());
            Failure::new(Exit::Conflict, code, message).hint("--force replaces files")
        };
        if entry.length.is_some() && entry.length != length {
            return Err(other("local_exists", "is not as it was fetched"));
        }
        if let Some(wanted) = progress.link.sha256 {
            let folder = Arc::clone(&self.folder);
            if self.disk.run(move || folder.sha256(&name)).await.map_err(lost)?? != wanted {
                return Err(other("web_digest", "does not have the SHA-256 that the URL asks for"));
            }
        }
        if !entry.done {
            self.write_note(Entry { done: true, ..entry.clone() }).await?;
        }
        Ok(true)
    }

    /// Opens what an earlier run has left of the file.
    async fn resume(&self, progress: &mut Progress, entry: Entry) -> Result<(), Failure> {
        // Somebody else's file of that name is told of before anything is sent.
        self.folder.check(&entry.name, self.force)?;
        let name = self.journal.name(&entry.url, &entry.name, &self.folder);
        progress.name = Some(name.clone());
        if name == entry.name && self.folder.has_part(&name) && entry.validator.is_some() {
            progress.validator = entry.validator;
            progress.whole = entry.length;
            progress.noted = true;
            self.open(progress, &name).await?;
        }
        Ok(())
    }

    async fn attempts(&self, progress: &mut Progress) -> Result<u64, Failure> {
        let (mut attempt, mut most) = (1, progress.length);
        loop {
            let refused = match self.attempt(progress).await {
                Ok(Some(bytes)) => {
                    self.patience.succeeded();
                    return Ok(bytes);
                }
                // So much at once is asked for at once.
                Ok(None) if progress.length >= most.saturating_add(HEADWAY) => {
                    self.patience.succeeded();
                    (attempt, most) = (1, progress.length);
                    continue;
                }
                Ok(None) => {
                    Refused::new("web_incomplete", Again::Soon, "the server sends too little at once")
                }
                Err(Ended::Failed(failure)) => return Err(failure),
                Err(Ended::Refused(refused)) => refused,
            };
            if progress.length >= most.saturating_add(HEADWAY) {
                most = progress.length;
                attempt = 1;
            }
            let Some(pause) = self.patience.pause(attempt, &refused) else {
                return Err(refused.into());
            };
            attempt += 1;
            self.counters.tried_again();
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks once. Returns the file's length where it is whole then, and nothing where the server has sent a piece of it and
    /// there is more.
    async fn attempt(&self, progress: &mut Progress) -> Result<Option<u64>, Ended> {
        let answer = self.agent.send(&self.ask(progress)).await?;
        let (end, whole) = match answer.status() {
            StatusCode::PARTIAL_CONTENT => match content::rest(answer.headers(), &progress.begun()) {
                Ok(rest) => (Some(rest.end), rest.whole),
                // What is there cannot be gone on with.
                Err(why) => {
                    answer.broke();
                    self.start_anew(progress).await?;
                    return Err(Refused::new("web_incomplete", Again::Soon, why).into());
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let whole = content::whole(answer.headers()).or(progress.whole);
                answer.end();
                if whole.is_none_or(|whole| whole == progress.length) {
                    // The server has no more, and would have sent all of it if it had changed.
                    return self.land(progress).await.map(Some);
                }
                self.start_anew(progress).await?;
                let message = "the server has less than is here already";
                return Err(Refused::new("web_incomplete", Again::Soon, message).into());
            }
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                self.begin(progress, &answer).await?;
                (answer.length(), answer.length())
            }
            status => {
                let message = format!("the server answered {} and no file", status.as_u16());
                answer.end();
                return Err(Refused::never("web_refused", message).into());
            }
        };
        let is_piece = answer.status() == StatusCode::PARTIAL_CONTENT;
        progress.whole = whole;
        let offset = if is_piece { progress.length } else { 0 };
        if let Some(watched) = &mut progress.watched {
            watched.answered(&progress.link.shown, whole, offset);
        }
        self.receive(progress, answer).await?;
        if end.is_some_and(|end| end != progress.length) {
            let length = progress.length;
            self.start_anew(progress).await?;
            let message = format!("{length} bytes came instead of {}", end.unwrap_or_default());
            return Err(Refused::new("web_incomplete", Again::Soon, message).into());
        }
        // A server may send less than the rest, and need not say that this was all.
        if is_piece && whole != Some(progress.length) {
            return Ok(None);
        }
        self.land(progress).await.map(Some)
    }

    /// Takes note of what a whole answer says, and makes room for it.
    async fn begin(&self, progress: &mut Progress, answer: &Answer) -> Result<(), Ended> {
        if progress.part.is_some() {
            self.start_anew(progress).await?;
        } else {
            let name = match &progress.name {
                Some(name) => name.clone(),
                None => {
                    let disposition = answer.raw_header(CONTENT_DISPOSITION.as_str());
                    let wanted = filename::of_answer(disposition, &answer.url);
                    let name = self.journal.name(&progress.link.id, &wanted, &self.folder);
                    self.folder.check(&name, self.force)?;
                    name
                }
            };
            progress.name = Some(name.clone());
            self.open(progress, &name).await?;
            // What lies there is of nobody that could say what it is a part of.
            self.start_anew(progress).await?;
        }
        progress.validator = content::validator(answer.headers());
        progress.whole = answer.length();
        progress.noted = false;
        Ok(())
    }

    fn ask(&self, progress: &Progress) -> Ask {
        let (headers, secrets) = (progress.range(), self.headers.clone());
        Ask { method: Method::GET, url: progress.link.url.clone(), headers, secrets, body: None }
    }

    async fn open(&self, progress: &mut Progress, name: &str) -> Result<(), Failure> {
        let (folder, name) = (Arc::clone(&self.folder), name.to_owned());
        let part = self.disk.run(move || folder.part(&name)).await.map_err(lost)??;
        progress.length = part.length;
        progress.part = Some(Arc::new(Mutex::new(part)));
        Ok(())
    }

    /// Takes in the body. What came before it broke off is kept.
    async fn receive(&self, progress: &mut Progress, mut answer: Answer) -> Result<(), Ended> {
        let mut waiting = BytesMut::new();
        let broke = loop {
            match answer.chunk().await {
                Ok(None) => break None,
                Err(refused) => break Some(refused),
                Ok(Some(chunk)) => {
                    if let Some(rate) = &self.rate {
                        rate.take(chunk.len() as u64).await;
                    }
                    if let Some(watched) = &mut progress.watched {
                        watched.moved(chunk.len() as u64);
                    }
                    waiting.extend_from_slice(&chunk);
                    if waiting.len() >= PIECE {
                        self.note(progress).await?;
                        self.write(progress, take(&mut waiting)).await?;
                    }
                }
            }
        };
        if !waiting.is_empty() {
            if broke.is_some() {
                self.note(progress).await?;
            }
            self.write(progress, waiting).await?;
        }
        match broke {
            None => {
                answer.end();
                Ok(())
            }
            Some(refused) => {
                answer.broke();
                Err(refused.into())
            }
        }
    }

    async fn write(&self, progress: &mut Progress, bytes: BytesMut) -> Result<(), Failure> {
        let added = bytes.len() as u64;
        self.with_part(progress, move |part| part.write(&bytes)).await?;
        progress.length += added;
        Ok(())
    }

    async fn start_anew(&self, progress: &mut Progress) -> Result<(), Failure> {
        if progress.part.is_some() {
            self.with_part(progress, Part::clear).await?;
        }
        if let Some(watched) = &mut progress.watched {
            watched.discarded();
        }
        progress.length = 0;
        progress.validator = None;
        progress.whole = None;
        Ok(())
    }

    /// Does something with the part, where it may block. A fault of the disk is no fault of the server's.
    async fn with_part<T: Send + 'static>(
        &self,
        progress: &Progress,
        work: impl FnOnce(&mut Part) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let Some(part) = progress.part.clone() else {
            return Err(Failure::new(Exit::Unexpected, "local_io", "the file was never opened"));
        };
        let done =
            self.disk.run(move || work(&mut part.lock().unwrap_or_else(PoisonError::into_inner))).await;
        done.map_err(lost)?.map_err(|error| self.folder.failed(progress.name(), &error))
    }

    /// Writes into the journal how the part can be gone on with.
    async fn note(&self, progress: &mut Progress) -> Result<(), Failure> {
        if progress.noted || progress.validator.is_none() {
            return Ok(());
        }
        progress.noted = true;
        self.write_note(progress.entry()).await
    }

    async fn write_note(&self, entry: Entry) -> Result<(), Failure> {
        let (journal, name) = (Arc::clone(&self.journal), entry.name.clone());
        let noted = self.disk.run(move || journal.note(entry)).await.map_err(lost)?;
        noted.map_err(|error| self.folder.failed(&name, &error))
    }

    /// Gives the whole file its name.
    async fn land(&self, progress: &mut Progress) -> Result<u64, Ended> {
        if let Some(wanted) = progress.link.sha256
            && self.with_part(progress, Part::sha256).await? != wanted
        {
            self.start_anew(progress).await?;
            let message = "the content does not have the SHA-256 that the URL asks for";
            return Err(Refused::never("web_digest", message).into());
        }
        self.with_part(progress, Part::sync).await?;
        // Noted first, with its length: a file that has its name is one that the next run knows, wherever this one ends.
        progress.whole = Some(progress.length);
        progress.noted = true;
        self.write_note(progress.entry()).await?;
        let (folder, name, force) = (Arc::clone(&self.folder), progress.name().to_owned(), self.force);
        let landed = self.disk.run(move || folder.land(&name, force)).await.map_err(lost)?;
        if let Err(failure) = landed {
            // Something else has its name, which may be as long.
            self.write_note(Entry { length: None, ..progress.entry() }).await?;
            return Err(failure.into());
        }
        progress.landed = true;
        self.write_note(Entry { done: true, ..progress.entry() }).await?;
        Ok(progress.length)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.part.is_some() && !self.landed && !self.can_go_on() {
            self.folder.remove_part(self.name());
        }
    }
}

impl Progress {
    fn new(link: Link, folder: Arc<Folder>) -> Self {
        let (name, part, watched, validator, whole) = (None, None, None, None, None);
        Self { link, folder, name, part, length: 0, watched, validator, whole, noted: false, landed: false }
    }

    /// What the journal says of it while it is not done.
    fn entry(&self) -> Entry {
        Entry {
            url: self.link.id.clone(),
            name: self.name().to_owned(),
            validator: self.validator.clone(),
            length: self.whole,
            done: false,
        }
    }

    fn begun(&self) -> Begun<'_> {
        Begun { length: self.length, validator: self.validator.as_deref(), whole: self.whole }
    }

    /// Returns the fields that ask for what is not here yet.
    fn range(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let validator = self.validator.as_deref().and_then(|validator| HeaderValue::from_str(validator).ok());
        if let Some(validator) = validator.filter(|_| self.length > 0)
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.length))
        {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, validator);
        }
        headers
    }

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Tells whether a later run can go on with the part.
    fn can_go_on(&self) -> bool {
        self.noted && self.validator.is_some() && self.length > 0
    }
}

fn lost(error: longshore_flow::blocking::Lost) -> Failure {
    Failure::new(Exit::Unexpected, "unexpected", error.to_string())
}
