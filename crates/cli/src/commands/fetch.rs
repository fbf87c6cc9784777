//! `longshore fetch`: files of any web server onto this machine.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use longshore_flow::{Blocking, Rate, fan_out_stream};
use longshore_web::Manners;
use serde::Serialize;

use crate::bytes::per_second;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::transfer::drive::drive;
use crate::transfer::progress::Counters;
use crate::transfer::summary::{Outcome, Summary};
use crate::web::download::Downloads;
use crate::web::folder::Folder;
use crate::web::journal::Journal;
use crate::web::link::Link;
use crate::web::patience::Patience;
use crate::web::{Requests, filename, lines};

/// How many blocking steps run at once on the disk.
const DISK: usize = 16;

/// Fetch files from any web server, many at once
///
///   fetch URL URL...             into this folder
///   fetch --from list.txt -o DIR the URLs of a list, one a line, `#` for comments; `-` is
///                                standard input
///
/// A file is called as the server says (Content-Disposition), or else as the last part of
/// its URL; the name is made safe, and two of one name become `name` and `name (2)`.
/// Nothing is ever written outside DIR, and each file appears only once it is whole. One
/// that fails does not hurt the others: failures are listed at the end, and the exit code
/// is 3.
///
/// The same command again does what is left: files that are there are skipped, and one that
/// broke off goes on where it stopped (`.NAME.part`), if the server can do that and the file
/// is still the same. DIR/.longshore-fetch remembers which file is of which URL. A file of
/// that name that is of no URL is a failure, unless --force lets it be replaced.
///
/// A server that asks for a pause (429 or 503 with Retry-After) gets it from all requests
/// to it together. `URL#sha256=HEX` says what the file must be. The proxies that HTTP_PROXY,
/// HTTPS_PROXY and NO_PROXY name are used.
///
/// With --json one object, as `up --help` describes it; "skipped" are files that are there
/// already, "path" is the URL. With --dry-run before it a line {"url", "file"} for each.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Fetch {
    /// What to fetch: http and https
    #[arg(value_name = "URL", required_unless_present = "from")]
    urls: Vec<String>,
    /// The folder the files go into
    #[arg(long = "output", short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Fetch the URLs in this file too, one a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How many files move at once
    #[arg(long, short = 'c', short_alias = 'j', default_value_t = 8, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    concurrency: usize,
    /// The most bytes in a second, all files together: 65536, 512K, 2MiB
    #[arg(long, value_name = "BYTES", value_parser = per_second)]
    limit_rate: Option<u64>,
    /// How long nothing may come before a request is given up
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration::argument)]
    timeout: Duration,
    /// Replace local files that are there already
    #[arg(long, short)]
    force: bool,
    /// Only say what would be fetched; nothing is sent
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    requests: Requests,
}

/// A file that would be fetched, as far as its name is known.
#[derive(Serialize)]
struct Planned {
    url: String,
    file: String,
}

/// A line of the list, or what is wrong with it.
type Listed = Result<Link, Box<(String, Failure)>>;

impl Fetch {
    pub(crate) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        // All that can be known to be wrong is told before anything is sent.
        let links = self.urls.iter().map(|url| Link::parse(url)).collect::<Result<Vec<_>, _>>()?;
        let list = self.from.as_deref().map(lines::open).transpose()?;
        let headers = self.requests.headers()?;
        let manners = Manners { at_once: self.concurrency, pace: None };
        let agent = self.requests.agent(self.timeout, manners)?;
        let named = stream::iter(links.into_iter().map(Ok));
        let links: BoxStream<'static, Listed> = match list {
            None => named.boxed(),
            Some(text) => named.chain(lines::beside(lines::listed(text).map(listed))).boxed(),
        };
        if self.dry_run {
            return rehearse(links, &self.output, output).await;
        }
        let folder = Arc::new(Folder::open(&self.output)?);
        let counters = Arc::new(Counters::default());
        let downloads = Arc::new(Downloads {
            agent,
            headers,
            patience: Patience::new(self.requests.policy()),
            journal: Arc::new(Journal::open(&folder)?),
            folder,
            disk: Blocking::new(DISK),
            counters: Arc::clone(&counters),
            rate: self.limit_rate.map(|rate| Rate::new(rate, Duration::from_millis(100))),
            force: self.force,
        });
        let ended = Arc::clone(&counters);
        let end = stream::once(async move { ended.found_all() }).filter_map(|()| ready(None));
        let outcomes = fan_out_stream(links.enumerate().chain(end), self.concurrency, |(place, link)| {
            let downloads = Arc::clone(&downloads);
            async move {
                match link {
                    Ok(link) => downloads.fetch(place, link).await,
                    Err(wrong) => Outcome::Failed(wrong.0, wrong.1),
                }
            }
        });
        let summary = drive(outcomes, counters, self.concurrency + 4, output).await;
        Ok(summary.show_saying("fetched", "they are there already", output)?)
    }
}

fn listed((number, line): (usize, std::io::Result<String>)) -> Listed {
    let place = format!("line {number}");
    match line {
        Ok(line) => Link::parse(&line).map_err(|failure| Box::new((place, failure))),
        Err(error) => Err(Box::new((place, Failure::local("cannot read the list", &error)))),
    }
}

/// Says what would be fetched, as far as that can be known without asking.
async fn rehearse(
    mut links: BoxStream<'static, Listed>,
    folder: &Path,
    output: Output,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let mut summary = Summary::default();
    while let Some(link) = links.next().await {
        match link {
            Ok(link) => {
                let file = folder.join(filename::of_url(&link.url)).display().to_string();
                let planned = Planned { url: link.shown, file };
                output.object(&planned, |planned| format!("{} -> {}", planned.url, planned.file))?;
                // How long it is only the server knows.
                summary.add(Outcome::File(0));
            }
            Err(wrong) if output.json => summary.add(Outcome::Failed(wrong.0, wrong.1)),
            Err(wrong) => {
                let (line, failure) = *wrong;
                exit = Exit::Partial;
                let message = format!("{line}: {}", failure.message);
                output.failure(&Failure { message, ..failure });
            }
        }
    }
    if output.json {
        return Ok(summary.show("would fetch", output)?);
    }
    Ok(exit)
}
