//! Imports: a workspace out of the archive that an export made, here or elsewhere.
//!
//! What comes is read as it comes, and nothing of it is believed: each line is held against the rules that the same thing
//! made here keeps, each content against its name, and the whole against what header and end say. Lines and contents are put
//! aside in tables of their own ([`crate::db::crossings`]), where no verb sees them; one transaction at the end makes the workspace.
//! An import that breaks off leaves what the sweeper removes, and nothing else.

mod contents;
mod lines;
mod log;
mod renaming;
mod settle;

use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore_core::export::{END, ExportCounts, ExportEnd, ExportHeader, FORMAT, HEADER, Section, VERSION};
use longshore_core::tar::{Part, Reader};
use longshore_core::wire::Workspace;
use longshore_core::{Algorithm, Code, Digest, Name};
use sha2::{Digest as _, Sha256};

use self::contents::{Contents, Incoming, file_of};
use self::lines::{Known, Lines, MOST_COUNTED, Ready};
use self::settle::Settling;
use crate::actor::{Actor, Right};
use crate::db;
use crate::db::crossings::CrossingId;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::exports::LEASE;
use crate::idempotency::{Idempotency, is_taken};
use crate::narrowing::Need;
use crate::upload::{check_digests, wants_sha256};
use crate::{quota, workspaces};

/// The most bytes of the header and of the end.
const DOCUMENT: u64 = 64 * 1_024;
/// So many lines, or so many bytes of them, are put aside at once.
const TOGETHER: usize = 500;
const TOGETHER_BYTES: usize = 1_024 * 1_024;
/// How often what has come is kept for longer.
const RENEWED: Duration = Duration::from_mins(5);
/// To make a workspace takes this, whatever it is made of.
const RIGHT: Right = Right::Everywhere(Need::MANAGE);

/// How an import is wanted.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What the workspace is to be called.
    pub name: Name,
    /// Whether those of this server who are called like somebody in the archive are them, and members as they were. Without it all
    /// of them get stand-ins who may do nothing.
    pub match_members: bool,
    /// Whether the quota comes along.
    pub keep_quota: bool,
    /// Digests that the archive must have.
    pub digests: Vec<Digest>,
    /// What knows the request again.
    pub idempotency: Option<Idempotency>,
}

/// What is wrong with an archive, and where in it.
fn malformed(entry: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Code::ExportMalformed, format!("{entry}: {why}"))
}

/// Which file comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Header,
    Section(usize),
    Content,
    Nothing,
}

/// The file that is coming.
enum Current {
    None,
    Header(Vec<u8>),
    Lines(Lines),
    Content(Box<Incoming>),
    End(Vec<u8>),
}

/// What the bytes of the whole archive are held against.
struct Whole {
    blake3: blake3::Hasher,
    sha256: Option<Sha256>,
}

/// An archive on its way in. Dropping it leaves what the sweeper removes.
pub struct Import(Box<Coming>);

struct Coming {
    engine: Engine,
    actor: Actor,
    options: ImportOptions,
    crossing: CrossingId,
    reader: Reader,
    next: Next,
    current: Current,
    known: Option<Known>,
    ready: Vec<Ready>,
    ready_bytes: usize,
    contents: Contents,
    counts: ExportCounts,
    metadata: blake3::Hasher,
    whole: Whole,
    renewed: Instant,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Coming { options, next, .. } = &*self.0;
        f.debug_struct("Import").field("options", options).field("next", next).finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins to make a workspace out of an archive. It takes an admin of the server, who will own it.
    pub async fn begin_import(&self, actor: &Actor, options: ImportOptions) -> Result<Import> {
        actor.may(RIGHT)?;
        let (crossing, clock, name) = (CrossingId::new(self.now()), self.clock(), options.name.clone());
        let (key, principal) = (options.idempotency.clone(), actor.principal);
        let begun = self.db().write(move |tx| {
            let (clock, name, key) = (clock.clone(), name.clone(), key.clone());
            Box::pin(async move {
                // Before an archive of many gigabytes comes in vain. Who repeats a request may well find the name taken: by
                // what it made.
                if db::workspaces::by_name(tx, name.as_str()).await?.is_some()
                    && !is_taken(tx, key.as_ref(), principal).await?
                {
                    return Err(workspaces::exists(&name));
                }
                let now = tx.now(clock.as_ref()).await?;
                db::crossings::insert(tx, crossing, None, now.plus(LEASE)).await
            })
        });
        begun.await?;
        let sha256 = wants_sha256(&options.digests).then(Sha256::new);
        Ok(Import(Box::new(Coming {
            engine: self.clone(),
            actor: actor.clone(),
            crossing,
            reader: Reader::default(),
            next: Next::Header,
            current: Current::None,
            known: None,
            ready: Vec::new(),
            ready_bytes: 0,
            contents: Contents::new(self, crossing),
            counts: ExportCounts::default(),
            metadata: blake3::Hasher::new(),
            whole: Whole { blake3: blake3::Hasher::new(), sha256 },
            renewed: Instant::now(),
            options,
        })))
    }
}

impl Import {
    /// Takes the next bytes of the archive. After an error it takes no more.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let taken = Box::pin(self.0.take(bytes)).await;
        if taken.is_err() {
            self.0.give_up().await;
        }
        taken
    }

    /// Gives the import up: the next sweep removes what has come.
    pub async fn give_up(mut self) {
        self.0.give_up().await;
    }

    /// Ends the archive: where it is whole, the workspace is there from now on.
    pub async fn finish(mut self) -> Result<Workspace> {
        let made = match self.0.ended() {
            Ok(settling) => Box::pin(settling.settle(&self.0.engine)).await,
            Err(error) => Err(error),
        };
        if made.is_err() {
            self.0.give_up().await;
        }
        made
    }
}

impl Coming {
    async fn give_up(&mut self) {
        self.current = Current::None;
        self.engine.end_crossing(self.crossing).await;
    }

    async fn take(&mut self, bytes: Bytes) -> Result<()> {
        if self.renewed.elapsed() >= RENEWED {
            self.engine.keep_crossing(self.crossing).await?;
            self.renewed = Instant::now();
        }
        self.whole.blake3.update(&bytes);
        if let Some(sha256) = &mut self.whole.sha256 {
            sha256.update(&bytes);
        }
        let mut input = &bytes[..];
        loop {
            let part = self.reader.read(&mut input);
            match part.map_err(|error| malformed(&self.place(), error))? {
                None => return Ok(()),
                Some(Part::Begin { name, size }) => self.begin(&name, size).await?,
                Some(Part::Bytes(part)) => {
                    let part = bytes.slice_ref(part);
                    self.bytes(part).await?;
                }
                Some(Part::End) => self.end().await?,
                Some(Part::Over) if self.next == Next::Nothing => {}
                Some(Part::Over) => return Err(malformed(&self.place(), "the archive ends before it")),
            }
        }
    }

    /// Says which file is there, or is due.
    fn place(&self) -> String {
        match (&self.current, self.next) {
            (Current::Lines(lines), _) => lines.section().file().to_owned(),
            (Current::Header(_), _) | (_, Next::Header) => HEADER.to_owned(),
            (Current::Content(_), _) | (_, Next::Content) => "the contents".to_owned(),
            (_, Next::Section(place)) => Section::ALL[place].file().to_owned(),
            (Current::End(_) | Current::None, Next::Nothing) => END.to_owned(),
        }
    }

    async fn begin(&mut self, name: &str, size: u64) -> Result<()> {
        let due = match self.next {
            Next::Header => HEADER.to_owned(),
            Next::Section(place) => Section::ALL[place].file().to_owned(),
            Next::Content => return self.begin_content(name, size).await,
            Next::Nothing => return Err(malformed(name, "nothing follows the end")),
        };
        if name != due {
            return Err(malformed(name, format_args!("{due} is due here")));
        }
        self.current = match self.next {
            Next::Section(place) => Current::Lines(Lines::new(Section::ALL[place])),
            _ => Current::Header(document(name, size)?),
        };
        Ok(())
    }

    async fn begin_content(&mut self, name: &str, size: u64) -> Result<()> {
        let Some((line, is_known)) = self.contents.next().await? else {
            if name != END {
                return Err(malformed(name, format_args!("{END} is due here")));
            }
            self.contents.flush().await?;
            self.current = Current::End(document(name, size)?);
            return Ok(());
        };
        let due = file_of(&line.digest);
        if name != due || size != line.size {
            let detail = format!("{due} with {} bytes is due here, and this has {size}", line.size);
            return Err(malformed(name, detail));
        }
        self.counts.bytes = self.counts.bytes.saturating_add(size);
        self.current = Current::Content(Box::new(self.contents.begin(line, is_known)?));
        Ok(())
    }

    async fn bytes(&mut self, bytes: Bytes) -> Result<()> {
        match &mut self.current {
            Current::None => Ok(()),
            Current::Header(document) | Current::End(document) => {
                document.extend_from_slice(&bytes);
                Ok(())
            }
            Current::Content(incoming) => self.contents.write(incoming, bytes).await,
            Current::Lines(lines) => {
                self.metadata.update(&bytes);
                let known = self.known.as_mut().ok_or_else(|| db::imports::lost("a header"))?;
                let section = lines.section();
                // Pieces are small beside a line's limit, so what is ready at once is bounded too.
                let ready = lines.take(known, &bytes)?;
                self.ready_bytes += ready.iter().map(Ready::bytes).sum::<usize>();
                self.ready.extend(ready);
                if self.ready.len() >= TOGETHER || self.ready_bytes >= TOGETHER_BYTES {
                    self.keep_lines(section).await?;
                }
                Ok(())
            }
        }
    }

    async fn keep_lines(&mut self, section: Section) -> Result<()> {
        self.ready_bytes = 0;
        let (import, lines) = (self.crossing, std::mem::take(&mut self.ready));
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() {
            let some: std::sync::Arc<[Ready]> = lines.by_ref().take(TOGETHER).collect();
            let keeping = self.engine.db().write(move |tx| {
                let some = std::sync::Arc::clone(&some);
                Box::pin(async move { lines::keep(tx, import, section, &some).await })
            });
            keeping.await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.current, Current::None) {
            Current::None => Ok(()),
            Current::Header(document) => {
                self.metadata.update(&document);
                self.known = Some(Known::new(header(&document)?));
                self.next = Next::Section(0);
                Ok(())
            }
            Current::Lines(lines) => {
                let (section, known) = (lines.section(), self.known.as_ref());
                lines.end(&known.ok_or_else(|| db::imports::lost("a header"))?.header)?;
                self.keep_lines(section).await?;
                for _ in 0..lines.count {
                    self.counts.count(section);
                }
                let place = section as usize + 1;
                self.next = if place < Section::ALL.len() { Next::Section(place) } else { Next::Content };
                if self.next == Next::Content { self.contents.hold_known().await } else { Ok(()) }
            }
            Current::Content(incoming) => self.contents.end(*incoming).await,
            Current::End(document) => {
                self.next = Next::Nothing;
                self.check_end(&document)
            }
        }
    }

    fn check_end(&self, document: &[u8]) -> Result<()> {
        let end: ExportEnd = serde_json::from_slice(document).map_err(|error| malformed(END, error))?;
        let announced = self.known.as_ref().map(|known| known.header.counts);
        if end.counts != self.counts || announced != Some(self.counts) {
            return Err(malformed(END, "header, end and what is there tell different numbers"));
        }
        let metadata = Digest::new(Algorithm::Blake3, *self.metadata.finalize().as_bytes());
        if end.metadata != metadata {
            return Err(malformed(END, format_args!("the metadata has {metadata}, not {}", end.metadata)));
        }
        Ok(())
    }

    /// Returns what is to be made, or why the archive is not whole.
    fn ended(&mut self) -> Result<Settling> {
        if !self.reader.is_over() {
            return Err(malformed(&self.place(), "the archive ends in it: it was cut"));
        }
        let digest = Digest::new(Algorithm::Blake3, *self.whole.blake3.finalize().as_bytes());
        let sha256 = self.whole.sha256.take();
        let sha256 = sha256.map(|hash| Digest::new(Algorithm::Sha256, hash.finalize().into()));
        check_digests(&self.options.digests, digest, sha256)?;
        let known = self.known.take().ok_or_else(|| db::imports::lost("a header"))?;
        let mut options = self.options.clone();
        if let Some(idempotency) = &mut options.idempotency {
            idempotency.mix(digest.to_string().as_bytes());
        }
        Ok(Settling { actor: self.actor.clone(), crossing: self.crossing, header: known.header, options })
    }
}

fn document(name: &str, size: u64) -> Result<Vec<u8>> {
    if size > DOCUMENT {
        return Err(malformed(name, format_args!("it has more than {DOCUMENT} bytes")));
    }
    Ok(Vec::new())
}

fn header(document: &[u8]) -> Result<ExportHeader> {
    /// What tells whether the rest is to be understood.
    #[derive(serde::Deserialize)]
    struct Format {
        format: String,
        version: u32,
    }
    let found: Format = serde_json::from_slice(document).map_err(|error| malformed(HEADER, error))?;
    if found.format != FORMAT || found.version != VERSION {
        let detail = format!(
            "it is {:?} in version {}, and this server reads {FORMAT:?} in version {VERSION}",
            found.format, found.version
        );
        return Err(malformed(HEADER, detail));
    }
    let header: ExportHeader = serde_json::from_slice(document).map_err(|error| malformed(HEADER, error))?;
    let workspace = &header.workspace;
    workspaces::check_settings(&workspace.settings.clone().into())
        .map_err(|error| malformed(HEADER, error.detail()))?;
    if workspace.first_seq == 0 || workspace.first_seq > workspace.seq || workspace.seq > MOST_COUNTED {
        return Err(malformed(HEADER, "its log ends before it begins, or is longer than any"));
    }
    quota::check(workspace.quota.into()).map_err(|error| malformed(HEADER, error.detail()))?;
    Ok(header)
}
