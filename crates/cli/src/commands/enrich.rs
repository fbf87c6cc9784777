//! `longshore enrich`: each row of a table through an HTTP API.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore_flow::Blocking;
use longshore_web::{Manners, Method, Pace, Refused};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::duration;
use crate::failure::{Exit, Failure};
use crate::output::{Output, count};
use crate::signals::interrupted_once;
use crate::web::enrich::results::{Keys, Results, with_ending};
use crate::web::enrich::rows::{self, BadRow, Row, Rows};
use crate::web::enrich::template::{Template, UrlTemplate};
use crate::web::enrich::{Body, Done, Enricher, Question, unasked, unread};
use crate::web::patience::Patience;
use crate::web::{Requests, lines};

/// The most lines that are written at once.
const TOGETHER: usize = 64;
/// How often the bar is drawn, and how often a line is written where nobody watches.
const BAR: Duration = Duration::from_millis(100);
const LINES: Duration = Duration::from_secs(10);

/// Send each row of a table through an HTTP API
///
///   enrich rows.csv --url 'http://host/enrich?id={id}' -o out.jsonl
///
/// ROWS is CSV with a header, or JSON with an object a line; `-` is standard input. In --url
/// and --body, `{column}` becomes the row's value, percent-encoded or escaped as JSON wants
/// it; a column cannot choose the host. Each answer is a line of OUT, as it comes:
///
///   {"key": "7", "row": {...}, "status": 200, "response": <JSON, or text>}
///
/// 429, 5xx, 408, 425 and network faults are tried again, a Retry-After is kept by all
/// requests together. A row that fails all the same is a line of the failures' file, with its
/// status, a code and the first of the answer's body; the others go on, and the exit code is
/// 3.
///
/// The same command again does what is left: rows whose key has a line in OUT are not asked
/// again, also after a kill in the middle. The key is the row's number, unless --key names a
/// column whose values are all different: then rows may be added or moved meanwhile.
///
/// A request that broke off may have been received: an API that changes something with each
/// should know a repeated one, or be asked with --retries 0.
///
/// With --json one object: {"rows", "answered", "failed", "skipped", "seconds", "output",
/// "failures_file", "incomplete"}.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Enrich {
    /// The table
    #[arg(value_name = "ROWS")]
    rows: PathBuf,
    /// What is asked for each row, with `{column}` for its values
    #[arg(long, required = true, value_name = "URL")]
    url: String,
    /// The file for the answers
    #[arg(long = "output", short, required = true, value_name = "OUT")]
    output: PathBuf,
    /// The file for the rows that failed [default: OUT.failures.jsonl]
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
    /// The column that tells a row from all others [default: the row's number]
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// What ROWS is [default: by its name, CSV unless that ends with .jsonl or .ndjson]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// What stands between the columns of CSV: one character, or `tab`
    #[arg(long, default_value = ",", value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: u8,
    /// How rows are asked for: GET, or POST where there is a body
    #[arg(long, value_enum, value_name = "METHOD")]
    method: Option<Verb>,
    /// Send this JSON, with `{column}` for the row's values
    #[arg(long, value_name = "JSON", conflicts_with = "json_body")]
    body: Option<String>,
    /// Send the whole row as JSON
    #[arg(long)]
    json_body: bool,
    /// How many requests run at once
    #[arg(long, short = 'c', short_alias = 'j', default_value_t = 4, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    concurrency: usize,
    /// The most requests in a time, retries among them: 10/s, 100/m, 1000/h
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<(u64, u64)>,
    /// How long nothing may come before a request is given up, and how long an answer may take to come in
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration::argument)]
    timeout: Duration,
    /// Write the answers in the order of the rows
    #[arg(long)]
    ordered: bool,
    #[command(flatten)]
    requests: Requests,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A header, then a row a line.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

#[derive(Clone, Copy, ValueEnum)]
enum Verb {
    #[value(name = "GET", alias = "get")]
    Get,
    #[value(name = "POST", alias = "post")]
    Post,
}

/// What it came to; `--json` prints just this.
#[derive(Debug, Serialize)]
struct Summary {
    rows: u64,
    answered: u64,
    failed: u64,
    skipped: u64,
    seconds: f64,
    output: String,
    failures_file: String,
    incomplete: bool,
    #[serde(skip)]
    stopped: Option<Exit>,
    /// Why the table could not be read to its end.
    #[serde(skip)]
    unread: Option<Box<Failure>>,
}

/// Which rows have been met: in earlier runs, and in this one.
#[derive(Debug)]
struct Met {
    answered: Keys,
    now: Keys,
}

impl Enrich {
    pub(crate) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        // All that can be known to be wrong is told before anything is sent.
        let question = self.question()?;
        let pace = self.rate.map(|(count, seconds)| Pace::new(count, seconds));
        let agent = self.requests.agent(self.timeout, Manners { at_once: self.concurrency, pace })?;
        let rows = self.rows(&question)?;
        let failures = self.failures.clone().unwrap_or_else(|| with_ending(&self.output, ".failures.jsonl"));
        let (results, answered) =
            Results::open(&self.rows, &self.output, &failures, &self.identity(&question))?;
        let patience = Patience::new(self.requests.policy());
        let enricher = Arc::new(Enricher { agent, patience, question });
        let met = Arc::new(Mutex::new(Met { answered, now: Keys::default() }));
        let asked = lines::beside(rows).map(move |row| ask(Arc::clone(&enricher), Arc::clone(&met), row));
        let done: BoxStream<'static, Done> = if self.ordered {
            asked.buffered(self.concurrency).boxed()
        } else {
            asked.buffer_unordered(self.concurrency).boxed()
        };
        let mut summary = Summary {
            rows: 0,
            answered: 0,
            failed: 0,
            skipped: 0,
            seconds: 0.0,
            output: self.output.display().to_string(),
            failures_file: failures.display().to_string(),
            incomplete: false,
            stopped: None,
            unread: None,
        };
        summary.drive(done, results, self.concurrency + 4, output).await?;
        Ok(summary.show(output)?)
    }

    fn question(&self) -> Result<Question, Failure> {
        let url = UrlTemplate::parse(&self.url)?;
        let body = match &self.body {
            Some(body) => {
                let template = Template::parse(body);
                template.check_json()?;
                Body::Template(template)
            }
            None if self.json_body => Body::Row,
            None => Body::Nothing,
        };
        let method = match (self.method, &body) {
            (Some(Verb::Get), Body::Nothing) | (None, Body::Nothing) => Method::GET,
            (Some(Verb::Get), _) => return Err(Failure::invalid("a GET has no body")),
            (Some(Verb::Post) | None, _) => Method::POST,
        };
        let headers = self.requests.headers()?;
        Ok(Question { method, url, headers, body, key: self.key.clone() })
    }

    /// Returns what the answers depend on: those to another question are not mixed with these.
    fn identity<'a>(&'a self, question: &'a Question) -> [&'a str; 5] {
        [
            question.method.as_str(),
            &self.url,
            self.body.as_deref().unwrap_or_default(),
            if self.json_body { "row" } else { "" },
            self.key.as_deref().unwrap_or_default(),
        ]
    }

    fn rows(&self, question: &Question) -> Result<Rows, Failure> {
        let text = lines::open(&self.rows)?;
        let by_name = || {
            let ending = Path::new(&self.rows).extension().and_then(|ending| ending.to_str());
            if matches!(ending, Some("jsonl" | "ndjson")) { Format::Jsonl } else { Format::Csv }
        };
        match self.format.unwrap_or_else(by_name) {
            Format::Csv => rows::csv(text, self.delimiter, question.columns()),
            Format::Jsonl => Ok(rows::json_lines(text)),
        }
    }
}

/// Does what a row needs, if it needs anything.
async fn ask(enricher: Arc<Enricher>, met: Arc<Mutex<Met>>, row: Result<Row, BadRow>) -> Done {
    let row = match row {
        Ok(row) => row,
        Err(bad) => return unread(&bad),
    };
    let key = match enricher.question.key(&row) {
        Ok(key) => key,
        Err(refused) => return unasked(&row.number.to_string(), Some(&row.json), &refused),
    };
    {
        let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
        // Numbers are never the same.
        if enricher.question.key.is_some() && !met.now.insert(&key) {
            let refused = Refused::never("local_row", "an earlier row has the same key");
            return unasked(&key, Some(&row.json), &refused);
        }
        if met.answered.contains(&key) {
            return Done::Skipped;
        }
    }
    enricher.ask(&key, &row).await
}

impl Summary {
    /// Writes what is done until there is no more, the user interrupts, or `limit` in a row fail as all others would.
    async fn drive(
        &mut self,
        done: impl Stream<Item = Done>,
        results: Results,
        limit: usize,
        output: Output,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let (disk, mut results) = (Blocking::new(1), Some(results));
        let display = Display::new(output);
        let mut ticks = interval_at(tokio::time::Instant::now() + display.every, display.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut hopeless = 0;
        let mut done = pin!(done.ready_chunks(TOGETHER));
        let mut interrupt = pin!(interrupted_once());
        self.stopped = loop {
            let next = tokio::select! {
                biased;
                () = &mut interrupt => break Some(Exit::Interrupted),
                _ = ticks.tick() => {
                    display.show(self);
                    continue;
                }
                next = done.next() => next,
            };
            let Some(next) = next else { break None };
            let (mut answers, mut failures, mut gave_up) = (String::new(), String::new(), None);
            for done in next {
                let alike = self.add(done, &mut answers, &mut failures);
                hopeless = if alike.is_some() { hopeless + 1 } else { 0 };
                if hopeless >= limit {
                    gave_up = alike;
                }
            }
            if let Some(mut files) = results.take() {
                let written =
                    disk.run(move || files.write(answers.as_bytes(), failures.as_bytes()).map(|()| files));
                results = Some(written.await??);
            }
            if let Some(failure) = gave_up {
                output.failure(&failure);
                break Some(failure.exit);
            }
        };
        display.end();
        if let Some(mut files) = results {
            disk.run(move || files.flush()).await??;
        }
        self.seconds = (start.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
        if let Some(failure) = &self.unread {
            output.failure(failure);
        }
        self.incomplete = self.stopped.is_some() || self.unread.is_some();
        Ok(())
    }

    fn add(&mut self, done: Done, answers: &mut String, failures: &mut String) -> Option<Box<Failure>> {
        self.rows += 1;
        match done {
            Done::Answered(line) => {
                self.answered += 1;
                answers.push_str(&line);
                None
            }
            Done::Skipped => {
                self.skipped += 1;
                None
            }
            Done::Failed { line, hopeless } => {
                self.failed += 1;
                failures.push_str(&line);
                hopeless
            }
            Done::Unread { line, failure } => {
                self.failed += 1;
                failures.push_str(&line);
                self.unread = Some(failure);
                None
            }
        }
    }

    fn show(&self, output: Output) -> std::io::Result<Exit> {
        if output.json {
            output.json_line(self)?;
        } else if !output.quiet {
            output.line(&self.text())?;
        }
        if self.failed > 0 {
            output.note(&format!("note: {} tells of each row that failed", self.failures_file));
        }
        if self.incomplete {
            output.note("note: not all rows were met; the same command again goes on");
        }
        Ok(match self.stopped {
            Some(exit) => exit,
            None if self.failed > 0 || self.incomplete => Exit::Partial,
            None => Exit::Ok,
        })
    }

    fn text(&self) -> String {
        let rows = if self.answered == 1 { "row" } else { "rows" };
        let mut text = format!("enriched {} {rows} in {:.2} s", count(self.answered), self.seconds);
        if self.skipped > 0 {
            text.push_str(&format!("; {} done before", count(self.skipped)));
        }
        if self.failed > 0 {
            text.push_str(&format!("; {} failed", count(self.failed)));
        }
        text
    }
}

/// Shows how far it is.
struct Display {
    bar: Option<ProgressBar>,
    every: Duration,
    output: Output,
    start: Instant,
}

impl Display {
    fn new(output: Output) -> Self {
        let bar = output.is_watched().then(|| {
            let style = ProgressStyle::with_template("{spinner} {pos} rows · {per_sec} · {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
        });
        let every = if bar.is_some() { BAR } else { LINES };
        Self { bar, every, output, start: Instant::now() }
    }

    fn show(&self, summary: &Summary) {
        let failed = format!("{} failed", count(summary.failed));
        match &self.bar {
            Some(bar) => {
                bar.set_position(summary.rows);
                bar.set_message(failed);
            }
            None => {
                let seconds = self.start.elapsed().as_secs();
                self.output.note(&format!("{seconds} s: {} rows, {failed}", count(summary.rows)));
            }
        }
    }

    fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Reads a rate as a count and the seconds it is for.
fn rate(text: &str) -> Result<(u64, u64), String> {
    const FORM: &str = "write a number of requests and a time: 10/s, 100/m or 1000/h";
    let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return Err(FORM.to_owned()),
    };
    match count.trim().parse() {
        Ok(count @ 1..=1_000_000) => Ok((count, seconds)),
        _ => Err(FORM.to_owned()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        b"tab" | b"\\t" => Ok(b'\t'),
        _ => Err("write one character, or tab".to_owned()),
    }
}
