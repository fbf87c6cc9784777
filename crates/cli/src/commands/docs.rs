//! `longshore docs`: the pages that are made from the code. For the build, not for users.

use clap::{Args, ValueEnum};

use crate::docs;
use crate::failure::Exit;
use crate::output::Output;

/// Print a page of the documentation that is made from the code
#[derive(Args)]
pub(crate) struct Docs {
    /// The page
    #[arg(value_enum)]
    page: Page,
}

#[derive(Clone, Copy, ValueEnum)]
enum Page {
    ErrorCodes,
    Config,
    Cli,
}

impl Docs {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let text = match self.page {
            Page::ErrorCodes => docs::error_codes(),
            Page::Config => longshore_server::Config::template(),
            Page::Cli => docs::cli(),
        };
        output.raw(text.as_bytes())?;
        Ok(Exit::Ok)
    }
}
