//! Lints and types of the Python programs in `bench/`, by tools of a stated version.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

const PROGRAMS: &str = "bench";
const REQUIREMENTS: &str = "bench/requirements-lint.txt";

/// Checks the programs below `root` with tools installed in `tools`. False when something was found.
pub fn check(root: &Path, tools: &Path, out: &mut dyn Write) -> Result<bool> {
    install(root, tools, out)?;
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

/// Makes the virtual environment, unless it holds these very requirements.
fn install(root: &Path, tools: &Path, out: &mut dyn Write) -> Result<()> {
    let wanted = fs::read_to_string(root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let installed = tools.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    writeln!(out, "   installing {REQUIREMENTS}")?;
    out.flush()?;
    let made = succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(tools))?;
    if !made {
        bail!("python3 makes no virtual environment (Debian: apt-get install python3-venv)");
    }
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS]);
    if !succeeds(pip.current_dir(root))? {
        bail!("pip could not install {REQUIREMENTS}");
    }
    fs::write(&installed, wanted).context("cannot note what is installed")
}

fn succeeds(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    Ok(status.success())
}
