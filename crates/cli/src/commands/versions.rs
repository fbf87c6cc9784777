//! `longshore versions`: what a file has held.

use std::path::PathBuf;

use clap::Args;
use longshore::{Code, Content, DownloadOptions, Node, Version, VersionId};

use super::cat;
use crate::failure::{Exit, Failure};
use crate::output::{Output, size, time};
use crate::session::{Session, about};
use crate::transfer::landing::Spot;

/// List the versions of a file, read an old one, or make it the newest again
///
/// With --json: {"items": [version, …]}; with --restore the node.
#[derive(Args)]
pub(crate) struct Versions {
    /// The file, by path or id
    path: String,
    /// Make this version, by number or id, the newest again
    #[arg(long, value_name = "VERSION")]
    restore: Option<String>,
    /// Print the content of this version, by number or id
    #[arg(long, value_name = "VERSION", conflicts_with = "restore")]
    get: Option<String>,
    /// Write it to this file instead
    #[arg(long, short, value_name = "FILE", requires = "get")]
    output: Option<PathBuf>,
}

impl Versions {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let node = session.node(&self.path).await?;
        let files = session.client.files();
        if let Some(version) = &self.restore {
            let version = self.find(session, &node, version).await?;
            let restored = files.restore_version(node.id, version, None).await;
            let restored = restored.map_err(|error| about(&self.path, &error))?;
            output.object(&restored, |node| format!("{} is again what it was in {version}", node.path))?;
        } else if let Some(version) = &self.get {
            let version = self.find(session, &node, version).await?;
            let content = Content::Version(node.id, version);
            match &self.output {
                None => cat::print(session, content, &self.path, output).await?,
                Some(file) => {
                    // There is no --force here to hint at.
                    let plain = |failure| Failure { hint: None, ..failure };
                    let spot = Spot::named(file, false).map_err(plain)?;
                    let options = DownloadOptions { replace: false, ..DownloadOptions::default() };
                    let done = files.download_to(content, spot.to.clone(), &options).await;
                    done.map_err(|error| plain(spot.failed(&error)))?;
                }
            }
        } else {
            self.list(session, &node, output).await?;
        }
        Ok(Exit::Ok)
    }

    async fn list(&self, session: &Session, node: &Node, output: Output) -> anyhow::Result<()> {
        let mut versions = session.client.files().versions(node.id);
        let mut list = output.list()?;
        while let Some(version) = versions.next().await {
            let version = version.map_err(|error| about(&self.path, &error))?;
            list.item(&version, |version| line(version, node))?;
        }
        list.end()?;
        Ok(())
    }

    async fn find(&self, session: &Session, node: &Node, text: &str) -> Result<VersionId, Failure> {
        if let Ok(id) = text.parse::<VersionId>() {
            return Ok(id);
        }
        let number = text.parse::<u64>().map_err(|_| {
            Failure::of_code(Code::InvalidId, format!("{text:?} is neither a version's number nor an id"))
        })?;
        let mut versions = session.client.files().versions(node.id);
        while let Some(version) = versions.next().await {
            let version = version?;
            if version.number == number {
                return Ok(version.id);
            }
        }
        let message = format!("{} has no version {number}", node.path);
        Err(Failure::of_code(Code::VersionNotFound, message).hint("`longshore versions PATH` lists them"))
    }
}

fn line(version: &Version, node: &Node) -> String {
    let mark = if node.version_id == Some(version.id) { "*" } else { " " };
    format!(
        "{mark} {:>5}  {}  {:>10}  {}",
        version.number,
        time(version.created_at),
        size(version.size),
        version.id
    )
}
