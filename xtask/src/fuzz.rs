//! The fuzz targets in `fuzz/`: built with coverage counters by the compiler that all else is built with, and run for a
//! stated time each.
//!
//! The flags are those by which libFuzzer is told what a run has reached (LLVM's SanitizerCoverage); no sanitizer is
//! linked, so no nightly compiler is needed.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::python::succeeds;

const TARGETS: &[&str] = &["paths", "keys", "urls", "headers", "tus", "bodies"];

const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Returns what this machine is, as compilers name it.
fn host() -> Result<String> {
    let told = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8(told.stdout).context("rustc tells no text")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not tell its host")
}

/// Builds the targets at `root` in `place`, and runs each for so many seconds; false when one has found something.
///
/// What was found stays in `place`, and each run goes on with what those before have reached.
pub(crate) fn run(root: &Path, place: &Path, seconds: u32, out: &mut dyn Write) -> Result<bool> {
    if !succeeds(Command::new("c++").arg("--version").stdout(std::process::Stdio::null())).unwrap_or(false) {
        writeln!(out, "   skipped: libFuzzer needs a C++ compiler (Debian: apt-get install g++)")?;
        return Ok(true);
    }
    let host = host()?;
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--release", "--locked", "--target", &host, "--target-dir"]).arg(place);
    // A stated target keeps the flags from what runs while building.
    build.env("RUSTFLAGS", COVERAGE).current_dir(root.join("fuzz"));
    if !succeeds(&mut build)? {
        bail!("the fuzz targets do not build");
    }
    let mut passed = true;
    for target in TARGETS {
        let (corpus, found) = (place.join("corpus").join(target), place.join("found").join(target));
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut fuzz = Command::new(place.join(&host).join("release").join(target));
        fuzz.arg(&corpus).arg(root.join("fuzz/seeds").join(target));
        fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", found.display()));
        fuzz.args(["-rss_limit_mb=2048", "-timeout=20", "-max_len=4096", "-print_final_stats=1"]);
        let told = fuzz.output().with_context(|| format!("cannot run {fuzz:?}"))?;
        let text = String::from_utf8_lossy(&told.stderr);
        let stat = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map_or("?", str::trim).to_owned()
        };
        let (runs, rss) = (stat("stat::number_of_executed_units:"), stat("stat::peak_rss_mb:"));
        let reached = text
            .lines()
            .rev()
            .find_map(|line| line.split_once(" cov: "))
            .map_or("?", |(_, rest)| rest.split(' ').next().unwrap_or("?"));
        writeln!(out, "   {target}: {runs} runs, {reached} places reached, {rss} MiB at most")?;
        if !told.status.success() {
            writeln!(out, "{text}\n   {target}: FOUND something, kept in {}", found.display())?;
            passed = false;
        }
        out.flush()?;
    }
    Ok(passed)
}
