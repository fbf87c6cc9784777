//! SFTP: OpenSSH's own server, one that knows no extension, and one that
//! deviates: `rclone` lists a rename of its own, has no hard links and replaces files with the plain rename.

mod faults;
mod proxy;
mod trials;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use libtest_mimic::Trial;
use longshore_store::testing::conformance::Outcome;
use longshore_store::{BoxFuture, Capability, HostKeys, List, SftpOptions, Store, WriteOptions};

use crate::process::{Server, accepts};
use crate::targets::{AnyError, Opened, Target};
use crate::tools;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "sftp-openssh", lacks: &LACKING, excused: &[], open: || Box::pin(open(openssh)) },
    Target { name: "sftp-asyncssh", lacks: &LACKING_ALL, excused: &[], open: || Box::pin(open(asyncssh)) },
    Target { name: "sftp-rclone", lacks: &LACKING_LINKS, excused: &[], open: || Box::pin(open(rclone)) },
];

/// What no server of this protocol has.
const LACKING: [Capability; 5] = [
    Capability::AtomicMove,
    Capability::ConditionalRead,
    Capability::Metadata,
    Capability::MediaType,
    Capability::Durable,
];

/// What one without hard links lacks as well.
const LACKING_LINKS: [Capability; 7] = [
    Capability::AtomicMove,
    Capability::ConditionalRead,
    Capability::Metadata,
    Capability::MediaType,
    Capability::Durable,
    Capability::AtomicCreate,
    Capability::SnapshotRead,
];

/// What one lacks that has no extensions at all: a file is replaced in two steps.
const LACKING_ALL: [Capability; 8] = [
    Capability::AtomicMove,
    Capability::ConditionalRead,
    Capability::Metadata,
    Capability::MediaType,
    Capability::Durable,
    Capability::AtomicCreate,
    Capability::SnapshotRead,
    Capability::AtomicWrite,
];

pub(crate) fn trials() -> Vec<Trial> {
    [trials::trials(), faults::trials()].into_iter().flatten().collect()
}

/// A server, and how a store on a folder of it is made.
pub(super) struct Running {
    /// Ended with this.
    _server: Arc<Server>,
    /// The folder that it shows, and how clients name it.
    shown: (PathBuf, String),
    options: SftpOptions,
}

impl Running {
    /// Names a folder that does not stand yet. Returns where it is on this machine, and the options for a store there.
    pub(super) fn folder(&self) -> (PathBuf, SftpOptions) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("store-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options = SftpOptions { root: format!("{}/{name}", self.shown.1), ..self.options.clone() };
        (self.shown.0.join(name), options)
    }
}

type Start = fn() -> Result<Running, AnyError>;

async fn open(running: fn() -> Result<&'static Running, AnyError>) -> Result<Opened, AnyError> {
    let (folder, options) = running()?.folder();
    let store = make(&options).await?;
    Ok(Opened { parent: store.clone(), store, leftovers: leftovers(folder, options) })
}

/// Makes a store and its root, by a write, and asks what the server can do.
pub(super) async fn make(options: &SftpOptions) -> Result<Store, AnyError> {
    let store = Store::sftp(options.clone())?;
    store.write("first", "x", WriteOptions::default()).await?;
    store.delete("first", false).await?;
    store.ping().await?;
    Ok(store)
}

/// Looks for temporary files, and for files that a server here has open.
pub(super) fn leftovers(folder: PathBuf, options: SftpOptions) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let open = open_files(&folder)?;
        // Through the server, as one of them keeps what was written to itself for a while.
        let root = format!("{}/.longshore-tmp", options.root);
        let temporary = Store::sftp(SftpOptions { root, ..options })?;
        let left = temporary.list_files("", &List::ALL)?.next_entry().await?;
        if left.is_none() && open.is_empty() {
            return Ok(());
        }
        Err(format!("left over: {left:?}, still open: {open:?}").into())
    })
}

/// Returns what any process that we may look at has open below a folder.
fn open_files(folder: &Path) -> Result<Vec<PathBuf>, AnyError> {
    let mut open = Vec::new();
    for process in Path::new("/proc").read_dir()? {
        // Processes come and go meanwhile.
        let Ok(descriptors) = process?.path().join("fd").read_dir() else { continue };
        for descriptor in descriptors.flatten() {
            let target = std::fs::read_link(descriptor.path());
            open.extend(target.ok().filter(|target| target.starts_with(folder)));
        }
    }
    Ok(open)
}

/// Starts a server once.
fn once(
    cell: &'static OnceLock<Result<Running, String>>,
    start: Start,
) -> Result<&'static Running, AnyError> {
    let started = cell.get_or_init(|| start().map_err(|error| error.to_string()));
    started.as_ref().map_err(|error| error.clone().into())
}

pub(super) fn openssh() -> Result<&'static Running, AnyError> {
    static CELL: OnceLock<Result<Running, String>> = OnceLock::new();
    once(&CELL, start_openssh)
}

pub(super) fn asyncssh() -> Result<&'static Running, AnyError> {
    static CELL: OnceLock<Result<Running, String>> = OnceLock::new();
    once(&CELL, start_asyncssh)
}

pub(super) fn rclone() -> Result<&'static Running, AnyError> {
    static CELL: OnceLock<Result<Running, String>> = OnceLock::new();
    once(&CELL, start_rclone)
}

/// Makes a key pair. Returns the public line of it.
pub(super) fn make_key(path: &Path) -> std::io::Result<String> {
    let program = tools::system("ssh-keygen", "openssh-client").map_err(std::io::Error::other)?;
    let made = Command::new(program).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status()?;
    if !made.success() {
        return Err(std::io::Error::other("ssh-keygen failed"));
    }
    std::fs::read_to_string(path.with_extension("pub"))
}

/// Returns a line of `known_hosts` for a server here with this key.
pub(super) fn known_line(port: u16, public: &str) -> String {
    format!("[127.0.0.1]:{port} {public}")
}

fn start_openssh() -> Result<Running, AnyError> {
    let sshd = tools::system("sshd", "openssh-server")?;
    let user = String::from_utf8(Command::new("id").arg("-un").output()?.stdout)?.trim().to_owned();
    if user == "root" {
        // Where it gives up its rights; the package's service makes it, which does not run here.
        std::fs::create_dir_all("/run/sshd")?;
        std::fs::set_permissions("/run/sshd", std::fs::Permissions::from_mode(0o755))?;
    }
    let start = |port: u16, folder: &Path| {
        let host_key = make_key(&folder.join("host"))?;
        std::fs::write(folder.join("known_hosts"), known_line(port, &host_key))?;
        std::fs::copy(folder.join("host.pub"), folder.join("host-key"))?;
        let user_key = make_key(&folder.join("user"))?;
        std::fs::write(folder.join("authorized"), user_key)?;
        std::fs::create_dir(folder.join("files"))?;
        let here = folder.display();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             Subsystem sftp internal-sftp\nMaxStartups 200\n"
        );
        std::fs::write(folder.join("settings"), settings)?;
        let mut command = Command::new(&sshd);
        command.arg("-D").arg("-e").arg("-f").arg(folder.join("settings"));
        Ok(command)
    };
    let server = Server::start("sshd", start, accepts)?;
    let folder = server.folder();
    let files = folder.join("files");
    let shown = (files.clone(), files.to_string_lossy().into_owned());
    let options = SftpOptions {
        port: server.port,
        key_file: Some(folder.join("user")),
        host_keys: HostKeys::Known(vec![folder.join("known_hosts")]),
        ..SftpOptions::new("127.0.0.1", user)
    };
    Ok(Running { _server: server, shown, options })
}

fn start_asyncssh() -> Result<Running, AnyError> {
    let python = tools::python("python3")?;
    let start = |port: u16, folder: &Path| {
        make_key(&folder.join("host"))?;
        std::fs::create_dir(folder.join("files"))?;
        let mut command = Command::new(&python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/sftp/server.py"));
        command.arg(port.to_string()).arg(folder.join("files")).arg(folder.join("host"));
        Ok(command)
    };
    let server = Server::start("asyncssh", start, accepts)?;
    let folder = server.folder();
    let options = SftpOptions {
        port: server.port,
        password: Some("p".into()),
        host_keys: HostKeys::Fingerprint(fingerprint(&folder.join("host.pub"))?),
        ..SftpOptions::new("127.0.0.1", "u")
    };
    Ok(Running { _server: server, shown: (folder.join("files"), String::new()), options })
}

/// Returns a key's fingerprint, as its owner would read it out.
fn fingerprint(public: &Path) -> Result<String, AnyError> {
    let program = tools::system("ssh-keygen", "openssh-client")?;
    let told = Command::new(program).arg("-lf").arg(public).output()?.stdout;
    let told = String::from_utf8(told)?;
    Ok(told.split(' ').nth(1).ok_or("no fingerprint")?.to_owned())
}

fn start_rclone() -> Result<Running, AnyError> {
    let rclone = tools::python("rclone")?;
    let start = |port: u16, folder: &Path| {
        make_key(&folder.join("host"))?;
        std::fs::create_dir(folder.join("files"))?;
        let mut command = Command::new(&rclone);
        command.args(["serve", "sftp", "--user", "u", "--pass", "p", "--vfs-cache-mode", "writes"]);
        command.args(["--no-unicode-normalization", "--config", "/dev/null"]);
        command.arg("--key").arg(folder.join("host")).arg("--cache-dir").arg(folder.join("cache"));
        command.arg("--addr").arg(format!("127.0.0.1:{port}")).arg(folder.join("files"));
        Ok(command)
    };
    let server = Server::start("rclone-sftp", start, accepts)?;
    let options = SftpOptions {
        port: server.port,
        password: Some("p".into()),
        host_keys: HostKeys::AcceptAny,
        ..SftpOptions::new("127.0.0.1", "u")
    };
    Ok(Running { shown: (server.folder().join("files"), String::new()), _server: server, options })
}
