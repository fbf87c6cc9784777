//! The Python programs in `bench/`: their lints and types, by tools of a stated version, and the one that has
//! libraries of others verify webhooks.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const PROGRAMS: &str = "bench";
const REQUIREMENTS: &str = "bench/requirements-lint.txt";
const OPENAPI: &str = "bench/requirements-openapi.txt";
const FOREIGN: &str = "bench/requirements-webhooks.txt";
/// What npm installs beside it, by a version of its own.
const FOREIGN_NPM: &str = "standardwebhooks@1.1.1";
/// The servers that the store's suite runs against, and the clients that run against ours.
const SERVERS: &str = "crates/store/tests/servers/requirements.txt";
/// What npm installs beside them.
const SERVERS_NPM: &str = "azurite@3.35.0 tus-js-client@4.3.1";

/// Checks the programs below `root` with tools installed in `tools`. False when something was found.
pub fn check(root: &Path, tools: &Path, out: &mut dyn Write) -> Result<bool> {
    install(root, REQUIREMENTS, tools, out)?;
    let mut passed = true;
    for (tool, args) in
        [("ruff", ["check", "--no-cache"].as_slice()), ("ruff", &["format", "--check", "--no-cache"])]
    {
        passed &=
            succeeds(Command::new(tools.join("bin").join(tool)).args(args).arg(PROGRAMS).current_dir(root))?;
    }
    // From its own folder: that is where the programs import each other, and where the settings are.
    let mut mypy = Command::new(tools.join("bin/mypy"));
    mypy.args(["--no-incremental", "--python-executable"]).arg(tools.join("bin/python")).arg(".");
    passed &= succeeds(mypy.current_dir(root.join(PROGRAMS)))?;
    Ok(passed)
}

/// Has libraries of others verify webhooks that `longshore` delivers, with what is installed in `tools`. False when one
/// refuses what it should take, or takes what it should refuse.
///
/// The libraries are no part of Longshore: where a registry cannot be reached, that is said and the step passes.
pub fn foreign_webhooks(root: &Path, longshore: &Path, tools: &Path, out: &mut dyn Write) -> Result<bool> {
    if let Err(error) = install(root, FOREIGN, tools, out) {
        writeln!(out, "   skipped: {error:#}")?;
        return Ok(true);
    }
    let mut program = Command::new(tools.join("bin/python"));
    program.arg("bench/foreign_webhooks.py").arg("--longshore").arg(longshore).current_dir(root);
    match install_npm(FOREIGN_NPM, tools, out) {
        Ok(modules) => program.arg("--node-modules").arg(modules),
        Err(error) => {
            writeln!(out, "   without npm's library: {error:#}")?;
            &mut program
        }
    };
    out.flush()?;
    succeeds(&mut program)
}

/// Has schemathesis look for requests that `longshore` answers otherwise than docs/openapi.json says. False when it found one.
///
/// It is no part of Longshore: where the registry cannot be reached, that is said and the step passes.
pub fn openapi_conformance(
    root: &Path,
    longshore: &Path,
    tools: &Path,
    seconds: u32,
    seed: Option<u64>,
    out: &mut dyn Write,
) -> Result<bool> {
    if let Err(error) = install(root, OPENAPI, tools, out) {
        writeln!(out, "   skipped: {error:#}")?;
        return Ok(true);
    }
    let mut program = Command::new(tools.join("bin/python"));
    program.arg("bench/openapi_conformance.py").arg("--longshore").arg(longshore);
    program.arg("--seconds").arg(seconds.to_string());
    if let Some(seed) = seed {
        program.arg("--seed").arg(seed.to_string());
    }
    out.flush()?;
    succeeds(program.current_dir(root))
}

/// Installs the servers of the store's suite in `tools`.
pub fn servers(root: &Path, tools: &Path, out: &mut dyn Write) -> Result<()> {
    install(root, SERVERS, tools, out)?;
    install_npm(SERVERS_NPM, tools, out).map(drop)
}

/// Installs packages of npm's below `tools`, unless they are there; returns where. A blank is between them.
fn install_npm(packages: &str, tools: &Path, out: &mut dyn Write) -> Result<PathBuf> {
    let (modules, installed) = (tools.join("node_modules"), tools.join("installed-npm.txt"));
    if fs::read_to_string(&installed).is_ok_and(|found| found == packages) && modules.is_dir() {
        return Ok(modules);
    }
    writeln!(out, "   installing {packages}")?;
    out.flush()?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(tools);
    if !succeeds(npm.args(packages.split(' ')))? {
        bail!("npm could not install {packages}");
    }
    fs::write(&installed, packages).context("cannot note what is installed")?;
    Ok(modules)
}

/// Makes an empty virtual environment.
pub(crate) fn make_environment(place: &Path) -> Result<()> {
    if succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place))? {
        return Ok(());
    }
    bail!("python3 makes no virtual environment (Debian: apt-get install python3-venv)");
}

/// Makes the virtual environment, unless it holds these very requirements.
pub(crate) fn install(root: &Path, requirements: &str, tools: &Path, out: &mut dyn Write) -> Result<()> {
    let wanted = fs::read_to_string(root.join(requirements)).with_context(|| requirements.to_owned())?;
    let installed = tools.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    writeln!(out, "   installing {requirements}")?;
    out.flush()?;
    make_environment(tools)?;
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]);
    if !succeeds(pip.current_dir(root))? {
        bail!("pip could not install {requirements}");
    }
    fs::write(&installed, wanted).context("cannot note what is installed")
}

pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    Ok(status.success())
}
