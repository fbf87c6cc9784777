//! `longshore sessions`: where one is signed in.

use clap::Subcommand;
use longshore::SessionId;

use crate::failure::{Exit, Failure};
use crate::ids;
use crate::output::{Output, or_dash, time};
use crate::session::Session;

/// List and end your sessions in browsers; a key with the role owner is needed, which is not narrowed
#[derive(Subcommand)]
pub(crate) enum Sessions {
    /// List your sessions, the newest first; with --json: {"items": [session, …]}
    List,
    /// End sessions; with --json: {"items": [id, …]}
    End {
        /// The sessions' ids
        #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
        ids: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

fn id(text: &str) -> Result<SessionId, Failure> {
    ids::id(text, "session", "sessions list")
}

impl Sessions {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let sessions = session.client.sessions();
        match self {
            Self::List => {
                let found = sessions.list().await?;
                output.table(&found, ["ID", "SINCE", "SEEN", "ADDRESS", "BROWSER"], |one| {
                    [
                        one.id.to_string(),
                        time(one.created_at),
                        time(one.seen_at),
                        or_dash(one.address.clone()),
                        or_dash(one.user_agent.clone()),
                    ]
                })?;
            }
            Self::End { ids, all } => {
                let ids = ids::all(ids, id)?;
                if *all {
                    sessions.end_others().await?;
                }
                ids::each(ids, "has ended", output, async |id| sessions.end(id).await).await?;
            }
        }
        Ok(Exit::Ok)
    }
}
