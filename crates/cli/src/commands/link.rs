//! `longshore link`: content for whoever has the link.

use std::time::Duration;

use clap::Args;
use longshore::{CreateLink, Disposition};

use super::versions;
use crate::duration;
use crate::failure::Exit;
use crate::output::Output;
use crate::session::{Session, about};

/// Make a link that gives a file's content without a key
///
/// Whoever has the link can read this version until it ends, and nothing else. It ends earlier
/// with the key that makes it, and where the file or the version goes.
///
/// With --json: {"url", "expires_at", "version_id"}.
#[derive(Args)]
#[command(verbatim_doc_comment, disable_version_flag = true)]
pub(crate) struct Link {
    /// The file, by path or id
    path: String,
    /// How long the link holds, 7d at most
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration::argument)]
    expires: Duration,
    /// The version, by number or id; left out, the current one
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Have a browser show it, where it can, and not save it
    #[arg(long)]
    inline: bool,
}

impl Link {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let node = session.node(&self.path).await?;
        let version = match &self.version {
            Some(text) => Some(versions::find(session, &node, text).await?),
            None => None,
        };
        let wanted = CreateLink {
            expires_in: self.expires.as_secs(),
            version,
            disposition: if self.inline { Disposition::Inline } else { Disposition::Attachment },
        };
        let link = session.client.files().link(node.id, &wanted).await;
        output.object(&link.map_err(|error| about(&self.path, &error))?, |link| link.url.clone())?;
        Ok(Exit::Ok)
    }
}
