//! `longshore recover`: lets an admin of the server in again, on the machine itself.

use clap::Args;
use longshore_server::{Recovery, WayIn};
use serde::Serialize;

use super::principals::id;
use super::serve::{DataPlace, start_log};
use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::hidden;
use crate::output::{Output, or_dash};

/// Let an admin of the server in again who has lost their keys and their password
///
/// It works on the server's own database, whether the server runs or not, and reads the same configuration as serve. It
/// says in the log what it did. Without an id it lists the admins of the server: {"items": [{"id", "name", "sign_in_name",
/// "active"}, …]} with --json. With one, {"id", "name", "sign_in_name", "key"}; the key is null with --new-password.
#[derive(Args)]
pub(crate) struct Recover {
    #[command(flatten)]
    place: DataPlace,
    /// Who is to be let in again: an admin's id
    #[arg(value_name = "ID", requires = "way")]
    who: Option<String>,
    /// Make them a new key, which is shown this once
    #[arg(long, group = "way", requires = "who")]
    new_key: bool,
    /// Set them a new password, which is typed unseen or comes on standard input
    #[arg(long, group = "way", requires = "who")]
    new_password: bool,
    /// With --new-password: the name that they sign in by; needed where they have none
    #[arg(long, value_name = "NAME", requires = "new_password")]
    sign_in_name: Option<String>,
}

#[derive(Serialize)]
struct Found {
    id: String,
    name: String,
    sign_in_name: Option<String>,
    active: bool,
}

#[derive(Serialize)]
struct Recovered {
    id: String,
    name: String,
    sign_in_name: Option<String>,
    key: Option<String>,
}

impl Recover {
    pub(crate) fn run(&self, global: &Global, output: Output) -> anyhow::Result<Exit> {
        let mut config = self.place.load()?;
        start_log(&mut config, global)?;
        let wanted = match &self.who {
            None => None,
            Some(who) if self.new_key => Some((id(who)?, WayIn::Key)),
            Some(who) => {
                let password = hidden::read_new("new password", output)?;
                Some((id(who)?, WayIn::Password { sign_in_name: self.sign_in_name.clone(), password }))
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let recovery = Recovery::open(&config).await?;
            let done = match wanted {
                None => list(&recovery, output).await,
                Some((who, way)) => recover(&recovery, who, way, output).await,
            };
            recovery.close().await;
            done.map(|()| Exit::Ok)
        })
    }
}

fn refused(error: &longshore_server::EngineError) -> Failure {
    Failure::of_code(error.code(), error.to_string())
}

async fn list(recovery: &Recovery, output: Output) -> anyhow::Result<()> {
    let found = recovery.engine().administrators().await.map_err(|error| refused(&error))?;
    let found = found.into_iter().map(|one| Found {
        id: one.principal.id.to_string(),
        name: one.principal.name,
        sign_in_name: one.sign_in_name,
        active: one.principal.deactivated_at.is_none(),
    });
    let found: Vec<Found> = found.collect();
    Ok(output.table(&found, ["ID", "NAME", "SIGNS IN AS", "STATE"], |one| {
        let state = if one.active { "active" } else { "deactivated" };
        [one.id.clone(), one.name.clone(), or_dash(one.sign_in_name.as_deref()), state.to_owned()]
    })?)
}

async fn recover(
    recovery: &Recovery,
    who: longshore::PrincipalId,
    way: WayIn,
    output: Output,
) -> anyhow::Result<()> {
    let (one, key) = recovery.engine().recover(who, way).await.map_err(|error| refused(&error))?;
    let done = Recovered {
        id: one.principal.id.to_string(),
        name: one.principal.name,
        sign_in_name: one.sign_in_name,
        key: key.map(|key| key.secret),
    };
    Ok(output.object(&done, |done| match &done.key {
        Some(key) => format!("{key} (the key of {}, shown this once)", done.name),
        None => format!("{} signs in as {}", done.name, or_dash(done.sign_in_name.as_deref())),
    })?)
}
