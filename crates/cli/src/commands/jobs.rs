//! `longshore jobs`: what works in the background.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use longshore::{Job, JobFilter, JobId, JobState};

use crate::duration;
use crate::failure::{Exit, Failure};
use crate::ids;
use crate::output::{Output, or_dash, time};
use crate::session::Session;
use crate::text::flat;

/// List, await, cancel and retry background jobs
#[derive(Subcommand)]
pub(crate) enum Jobs {
    /// List jobs, newest first; with --json: {"items": [job, …]}
    ///
    /// Those of all workspaces that the key reaches, or of the one that --workspace names; an admin of all sees the
    /// server's own as well.
    List {
        /// Only those that stand there
        #[arg(long, value_enum)]
        state: Option<Standing>,
        /// Only those of a kind, such as sweep.blobs
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Show a job
    Show {
        /// The job's id
        id: String,
    },
    /// Wait until jobs have ended
    ///
    /// Exits with 3 where one has failed or was cancelled, and with 7 where one has not ended in time. A server that
    /// is gone for a while meanwhile is waited for.
    Wait {
        /// The jobs' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Wait no longer than this for each, such as 30s or 10m; else for ever
        #[arg(long, value_name = "DURATION", value_parser = duration::argument)]
        timeout: Option<Duration>,
    },
    /// End jobs: at once where they wait, else as soon as their worker has heard of it
    Cancel {
        /// The jobs' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Queue jobs that failed or were cancelled once more
    Retry {
        /// The jobs' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

/// How much longer than a wait its answer may take.
const SLACK: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Standing {
    /// Waits for its time or a worker
    Queued,
    /// Is being worked at
    Running,
    /// Is done
    Succeeded,
    /// Was given up
    Failed,
    /// Was ended on request
    Cancelled,
}

impl From<Standing> for JobState {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Queued => Self::Queued,
            Standing::Running => Self::Running,
            Standing::Succeeded => Self::Succeeded,
            Standing::Failed => Self::Failed,
            Standing::Cancelled => Self::Cancelled,
        }
    }
}

impl Jobs {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let jobs = session.client.jobs();
        let mut exit = Exit::Ok;
        match self {
            Self::List { state, kind, limit } => {
                let workspace = match &session.resolved.workspace {
                    Some(_) => Some(session.workspace().await?.id),
                    None => None,
                };
                let filter = JobFilter { workspace, state: state.map(Into::into), kind: kind.clone() };
                list(session, &filter, *limit, output).await?;
            }
            Self::Show { id } => output.object(&jobs.get(parse(id)?).await?, show)?,
            Self::Wait { ids, timeout } => {
                exit = wait(session, &ids::all(ids, parse)?, *timeout, output).await?;
            }
            Self::Cancel { ids } => {
                for id in ids::all(ids, parse)? {
                    output.object(&jobs.cancel(id).await?, line)?;
                }
            }
            Self::Retry { ids } => {
                for id in ids::all(ids, parse)? {
                    output.object(&jobs.retry(id).await?, line)?;
                }
            }
        }
        Ok(exit)
    }
}

async fn list(session: &Session, filter: &JobFilter, limit: usize, output: Output) -> anyhow::Result<()> {
    let mut jobs = session.client.jobs().list(filter);
    let mut list = output.list()?;
    for _ in 0..limit {
        let Some(job) = jobs.next().await else { break };
        list.item(&job?, line)?;
    }
    Ok(list.end()?)
}

async fn wait(
    session: &Session,
    ids: &[JobId],
    timeout: Option<Duration>,
    output: Output,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    // A server that is not there, or a wrong id, shows at once; what comes later is waited out.
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(session.client.jobs().get(*id).await?);
    }
    let patient = session.patient_for_ever()?.jobs();
    for job in found {
        let waiting = patient.wait(job.id, timeout);
        let job = match timeout {
            _ if job.state.is_finished() => job,
            None => waiting.await?,
            Some(limit) => match tokio::time::timeout(limit.saturating_add(SLACK), waiting).await {
                Ok(job) => job?,
                Err(_) => {
                    output.note("note: the server cannot be reached; this is what it has said last");
                    job
                }
            },
        };
        output.object(&job, line)?;
        exit = match job.state {
            JobState::Succeeded => exit,
            state if state.is_finished() => Exit::Partial,
            _ if exit == Exit::Ok => Exit::Unavailable,
            _ => exit,
        };
    }
    Ok(exit)
}

fn parse(text: &str) -> Result<JobId, Failure> {
    ids::id(text, "job", "jobs list")
}

fn progress(job: &Job) -> String {
    job.progress.as_ref().map_or_else(String::new, |progress| match progress.total {
        Some(total) => format!("{}/{total} {}", progress.done, progress.unit),
        None => format!("{} {}", progress.done, progress.unit),
    })
}

/// A job as a line: when, which, what, where it stands.
fn line(job: &Job) -> String {
    let said = match &job.error {
        Some(error) if job.state != JobState::Succeeded => format!("{}: {}", error.code, flat(&error.detail)),
        _ => progress(job),
    };
    let (state, kind) = (job.state.as_str(), &job.kind);
    format!("{}  {}  {state:<9}  {kind:<20}  {said}", time(job.created_at), job.id).trim_end().to_owned()
}

fn show(job: &Job) -> String {
    let mut text = format!("{}\n", line(job));
    let mut say = |name: &str, value: String| text.push_str(&format!("  {name:<10}{value}\n"));
    say("workspace", or_dash(job.workspace_id));
    say("attempts", format!("{} of {}", job.attempts, job.max_attempts));
    say("run at", time(job.run_at));
    say("started", or_dash(job.started_at.map(time)));
    say("finished", or_dash(job.finished_at.map(time)));
    if let Some(at) = job.cancel_requested_at {
        say("cancel", format!("asked for at {}", time(at)));
    }
    if job.progress.is_some() {
        say("progress", progress(job));
    }
    if let Some(result) = &job.result {
        say("result", result.to_string());
    }
    text.trim_end().to_owned()
}
