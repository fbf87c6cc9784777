//! `longshore password`: what people sign in with.

use clap::Subcommand;
use longshore::{ChangePassword, ResetPassword};

use super::principals::id;
use crate::failure::Exit;
use crate::hidden;
use crate::output::{Output, time};
use crate::session::Session;

/// Set passwords, with which people sign in from a browser
///
/// Passwords and tokens are typed unseen, or come on standard input, a line each; they are never arguments.
#[derive(Subcommand)]
pub(crate) enum Password {
    /// Set another password of your own: the present one, then the new one. All your sessions end
    Change,
    /// Make a token by which a person sets a new password, once and within a day; it takes an admin of the server
    ///
    /// The token alone goes to standard output; with --json: {"token", "expires_at"}.
    Reset {
        /// The person's id
        #[arg(value_name = "ID")]
        who: String,
    },
    /// Set a new password by such a token: the token, then the password
    Set {
        /// A new name to sign in by; needed where you have none
        #[arg(long, value_name = "NAME")]
        sign_in_name: Option<String>,
    },
}

impl Password {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let client = &session.client;
        match self {
            Self::Change => {
                let current = hidden::read("present password", output)?;
                let new = hidden::read_new("new password", output)?;
                client.sessions().change_password(&ChangePassword { current, new }).await?;
                output.note("note: the new password holds");
            }
            Self::Reset { who } => {
                let made = client.principals().create_reset(id(who)?).await?;
                if !output.json {
                    output.note(&format!(
                        "note: the token is shown this once and good until {}",
                        time(made.expires_at)
                    ));
                }
                output.object(&made, |made| made.token.reveal().to_owned())?;
            }
            Self::Set { sign_in_name } => {
                let token = hidden::read("token", output)?;
                let password = hidden::read_new("new password", output)?;
                let wanted = ResetPassword { token, password, sign_in_name: sign_in_name.clone() };
                client.sessions().reset_password(&wanted).await?;
                output.note("note: the new password holds");
            }
        }
        Ok(Exit::Ok)
    }
}
