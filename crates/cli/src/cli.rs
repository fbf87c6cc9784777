//! The command line: what stands before, and goes with, every verb.

use clap::{Args, Parser, ValueEnum};

use crate::commands::Command;
use crate::failure::Exit;

/// The file workspace that agents and people share.
///
/// `longshore serve` starts a server on this machine and saves its first key in your profile; the other verbs
/// then just work. For a server elsewhere set LONGSHORE_URL and LONGSHORE_API_KEY.
#[derive(Parser)]
#[command(name = "longshore", version, propagate_version = true, max_term_width = 110)]
#[command(after_long_help = Exit::help(), subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every verb understands.
// No `Debug`: it would show the key and the tokens.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The server's URL [env: LONGSHORE_URL] [default: the profile's, else http://127.0.0.1:7420]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The API key [env: LONGSHORE_API_KEY] [default: that of the profile with this URL]
    #[arg(long, global = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// The profile to use, before what the environment says [env: LONGSHORE_PROFILE] [default: the current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The workspace [env: LONGSHORE_WORKSPACE] [default: the profile's, else the key's own or only one]
    #[arg(long, global = true, value_name = "NAME|ID")]
    pub(crate) workspace: Option<String>,
    /// The tokens of the locks to write under, with commas between them [env: LONGSHORE_LOCK_TOKEN]
    #[arg(long, global = true, value_name = "TOKEN")]
    pub(crate) lock_token: Option<String>,
    /// Print JSON on standard output, and errors as one JSON object on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: Color,
    /// With serve: log more, on standard error; twice for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}
