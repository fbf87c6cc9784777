//! `cargo xtask`: the gate (`ci`), the house rules (`tidy`), the generated files (`openapi`, `docs`) and parts
//! of the gate alone (`servers`, `webhooks`, `openapi-conformance`, `fuzz`, `package`).

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use xtask::ci::{CONFORMANCE, FUZZ};
use xtask::generated::{Group, Longshore, Mode};
use xtask::{ci, generated, tidy};

const HELP: &str = "\
cargo xtask COMMAND

  ci                  everything that must hold before a change lands
  tidy                the house rules: arrows between crates, doors, file sizes, links
  openapi [--check]   writes docs/openapi.json from the code, or compares it
  docs [--check]      writes the other generated documents, or compares them
  servers [ARGS]      the store's suite against real servers; ARGS go to its program (a filter, --list)
  webhooks            has libraries of others verify what the built binary delivers
  openapi-conformance [SECONDS]
                      has schemathesis compare the built server with docs/openapi.json (300 s)
  fuzz [SECONDS]      builds the fuzz targets, and runs each (5 s)
  package             builds, installs and tests the Python package with the built binary
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to do when standard error itself is closed.
            writeln!(io::stderr(), "xtask: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn parse(seconds: &str) -> Result<u32> {
    seconds.parse().with_context(|| format!("{seconds} is no number of seconds"))
}

fn run(args: &[String]) -> Result<bool> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut out = io::stdout();
    match args.as_slice() {
        ["ci"] => ci::run(&tidy::workspace_root()?, &mut out),
        ["tidy"] => {
            let report = tidy::check(&tidy::workspace_root()?)?;
            report.print(&mut out)?;
            Ok(report.passes())
        }
        [group @ ("openapi" | "docs"), rest @ ..] => {
            let group = if *group == "openapi" { Group::OpenApi } else { Group::Docs };
            let mode = match rest {
                [] => Mode::Write,
                ["--check"] => Mode::Check,
                _ => bail!("unknown arguments: {}", rest.join(" ")),
            };
            let root = tidy::workspace_root()?;
            generated::run(&root, &Longshore::ByCargo, group, mode, &mut out)
        }
        ["servers", arguments @ ..] => ci::servers(&tidy::workspace_root()?, arguments, &mut out),
        ["webhooks"] => ci::webhooks(&tidy::workspace_root()?, &mut out),
        ["openapi-conformance"] => ci::openapi_conformance(&tidy::workspace_root()?, CONFORMANCE, &mut out),
        ["openapi-conformance", seconds] => {
            ci::openapi_conformance(&tidy::workspace_root()?, parse(seconds)?, &mut out)
        }
        ["fuzz"] => ci::fuzz(&tidy::workspace_root()?, FUZZ, &mut out),
        ["fuzz", seconds] => ci::fuzz(&tidy::workspace_root()?, parse(seconds)?, &mut out),
        ["package"] => ci::package(&tidy::workspace_root()?, &mut out),
        [] | ["help" | "--help" | "-h"] => {
            out.write_all(HELP.as_bytes()).context("cannot print the help")?;
            Ok(!args.is_empty())
        }
        other => bail!("unknown command: {}\n\n{HELP}", other.join(" ")),
    }
}
