//! `longshore invite`: has others join a workspace.

use std::time::Duration;

use clap::{Args, Subcommand};
use longshore::core::wire::DEFAULT_INVITATION;
use longshore::{CreateInvitation, Invitation, InvitationId, InvitationState};

use super::keys::Level;
use crate::duration::argument;
use crate::failure::{Exit, Failure};
use crate::hidden;
use crate::ids;
use crate::output::{Output, or_dash, time};
use crate::session::Session;

/// Invite people into the workspace, and accept invitations
#[derive(Subcommand)]
pub(crate) enum Invite {
    /// Make an invitation; its token is shown this once
    ///
    /// The token alone goes to standard output; with --json the invitation with its "token". Whoever has the token may
    /// accept, once.
    Create(Create),
    /// List the invitations into the workspace; with --json: {"items": [invitation, …]}
    List,
    /// Revoke invitations; with --json: {"items": [id, …]}
    Revoke {
        /// The invitations' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Show what the token on standard input invites to
    Look,
    /// Accept with your key the invitation whose token is on standard input
    Accept,
    /// Decline the invitation whose token is on standard input
    Decline,
}

#[derive(Args)]
pub(crate) struct Create {
    /// What who accepts may do: no more than you, and not the owner's
    #[arg(value_enum)]
    role: Level,
    /// Whom it is for, or why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// How long it lasts, up to 30d [default: 7d]
    #[arg(long, value_name = "DURATION", value_parser = argument)]
    expires: Option<Duration>,
}

fn id(text: &str) -> Result<InvitationId, Failure> {
    ids::id(text, "invitation", "invite list")
}

impl Invite {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let invitations = session.client.invitations();
        let token = || hidden::read("token", output);
        match self {
            Self::Create(wanted) => {
                let asked = CreateInvitation {
                    role: wanted.role.into(),
                    note: wanted.note.clone(),
                    expires_in: wanted.expires.map_or(DEFAULT_INVITATION, |expires| expires.as_secs()),
                };
                let made = invitations.of(session.workspace().await?.id).create(&asked).await?;
                if !output.json {
                    let id = made.invitation.id;
                    output.note(&format!(
                        "note: the token of {id} is shown this once; send it to whom you invite"
                    ));
                }
                output.object(&made, |made| made.token.reveal().to_owned())?;
            }
            Self::List => {
                let found = invitations.of(session.workspace().await?.id).list().collect_all().await?;
                list(&found, output)?;
            }
            Self::Revoke { ids } => {
                let revoke = async |id| invitations.revoke(id).await;
                ids::each(ids::all(ids, id)?, "is revoked", output, revoke).await?;
            }
            Self::Look => {
                let seen = invitations.look(&token()?).await?;
                output.object(&seen, |seen| {
                    let until = time(seen.expires_at);
                    format!(
                        "{} invites into {} as {}, until {until}",
                        seen.invited_by, seen.workspace, seen.role
                    )
                })?;
            }
            Self::Accept => {
                let member = invitations.accept(&token()?).await?;
                output.object(&member, |member| {
                    format!("you are {} in {}", member.role, member.workspace_id)
                })?;
            }
            Self::Decline => {
                invitations.decline(&token()?).await?;
                output.note("note: the invitation is declined");
            }
        }
        Ok(Exit::Ok)
    }
}

fn state(state: InvitationState) -> &'static str {
    match state {
        InvitationState::Open => "open",
        InvitationState::Accepted => "accepted",
        InvitationState::Declined => "declined",
        InvitationState::Revoked => "revoked",
        InvitationState::Expired => "expired",
    }
}

fn list(invitations: &[Invitation], output: Output) -> std::io::Result<()> {
    output.table(invitations, ["ID", "ROLE", "EXPIRES", "STATE", "NOTE"], |one| {
        [
            one.id.to_string(),
            one.role.to_string(),
            time(one.expires_at),
            state(one.state).to_owned(),
            or_dash(one.note.clone()),
        ]
    })
}
