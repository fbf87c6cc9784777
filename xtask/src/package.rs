//! The Python package: its sources checked, its wheel built, installed where nothing else is, and tested there.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::python::{install, make_environment, succeeds};

const FOLDER: &str = "crates/python";
const TOOLS: &str = "crates/python/requirements-tools.txt";
const BESIDE: &str = "crates/python/requirements-dev.txt";

/// Checks, builds and tests the package below `root` with tools of `tools`, and with this program as its command. False when
/// something was found.
pub fn check(root: &Path, tools: &Path, longshore: &Path, out: &mut dyn Write) -> Result<bool> {
    install(root, TOOLS, tools, out)?;
    let (folder, bin) = (root.join(FOLDER), tools.join("bin"));
    let run =
        |program: PathBuf, args: &[&str]| succeeds(Command::new(program).args(args).current_dir(&folder));
    let mut passed = run(bin.join("python"), &["generate.py", "--check"])?;
    passed &= run(bin.join("ruff"), &["check", "--no-cache", "."])?;
    passed &= run(bin.join("ruff"), &["format", "--check", "--no-cache", "."])?;
    passed &= run(
        bin.join("mypy"),
        &["--no-incremental", "python/longshore", "build_backend.py", "generate.py", "tests", "examples"],
    )?;
    if !passed {
        return Ok(false);
    }
    let wheel = build(&folder, tools, longshore)?;
    // A new one each time, so that nothing of an older package helps.
    let environment = tools.join("installed");
    make_environment(&environment)?;
    writeln!(out, "   installing {}", wheel.display())?;
    out.flush()?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).arg(&wheel).arg("--requirement");
    if !succeeds(pip.arg(root.join(BESIDE)))? {
        bail!("pip could not install the wheel");
    }
    let python = environment.join("bin/python");
    passed &= run(python.clone(), &["-m", "mypy.stubtest", "longshore._longshore"])?;
    let mut tests = Command::new(python);
    // The server that the tests start is the command that came with the wheel.
    tests.args(["-m", "pytest"]).env("LONGSHORE_BIN", environment.join("bin/longshore")).current_dir(&folder);
    passed &= succeeds(&mut tests)?;
    passed &= source_distribution(&folder, tools)?;
    Ok(passed)
}

/// Builds the wheel, with `longshore` as its command, and returns where it is.
fn build(folder: &Path, tools: &Path, longshore: &Path) -> Result<PathBuf> {
    let wheels = empty(tools.join("wheels"))?;
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.args(["wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]);
    pip.args(["--config-settings", "build-args=--locked --profile dev", "--wheel-dir"]).arg(&wheels).arg(".");
    pip.env("PATH", path_with(tools)?).env("LONGSHORE_COMMAND", longshore).current_dir(folder);
    if !succeeds(&mut pip)? {
        bail!("the wheel could not be built");
    }
    only(&wheels)
}

/// Builds the source distribution, and tells whether it is a workspace by itself.
fn source_distribution(folder: &Path, tools: &Path) -> Result<bool> {
    let sources = empty(tools.join("sources"))?;
    let mut build = Command::new(tools.join("bin/python"));
    build.args(["-c", "import build_backend, sys; build_backend.build_sdist(sys.argv[1])"]).arg(&sources);
    if !succeeds(build.env("PATH", path_with(tools)?).current_dir(folder))? {
        bail!("the source distribution could not be built");
    }
    let mut unpack = Command::new("tar");
    if !succeeds(
        unpack.arg("xzf").arg(only(&sources)?).args(["--strip-components", "1"]).current_dir(&sources),
    )? {
        bail!("the source distribution could not be unpacked");
    }
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--offline", "--format-version", "1"]).stdout(Stdio::null());
    succeeds(metadata.current_dir(&sources))
}

/// Returns `PATH` with the tools before all else.
fn path_with(tools: &Path) -> Result<OsString> {
    #[expect(clippy::disallowed_methods, reason = "what is started finds its own programs by it")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.join("bin")).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("a folder of PATH has a colon in its name")
}

/// Makes a folder, or empties it of what an earlier run left.
fn empty(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove what an earlier run left")?;
    }
    fs::create_dir_all(&folder).context("cannot make a folder for what is built")?;
    Ok(folder)
}

/// Returns the one file that a build has left.
fn only(folder: &Path) -> Result<PathBuf> {
    let mut found = fs::read_dir(folder).context("cannot read what was built")?;
    Ok(found.next().context("the build left nothing")??.path())
}
