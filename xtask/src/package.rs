//! The Python package: its sources checked, its wheel built, installed where nothing else is, and tested there.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::python::{install, make_environment, succeeds};

const FOLDER: &str = "crates/python";
const REQUIREMENTS: &str = "crates/python/requirements-dev.txt";

/// Checks, builds and tests the package below `root` with tools of `tools`, and with this program as the server. False when
/// something was found.
pub fn check(root: &Path, tools: &Path, longshore: &Path, out: &mut dyn Write) -> Result<bool> {
    install(root, REQUIREMENTS, tools, out)?;
    let (folder, bin) = (root.join(FOLDER), tools.join("bin"));
    let run =
        |program: PathBuf, args: &[&str]| succeeds(Command::new(program).args(args).current_dir(&folder));
    let mut passed = run(bin.join("python"), &["generate.py", "--check"])?;
    passed &= run(bin.join("ruff"), &["check", "--no-cache", "."])?;
    passed &= run(bin.join("ruff"), &["format", "--check", "--no-cache", "."])?;
    passed &=
        run(bin.join("mypy"), &["--no-incremental", "python/longshore", "generate.py", "tests", "examples"])?;
    if !passed {
        return Ok(false);
    }
    let wheel = build(&folder, tools)?;
    // A new one each time, so that nothing of an older package helps.
    let environment = tools.join("installed");
    make_environment(&environment)?;
    writeln!(out, "   installing {}", wheel.display())?;
    out.flush()?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).arg(&wheel).arg("--requirement");
    if !succeeds(pip.arg(root.join(REQUIREMENTS)))? {
        bail!("pip could not install the wheel");
    }
    let python = environment.join("bin/python");
    passed &= run(python.clone(), &["-m", "mypy.stubtest", "longshore._longshore"])?;
    let mut tests = Command::new(python);
    tests.args(["-m", "pytest"]).env("LONGSHORE_BIN", longshore).current_dir(&folder);
    passed &= succeeds(&mut tests)?;
    Ok(passed)
}

/// Builds the wheel and returns where it is.
fn build(folder: &Path, tools: &Path) -> Result<PathBuf> {
    let wheels = tools.join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels).context("cannot remove the wheels of an earlier run")?;
    }
    let mut maturin = Command::new(tools.join("bin/maturin"));
    maturin.args(["build", "--locked", "--quiet", "--profile", "dev", "--out"]).arg(&wheels);
    if !succeeds(maturin.current_dir(folder))? {
        bail!("maturin could not build the wheel");
    }
    let mut found = fs::read_dir(&wheels).context("maturin left no wheel")?;
    let wheel = found.next().context("maturin left no wheel")??;
    Ok(wheel.path())
}
