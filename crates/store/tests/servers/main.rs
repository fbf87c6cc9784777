//! The conformance suite against real servers, each started by this program on a free port of loopback.
//!
//! `cargo xtask servers` installs them (`requirements.txt` beside this file, and npm's Azurite) and runs the suite. Where they are not installed every trial is ignored, and says so.

#[cfg(test)]
mod azure;
#[cfg(test)]
mod azure_faults;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod dfs;
#[cfg(test)]
mod gcs;
#[cfg(test)]
mod gcs_server;
#[cfg(test)]
mod giving_up;
#[cfg(test)]
mod http_server;
#[cfg(test)]
mod process;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod sftp;
#[cfg(test)]
mod shared_key;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod tools;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    #[cfg(test)]
    let trials = [targets::trials(), sftp::trials()].into_iter().flatten().collect();
    #[cfg(not(test))]
    let trials = Vec::new();
    let conclusion = libtest_mimic::run(&arguments, trials);
    #[cfg(test)]
    process::stop_all();
    #[cfg(test)]
    s3::sweep();
    conclusion.exit_code()
}

/// Runs a test to its end on a runtime of its own.
#[cfg(test)]
fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}
