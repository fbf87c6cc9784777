//! `longshore init`: all that a server needs, without serving.

use clap::Args;
use longshore_server::{Config, Server};
use serde::Serialize;

use super::serve::{CONFIG_FILE, DataPlace, remember};
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Make the data folder, a configuration file, the database and the first key, without serving
///
/// What is there already stays as it is. The first key is shown this once and saved in the profile `local`.
/// With --json: {"data", "config", "key"}; the key is null where the database was there already.
#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    place: DataPlace,
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let key = runtime.block_on(async {
            let (server, key) = Server::open(config).await?;
            server.close().await;
            anyhow::Ok(key)
        })?;
        let data = data.canonicalize().unwrap_or(data);
        let file = self.place.config.clone().unwrap_or_else(|| data.join(CONFIG_FILE));
        let config_is_new = write_new(&file)
            .map_err(|error| Failure::local(format!("cannot write {}", file.display()), &error))?;
        let key = key.map(|key| key.reveal().to_owned());
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
