//! `longshore completions`: what a shell needs to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Exit;
use crate::output::Output;

/// Print completions for a shell
///
/// For example: longshore completions bash > ~/.local/share/bash-completion/completions/longshore
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "longshore", &mut script);
        output.raw(&script)?;
        Ok(Exit::Ok)
    }
}
