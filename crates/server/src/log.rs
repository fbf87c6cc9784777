//! Where log lines go: standard error, as text or as JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use crate::error::{Error, Result};

/// Sends this process's log to standard error, as configured. A program calls it once, at its start.
pub fn install(config: &LogConfig) -> Result<()> {
    let filter = EnvFilter::builder()
        .parse(&config.level)
        .map_err(|error| Error::caused("the configuration: log.level", error))?;
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    let installed = match config.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| Error::new(format!("the log: {error}")))
}
