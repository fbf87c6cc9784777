//! tus clients of others, against a server of ours: each of their modes makes the file that it should.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;

use crate::run::{Server, write};
use crate::tools;

/// What a client makes, and how it is run.
const CLIENTS: [(&str, Run, &[&str]); 2] = [
    (
        "tus-js-client",
        javascript,
        &[
            "js-plain",
            "js-chunked",
            "js-parallel",
            "js-with-creation",
            "js-deferred",
            "js-override",
            "js-resumed",
        ],
    ),
    ("tuspy", python, &["py-chunked", "py-checked", "py-resumed"]),
];

type Run = fn() -> Result<Command, String>;

fn program(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name)
}

fn javascript() -> Result<Command, String> {
    let azurite = tools::npm("azurite")?;
    let modules = azurite.ancestors().nth(2).ok_or("no folder of modules")?;
    let mut command = Command::new(tools::system("node", "nodejs")?);
    command.arg(program("tus.js")).arg(modules);
    Ok(command)
}

fn python() -> Result<Command, String> {
    let mut command = Command::new(tools::python("python")?);
    command.arg(program("tus.py"));
    Ok(command)
}

pub(crate) fn trials() -> Vec<Trial> {
    let missing = tools::missing();
    let trial = |(name, make, files): (&'static str, Run, &'static [&'static str])| {
        let run = move || upload(make()?, files).map_err(Into::into);
        let why = missing.clone().unwrap_or_default();
        Trial::test(format!("{name}::uploads"), run).with_ignored_flag(!why.is_empty()).with_kind(why)
    };
    CLIENTS.into_iter().map(trial).collect()
}

fn upload(mut client: Command, files: &[&str]) -> Result<(), String> {
    let server = Server::start();
    let content: Vec<u8> =
        (0..9_000_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    write(server.path("source"), &content);
    let found = server.json(&["workspaces", "current"]);
    let workspace = found["id"].as_str().ok_or_else(|| found.to_string())?;
    client.args([&server.url, &server.key, workspace]).arg(server.path("source"));
    let ended = client.output().map_err(|error| error.to_string())?;
    if !ended.status.success() {
        return Err(format!(
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        ));
    }
    for file in files {
        let read = server.run(&["cat", &format!("/{file}")]);
        if read.code != 0 || read.stdout != content {
            return Err(format!("{file}: {} bytes, {}", read.stdout.len(), read.stderr));
        }
    }
    Ok(())
}
