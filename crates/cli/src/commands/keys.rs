//! `longshore keys`: who may do what.

use clap::{Subcommand, ValueEnum};
use longshore::{CreateKey, Key, KeyId, NewKey, PrincipalId, Role, RotateKey, Verb};
use longshore_core::wire::UnknownVerb;
use longshore_core::{Clock, SystemClock};

use crate::failure::Exit;
use crate::ids;
use crate::moment::{ahead, duration};
use crate::output::{Output, or_dash, time};
use crate::session::Session;

/// Make, list, rotate and revoke API keys; an admin's key is needed
#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Make a key; its text is shown this once
    ///
    /// The key alone goes to standard output; with --json the key with its "secret".
    Create {
        /// What the key is for
        name: String,
        /// What it may do at most
        #[arg(long, value_enum, default_value_t)]
        role: Level,
        /// The one workspace it reaches, by name or id; else all that your key reaches
        #[arg(long, value_name = "NAME|ID")]
        only: Option<String>,
        /// When its time is over: 12h, 30d, or a time such as 2027-01-31T00:00:00Z; else never
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// What it is to do alone, with commas between; else all that its role allows
        #[arg(long, value_delimiter = ',', value_name = "VERB,…", value_parser = verb)]
        verbs: Vec<Verb>,
        /// The one folder that it is to reach, by path or id, wherever that is moved to
        #[arg(long, value_name = "PATH|ID")]
        under: Option<String>,
        /// A network that it is good from, such as 10.0.0.0/8; may be given again; else it is good from anywhere
        #[arg(long, value_name = "CIDR")]
        address: Vec<String>,
        /// A new agent of this name acts with it; else you do
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
        /// An agent who is there acts with it
        #[arg(long, value_name = "ID", conflicts_with = "agent")]
        agent_id: Option<PrincipalId>,
    },
    /// List keys; with --json: {"items": [key, …]}
    List,
    /// Make a key like another, which ends; the new one's text is shown this once
    ///
    /// The key alone goes to standard output; with --json the key with its "secret".
    Rotate {
        /// The old key's id
        id: KeyId,
        /// How long the old one goes on: 30m, 1h, 7d at most; else it ends at once
        #[arg(long, value_name = "DURATION")]
        grace: Option<String>,
    },
    /// Revoke keys, at once and for good; with --json: {"items": [id, …]}
    Revoke {
        /// The keys' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Level {
    /// Reads
    Viewer,
    /// Reads and writes
    #[default]
    Editor,
    /// Also manages keys, members and rules
    Admin,
    /// Also does what only the owner of a workspace may
    Owner,
}

impl From<Level> for Role {
    fn from(level: Level) -> Self {
        match level {
            Level::Viewer => Self::Viewer,
            Level::Editor => Self::Editor,
            Level::Admin => Self::Admin,
            Level::Owner => Self::Owner,
        }
    }
}

impl Keys {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let keys = session.client.keys();
        match self {
            Self::Create { name, role, only, expires, verbs, under, address, agent, agent_id } => {
                let workspace_id = match (only, under) {
                    (Some(only), _) => Some(session.find_workspace(only).await?.id),
                    // A path is one of the workspace that is in use.
                    (None, Some(under)) if under.starts_with('/') => Some(session.workspace().await?.id),
                    (None, _) => None,
                };
                let asked = CreateKey {
                    workspace_id,
                    verbs: (!verbs.is_empty()).then(|| verbs.iter().copied().collect()),
                    folder: under.clone(),
                    addresses: (!address.is_empty()).then(|| address.clone()),
                    expires_at: expires.as_deref().map(|text| ahead(text, SystemClock.now())).transpose()?,
                    agent: agent.clone(),
                    agent_id: *agent_id,
                    ..CreateKey::new(name.as_str(), (*role).into())
                };
                show(&keys.create(&asked).await?, output)?;
            }
            Self::Rotate { id, grace } => {
                let grace = grace.as_deref().map(duration).transpose()?.unwrap_or_default().as_secs();
                // What is too long for the number is too long for the server, which says so.
                let wanted = RotateKey { grace_seconds: u32::try_from(grace).unwrap_or(u32::MAX) };
                show(&keys.rotate(*id, wanted).await?, output)?;
            }
            Self::List => list(&keys.list().collect_all().await?, output)?,
            Self::Revoke { ids } => {
                let ids = ids::all(ids, |text| ids::id(text, "key", "keys list"))?;
                ids::each(ids, "is revoked", output, async |id| keys.revoke(id).await).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn verb(text: &str) -> Result<Verb, UnknownVerb> {
    text.parse()
}

/// Shows a key that was just made, and its secret.
fn show(made: &NewKey, output: Output) -> std::io::Result<()> {
    if !output.json {
        output.note(&format!("note: {} is shown this once; keep it in a safe place", made.key.id));
    }
    output.object(made, |NewKey { secret, .. }| secret.clone())
}

/// Says what a key is narrowed to besides its role and its workspace.
fn narrowing(key: &Key) -> Option<String> {
    let verbs =
        key.verbs.as_ref().map(|verbs| verbs.iter().map(|verb| verb.as_str()).collect::<Vec<_>>().join(","));
    let folder = key.folder_id.map(|folder| format!("under {folder}"));
    let addresses = key.addresses.as_ref().map(|addresses| format!("from {}", addresses.join(",")));
    let words: Vec<_> = [verbs, folder, addresses].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn list(keys: &[Key], output: Output) -> std::io::Result<()> {
    let now = SystemClock.now();
    let heads = ["ID", "NAME", "WHO", "ROLE", "ONLY", "NARROWED", "LAST USE", "EXPIRES", "STATE"];
    output.table(keys, heads, |key| {
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else if key.expires_at.is_some_and(|at| at <= now) {
            "expired"
        } else {
            "valid"
        };
        [
            key.id.to_string(),
            key.name.clone(),
            key.principal.name.clone(),
            key.role.to_string(),
            or_dash(key.workspace_id),
            or_dash(narrowing(key)),
            or_dash(key.last_used_at.map(time)),
            or_dash(key.expires_at.map(time)),
            state.to_owned(),
        ]
    })
}
