//! `longshore principals`: the people and agents of a server.

use clap::{Subcommand, ValueEnum};
use longshore::{Code, CreatePrincipal, Principal, PrincipalId, PrincipalKind};

use crate::failure::{Exit, Failure};
use crate::ids;
use crate::output::{Output, or_dash};
use crate::session::Session;

/// Make, list and deactivate people and agents; the key of an admin of the server is needed
#[derive(Subcommand)]
pub(crate) enum Principals {
    /// Make a person or an agent, who may do nothing yet
    Create {
        /// The name shown to others
        name: String,
        /// Person or agent
        #[arg(long, value_enum, default_value_t)]
        kind: Kind,
    },
    /// List people and agents; with --json: {"items": [principal, …]}
    List,
    /// Show a person or an agent
    Show {
        /// The id
        #[arg(value_name = "ID")]
        who: String,
    },
    /// Give a person or an agent another name
    Rename {
        /// The id
        #[arg(value_name = "ID")]
        who: String,
        /// The name shown to others
        name: String,
    },
    /// End what people and agents may do: keys, locks and links end with it; with --json: {"items": [principal, …]}
    Deactivate {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        who: Vec<String>,
    },
    /// Let people and agents do again what they may; with --json: {"items": [principal, …]}
    Reactivate {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        who: Vec<String>,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Kind {
    /// A human being
    #[default]
    Person,
    /// A program
    Agent,
}

impl From<Kind> for PrincipalKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Person => Self::Person,
            Kind::Agent => Self::Agent,
        }
    }
}

/// Reads the id of a person or an agent.
pub(super) fn id(text: &str) -> Result<PrincipalId, Failure> {
    text.parse().map_err(|error| {
        Failure::of_code(Code::InvalidId, format!("{text:?} is no person's or agent's id: {error}"))
            .hint("`longshore members list` shows those of the workspace, `longshore status` yours")
    })
}

fn row(principal: &Principal) -> [String; 5] {
    let kind = match principal.kind {
        PrincipalKind::Person => "person",
        PrincipalKind::Agent => "agent",
    };
    let state = if principal.deactivated_at.is_some() { "deactivated" } else { "active" };
    [
        principal.id.to_string(),
        principal.name.clone(),
        kind.to_owned(),
        or_dash(principal.everywhere),
        state.to_owned(),
    ]
}

fn line(principal: &Principal) -> String {
    let [id, name, kind, _, state] = row(principal);
    format!("{id}  {name}  {kind}  {state}")
}

impl Principals {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let principals = session.client.principals();
        match self {
            Self::Create { name, kind } => {
                let wanted = CreatePrincipal { kind: (*kind).into(), name: name.clone() };
                output.object(&principals.create(&wanted).await?, line)?;
            }
            Self::List => {
                let found = principals.list().collect_all().await?;
                output.table(&found, ["ID", "NAME", "KIND", "EVERYWHERE", "STATE"], row)?;
            }
            Self::Show { who } => output.object(&principals.get(id(who)?).await?, line)?,
            Self::Rename { who, name } => {
                output.object(&principals.rename(id(who)?, name).await?, line)?;
            }
            Self::Deactivate { who } | Self::Reactivate { who } => {
                let ids = ids::all(who, id)?;
                let mut list = output.list()?;
                for id in ids {
                    let changed = match self {
                        Self::Deactivate { .. } => principals.deactivate(id).await?,
                        _ => principals.reactivate(id).await?,
                    };
                    list.item(&changed, line)?;
                }
                list.end()?;
            }
        }
        Ok(Exit::Ok)
    }
}
