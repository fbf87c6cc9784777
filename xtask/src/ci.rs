//! The gate: everything that must hold before a change lands, cheapest first.
//!
//! The tests run last, so that the output ends with the runner's closing lines.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::generated::{self, Group, Longshore, Mode};
use crate::{fuzz, package, python, tidy};

/// Crates whose documentation holds examples to run.
const DOCTESTED: &[&str] = &["longshore-core", "longshore-flow", "longshore-store", "longshore"];

/// For how many seconds the server's answers are compared with the document.
pub const CONFORMANCE: u32 = 300;

/// What the gate's requests grow from: a change is judged by the same ones as the last. Who looks for more, by the command,
/// gets others each time.
const CONFORMANCE_SEED: u64 = 7;

/// For how many seconds each fuzz target runs.
pub const FUZZ: u32 = 5;

/// Runs every step at `root`, stopping at the first that fails. False when one did.
pub fn run(root: &Path, out: &mut dyn Write) -> Result<bool> {
    let mut gate = Gate { root, out, times: Vec::new() };
    let steps: &[fn(&mut Gate<'_>) -> Result<bool>] = &[
        |gate| gate.cargo("format", &["fmt", "--all", "--check"], &[]),
        |gate| gate.tidy(),
        |gate| {
            let args = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"];
            gate.cargo("clippy", &args, &[])
        },
        |gate| gate.licences(),
        |gate| gate.python(),
        |gate| gate.cargo("build", &["build", "--workspace", "--locked"], &[]),
        |gate| gate.generated(),
        |gate| gate.foreign_webhooks(),
        |gate| gate.package(),
        |gate| gate.doctests(),
        |gate| gate.openapi_conformance(CONFORMANCE, Some(CONFORMANCE_SEED)),
        |gate| gate.fuzz(FUZZ),
        |gate| {
            // Libraries: the binary's pages would land on those of the SDK, which has its name.
            let args = ["doc", "--no-deps", "--workspace", "--lib", "--locked"];
            gate.cargo("documentation", &args, &[("RUSTDOCFLAGS", "-Dwarnings")])
        },
        |gate| gate.opendal(),
        |gate| gate.servers(&[]),
        |gate| gate.tests(),
    ];
    for step in steps {
        if !step(&mut gate)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Has libraries of others verify what the built binary delivers. False when one does not.
pub fn webhooks(root: &Path, out: &mut dyn Write) -> Result<bool> {
    Gate { root, out, times: Vec::new() }.foreign_webhooks()
}

/// Has schemathesis compare what the built server answers with docs/openapi.json. False when it found a difference.
pub fn openapi_conformance(root: &Path, seconds: u32, out: &mut dyn Write) -> Result<bool> {
    Gate { root, out, times: Vec::new() }.openapi_conformance(seconds, None)
}

/// Builds and runs the fuzz targets. False when one has found something.
pub fn fuzz(root: &Path, seconds: u32, out: &mut dyn Write) -> Result<bool> {
    Gate { root, out, times: Vec::new() }.fuzz(seconds)
}

/// Builds the Python package, and tests what is installed of it. False when something was found.
pub fn package(root: &Path, out: &mut dyn Write) -> Result<bool> {
    Gate { root, out, times: Vec::new() }.package()
}

/// Runs the store's suite against real servers, with further arguments for its program. False when a trial failed.
pub fn servers(root: &Path, arguments: &[&str], out: &mut dyn Write) -> Result<bool> {
    Gate { root, out, times: Vec::new() }.servers(arguments)
}

struct Gate<'a> {
    root: &'a Path,
    out: &'a mut dyn Write,
    times: Vec<(&'static str, Duration)>,
}

impl Gate<'_> {
    /// Runs one step with its name above and its time below.
    fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&Path, &mut dyn Write) -> Result<bool>,
    ) -> Result<bool> {
        writeln!(self.out, "== {name}")?;
        self.out.flush()?;
        let start = Instant::now();
        let passed = work(self.root, self.out)?;
        let time = start.elapsed();
        self.times.push((name, time));
        let word = if passed { "ok" } else { "FAILED" };
        writeln!(self.out, "== {name}: {word} in {:.1} s", time.as_secs_f64())?;
        self.out.flush()?;
        Ok(passed)
    }

    fn cargo(&mut self, name: &'static str, args: &[&str], env: &[(&str, &str)]) -> Result<bool> {
        self.step(name, |root, _| cargo(root, args, env))
    }

    fn tidy(&mut self) -> Result<bool> {
        self.step("tidy", |root, out| {
            let report = tidy::check(root)?;
            report.print(out)?;
            Ok(report.passes())
        })
    }

    /// cargo-deny is a convenience here: it takes minutes to build, so nobody is made to install it.
    fn licences(&mut self) -> Result<bool> {
        if !has_subcommand(self.root, "deny") {
            writeln!(self.out, "== licences and bans: skipped, cargo-deny is not installed")?;
            return Ok(true);
        }
        let args = ["deny", "--locked", "check", "bans", "licenses", "sources"];
        self.cargo("licences and bans", &args, &[])
    }

    fn python(&mut self) -> Result<bool> {
        self.step("python", |root, out| python::check(root, &target(root)?.join("python-tools"), out))
    }

    fn generated(&mut self) -> Result<bool> {
        self.step("generated files", |root, out| {
            let longshore = Longshore::Built(built(root)?);
            let mut same = true;
            for group in [Group::OpenApi, Group::Docs] {
                same &= generated::run(root, &longshore, group, Mode::Check, out)?;
            }
            Ok(same)
        })
    }

    fn foreign_webhooks(&mut self) -> Result<bool> {
        self.step("webhooks verified by others", |root, out| {
            python::foreign_webhooks(root, &built(root)?, &target(root)?.join("webhook-tools"), out)
        })
    }

    fn openapi_conformance(&mut self, seconds: u32, seed: Option<u64>) -> Result<bool> {
        self.step("answers as documented", |root, out| {
            let tools = target(root)?.join("openapi-tools");
            python::openapi_conformance(root, &built(root)?, &tools, seconds, seed, out)
        })
    }

    fn fuzz(&mut self, seconds: u32) -> Result<bool> {
        self.step("fuzz targets", |root, out| fuzz::run(root, &target(root)?.join("fuzz"), seconds, out))
    }

    fn package(&mut self) -> Result<bool> {
        self.step("Python package", |root, out| {
            package::check(root, &target(root)?.join("python-package"), &built(root)?, out)
        })
    }

    /// The one part that no other build compiles.
    fn opendal(&mut self) -> Result<bool> {
        let lint = ["clippy", "-p", "longshore-store", "--features", "opendal", "--all-targets", "--locked"];
        let lint: Vec<_> = lint.into_iter().chain(["--", "-Dwarnings"]).collect();
        let test =
            ["test", "-p", "longshore-store", "--features", "opendal", "--test", "it", "--locked", "--"];
        let test: Vec<_> = test.into_iter().chain(["opendal", "--quiet"]).collect();
        Ok(self.cargo("lints of the store over OpenDAL", &lint, &[])?
            && self.cargo("store over OpenDAL", &test, &[])?)
    }

    fn servers(&mut self, arguments: &[&str]) -> Result<bool> {
        self.step("store on real servers", |root, out| {
            let tools = target(root)?.join("servers");
            python::servers(root, &tools, out)?;
            let folder = tools.to_str().context("the target folder has a name that is not UTF-8")?;
            let mut args =
                vec!["test", "--package", "longshore-store", "--test", "servers", "--locked", "--"];
            args.extend(arguments);
            if !cargo(root, &args, &[("LONGSHORE_TEST_SERVERS", folder)])? {
                return Ok(false);
            }
            // The main job of the whole program over some of them.
            args[2] = "longshore-cli";
            cargo(root, &args, &[("LONGSHORE_TEST_SERVERS", folder)])
        })
    }

    fn doctests(&mut self) -> Result<bool> {
        let mut args = vec!["test", "--doc", "--locked", "--quiet"];
        for name in DOCTESTED {
            args.extend(["--package", name]);
        }
        self.cargo("examples in documentation", &args, &[])
    }

    /// Prints the times before the tests, so that nothing follows the runner's own last lines.
    fn tests(&mut self) -> Result<bool> {
        for (name, time) in &self.times {
            writeln!(self.out, "   {:>7.1} s  {name}", time.as_secs_f64())?;
        }
        writeln!(self.out, "== tests")?;
        self.out.flush()?;
        if has_subcommand(self.root, "nextest") {
            let args = ["nextest", "run", "--workspace", "--locked", "--profile", "ci"];
            return cargo(self.root, &args, &[]);
        }
        writeln!(self.out, "   cargo-nextest is not installed: `cargo test` runs them, slower")?;
        self.out.flush()?;
        let args = ["test", "--workspace", "--locked", "--lib", "--bins", "--tests", "--no-fail-fast"];
        cargo(self.root, &args, &[])
    }
}

fn cargo(root: &Path, args: &[&str], env: &[(&str, &str)]) -> Result<bool> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(args).envs(env.iter().copied());
    let status = command.status().with_context(|| format!("cannot run cargo {}", args.join(" ")))?;
    Ok(status.success())
}

fn has_subcommand(root: &Path, name: &str) -> bool {
    let mut command = Command::new("cargo");
    command.current_dir(root).args([name, "--version"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn target(root: &Path) -> Result<PathBuf> {
    let metadata =
        MetadataCommand::new().current_dir(root).no_deps().exec().context("cannot find the target folder")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Where the build of the whole workspace left the binary.
fn built(root: &Path) -> Result<PathBuf> {
    let name = format!("longshore{}", std::env::consts::EXE_SUFFIX);
    Ok(target(root)?.join("debug").join(name))
}
