//! What a workspace keeps, and how much it may.

use longshore::{Quota, UpdateQuota, Usage, Workspace};

use crate::bytes::bytes;
use crate::failure::Failure;
use crate::output::{count, size, time};

/// The limits on the command line: a number, or `none`.
#[derive(clap::Args)]
pub(crate) struct Limits {
    /// The most bytes of all versions, open uploads included: 10GiB, or `none`
    #[arg(long, value_name = "SIZE|none")]
    bytes: Option<String>,
    /// The most files, or `none`
    #[arg(long, value_name = "N|none")]
    files: Option<String>,
    /// The most bytes of one file: 1GiB, or `none`
    #[arg(long, value_name = "SIZE|none")]
    largest_file: Option<String>,
    /// Take all limits away
    #[arg(long, conflicts_with_all = ["bytes", "files", "largest_file"])]
    none: bool,
}

/// Reads a limit, `none` for no limit.
fn limit(text: &str, read: impl Fn(&str) -> Result<u64, String>) -> Result<Option<u64>, Failure> {
    if text == "none" {
        return Ok(None);
    }
    read(text).map(Some).map_err(|why| Failure::invalid(format!("{text:?} is no limit: {why}, or `none`")))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a number such as 100000".to_owned())
}

impl Limits {
    /// Returns what is to change.
    pub(crate) fn change(&self) -> Result<UpdateQuota, Failure> {
        if self.none {
            return Ok(Quota::default().into());
        }
        let size = |text: &Option<String>| text.as_deref().map(|text| limit(text, bytes)).transpose();
        Ok(UpdateQuota {
            bytes: size(&self.bytes)?,
            files: self.files.as_deref().map(|text| limit(text, number)).transpose()?,
            largest_file: size(&self.largest_file)?,
        })
    }
}

fn of(used: u64, limit: Option<u64>, shown: fn(u64) -> String) -> String {
    match limit {
        Some(limit) => format!("{} of {}", shown(used), shown(limit)),
        None => shown(used),
    }
}

/// Says in one line what a workspace keeps.
pub(crate) fn summary(workspace: &Workspace) -> String {
    let Workspace { quota, usage, .. } = workspace;
    let files = of(usage.files, quota.files, count);
    let mut line = format!("{} in {files} files", of(usage.bytes, quota.bytes, size));
    if usage.staged_bytes > 0 {
        line.push_str(&format!(", {} more for open uploads", size(usage.staged_bytes)));
    }
    line
}

/// Shows a workspace with what it keeps and may keep.
pub(crate) fn shown(workspace: &Workspace) -> String {
    let Workspace { quota, usage: Usage { bytes, files, staged_bytes }, .. } = workspace;
    let most = |limit: Option<u64>, shown: fn(u64) -> String| match limit {
        Some(limit) => format!("at most {}", shown(limit)),
        None => "no limit".to_owned(),
    };
    format!(
        "name          {}\nid            {}\ncreated       {}\nbytes         {}, {}\nopen uploads  {}\nfiles         {}, {}\nlargest file  {}",
        workspace.name,
        workspace.id,
        time(workspace.created_at),
        size(*bytes),
        most(quota.bytes, size),
        size(*staged_bytes),
        count(*files),
        most(quota.files, count),
        most(quota.largest_file, size),
    )
}
