//! `longshore workspaces`: the trees of a server.

use std::num::NonZeroU32;

use clap::{Subcommand, ValueEnum};
use longshore::{Name, UpdateSettings, UpdateWorkspace, Workspace, WorkspaceSettings};

use crate::failure::{Exit, Failure};
use crate::output::{Output, time};
use crate::profiles::Profiles;
use crate::session::Session;

pub(crate) mod quota;
pub(crate) mod travel;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// List, show, make, rename and choose workspaces, set rules and quotas, export and import
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
    /// Show a workspace, what it keeps and how much it may; with --json the workspace
    Show {
        /// The workspace, by name or id [default: the one that is used]
        workspace: Option<String>,
    },
    /// Say how much a workspace may keep: what is not named stays; with --json the workspace. An admin of the server's key is
    /// needed
    Quota {
        /// The workspace, by name or id
        workspace: String,
        #[command(flatten)]
        limits: quota::Limits,
    },
    /// Rename a workspace; with --json the workspace
    Rename {
        /// The workspace, by name or id
        workspace: String,
        /// Its new name
        name: String,
    },
    /// Show the rules of the workspace that is used, or set some of them; with --json the rules
    Settings {
        /// Whether a change of a file that is there needs the version that it replaces
        #[arg(long, value_enum, value_name = "ON|OFF")]
        require_preconditions: Option<Switch>,
        /// How many of a file's newest versions are kept, or `all`
        #[arg(long, value_name = "N|all")]
        versions_kept: Option<String>,
        /// For how many days every version is kept after another took its place, or `all`: then time is no reason to keep or
        /// remove any
        #[arg(long, value_name = "N|all")]
        versions_days: Option<String>,
        /// For how many days the trash keeps what is in it, or `all`: for ever
        #[arg(long, value_name = "N|all")]
        trash_days: Option<String>,
        /// For how many days events are kept, or `all`: for ever
        #[arg(long, value_name = "N|all")]
        events_days: Option<String>,
    },
    /// Export a whole workspace as one archive, as it is now: files, versions, trash, notes, events, members; with --json: {"file",
    /// "bytes"}. Its owner's key, or an admin of the server's, is needed
    Export(travel::Export),
    /// Make a workspace out of such an archive, and own it; with --json the workspace. An admin of the server's key is needed
    Import(travel::Import),
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
                output.table(&all, ["NAME", "ID", "CREATED"], |found| {
                    [found.name.clone(), found.id.to_string(), time(found.created_at)]
                })?;
            }
            Self::Create { name } => {
                let made = workspaces.create(Name::new(name.as_str()).map_err(Failure::from)?).await?;
                output.object(&made, describe)?;
            }
            Self::Current => output.object(session.workspace().await?, describe)?,
            Self::Show { workspace } => {
                let found = match workspace {
                    Some(workspace) => session.find_workspace(workspace).await?,
                    None => session.workspace().await?.clone(),
                };
                output.object(&found, quota::shown)?;
            }
            Self::Quota { workspace, limits } => {
                let (found, change) = (session.find_workspace(workspace).await?, limits.change()?);
                output.object(&workspaces.set_quota(found.id, &change).await?, quota::shown)?;
            }
            Self::Rename { workspace, name } => {
                let found = session.find_workspace(workspace).await?;
                let name = Name::new(name.as_str()).map_err(Failure::from)?;
                output.object(&workspaces.rename(found.id, name).await?, describe)?;
            }
            Self::Settings {
                require_preconditions,
                versions_kept,
                versions_days,
                trash_days,
                events_days,
            } => {
                let workspace = session.workspace().await?;
                // What is not named stays as it is by then, even if somebody else sets it meanwhile.
                let change = UpdateSettings {
                    require_preconditions: require_preconditions.map(|switch| matches!(switch, Switch::On)),
                    versions_kept: versions_kept.as_deref().map(limit).transpose()?,
                    versions_days: versions_days.as_deref().map(limit).transpose()?,
                    trash_days: trash_days.as_deref().map(limit).transpose()?,
                    events_days: events_days.as_deref().map(limit).transpose()?,
                };
                let mut settings = workspace.settings.clone();
                if change != UpdateSettings::default() {
                    let change = UpdateWorkspace { name: None, settings: Some(change) };
                    settings = workspaces.update(workspace.id, &change).await?.settings;
                }
                output.object(&settings, rules)?;
            }
            Self::Export(export) => return Box::pin(export.run(session, output)).await,
            Self::Import(import) => return Box::pin(import.run(session, output)).await,
            Self::Use { workspace } => {
                let found = session.find_workspace(workspace).await?;
                choose(session, &found, output)?;
                output.object(&found, describe)?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// Reads a number from 1, or `all` for no limit.
fn limit<N: From<NonZeroU32>>(text: &str) -> Result<Option<N>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    let number: Result<NonZeroU32, _> = text.parse();
    let failed = |_| Failure::invalid(format!("{text:?} is no number from 1, nor `all`"));
    number.map(|number| Some(number.into())).map_err(failed)
}

fn rules(settings: &WorkspaceSettings) -> String {
    let limit = |limit: Option<u32>| limit.map_or_else(|| "all".to_owned(), |number| number.to_string());
    let switch = if settings.require_preconditions { "on" } else { "off" };
    format!(
        "require-preconditions  {switch}\nversions-kept          {}\nversions-days          {}\ntrash-days             {}\nevents-days            {}",
        limit(settings.versions_kept),
        limit(settings.versions_days),
        limit(settings.trash_days),
        limit(settings.events_days.map(NonZeroU32::get))
    )
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
