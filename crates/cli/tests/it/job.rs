//! The main job, over a store that a URL names: what `./run` shows, on a small folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::run::{end, longshore, run, spawn, write};

/// Moves a folder up and down over a store, compares every byte, and does it again after a restart of the server where
/// `stays` says that the store outlives it.
///
/// None of the `secrets`, which the URL may have, is to be seen in the server's log or status.
pub(crate) fn main_job(url: &str, secrets: &[&str], stays: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Some lie in the database, others in the store, one of them in pieces.
    for number in 0..40 {
        write(path(&format!("source/small/{number}.txt")), format!("file {number}\n"));
        write(path(&format!("source/large/{number:02}/blob")), vec![number; 20_000 + usize::from(number)]);
    }
    write(path("source/empty"), "");
    let huge: Vec<u8> =
        (0..12_000_000_u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    write(path("source/huge"), &huge);

    let start = || {
        let (child, ready) = spawn(folder.path(), &["--ready-json", "--store", url]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        (child, ready)
    };
    let (mut server, ready) = start();
    let key = ready["key"].as_str().unwrap().to_owned();
    let verb = |ready: &Value, arguments: &[&str]| {
        let mut command = longshore(&path("config"));
        command.env("LONGSHORE_URL", ready["url"].as_str().unwrap()).env("LONGSHORE_API_KEY", &key);
        command.current_dir(folder.path());
        run(command, arguments)
    };
    let sent = verb(&ready, &["--json", "up", "source", "/job"]).exits(0).json();
    assert_eq!((&sent["files"], &sent["failed"]), (&82.into(), &0.into()));
    assert_eq!(
        verb(&ready, &["ls", "-R", "/job"])
            .exits(0)
            .text()
            .lines()
            .filter(|line| !line.ends_with('/'))
            .count(),
        82
    );
    verb(&ready, &["down", "/job", "back"]).exits(0);
    same(&path("source"), &path("back"));

    let status = verb(&ready, &["status", "--json"]).exits(0).text();
    // A second version, a read of a part, a removal and its undoing.
    verb(&ready, &["up", "source/large/00/blob", "/job/huge"]).exits(0);
    assert_eq!(verb(&ready, &["cat", "/job/huge"]).exits(0).stdout, vec![0; 20_000]);
    verb(&ready, &["versions", "restore", "/job/huge", "1"]).exits(0);
    verb(&ready, &["rm", "/job/large"]).exits(0);
    verb(&ready, &["restore", "/job/large"]).exits(0);
    assert!(verb(&ready, &["cat", "/job/huge"]).exits(0).stdout == huge);
    if stays {
        end(&mut server);
        let (again, ready) = start();
        server = again;
        verb(&ready, &["down", "/job", "after"]).exits(0);
        same(&path("source"), &path("after"));
    }
    end(&mut server);
    if stays {
        // As docs/operations.md says how a server moves to another store: all of it, and then it is as good as the first.
        let moved = format!("file://{}", path("moved").display());
        run(longshore(&path("config")), &["store", "cp", "-r", url, &moved]).exits(0);
        let (again, ready) = spawn(folder.path(), &["--ready-json", "--store", &moved]);
        server = again;
        verb(&serde_json::from_str(&ready).unwrap(), &["down", "/job", "moved-after"]).exits(0);
        same(&path("source"), &path("moved-after"));
        end(&mut server);
    }
    let log = fs::read_to_string(path("log")).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
    for secret in secrets {
        assert!(!log.contains(secret) && !status.contains(secret), "a secret is told: {status} {log}");
    }
}

/// Compares two folders byte for byte.
fn same(one: &Path, other: &Path) {
    let compared = Command::new("diff").arg("-r").args([one, other]).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
}
