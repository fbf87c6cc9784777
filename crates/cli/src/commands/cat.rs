//! `longshore cat`: the content of files on standard output.

use clap::Args;

use crate::failure::Exit;
use crate::output::Output;
use crate::session::{Session, about};

/// Print the content of files
///
/// The content comes as it is, whatever --json says.
#[derive(Args)]
pub(crate) struct Cat {
    /// Files, by path or id
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

impl Cat {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        for path in &self.paths {
            let node = session.node(path).await?;
            print(session, (&node).into(), path, output).await?;
        }
        Ok(Exit::Ok)
    }
}

/// Prints content as it arrives.
pub(super) async fn print(
    session: &Session,
    content: longshore::Content,
    name: &str,
    output: Output,
) -> anyhow::Result<()> {
    let failed = |error: longshore::Error| about(name, &error);
    let files = session.client.files();
    let mut download = files.stream(content, &longshore::DownloadOptions::default()).await.map_err(failed)?;
    while let Some(chunk) = download.chunk().await.map_err(failed)? {
        output.raw(&chunk)?;
    }
    Ok(())
}
