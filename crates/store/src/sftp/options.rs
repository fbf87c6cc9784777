//! How a server is reached and used.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// Which keys a server may prove itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeys {
    /// Those that stand for the server in files of the form of OpenSSH's `known_hosts`. One that stands in none, or another
    /// than stands there, is refused.
    Known(Vec<PathBuf>),
    /// The one with this fingerprint, as `ssh-keygen -l` prints it: `SHA256:...`.
    Fingerprint(String),
    /// Any. Whoever stands between reads and changes everything: for tests alone.
    AcceptAny,
}

/// How a server is reached and used. Nothing is read from the environment: who calls hands over what stands there.
#[derive(Clone, Debug)]
pub struct SftpOptions {
    /// The server's name or address.
    pub host: String,
    /// The port. Default: 22.
    pub port: u16,
    /// Who to log in as.
    pub user: String,
    /// The folder on the server that is the store's root; a relative one begins at the login folder, which is the default.
    /// The first write makes it if need be.
    pub root: String,
    /// The password, if the server takes one. Keys are tried first.
    pub password: Option<Secret>,
    /// A file with a private key, in the form of OpenSSH, PKCS#8 or PKCS#1.
    pub key_file: Option<PathBuf>,
    /// More such files, of which any may be missing or of no use: then it is passed over.
    pub usual_key_files: Vec<PathBuf>,
    /// The text of such a file.
    pub key: Option<Secret>,
    /// What the private key was encrypted with.
    pub passphrase: Option<Secret>,
    /// The socket of an agent that has keys (`SSH_AUTH_SOCK`). One that does not answer is passed over.
    pub agent: Option<PathBuf>,
    /// Which keys the server may prove itself with. Default: known ones, of no file, which refuses every server.
    pub host_keys: HostKeys,
    /// How long connecting may take, up to the first request. Default: 15 s.
    pub connect_timeout: Duration,
    /// How long the server may say nothing while requests wait for it. Then the session is given up and they are
    /// `Unavailable`. Default: 30 s.
    pub request_timeout: Duration,
    /// How often an idle server is asked whether it is still there; three times without an answer end the session.
    /// Default: 15 s.
    pub keepalive: Option<Duration>,
    /// How many requests may wait for their answers, of all work together. Default: 128.
    pub requests: usize,
    /// How many bytes a chunk of a read has at most. Default: 1 MiB.
    pub read_chunk: usize,
    /// How many bytes of one open file may be on their way, read ahead or written. Default: 4 MiB.
    pub window: usize,
    /// Temporary files last written longer ago than this are deleted once, before the first write or at `ping`. Nobody can
    /// tell whether an older one is still being written, so it must be longer than the longest pause of a writer.
    /// Default: 6 h.
    pub sweep_older_than: Duration,
}

impl SftpOptions {
    /// Returns the defaults for a server and a user.
    #[must_use]
    pub fn new(host: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            root: String::new(),
            password: None,
            key_file: None,
            usual_key_files: Vec::new(),
            key: None,
            passphrase: None,
            agent: None,
            host_keys: HostKeys::Known(Vec::new()),
            connect_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            keepalive: Some(Duration::from_secs(15)),
            requests: 128,
            read_chunk: 1024 * 1024,
            window: 4 * 1024 * 1024,
            sweep_older_than: Duration::from_secs(6 * 60 * 60),
        }
    }
}
