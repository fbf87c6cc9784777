//! `longshore hooks`: events to URLs of one's choice.

use clap::{Args, Subcommand, ValueEnum};
use longshore::{
    CreateHook, Delivery, DeliveryAttempt, DeliveryId, DeliveryState, Hook, HookDisabled, HookId,
    Hooks as Verbs, Job, NewHook, Path, Redeliver, UpdateHook,
};
use longshore_core::{Clock, SystemClock};

use crate::failure::{Exit, Failure};
use crate::ids;
use crate::moment::ago;
use crate::output::{Output, or_dash, time};
use crate::session::Session;
use crate::text::flat;

/// Send events of a workspace to URLs; an admin's key is needed
#[derive(Subcommand)]
pub(crate) enum Hooks {
    /// Add a hook; the secret that signs its deliveries is shown this once
    ///
    /// The secret alone goes to standard output; with --json the hook with its "secret".
    Add {
        /// Where the events go: https, at a public address
        #[arg(value_name = "URL")]
        target: String,
        #[command(flatten)]
        filter: Filter,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List hooks; with --json: {"items": [hook, …]}
    List,
    /// Show a hook
    Show {
        /// The hook's id
        hook: String,
    },
    /// Change a hook, or switch it on or off
    Update {
        /// The hook's id
        hook: String,
        /// Where the events go
        #[arg(long = "to", value_name = "URL")]
        target: Option<String>,
        #[command(flatten)]
        filter: Filter,
        /// Send events of all types
        #[arg(long, conflicts_with = "types")]
        all_types: bool,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Switch it on; what happened while it was off is sent by redeliver, or not at all
        #[arg(long, conflicts_with = "off")]
        on: bool,
        /// Switch it off
        #[arg(long)]
        off: bool,
    },
    /// Remove hooks with all their deliveries; with --json: {"items": [id, …]}
    Rm {
        /// The hooks' ids
        #[arg(required = true, value_name = "HOOK")]
        hooks: Vec<String>,
    },
    /// Give a hook a new secret, which is shown this once; for a while both sign
    Rotate {
        /// The hook's id
        hook: String,
        /// For how many hours the old secret signs too, 0 to 168
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        overlap: u32,
    },
    /// Send a test to a hook's receiver
    Test {
        /// The hook's id
        hook: String,
    },
    /// List a hook's deliveries, newest first, or show the attempts of some; with --json: {"items": [delivery, …]}
    Deliveries {
        /// The hook's id
        hook: String,
        /// The deliveries' ids; else all
        #[arg(value_name = "DELIVERY")]
        deliveries: Vec<String>,
        /// Only those that stand there
        #[arg(long, value_enum)]
        state: Option<Standing>,
        /// At most so many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Send deliveries again: some, all that were given up, or all events since a place or a time
    ///
    /// Many are sent by a job, which is printed; `longshore jobs wait` waits for it.
    Redeliver {
        /// The hook's id
        hook: String,
        #[command(flatten)]
        what: Again,
    },
}

/// Which events a hook sends.
#[derive(Args)]
pub(crate) struct Filter {
    /// Send only events of this type, such as version.created, or of a family, such as lock.*; more than once if need be
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Send only what happens at this path or below it; / means everything
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// What is to be sent again.
#[derive(Args)]
#[group(required = true)]
pub(crate) struct Again {
    /// The deliveries' ids
    #[arg(value_name = "DELIVERY", conflicts_with_all = ["failed", "since", "since_seq"])]
    deliveries: Vec<String>,
    /// All deliveries that were given up
    #[arg(long, conflicts_with_all = ["since", "since_seq"])]
    failed: bool,
    /// All events from this time on: 12h or 30d ago, or a time such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "WHEN", conflicts_with = "since_seq")]
    since: Option<String>,
    /// All events after this place in the log
    #[arg(long, value_name = "SEQ")]
    since_seq: Option<u64>,
    /// With --since or --since-seq: up to this place in the log
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["failed", "deliveries"])]
    until_seq: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Standing {
    /// Waits for an attempt
    Pending,
    /// Was taken by the receiver
    Succeeded,
    /// Was given up
    Failed,
}

impl From<Standing> for DeliveryState {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Pending => Self::Pending,
            Standing::Succeeded => Self::Succeeded,
            Standing::Failed => Self::Failed,
        }
    }
}

impl Hooks {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let verbs = session.client.hooks().of(session.workspace().await?.id);
        match self {
            Self::Add { target, filter, description } => {
                let wanted = CreateHook {
                    url: target.clone(),
                    types: filter.types.clone(),
                    path: filter.path()?,
                    description: description.clone(),
                };
                secret(&verbs.create(&wanted).await?, output)?;
            }
            Self::List => list(&verbs.list().collect_all().await?, output)?,
            Self::Show { hook } => output.object(&verbs.get(parse(hook)?).await?, show)?,
            Self::Update { .. } => output.object(&self.update(&verbs).await?, show)?,
            Self::Rm { hooks } => {
                let delete = async |id| verbs.delete(id).await;
                ids::each(ids::all(hooks, parse)?, "is gone", output, delete).await?;
            }
            Self::Rotate { hook, overlap } => {
                secret(&verbs.rotate(parse(hook)?, Some(*overlap)).await?, output)?;
            }
            Self::Test { hook } => output.object(&verbs.test(parse(hook)?).await?, line)?,
            Self::Deliveries { hook, deliveries, state, limit } => {
                let state = state.map(Into::into);
                list_deliveries(&verbs, parse(hook)?, deliveries, state, *limit, output).await?;
            }
            Self::Redeliver { hook, what } => what.run(&verbs, parse(hook)?, output).await?,
        }
        Ok(Exit::Ok)
    }

    async fn update(&self, verbs: &Verbs) -> anyhow::Result<Hook> {
        let Self::Update { hook, target, filter, all_types, description, on, off } = self else {
            anyhow::bail!("no change was asked for");
        };
        let types = (*all_types || !filter.types.is_empty()).then(|| filter.types.clone());
        let wanted = UpdateHook {
            url: target.clone(),
            types,
            path: filter.path()?,
            description: description.clone(),
            enabled: (*on || *off).then_some(*on),
        };
        Ok(verbs.update(parse(hook)?, &wanted).await?)
    }
}

impl Filter {
    fn path(&self) -> Result<Option<Path>, Failure> {
        let read = |text: &String| {
            text.parse::<Path>().map_err(|error| Failure::of_code(error.code(), format!("{text:?}: {error}")))
        };
        self.path.as_ref().map(read).transpose()
    }
}

impl Again {
    async fn run(&self, verbs: &Verbs, hook: HookId, output: Output) -> anyhow::Result<()> {
        if !self.deliveries.is_empty() {
            for id in ids::all(&self.deliveries, parse_delivery)? {
                output.object(&verbs.redeliver_one(hook, id).await?, line)?;
            }
            return Ok(());
        }
        let wanted = Redeliver {
            failed: self.failed,
            since_seq: self.since_seq,
            since: self.since.as_deref().map(|text| ago(text, SystemClock.now())).transpose()?,
            until_seq: self.until_seq,
        };
        let job = verbs.redeliver(hook, &wanted).await?;
        output.object(&job, |job: &Job| job.id.to_string())?;
        Ok(())
    }
}

fn parse(text: &str) -> Result<HookId, Failure> {
    ids::id(text, "hook", "hooks list")
}

fn parse_delivery(text: &str) -> Result<DeliveryId, Failure> {
    ids::id(text, "delivery", "hooks deliveries HOOK")
}

/// Shows a secret: the one time that it can be.
fn secret(made: &NewHook, output: Output) -> std::io::Result<()> {
    if !output.json {
        output.note(&format!(
            "note: the secret of {} is shown this once; keep it in a safe place",
            made.hook.id
        ));
    }
    output.object(made, |made| made.secret.clone())
}

const fn disabled(why: HookDisabled) -> &'static str {
    match why {
        HookDisabled::Asked => "off",
        HookDisabled::Gone => "off: the receiver is gone",
        HookDisabled::Failing => "off: nothing came through for five days",
    }
}

fn state(hook: &Hook) -> &'static str {
    match (hook.disabled, hook.failing_since) {
        (Some(why), _) => disabled(why),
        (None, Some(_)) => "failing",
        (None, None) => "on",
    }
}

fn types(hook: &Hook) -> String {
    if hook.types.is_empty() { "all".to_owned() } else { hook.types.join(",") }
}

fn list(hooks: &[Hook], output: Output) -> std::io::Result<()> {
    output.table(hooks, ["ID", "URL", "TYPES", "PATH", "STATE"], |hook| {
        [hook.id.to_string(), hook.url.clone(), types(hook), hook.path.to_string(), state(hook).to_owned()]
    })
}

fn show(hook: &Hook) -> String {
    [
        ("id", hook.id.to_string()),
        ("url", flat(&hook.url)),
        ("types", types(hook)),
        ("path", hook.path.to_string()),
        ("about", flat(&hook.description)),
        ("state", state(hook).to_owned()),
        ("since", or_dash(hook.disabled_at.or(hook.failing_since).map(time))),
        ("read to", format!("event {}", hook.seq)),
        (
            "old secret",
            or_dash(hook.old_secret_until.map(|until| format!("signs too until {}", time(until)))),
        ),
        ("created", format!("{} by {}", time(hook.created_at), hook.created_by)),
    ]
    .map(|(name, value)| format!("{name:<12}{value}").trim_end().to_owned())
    .join("\n")
}

async fn list_deliveries(
    verbs: &Verbs,
    hook: HookId,
    wanted: &[String],
    state: Option<DeliveryState>,
    limit: usize,
    output: Output,
) -> anyhow::Result<()> {
    let mut list = output.list()?;
    if wanted.is_empty() {
        let mut deliveries = verbs.deliveries(hook, state);
        for _ in 0..limit {
            let Some(delivery) = deliveries.next().await else { break };
            list.item(&delivery?, line)?;
        }
        return Ok(list.end()?);
    }
    for text in wanted {
        let delivery = verbs.delivery(hook, parse_delivery(text)?).await?;
        list.item(&delivery, |delivery| {
            let attempts = delivery.attempts.iter().map(|it| format!("  {}  {}", time(it.at), attempt(it)));
            [line(delivery)].into_iter().chain(attempts).collect::<Vec<_>>().join("\n")
        })?;
    }
    Ok(list.end()?)
}

/// A delivery as a line: when, which, what, where it stands, and how the last attempt went.
fn line(delivery: &Delivery) -> String {
    let said = match (delivery.attempts.last(), delivery.next_at) {
        (Some(last), Some(next)) => format!("{}; again at {}", attempt(last), time(next)),
        (Some(last), None) => attempt(last),
        (None, _) => String::new(),
    };
    let state = delivery.state.as_str();
    let text = format!(
        "{}  {}  {state:<9}  {:<20}  {said}",
        time(delivery.created_at),
        delivery.id,
        delivery.r#type
    );
    text.trim_end().to_owned()
}

fn attempt(attempt: &DeliveryAttempt) -> String {
    let how = match (&attempt.error, attempt.status) {
        (Some(error), _) => flat(error),
        (None, status) => or_dash(status),
    };
    format!("{how} in {} ms", attempt.duration_ms)
}
