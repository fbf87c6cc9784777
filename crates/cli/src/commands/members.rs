//! `longshore members`: who may do what in a workspace.

use clap::Subcommand;
use longshore::Member;

use super::keys::Level;
use super::principals::id;
use crate::failure::Exit;
use crate::ids;
use crate::output::{Output, time};
use crate::session::Session;

/// List, add and remove the members of a workspace; to change them an admin's key is needed
#[derive(Subcommand)]
pub(crate) enum Members {
    /// List the members; with --json: {"items": [member, …]}
    List,
    /// Give a person or an agent a role in the workspace, and make them a member where they are none
    Set {
        /// The person's or the agent's id
        #[arg(value_name = "ID")]
        who: String,
        /// What they may do there: no more than you, and not the owner's
        #[arg(value_enum)]
        role: Level,
    },
    /// Take people and agents out of the workspace; their locks there end; with --json: {"items": [id, …]}
    #[command(name = "rm")]
    Remove {
        /// Their ids; your own to leave
        #[arg(required = true, value_name = "ID")]
        who: Vec<String>,
    },
}

impl Members {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let members = session.client.members().of(session.workspace().await?.id);
        match self {
            Self::List => list(&members.list().collect_all().await?, output)?,
            Self::Set { who, role } => {
                let member = members.set(id(who)?, (*role).into()).await?;
                output.object(&member, |member| {
                    format!("{} ({}) is {}", member.principal.name, member.principal.id, member.role)
                })?;
            }
            Self::Remove { who } => {
                let remove = async |id| members.remove(id).await;
                ids::each(ids::all(who, id)?, "is a member no longer", output, remove).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn list(members: &[Member], output: Output) -> std::io::Result<()> {
    output.table(members, ["ID", "NAME", "ROLE", "SINCE", "STATE"], |member| {
        let state = if member.principal.deactivated_at.is_some() { "deactivated" } else { "active" };
        [
            member.principal.id.to_string(),
            member.principal.name.clone(),
            member.role.to_string(),
            time(member.added_at),
            state.to_owned(),
        ]
    })
}
