//! Where the servers' programs are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the folder they are installed in: a virtual environment, with npm's packages in `node_modules`.
const FOLDER: &str = "LONGSHORE_TEST_SERVERS";

/// Returns a program of PyPI's packages, or says how to get it.
pub(crate) fn python(name: &str) -> Result<PathBuf, String> {
    find(&format!("bin/{name}"))
}

/// Returns a program of npm's packages, or says how to get it.
pub(crate) fn npm(name: &str) -> Result<PathBuf, String> {
    find(&format!("node_modules/.bin/{name}"))
}

/// Returns a program of the system, which may lie where only root looks, or says how to get it.
pub(crate) fn system(name: &str, package: &str) -> Result<PathBuf, String> {
    let path = variable("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/lib/openssh"].map(PathBuf::from));
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.ok_or_else(|| format!("{name} is missing (Debian: apt-get install {package})"))
}

/// Returns why no server can be started here, if none can.
pub(crate) fn missing() -> Option<String> {
    match variable(FOLDER) {
        Some(folder) if Path::new(&folder).is_dir() => None,
        _ => Some("needs servers: cargo xtask servers".to_owned()),
    }
}

fn find(place: &str) -> Result<PathBuf, String> {
    let folder = variable(FOLDER).ok_or_else(|| format!("{FOLDER} is not set"))?;
    let program = Path::new(&folder).join(place);
    if program.exists() { Ok(program) } else { Err(format!("{} is missing", program.display())) }
}

#[expect(clippy::disallowed_methods, reason = "a test asks where it runs")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
