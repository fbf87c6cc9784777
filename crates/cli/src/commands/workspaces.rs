//! `longshore workspaces`: the trees of a server.

use clap::Subcommand;
use longshore::{Name, Workspace};

use crate::failure::{Exit, Failure};
use crate::output::{Output, columns, time};
use crate::profiles::Profiles;
use crate::session::Session;

/// List, make, rename and choose workspaces
#[derive(Subcommand)]
pub(crate) enum Workspaces {
    /// List the workspaces the key reaches; with --json: {"items": [workspace, …]}
    List,
    /// Make a workspace; with --json the workspace
    Create {
        /// Its name
        name: String,
    },
    /// Show the workspace that is used; with --json the workspace
    Current,
    /// Rename a workspace; with --json the workspace
    Rename {
        /// The workspace, by name or id
        workspace: String,
        /// Its new name
        name: String,
    },
    /// Choose the workspace to use from now on, in the profile; with --json the workspace
    Use {
        /// The workspace, by name or id
        workspace: String,
    },
}

impl Workspaces {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let workspaces = session.client.workspaces();
        match self {
            Self::List => {
                let all = workspaces.list().collect_all().await?;
                if output.json {
                    let mut list = output.list()?;
                    all.iter().try_for_each(|workspace| list.item(workspace, |_| String::new()))?;
                    list.end()?;
                } else {
                    let rows = all
                        .iter()
                        .map(|found| [found.name.clone(), found.id.to_string(), time(found.created_at)]);
                    output.line(&columns(["NAME", "ID", "CREATED"], &[], rows))?;
                }
            }
            Self::Create { name } => {
                let made = workspaces.create(Name::new(name.as_str()).map_err(Failure::from)?).await?;
                output.object(&made, describe)?;
            }
            Self::Current => output.object(session.workspace().await?, describe)?,
            Self::Rename { workspace, name } => {
                let found = session.find_workspace(workspace).await?;
                let name = Name::new(name.as_str()).map_err(Failure::from)?;
                output.object(&workspaces.rename(found.id, name).await?, describe)?;
            }
            Self::Use { workspace } => {
                let found = session.find_workspace(workspace).await?;
                choose(session, &found, output)?;
                output.object(&found, describe)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn describe(workspace: &Workspace) -> String {
    format!("{}  {}", workspace.name, workspace.id)
}

fn choose(session: &Session, workspace: &Workspace, output: Output) -> Result<(), Failure> {
    let mut profiles = Profiles::load()?;
    let name = session.resolved.profile.as_deref();
    let Some((name, profile)) = name.and_then(|name| Some((name, profiles.profiles.get_mut(name)?))) else {
        return Err(Failure::new(Exit::NotFound, "local_profile", "no profile has this server's URL")
            .hint("set LONGSHORE_WORKSPACE instead"));
    };
    // By its id: a renamed workspace is still the one that was chosen.
    profile.workspace = Some(workspace.id.to_string());
    output.note(&format!("note: the profile {name} now uses {}", workspace.name));
    profiles.save()
}
