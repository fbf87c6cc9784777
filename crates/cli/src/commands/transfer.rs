//! `longshore transfer`: handing a workspace over to another owner.

use std::io::BufRead;
use std::time::Duration;

use clap::Subcommand;
use longshore::{ClaimToken, NewTransfer, OfferTransfer, Transfer as Offer, TransferManifest};

use crate::consent::Consent;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::output::{Output, count, size, time};
use crate::session::Session;

/// Hand a workspace over to another owner
///
/// The owner offers it, and gives the token to somebody; who brings the token becomes the owner, and the owner before stays
/// as an admin until removed.
#[derive(Subcommand)]
pub(crate) enum Transfer {
    /// Offer the workspace; the token is shown this once, and an offer that is open is revoked; with --json the offer
    Offer {
        /// What to say with it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// How long the offer holds, 3d at most
        #[arg(long, value_name = "TIME", default_value = "3d", value_parser = duration::argument)]
        expires: Duration,
    },
    /// Show the open offer of the workspace, or the last one; with a token, what is handed over; with --json the same
    Show {
        /// The token that was given to you; `-` reads it from standard input
        token: Option<String>,
    },
    /// Become the owner of the workspace that is offered; with --json the offer
    Accept {
        /// The token; left out, it is read from standard input, where no other user of the machine sees it
        token: Option<String>,
        #[command(flatten)]
        consent: Consent,
    },
    /// End an offer that is not wanted; with --json the offer
    Decline {
        /// The token; left out, it is read from standard input
        token: Option<String>,
    },
    /// Take the open offer of the workspace back
    Revoke,
}

/// Reads a token, from standard input where it does not stand on the command line. What is none is not repeated.
fn token(text: Option<&str>) -> Result<ClaimToken, Failure> {
    let mut line = String::new();
    let text = match text.filter(|text| *text != "-") {
        Some(text) => text,
        None => {
            let read = std::io::stdin().lock().read_line(&mut line);
            read.map_err(|error| Failure::local("cannot read the token", &error))?;
            &line
        }
    };
    text.trim().parse().map_err(|error| {
        Failure::invalid(format!("that is no claim token: {error}"))
            .hint("it begins with lsc_; whoever offers the workspace has it of `longshore transfer offer`")
    })
}

impl Transfer {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let transfers = session.client.transfers();
        match self {
            Self::Offer { note, expires } => {
                let workspace = session.workspace().await?;
                let wanted = OfferTransfer { note: note.clone(), expires_in: expires.as_secs() };
                let made = transfers.of(workspace.id).offer(&wanted).await?;
                output.note(&format!(
                    "note: whoever has this token may become the owner of {} until {}; it is not shown again",
                    workspace.name,
                    time(made.transfer.expires_at)
                ));
                output.object(&made, |made: &NewTransfer| made.token.clone())?;
            }
            Self::Show { token: None } => {
                let found = transfers.of(session.workspace().await?.id).get().await?;
                output.object(&found, shown)?;
            }
            Self::Show { token: text } => {
                output.object(&transfers.look(&token(text.as_deref())?).await?, manifest)?;
            }
            Self::Accept { token: text, consent } => {
                let token = token(text.as_deref())?;
                let what = manifest(&transfers.look(&token).await?);
                if consent.is_given_to(&format!("{what}\n"), "become its owner?", output)? {
                    output.object(&transfers.accept(&token).await?, shown)?;
                }
            }
            Self::Decline { token: text } => {
                output.object(&transfers.decline(&token(text.as_deref())?).await?, shown)?;
            }
            Self::Revoke => {
                transfers.of(session.workspace().await?.id).revoke().await?;
                output.note("note: the token is of no use any more");
            }
        }
        Ok(Exit::Ok)
    }
}

fn shown(offer: &Offer) -> String {
    let mut text = format!(
        "{}  {} of {} by {}, until {}",
        offer.id,
        offer.state.as_str(),
        offer.workspace_id,
        offer.offered_by,
        time(offer.expires_at)
    );
    if let Some((by, at)) = offer.ended_by.zip(offer.ended_at) {
        text.push_str(&format!("; {} by {by} at {}", offer.state.as_str(), time(at)));
    }
    text
}

fn manifest(found: &TransferManifest) -> String {
    let TransferManifest { transfer, workspace_name, owner, usage, versions, members, hooks, locks, keys } =
        found;
    let note = transfer.note.as_deref().unwrap_or("-");
    format!(
        "workspace  {workspace_name} ({})\nowner      {} ({}), who stays as an admin\nnote       {note}\nuntil      {}\nfiles      {}, {} in {} versions\nmembers    {}\nwebhooks   {}\nlocks      {}\nkeys       {}",
        transfer.workspace_id,
        owner.name,
        owner.id,
        time(transfer.expires_at),
        count(usage.files),
        size(usage.bytes),
        count(*versions),
        count(*members),
        count(*hooks),
        count(*locks),
        count(*keys),
    )
}
