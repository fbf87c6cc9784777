//! `longshore keys`: who may do what.

use clap::{Subcommand, ValueEnum};
use longshore::{CreateKey, Key, KeyId, NewKey, Role};
use longshore_core::{Clock, SystemClock};

use crate::failure::{Exit, Failure};
use crate::moment::ahead;
use crate::output::{Output, columns, or_dash, time};
use crate::session::Session;

/// Make, list and revoke API keys; an admin's key is needed
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
        /// A new agent of this name acts with it; else you do
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
    },
    /// List keys; with --json: {"items": [key, …]}
    List,
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
            Self::Create { name, role, only, expires, agent } => {
                let workspace_id = match only {
                    Some(only) => Some(session.find_workspace(only).await?.id),
                    None => None,
                };
                let asked = CreateKey {
                    name: name.clone(),
                    role: (*role).into(),
                    workspace_id,
                    expires_at: expires.as_deref().map(|text| ahead(text, SystemClock.now())).transpose()?,
                    agent: agent.clone(),
                };
                let made = keys.create(&asked).await?;
                if !output.json {
                    output
                        .note(&format!("note: {} is shown this once; keep it in a safe place", made.key.id));
                }
                output.object(&made, |NewKey { secret, .. }| secret.clone())?;
            }
            Self::List => list(keys.list().collect_all().await?, output)?,
            Self::Revoke { ids } => {
                let parsed = ids.iter().map(|text| {
                    text.parse::<KeyId>().map_err(|error| {
                        Failure::of_code(
                            longshore::Code::InvalidId,
                            format!("{text:?} is no key's id: {error}"),
                        )
                        .hint("`longshore keys list` shows them")
                    })
                });
                let ids = parsed.collect::<Result<Vec<_>, _>>()?;
                let mut list = output.list()?;
                for id in ids {
                    keys.revoke(id).await?;
                    list.item(&id, |id| format!("{id} is revoked"))?;
                }
                list.end()?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn list(keys: Vec<Key>, output: Output) -> std::io::Result<()> {
    if output.json {
        let mut list = output.list()?;
        keys.iter().try_for_each(|key| list.item(key, |_| String::new()))?;
        return list.end();
    }
    let now = SystemClock.now();
    let rows = keys.iter().map(|key| {
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
            or_dash(key.expires_at.map(time)),
            state.to_owned(),
        ]
    });
    output.line(&columns(["ID", "NAME", "WHO", "ROLE", "ONLY", "EXPIRES", "STATE"], &[], rows))
}
