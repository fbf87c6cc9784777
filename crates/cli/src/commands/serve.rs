//! `longshore serve`: a server of this machine's folder.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};

use clap::Args;
use longshore_server::config::Secret;
use longshore_server::{Config, Server};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::cli::Global;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::profiles::{LOCAL, Profiles, data_folder, variable};
use crate::signals::interrupted;

/// The configuration file that is read where none is named and the data folder has one.
pub(super) const CONFIG_FILE: &str = "longshore.toml";

/// Start a server
///
/// With nothing configured it makes a data folder with a database and a store, a workspace `default` and a first
/// key, which is shown this once and saved in the profile `local`, and listens on 127.0.0.1:7420. Each setting
/// comes from the flag, else from the environment, else from the configuration file: --config, else longshore.toml
/// in the data folder. The log goes to standard error; LONGSHORE_LOG or -v sets its level.
///
/// Ctrl-C or SIGTERM finishes running requests and stops; a second one stops at once.
#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: DataPlace,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Print one line of JSON once it listens: {"url", "key"}, the key only at the first start. For scripts: the
    /// profile stays as it is
    #[arg(long)]
    ready_json: bool,
    /// With --ready-json: save the first key and the address in the profile nevertheless
    #[arg(long)]
    save_profile: bool,
    /// Print a configuration file with every setting at its default, and do nothing else
    #[arg(long)]
    print_config: bool,
}

/// Where a server's things are.
#[derive(Args)]
pub(super) struct DataPlace {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The data folder [default: longshore in $XDG_DATA_HOME, else in ~/.local/share]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The URL of the store that keeps the bytes of large files, such as s3://bucket/folder; ${NAME} in it is a variable of
    /// the environment, for what others must not see in the list of processes [default: a folder in the data folder]
    #[arg(long, value_name = "URL")]
    pub(super) store: Option<String>,
}

impl DataPlace {
    /// Returns the data folder, where a flag or nothing at all names it; a file or the environment may otherwise.
    pub(super) fn folder(&self) -> Result<Option<PathBuf>, Failure> {
        if let Some(data) = &self.data {
            return Ok(Some(data.clone()));
        }
        if variable("LONGSHORE_DATA_DIR").is_some() || self.config_names_data()? {
            return Ok(None);
        }
        data_folder().map(Some)
    }

    fn config_names_data(&self) -> Result<bool, Failure> {
        let Some(file) = &self.config else { return Ok(false) };
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::local(format!("cannot read {}", file.display()), &error))?;
        // What is wrong with the file is said when it is loaded.
        let table = text.parse::<toml::Table>().unwrap_or_default();
        Ok(table.get("data").and_then(|data| data.get("dir")).is_some())
    }

    /// Loads the configuration.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        let folder = self.folder()?;
        let found = folder.as_deref().map(|folder| folder.join(CONFIG_FILE)).filter(|file| file.is_file());
        let mut config = Config::load(self.config.as_deref().or(found.as_deref()))
            .map_err(|error| Failure::invalid(chain(&error)))?;
        if let Some(folder) = folder {
            config.data.dir = folder;
        }
        if let Some(url) = &self.store {
            config.store.url = Some(Secret(url.clone()));
            config.check().map_err(|error| Failure::invalid(chain(&error)))?;
        }
        Ok(config)
    }
}

/// Writes an error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(&format!(": {deeper}"));
        cause = deeper.source();
    }
    text
}

#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl Serve {
    pub(crate) fn run(&self, global: &Global, output: Output) -> anyhow::Result<Exit> {
        if self.print_config {
            output.raw(Config::template().as_bytes())?;
            return Ok(Exit::Ok);
        }
        let mut config = self.place.load()?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        start_log(&mut config, global)?;
        run_on_all_cores(self.serve(config, output))
    }

    async fn serve(&self, config: Config, output: Output) -> anyhow::Result<Exit> {
        let data = config.data.dir.clone();
        let (server, key) = Server::open(config).await?;
        let key = key.as_ref().map(|key| key.reveal());
        let data = data.canonicalize().unwrap_or(data);
        let bound = match server.bind().await {
            Ok(bound) => bound,
            Err(error) => {
                tell_first_key(key, output);
                return Err(Failure::new(Exit::Unexpected, "local_listen", chain(&error))
                    .hint("`--listen 127.0.0.1:0` takes any free port")
                    .into());
            }
        };
        let url = bound.url();
        let saved =
            if !self.ready_json || self.save_profile { remember(&url, key, &data, output) } else { false };
        // Who reads that it is ready may tell it to stop at once.
        let stop = interrupted();
        if self.ready_json {
            output.json_line(&Ready { url: &url, key })?;
        } else {
            banner(&url, key, &data, saved, output)?;
        }
        let note = "stopping: running requests are finished; once more to stop at once";
        until_told(stop, output, note, |told| bound.serve(told)).await
    }
}

/// Sends the log where the configuration, or `-v`, says.
pub(super) fn start_log(config: &mut Config, global: &Global) -> Result<(), Failure> {
    match global.verbose {
        0 => config.log.level = variable("LONGSHORE_LOG").unwrap_or_else(|| config.log.level.clone()),
        1 => "debug".clone_into(&mut config.log.level),
        _ => "trace".clone_into(&mut config.log.level),
    }
    longshore_server::log::install(&config.log).map_err(|error| Failure::invalid(chain(&error)))
}

/// Runs a server's work to its end; threads that hang then are not waited for.
pub(super) fn run_on_all_cores(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(Box::pin(work));
    runtime.shutdown_background();
    exit
}

/// What a running server listens to, to know when to stop.
pub(super) type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs something until `stop` comes, which it is told; a second signal ends it at once.
pub(super) async fn until_told<R>(
    stop: impl Future<Output = ()>,
    output: Output,
    note: &str,
    run: impl FnOnce(Told) -> R,
) -> anyhow::Result<Exit>
where
    R: Future<Output = longshore_server::Result<()>>,
{
    let (tell, told) = oneshot::channel::<()>();
    let mut running = pin!(run(Box::pin(async move {
        let _ended_either_way = told.await;
    })));
    tokio::select! {
        ended = &mut running => return Ok(ended.map(|()| Exit::Ok)?),
        () = stop => {}
    }
    let stop_at_once = interrupted();
    output.note(note);
    let _it_is_gone = tell.send(());
    tokio::select! {
        ended = &mut running => Ok(ended.map(|()| Exit::Ok)?),
        () = stop_at_once => Ok(Exit::Interrupted),
    }
}

/// Tells the first key where something fails after it was made: it is nowhere else.
pub(super) fn tell_first_key(key: Option<&str>, output: Output) {
    if let Some(key) = key {
        output.note(&format!("note: the first key has been made: {key}"));
    }
}

/// Takes note of the server in the profiles. A failure is told, but a server starts without profiles too.
pub(super) fn remember(url: &str, key: Option<&str>, data: &Path, output: Output) -> bool {
    let saved = Profiles::load().and_then(|mut profiles| {
        let before = profiles.clone();
        let said = profiles.started(url, key, data);
        if profiles != before {
            profiles.save()?;
        }
        Ok(said)
    });
    match saved {
        Ok(said) => {
            said.iter().for_each(|said| output.note(&format!("note: {said}")));
            key.is_some()
        }
        Err(failure) => {
            output.note(&format!("note: the profile was not saved: {failure}"));
            false
        }
    }
}

fn banner(url: &str, key: Option<&str>, data: &Path, saved: bool, output: Output) -> io::Result<()> {
    output.line(&format!("longshore {} serves at {url}", env!("CARGO_PKG_VERSION")))?;
    output.line(&format!("  data  {}", data.display()))?;
    if let Some(key) = key {
        output.line(&format!("  key   {key}"))?;
        let note = if saved { format!("; it is saved in the profile {LOCAL}") } else { String::new() };
        output.line(&format!("        shown this once{note}"))?;
    }
    output.line("try `longshore up FOLDER /` in another terminal; Ctrl-C stops the server")
}
