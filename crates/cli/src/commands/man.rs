//! `longshore man`: manual pages.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::Exit;
use crate::output::Output;

/// Write manual pages into a folder, which is made
#[derive(Args)]
pub(crate) struct Man {
    /// The folder, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let show = self.folder.display();
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {show}"))?;
        clap_mangen::generate_to(Cli::command(), &self.folder)
            .with_context(|| format!("cannot write to {show}"))?;
        output.note(&format!("wrote manual pages to {show}"));
        Ok(Exit::Ok)
    }
}
