//! `longshore openapi`: the API's description, from the code. For the build, not for users.

use clap::Args;

use crate::failure::Exit;
use crate::output::Output;

/// Print the OpenAPI description of the HTTP API
#[derive(Args)]
pub(crate) struct Openapi {}

impl Openapi {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let mut text = serde_json::to_string_pretty(&longshore_server::openapi())?;
        text.push('\n');
        output.raw(text.as_bytes())?;
        Ok(Exit::Ok)
    }
}
