//! `longshore audit`: what was done and what was refused, on the whole server.

use clap::Args;
use longshore::core::PrincipalId;
use longshore::{AuditEntry, AuditFilter, AuditOutcome};
use longshore_core::{Clock, SystemClock};

use crate::cli::Global;
use crate::failure::Exit;
use crate::moment::ago;
use crate::output::{Output, or_dash, time};
use crate::session::Session;
use crate::text::flat;

/// Show the audit log: who did what, and who was refused what; for an admin
///
/// It has every act and every refusal of a right, with the key and the address. An admin of the server sees all of it, an admin of workspaces what was about those; --workspace narrows it to one. With
/// --json: one entry a line, each with its `place`, after which a later run goes on with --after.
#[derive(Args)]
pub(crate) struct Audit {
    /// Only what this person or agent did or was refused
    #[arg(long, value_name = "ID")]
    principal: Option<PrincipalId>,
    /// Only refusals
    #[arg(long)]
    refused: bool,
    /// From when on: 30m, 2h, 7d, or a time such as 2026-11-20T09:00:00Z
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Up to when
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Begin after the entry of this place; `now` for what is still to come [default: the oldest that is kept]
    #[arg(long, value_name = "PLACE|now")]
    after: Option<String>,
    /// Go on showing entries as they come, until interrupted
    #[arg(long, short, conflicts_with = "until")]
    follow: bool,
}

impl Audit {
    pub(crate) async fn run(
        &self,
        session: &Session,
        global: &Global,
        output: Output,
    ) -> anyhow::Result<Exit> {
        // The workspace that other verbs work in by default hides nothing here: only one that is named does.
        let workspace = match &global.workspace {
            Some(named) => Some(session.find_workspace(named).await?.id),
            None => None,
        };
        let now = SystemClock.now();
        let filter = AuditFilter {
            workspace,
            principal: self.principal,
            outcome: self.refused.then_some(AuditOutcome::Refused),
            since: self.since.as_deref().map(|text| ago(text, now)).transpose()?,
            until: self.until.as_deref().map(|text| ago(text, now)).transpose()?,
        };
        let after = self.after.as_deref();
        if self.follow {
            // What is followed outlasts a server's restart.
            let client = session.patient(longshore::DEFAULT_CONCURRENCY)?;
            let mut entries = client.audit().follow(after, &filter);
            while let Some(entry) = entries.next().await {
                output.object(&entry?, line)?;
            }
            return Ok(Exit::Ok);
        }
        let mut entries = session.client.audit().list(after, &filter);
        while let Some(entry) = entries.next().await {
            output.object(&entry?, line)?;
        }
        Ok(Exit::Ok)
    }
}

fn line(entry: &AuditEntry) -> String {
    let who = or_dash(entry.principal_id);
    let by = entry.key_id.map(|id| id.to_string()).or(entry.session_id.map(|id| id.to_string()));
    let what = entry.facts["path"].as_str().or(entry.object.as_deref()).unwrap_or_default();
    let more = match entry.facts["more"].as_u64() {
        Some(more) => format!("  and {more} more"),
        None => String::new(),
    };
    let kind = match &entry.code {
        Some(code) => format!("{} ({code})", entry.kind),
        None => entry.kind.clone(),
    };
    format!(
        "{}  {kind:<36}  {who}  {}  {}  {}{more}",
        time(entry.at),
        or_dash(by),
        or_dash(entry.address.as_deref()),
        flat(what),
    )
}
