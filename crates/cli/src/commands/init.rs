//! `longshore init`: all that a server needs, without serving.

use clap::Args;
use longshore_server::{Config, Server, WayIn};
use serde::Serialize;

use super::serve::{CONFIG_FILE, DataPlace, remember, tell_first_key};
use crate::failure::{Exit, Failure};
use crate::hidden;
use crate::output::Output;

/// Make the data folder, a configuration file, the database and the first key, without serving
///
/// What is there already stays as it is, passwords too. The first key is shown this once and saved in the profile `local`.
/// With --json: {"data", "config", "key"}; the key is null where the database was there already.
#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    place: DataPlace,
    /// Where the database is new: the name by which its first administrator signs in from a browser; the password is typed
    /// unseen, or comes on standard input
    #[arg(long, value_name = "NAME")]
    sign_in_name: Option<String>,
}

#[derive(Serialize)]
struct Made {
    data: String,
    config: String,
    key: Option<String>,
    #[serde(skip)]
    config_is_new: bool,
    #[serde(skip)]
    saved: bool,
}

impl Init {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let config = self.place.load()?;
        let data = config.data.dir.clone();
        let listen = config.server.listen;
        let scheme = if config.server.tls_certificate.is_some() { "https" } else { "http" };
        // Asked for first: what is refused leaves nothing behind.
        let way = self.sign_in_name.as_deref().map(|name| first_way(name, output)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (key, set) = runtime.block_on(async {
            let (server, key) = Server::open(config).await?;
            let set = match way.filter(|_| key.is_some()) {
                Some(way) => set_password(&server, way).await,
                None => Ok(()),
            };
            server.close().await;
            anyhow::Ok((key.map(|key| key.reveal().to_owned()), set))
        })?;
        let data = data.canonicalize().unwrap_or(data);
        let file = self.place.config.clone().unwrap_or_else(|| data.join(CONFIG_FILE));
        let finish = || -> anyhow::Result<bool> {
            set?;
            let unwritten = |error| Failure::local(format!("cannot write {}", file.display()), &error);
            Ok(write_new(&file).map_err(unwritten)?)
        };
        let config_is_new = finish().inspect_err(|_| tell_first_key(key.as_deref(), output))?;
        let saved = remember_key(&format!("{scheme}://{listen}"), key.as_deref(), &data, output);
        let made = Made {
            data: data.display().to_string(),
            config: file.display().to_string(),
            key,
            config_is_new,
            saved,
        };
        output.object(&made, describe)?;
        Ok(Exit::Ok)
    }
}

/// Asks for the first administrator's password.
fn first_way(name: &str, output: Output) -> Result<WayIn, Failure> {
    let password = hidden::read_new("password of the first administrator", output)?;
    longshore_server::ensure_sign_in(name, &password)
        .map_err(|error| Failure::of_code(error.code(), error.to_string()))?;
    Ok(WayIn::Password { sign_in_name: Some(name.to_owned()), password })
}

/// Has the one administrator of a new database sign in by a password.
async fn set_password(server: &Server, way: WayIn) -> anyhow::Result<()> {
    let first = server.engine().administrators().await?.into_iter().next();
    let first = first.ok_or_else(|| anyhow::anyhow!("a new database without an administrator"))?;
    server.engine().recover(first.principal.id, way).await?;
    Ok(())
}

/// A server that was there before is where its profile says; only a new one is taken note of.
fn remember_key(url: &str, key: Option<&str>, data: &std::path::Path, output: Output) -> bool {
    key.is_some() && remember(url, key, data, output)
}

/// Writes the configuration template, if there is no file yet. Every setting in it is commented out.
fn write_new(file: &std::path::Path) -> std::io::Result<bool> {
    use std::io::Write;
    match std::fs::File::create_new(file) {
        Ok(mut made) => made.write_all(Config::template().as_bytes()).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn describe(made: &Made) -> String {
    let state = |new: bool| if new { "made" } else { "was there" };
    let mut text = format!(
        "data    {} ({})\nconfig  {} ({})",
        made.data,
        state(made.key.is_some()),
        made.config,
        state(made.config_is_new)
    );
    if let Some(key) = &made.key {
        let note = if made.saved { ", saved in the profile local" } else { "" };
        text.push_str(&format!("\nkey     {key} (shown this once{note})"));
    }
    text.push_str("\nstart the server with `longshore serve`");
    text
}
