//! `longshore status`: the server, the key and the workspace in use.

use clap::Args;
use longshore::{Code, Key, Status as Server, Workspace};
use serde::Serialize;

use super::workspaces::quota;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time};
use crate::session::Session;

/// Show the server, the key and the workspace in use
///
/// With --json: {"url", "profile", "server": status, "key": key, "workspace": workspace}; the workspace is null
/// where none is chosen.
#[derive(Args)]
pub(crate) struct Status {}

#[derive(Serialize)]
struct Found<'a> {
    url: &'a str,
    profile: Option<&'a str>,
    server: Server,
    key: Key,
    workspace: Option<Workspace>,
}

impl Status {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let server = session.client.status().await?;
        let me = session.client.me().await?;
        // The command line has no other way to ask.
        let key = me.key.ok_or_else(|| Failure::of_code(Code::KeyMissing, "no key asks"))?;
        let workspace = match session.workspace().await {
            Ok(workspace) => Some(workspace.clone()),
            // Nothing chosen is a state to show here, not a failure; a wrong choice is one.
            Err(failure) if session.resolved.workspace.is_some() => return Err(failure.into()),
            Err(_) => None,
        };
        let profile = session.resolved.profile.as_deref();
        let found = Found { url: &session.resolved.url, profile, server, key, workspace };
        output.object(&found, describe)?;
        Ok(Exit::Ok)
    }
}

fn describe(found: &Found<'_>) -> String {
    let Found { url, profile, server, key, workspace } = found;
    let usage = workspace.as_ref().map(|workspace| format!("usage      {}", quota::summary(workspace)));
    let workspace = workspace.as_ref().map_or_else(
        || "none chosen: name one with --workspace".to_owned(),
        |workspace| format!("{} ({})", workspace.name, workspace.id),
    );
    let mut lines = vec![
        format!("server     {url}, version {}, up since {}", server.version, time(server.started_at)),
        format!("keeps      {} database, {} store", server.database, server.store),
        format!("profile    {}", profile.unwrap_or("-")),
        format!(
            "key        {} ({}), {} as {} ({})",
            key.name, key.id, key.role, key.principal.name, key.principal.id
        ),
        format!("workspace  {workspace}"),
    ];
    lines.extend(usage);
    lines.join("\n")
}
