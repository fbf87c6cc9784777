//! `longshore events`: what happened, and what is happening.

use clap::Args;
use longshore::core::PrincipalId;
use longshore::{After, Event, EventFilter};

use crate::failure::Exit;
use crate::output::{Output, time};
use crate::session::{Session, workspace_path};
use crate::text::flat;

/// Show what happened in the workspace, oldest first, and by whom
///
/// With --json: {"items": [event, …]}, printed as it comes; with --follow one event a line.
#[derive(Args)]
pub(crate) struct Events {
    /// Go on showing events as they happen, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// Begin after the event of this number; `now` for what is still to come [default: the oldest that is kept]
    #[arg(long, value_name = "SEQ|now")]
    after: Option<After>,
    /// Only events of this type; `node.*` for all that begin with `node.` (may be given more than once)
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events of the node at this path, and of what is below it
    #[arg(long)]
    path: Option<String>,
    /// Only what this person or agent did
    #[arg(long, value_name = "ID")]
    actor: Option<PrincipalId>,
}

impl Events {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let filter = EventFilter {
            types: self.types.clone(),
            path: self.path.as_deref().map(workspace_path).transpose()?,
            actor: self.actor,
        };
        let workspace = Some(session.workspace().await?.id);
        if self.follow {
            // What is followed outlasts a server's restart.
            let mut events = session
                .patient(longshore::DEFAULT_CONCURRENCY)?
                .events()
                .follow(workspace, self.after, &filter);
            while let Some(event) = events.next().await {
                output.object(&event?, line)?;
            }
            return Ok(Exit::Ok);
        }
        let mut events = session.client.events().list(workspace, self.after, &filter);
        let mut list = output.list()?;
        while let Some(event) = events.next().await {
            list.item(&event?, line)?;
        }
        list.end()?;
        Ok(Exit::Ok)
    }
}

fn line(event: &Event) -> String {
    let text = |name: &str| event.data[name].as_str().unwrap_or_default();
    let what = match (text("from"), text("path")) {
        ("", "") => text("name").to_owned(),
        ("", path) => path.to_owned(),
        (from, "") => format!("{from} -> {}", text("name")),
        (from, path) => format!("{from} -> {path}"),
    };
    let what = flat(&what);
    format!("{:>8}  {}  {:<24}  {}  {what}", event.seq, time(event.at), event.r#type, event.actor)
}
