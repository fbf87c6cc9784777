//! `longshore store put`: a file of this machine, or standard input, into a store.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, stream};
use longshore_store::{Algorithm, Content, Error, ErrorKind, Metadata, WriteOptions};

use super::describe::Shown;
use super::{Make, Options, Place, pair, until_interrupted};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// Write a file of this machine, or standard input, into a store
///
/// It appears as a whole or not at all. What is there already is a failure, unless --overwrite lets it be replaced. A URL that
/// ends with / is a folder, where the file keeps its name. With --json what `stat --json` shows.
#[derive(Args)]
pub(crate) struct Put {
    /// The file; - for standard input
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Where it goes
    url: String,
    /// Replace what is there already
    #[arg(long)]
    overwrite: bool,
    /// The media type to keep with it, such as text/plain
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// Metadata to keep with it; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
    /// Compute a digest of what is sent, and print it: blake3, sha256, sha512 or md5
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    hash: Option<Algorithm>,
    #[command(flatten)]
    options: Options,
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let names: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    let found = Algorithm::ALL.iter().copied().find(|algorithm| algorithm.name() == text);
    found.ok_or_else(|| format!("it is one of {}", names.join(", ")))
}

impl Put {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let mut place = Place::parse(&self.url, &self.options.options)?;
        let input = self.input()?;
        if place.ends_as_folder() {
            let name = self.source.file_name().and_then(|name| name.to_str()).filter(|_| !self.is_stdin());
            let message = format!("{} is a folder: name the file in it", self.url);
            place = place.below(name.ok_or_else(|| Failure::invalid(message))?);
        }
        let (store, name) = place.open_above(Make::Folders)?;
        let options = WriteOptions {
            overwrite: self.overwrite,
            media_type: self.media_type.clone(),
            metadata: self.meta.iter().cloned().collect::<Metadata>(),
        };
        let content = Content::stream(chunks(input));
        until_interrupted(&[&store], async {
            let written = match self.hash {
                Some(algorithm) => store.write_with_hash(&name, content, algorithm, options).await?,
                None => store.write(&name, content, options).await?,
            };
            let digest = written.digest.clone().filter(|_| self.hash.is_some());
            let shown = Shown::from(written).at(&place.shown);
            output.object(&shown, |_| match digest {
                Some(digest) => format!("{digest}  {}", place.shown),
                None => String::new(),
            })?;
            Ok(Exit::Ok)
        })
        .await
    }

    fn is_stdin(&self) -> bool {
        self.source == Path::new("-")
    }

    fn input(&self) -> Result<Box<dyn Read + Send>, Failure> {
        if self.is_stdin() {
            return Ok(Box::new(std::io::stdin()));
        }
        let failed = |error| Failure::local(format!("cannot read {}", self.source.display()), &error);
        let file = File::open(&self.source).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            let message = format!("{} is a folder", self.source.display());
            return Err(Failure::invalid(message).hint("`longshore store cp -r` copies folders"));
        }
        Ok(Box::new(file))
    }
}

/// Reads on blocking threads, a piece at a time, no further ahead than is asked for.
fn chunks(input: Box<dyn Read + Send>) -> impl Stream<Item = Result<Bytes, Error>> + Send {
    stream::try_unfold(input, |mut input| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK);
            // Standard input may give little at a time: a piece is filled before it goes on.
            let got = input.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
            got.map(|_| (!chunk.is_empty()).then(|| (Bytes::from(chunk), input)))
        });
        let read = read.await.map_err(std::io::Error::other).flatten();
        read.map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot read what is to be written").with_source(error)
        })
    })
}
