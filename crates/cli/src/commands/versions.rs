//! `longshore versions`: what a file has held.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use longshore::{Code, Comparison, Content, DownloadOptions, NoText, Node, Version, VersionId};

use super::cat;
use crate::consent::Consent;
use crate::failure::{Exit, Failure};
use crate::output::{Output, count, size, time};
use crate::premise::Premise;
use crate::session::{Session, about};
use crate::text::flat;
use crate::transfer::landing::Spot;

/// List the versions of a file, read, name, compare and remove them, or make one the newest again
///
/// A version is named by its number or its id.
#[derive(Subcommand)]
pub(crate) enum Versions {
    /// List the versions of a file, newest first; with --json: {"items": [version, …]}
    List {
        /// The file, by path or id
        path: String,
    },
    /// Show all that is known of a version; with --json the version
    Show {
        /// The file, by path or id
        path: String,
        /// The version
        #[arg(value_name = "VERSION")]
        which: String,
    },
    /// Print the content of a version
    Get {
        /// The file, by path or id
        path: String,
        /// The version
        #[arg(value_name = "VERSION")]
        which: String,
        /// Write it to this file instead
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make a version the newest again; with --json the node
    Restore {
        /// The file, by path or id
        path: String,
        /// The version
        #[arg(value_name = "VERSION")]
        which: String,
        #[command(flatten)]
        premise: Premise,
    },
    /// Name a version, which then is kept whatever the workspace's rules; with --json the version
    ///
    /// The premise is about the file: it names the current version.
    Label {
        /// The file, by path or id
        path: String,
        /// The version
        #[arg(value_name = "VERSION")]
        which: String,
        /// Its name
        #[arg(required_unless_present = "remove")]
        label: Option<String>,
        /// Take its name away
        #[arg(long, conflicts_with = "label")]
        remove: bool,
        #[command(flatten)]
        premise: Premise,
    },
    /// Compare two versions, line by line where both are text; with --json the comparison
    Diff {
        /// The file, by path or id
        path: String,
        /// The version to begin with
        from: String,
        /// The version to compare with; left out, the current one
        to: Option<String>,
    },
    /// Remove old versions for good; the current one stays; with --json: {"items": [id, …]}
    Rm {
        /// The file, by path or id
        path: String,
        /// The versions
        #[arg(required = true, value_name = "VERSION")]
        versions: Vec<String>,
        #[command(flatten)]
        premise: Premise,
        #[command(flatten)]
        consent: Consent,
    },
}

impl Versions {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let path = match self {
            Self::List { path }
            | Self::Show { path, .. }
            | Self::Get { path, .. }
            | Self::Restore { path, .. }
            | Self::Label { path, .. }
            | Self::Diff { path, .. }
            | Self::Rm { path, .. } => path,
        };
        let node = session.node(path).await?;
        let files = session.client.files();
        let failed = |error: longshore::Error| about(path, &error);
        match self {
            Self::List { .. } => {
                let mut versions = files.versions(node.id);
                let mut list = output.list()?;
                while let Some(version) = versions.next().await {
                    list.item(&version.map_err(failed)?, |version| line(version, &node))?;
                }
                list.end()?;
            }
            Self::Show { which, .. } => {
                let id = find(session, &node, which).await?;
                let version = files.version(node.id, id).await.map_err(failed)?;
                output.object(&version, |version| describe(version, &node))?;
            }
            Self::Get { which, output: file, .. } => {
                let content = Content::Version(node.id, find(session, &node, which).await?);
                match file {
                    None => cat::print(session, content, path, output).await?,
                    Some(file) => download(session, content, file).await?,
                }
            }
            Self::Restore { which, premise, .. } => {
                let version = find(session, &node, which).await?;
                let restored = files.restore_version(node.id, version, premise.of(&node)).await;
                let restored = restored.map_err(failed)?;
                output
                    .object(&restored, |node| format!("{} is again what it was in {version}", node.path))?;
            }
            Self::Label { which, label, premise, .. } => {
                let version = find(session, &node, which).await?;
                let version = files.label_version(node.id, version, label.clone(), premise.of(&node)).await;
                let version = version.map_err(failed)?;
                output.object(&version, |version| line(version, &node))?;
            }
            Self::Diff { from, to, .. } => {
                let from = find(session, &node, from).await?;
                let to = match to {
                    Some(to) => find(session, &node, to).await?,
                    None => node.version_id.unwrap_or(from),
                };
                let compared = files.compare_versions(node.id, from, to).await.map_err(failed)?;
                output.object(&compared, difference)?;
                if compared.text.is_some_and(|text| text.truncated) {
                    output.note("note: the difference is longer than 1 MiB, and cut off there");
                }
            }
            Self::Rm { versions, premise, consent, .. } => {
                let mut found = Vec::with_capacity(versions.len());
                for version in versions {
                    found.push(find(session, &node, version).await?);
                }
                let what = format!("remove {} of {} for good?", versions.join(", "), node.path);
                if !consent.is_given(&what, output)? {
                    return Ok(Exit::Ok);
                }
                let mut list = output.list()?;
                for version in found {
                    let removed = files.delete_version(node.id, version, premise.of(&node)).await;
                    removed.map_err(failed)?;
                    list.item(&version, |version| format!("{version} of {} is gone", node.path))?;
                }
                list.end()?;
            }
        }
        Ok(Exit::Ok)
    }
}

async fn download(session: &Session, content: Content, file: &Path) -> anyhow::Result<()> {
    // There is no --force here to hint at.
    let plain = |failure| Failure { hint: None, ..failure };
    let spot = Spot::named(file).and_then(|spot| spot.free(false)).map_err(plain)?;
    let options = DownloadOptions { replace: false, ..DownloadOptions::default() };
    let done = session.client.files().download_to(content, spot.to.clone(), &options).await;
    done.map_err(|error| plain(spot.failed(&error)))?;
    Ok(())
}

pub(super) async fn find(session: &Session, node: &Node, text: &str) -> Result<VersionId, Failure> {
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
    Err(Failure::of_code(Code::VersionNotFound, message).hint("`longshore versions list PATH` lists them"))
}

fn describe(version: &Version, node: &Node) -> String {
    let mark = if node.version_id == Some(version.id) { " (the current one)" } else { "" };
    let lines = [
        ("version", Some(format!("{}{mark}", version.number))),
        ("id", Some(version.id.to_string())),
        ("file", Some(node.path.to_string())),
        ("label", version.label.as_deref().map(flat)),
        ("size", Some(format!("{} bytes ({})", count(version.size), size(version.size)))),
        ("type", Some(flat(&version.media_type))),
        ("stated", version.stated_media_type.as_deref().map(flat)),
        ("digest", Some(version.digest.to_string())),
        ("sha256", version.sha256.map(|digest| digest.to_string())),
        ("created", Some(format!("{} by {}", version.created_at, version.created_by))),
        ("fence", Some(version.fence.to_string())),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("{name:<10} {}", value?)));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(version: &Version, node: &Node) -> String {
    let mark = if node.version_id == Some(version.id) { "*" } else { " " };
    let label = version.label.as_ref().map(|label| format!("  {}", flat(label))).unwrap_or_default();
    format!(
        "{mark} {:>5}  {}  {:>10}  {}{label}",
        version.number,
        time(version.created_at),
        size(version.size),
        version.id
    )
}

fn difference(compared: &Comparison) -> String {
    let why = match (&compared.text, compared.no_text) {
        _ if compared.same_content => return "the contents are the same".to_owned(),
        (Some(text), _) => return text.unified.trim_end_matches('\n').to_owned(),
        (None, Some(NoText::TooLarge)) => "the contents differ; one is too large to compare line by line",
        (None, _) => "the contents differ, and are not both text",
    };
    format!("{why} ({} and {})", size(compared.from.size), size(compared.to.size))
}
