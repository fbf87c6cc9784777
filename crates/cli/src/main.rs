//! The `longshore` command: the server's door for operators and the SDK's for people and scripts.
//!
//! Verbs are a file each in [`commands`]. Everything that is printed goes through [`output`], every error
//! becomes an exit code and a hint in [`failure`]. What a verb does, the SDK or the server does; this crate
//! never speaks SQL itself, and HTTP only in [`web`], to servers that are not ours.

use std::process::ExitCode;

use clap::Parser;

mod bytes;
mod cli;
mod commands;
mod consent;
mod descendants;
mod docs;
mod duration;
mod failure;
mod hidden;
mod ids;
mod moment;
mod output;
mod premise;
mod profiles;
mod session;
mod signals;
mod text;
mod tokens;
mod transfer;
mod web;

fn main() -> ExitCode {
    keep_heap_small();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return output::usage(&refusal).into(),
    };
    let output = output::Output::new(&cli.global);
    match commands::run(&cli, &output) {
        Ok(exit) => exit.into(),
        Err(error) => failure::report(&error, &output).into(),
    }
}

/// Keeps the heap small, unless the user has set how it is kept.
fn keep_heap_small() {
    if ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"].iter().all(|name| profiles::variable(name).is_none()) {
        // Where that cannot be, all goes on with a larger one.
        let _is_kept = longshore_heap::keep_in_two_arenas();
    }
}
