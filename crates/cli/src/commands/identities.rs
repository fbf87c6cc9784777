//! `longshore identities`: how providers know people.

use clap::Subcommand;
use longshore::{Identity, IdentityId, OidcProvider};

use super::principals;
use crate::failure::{Exit, Failure};
use crate::ids;
use crate::output::{Output, or_dash, time};
use crate::session::Session;

/// List and remove the identities by which you sign in at other providers; a key with the role owner is needed, which is not
/// narrowed
#[derive(Subcommand)]
pub(crate) enum Identities {
    /// List the providers that people may sign in by; with --json: {"items": [provider, …]}
    Providers,
    /// List your identities, the oldest first; with --json: {"items": [identity, …]}
    List {
        /// Those of this person instead; the key of an admin of the server is needed
        #[arg(long, value_name = "ID")]
        of: Option<String>,
    },
    /// Remove identities, which ends all sessions; with --json: {"items": [id, …]}
    Remove {
        /// The identities' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Of this person instead; the key of an admin of the server is needed
        #[arg(long, value_name = "ID")]
        of: Option<String>,
    },
}

fn id(text: &str) -> Result<IdentityId, Failure> {
    ids::id(text, "identity", "identities list")
}

fn row(one: &Identity) -> [String; 5] {
    let last = one.last_used_at.map(time);
    [one.id.to_string(), one.issuer.clone(), one.subject.clone(), or_dash(one.email.clone()), or_dash(last)]
}

fn provider(one: &OidcProvider) -> [String; 3] {
    [one.name.clone(), one.label.clone(), one.issuer.clone()]
}

impl Identities {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let identities = session.client.identities();
        let person = |of: &Option<String>| of.as_deref().map(principals::id).transpose();
        match self {
            Self::Providers => {
                let found = identities.providers().await?;
                output.table(&found, ["NAME", "LABEL", "ISSUER"], provider)?;
            }
            Self::List { of } => {
                let found = match person(of)? {
                    None => identities.list().await?,
                    Some(person) => identities.list_of(person).await?,
                };
                output.table(&found, ["ID", "ISSUER", "SUBJECT", "EMAIL", "USED"], row)?;
            }
            Self::Remove { ids, of } => {
                let (ids, person) = (ids::all(ids, id)?, person(of)?);
                let remove = async |id| match person {
                    None => identities.remove(id).await,
                    Some(person) => identities.remove_of(person, id).await,
                };
                ids::each(ids, "is removed", output, remove).await?;
            }
        }
        Ok(Exit::Ok)
    }
}
