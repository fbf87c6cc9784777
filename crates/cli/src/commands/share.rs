//! `longshore share`: a folder or a file for who has no key.

use std::time::Duration;

use clap::{Args, Subcommand};
use longshore::{CreateShare, ShareId, ShareMode, ShareState, UpdateShare};

use crate::duration::argument;
use crate::failure::{Exit, Failure};
use crate::hidden;
use crate::ids;
use crate::output::{Output, or_dash, time};
use crate::session::{Session, about};

/// Give a folder or a file to people without a key
///
/// A share link leads to one folder or file, wherever that is moved. It ends when you say, with the key that made it,
/// with what you may do there yourself, and with the folder or file.
#[derive(Subcommand)]
pub(crate) enum Share {
    /// Make a share link; its address is shown this once
    ///
    /// The address alone goes to standard output; with --json the link with its "token". Whoever has it may read, or with
    /// --drop put new files in, and nothing else.
    Create(Create),
    /// List the share links: your own, or as an admin all; with --json: {"items": [share, …]}
    List,
    /// Show a share link
    Show {
        /// The link's id
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Change a share link
    Change(Change),
    /// Revoke share links; with --json: {"items": [id, …]}
    Revoke {
        /// The links' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

#[derive(Args)]
pub(crate) struct Create {
    /// The folder or file, by path or id
    path: String,
    /// Have people put new files in the folder, and see nothing of what is there
    #[arg(long, conflicts_with = "downloads")]
    drop: bool,
    /// Have them know a password, which is typed unseen, or comes as a line on standard input
    #[arg(long)]
    password: bool,
    /// How long it lasts, up to 3650d; left out, until it is revoked
    #[arg(long, value_name = "DURATION", value_parser = argument)]
    expires_in: Option<Duration>,
    /// How many downloads it gives; left out, as many as are asked for
    #[arg(long, value_name = "COUNT")]
    downloads: Option<u64>,
    /// Whom it is for, or why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Changes {
    /// Another password, which is typed unseen, or comes as a line on standard input; visits under way end
    #[arg(long, conflicts_with = "no_password")]
    password: bool,
    /// No password any more
    #[arg(long)]
    no_password: bool,
    /// How long it lasts from now on, up to 3650d
    #[arg(long, value_name = "DURATION", value_parser = argument, conflicts_with = "no_end")]
    expires_in: Option<Duration>,
    /// No end by time any more
    #[arg(long)]
    no_end: bool,
    /// How many downloads it gives, those of before included
    #[arg(long, value_name = "COUNT", conflicts_with = "any_downloads")]
    downloads: Option<u64>,
    /// As many downloads as are asked for
    #[arg(long)]
    any_downloads: bool,
    /// Whom it is for, or why; an empty text takes the note away
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

#[derive(Args)]
pub(crate) struct Change {
    /// The link's id
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    changes: Changes,
}

fn id(text: &str) -> Result<ShareId, Failure> {
    ids::id(text, "share link", "share list")
}

impl Changes {
    fn order(&self, output: Output) -> Result<UpdateShare, Failure> {
        let password = match (self.password, self.no_password) {
            (true, _) => Some(Some(hidden::read_new("new password", output)?)),
            (false, true) => Some(None),
            (false, false) => None,
        };
        Ok(UpdateShare {
            password,
            note: self.note.clone().map(|note| Some(note).filter(|note| !note.is_empty())),
            expires_in: set(self.expires_in.map(|time| time.as_secs()), self.no_end),
            most_downloads: set(self.downloads, self.any_downloads),
        })
    }
}

/// Says what is to be set or taken away; nothing for what stays.
fn set<T>(value: Option<T>, is_gone: bool) -> Option<Option<T>> {
    match value {
        Some(value) => Some(Some(value)),
        None => is_gone.then_some(None),
    }
}

impl Share {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let shares = async || anyhow::Ok(session.client.shares().of(session.workspace().await?.id));
        match self {
            Self::Create(wanted) => wanted.run(session, output).await?,
            Self::List => list(&shares().await?.list().collect_all().await?, output)?,
            Self::Show { id: text } => show(&shares().await?.get(id(text)?).await?, output)?,
            Self::Change(Change { id: text, changes }) => {
                let id = id(text)?;
                let change = changes.order(output)?;
                show(&shares().await?.update(id, &change).await?, output)?;
            }
            Self::Revoke { ids } => {
                let (ids, shares) = (ids::all(ids, id)?, shares().await?);
                ids::each(ids, "is revoked", output, async |id| shares.revoke(id).await).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl Create {
    async fn run(&self, session: &Session, output: Output) -> anyhow::Result<()> {
        let node = session.node(&self.path).await?;
        let password = match self.password {
            true => Some(hidden::read_new("password", output)?),
            false => None,
        };
        let wanted = CreateShare {
            mode: if self.drop { ShareMode::Drop } else { ShareMode::Read },
            password,
            note: self.note.clone(),
            expires_in: self.expires_in.map(|time| time.as_secs()),
            most_downloads: self.downloads,
        };
        let shares = session.client.shares();
        let made = shares.create(node.id, &wanted).await.map_err(|error| about(&self.path, &error))?;
        if !output.json {
            output.note(&format!("note: the address of {} is shown this once", made.share.id));
        }
        output.object(&made, |made| shares.url(&made.token))?;
        Ok(())
    }
}

const fn state(state: ShareState) -> &'static str {
    match state {
        ShareState::Open => "open",
        ShareState::Revoked => "revoked",
        ShareState::Expired => "expired",
        ShareState::UsedUp => "used up",
    }
}

fn downloads(share: &longshore::Share) -> String {
    match (share.mode, share.most_downloads) {
        (ShareMode::Drop, _) => "-".to_owned(),
        (ShareMode::Read, Some(most)) => format!("{} of {most}", share.downloads),
        (ShareMode::Read, None) => share.downloads.to_string(),
    }
}

fn show(share: &longshore::Share, output: Output) -> std::io::Result<()> {
    output.object(share, |share| {
        let lines = [
            ("id", share.id.to_string()),
            ("node", share.node_id.to_string()),
            ("mode", share.mode.as_str().to_owned()),
            ("state", state(share.state).to_owned()),
            ("password", if share.has_password { "yes" } else { "no" }.to_owned()),
            ("downloads", downloads(share)),
            ("expires", or_dash(share.expires_at.map(time))),
            ("made", format!("{} by {}", time(share.created_at), share.created_by)),
            ("note", or_dash(share.note.clone())),
        ];
        lines.map(|(name, value)| format!("{name:<10}{value}")).join("\n")
    })
}

fn list(shares: &[longshore::Share], output: Output) -> std::io::Result<()> {
    let heads = ["ID", "NODE", "MODE", "DOWNLOADS", "EXPIRES", "STATE", "NOTE"];
    output.table(shares, heads, |one| {
        [
            one.id.to_string(),
            one.node_id.to_string(),
            one.mode.as_str().to_owned(),
            downloads(one),
            or_dash(one.expires_at.map(time)),
            state(one.state).to_owned(),
            or_dash(one.note.clone()),
        ]
    })
}
