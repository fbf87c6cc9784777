//! The main job over stores on real servers, each started by this program on a free port of loopback; and uploads of
//! clients of others.
//!
//! `cargo xtask servers` installs them and runs this after the store's own suite. Where they are not installed every trial is
//! ignored, and says so.

#![cfg(unix)]

#[cfg(test)]
#[path = "../it/job.rs"]
mod job;
#[cfg(test)]
#[path = "../../../store/tests/servers/process.rs"]
mod process;
#[cfg(test)]
#[expect(dead_code, reason = "the tests without servers use the rest")]
#[path = "../it/run.rs"]
mod run;
#[cfg(test)]
mod stores;
#[cfg(test)]
#[path = "../../../store/tests/servers/tools.rs"]
mod tools;

#[cfg(test)]
mod uploads;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    #[cfg(test)]
    let trials = stores::trials().into_iter().chain(uploads::trials()).collect();
    #[cfg(not(test))]
    let trials = Vec::new();
    let conclusion = libtest_mimic::run(&arguments, trials);
    #[cfg(test)]
    process::stop_all();
    conclusion.exit_code()
}
