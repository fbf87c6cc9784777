//! Connecting: the way to the server, its key, who we are, and the two tasks of the session.

use std::net::Shutdown;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longshore_flow::Tasks;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse, Msg};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, Preferred, cipher};
use tokio::net::TcpStream;

use super::host_keys::Trust;
use super::incoming::Incoming;
use super::link::Link;
use super::options::SftpOptions;
use super::session::Session;
use super::upkeep::Upkeep;
use crate::error::{Error, ErrorKind, Result};

/// How much the server may send before it is told that there is room for more.
const WINDOW: u32 = 16 * 1024 * 1024;

/// The largest packet that SSH libraries agree on.
const PACKET: u32 = 65_535;

/// The fastest first, where processors have instructions for it; every server has one of the others.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Why connecting failed, on its way through the library.
#[derive(Debug)]
enum Failed {
    Refused(Error),
    Ssh(russh::Error),
}

impl From<russh::Error> for Failed {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Failed {
    fn error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Ssh(error) => broken(error),
        }
    }
}

/// Makes an error of one of the connection.
fn broken(error: russh::Error) -> Error {
    let (kind, message) = match &error {
        russh::Error::NoCommonAlgo { .. } => {
            (ErrorKind::Unsupported, "the server has no way of encryption that is safe today")
        }
        russh::Error::WrongServerSig | russh::Error::UnknownKey => {
            (ErrorKind::PermissionDenied, "the server could not prove that it has its host key")
        }
        _ => (ErrorKind::Unavailable, "the connection to the server broke"),
    };
    Error::new(kind, message).with_source(error)
}

/// Looks at the server's key.
struct Watch(Trust);

impl client::Handler for Watch {
    type Error = Failed;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Failed> {
        match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.0.check(key).map(|()| true).map_err(Failed::Refused)
            }
            // None was asked for.
            PublicKeyOrCertificate::Certificate(_) => Ok(false),
        }
    }
}

/// Connects to a server, within the time for it.
pub(super) async fn connect(
    options: &SftpOptions,
    upkeep: &Arc<Upkeep>,
    tasks: &Tasks,
) -> Result<Arc<Session>> {
    let connecting = tokio::time::timeout(options.connect_timeout, begin(options, upkeep, tasks));
    connecting.await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, "the server did not let us in within the time for connecting"))
    })
}

async fn begin(options: &SftpOptions, upkeep: &Arc<Upkeep>, tasks: &Tasks) -> Result<Arc<Session>> {
    let unreachable =
        |error| Error::new(ErrorKind::Unavailable, "the server cannot be reached").with_source(error);
    let (trust, keys) = prepare(options.clone()).await?;
    let stream = TcpStream::connect((options.host.as_str(), options.port)).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let stream = stream.into_std().map_err(unreachable)?;
    let socket = Socket(stream.try_clone().map_err(unreachable)?);
    let stream = TcpStream::from_std(stream).map_err(unreachable)?;
    let config = client::Config {
        window_size: WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: 256,
        keepalive_interval: options.keepalive,
        keepalive_max: 3,
        preferred: Preferred {
            key: trust.preferred(&Preferred::DEFAULT.key).into(),
            cipher: CIPHERS.into(),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    };
    let ssh = client::connect_stream(Arc::new(config), stream, Watch(trust)).await;
    let mut ssh = ssh.map_err(Failed::error)?;
    log_in(&mut ssh, options, keys).await?;
    let channel = ssh.channel_open_session().await.map_err(broken)?;
    channel.request_subsystem(true, "sftp").await.map_err(broken)?;
    let (mut reading, writing) = channel.split();
    loop {
        match reading.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::Failure) => {
                return Err(Error::new(ErrorKind::Unsupported, "the server does not offer SFTP"));
            }
            Some(_) => {}
            None => return Err(broken(russh::Error::Disconnect)),
        }
    }
    let link = Link::new(options.requests, Arc::clone(upkeep));
    let session = Session::new(Arc::clone(&link));
    let socket = Arc::new(socket);
    tasks.spawn(send(Arc::clone(&link), writing, ssh, Arc::clone(&socket)));
    tasks.spawn(receive(link, reading, options.request_timeout, socket));
    session.greet().await.map_err(|fault| fault.error("greeting the server"))?;
    Ok(session)
}

/// Reads the files that are needed, where it may block.
async fn prepare(options: SftpOptions) -> Result<(Trust, Vec<Arc<PrivateKey>>)> {
    let read = tokio::task::spawn_blocking(move || {
        let trust = Trust::read(&options.host, options.port, &options.host_keys)?;
        let mut keys = Vec::new();
        let passphrase = options.passphrase.as_ref().map(|secret| secret.expose());
        let unusable = |error| {
            let message = "the private key cannot be used: it is damaged, of an unknown form, or its passphrase is another";
            // The library's errors name forms and lengths, nothing of the key.
            Error::new(ErrorKind::PermissionDenied, message).with_source(error)
        };
        if let Some(text) = &options.key {
            keys.push(Arc::new(decode_secret_key(text.expose(), passphrase).map_err(unusable)?));
        }
        if let Some(file) = &options.key_file {
            let text = std::fs::read_to_string(file).map_err(|error| {
                let message = format!("the key file {} cannot be read", file.display());
                Error::new(ErrorKind::PermissionDenied, message).with_source(error)
            })?;
            keys.push(Arc::new(decode_secret_key(&text, passphrase).map_err(unusable)?));
        }
        let usual = options.usual_key_files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        keys.extend(usual.filter_map(|text| decode_secret_key(&text, passphrase).ok()).map(Arc::new));
        Ok((trust, keys))
    });
    read.await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Unavailable, "the program is ending").with_source(error))
    })
}

/// Logs in by the first way that the server takes: keys, those of an agent, the password.
async fn log_in(ssh: &mut Handle<Watch>, options: &SftpOptions, keys: Vec<Arc<PrivateKey>>) -> Result<()> {
    let user = options.user.as_str();
    let mut tried = Vec::new();
    // RSA keys are not signed with SHA-1, except where a server does not say what it takes.
    let hash = if keys.is_empty() && options.agent.is_none() {
        None
    } else {
        ssh.best_supported_rsa_hash().await.map_err(broken)?.flatten()
    };
    for key in keys {
        tried.push("the key");
        let key = PrivateKeyWithHashAlg::new(key, hash);
        if ssh.authenticate_publickey(user, key).await.map_err(broken)?.success() {
            return Ok(());
        }
    }
    if let Some(path) = &options.agent {
        match ask_agent(ssh, user, path, hash).await {
            Ok(true) => return Ok(()),
            Ok(false) => tried.push("the agent's keys"),
            Err(_) => tried.push("the agent, which does not answer,"),
        }
    }
    if let Some(password) = &options.password {
        tried.push("the password");
        if ssh.authenticate_password(user, password.expose()).await.map_err(broken)?.success()
            || answer_prompts(ssh, user, password.expose()).await.map_err(broken)?
        {
            return Ok(());
        }
    }
    if tried.is_empty() {
        tried.push("no key and no password, as none was given,");
        let none = ssh.authenticate_none(user).await.map_err(broken)?;
        if matches!(none, AuthResult::Success) {
            return Ok(());
        }
    }
    let message = format!("the server does not let {user:?} in with {}", tried.join(" or "));
    Err(Error::new(ErrorKind::PermissionDenied, message))
}

/// Tries the keys of an agent.
async fn ask_agent(
    ssh: &mut Handle<Watch>,
    user: &str,
    path: &Path,
    hash: Option<HashAlg>,
) -> std::result::Result<bool, russh::keys::Error> {
    let mut agent = AgentClient::connect_uds(path).await?;
    for identity in agent.request_identities().await? {
        let AgentIdentity::PublicKey { key, .. } = identity else { continue };
        let hash = if key.algorithm().is_rsa() { hash } else { None };
        // An agent may decline to sign with one key and not with the next.
        let signed = ssh.authenticate_publickey_with(user, key, hash, &mut agent).await;
        if signed.is_ok_and(|result| result.success()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Answers a server that asks for the password instead of taking it.
async fn answer_prompts(
    ssh: &mut Handle<Watch>,
    user: &str,
    password: &str,
) -> std::result::Result<bool, russh::Error> {
    let mut step = ssh.authenticate_keyboard_interactive_start(user, None::<String>).await?;
    for _ in 0..4 {
        let prompts = match step {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        // What is to be seen while it is typed is no password.
        let answers =
            prompts.iter().map(|prompt| if prompt.echo { String::new() } else { password.to_owned() });
        step = ssh.authenticate_keyboard_interactive_respond(answers.collect()).await?;
    }
    Ok(false)
}

/// The connection, to end it whatever its tasks wait for.
struct Socket(std::net::TcpStream);

impl Socket {
    fn end(&self) {
        // An error says that it has ended.
        self.0.shutdown(Shutdown::Both).ok();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends requests until the session ends, then takes leave.
async fn send(link: Arc<Link>, channel: ChannelWriteHalf<Msg>, ssh: Handle<Watch>, socket: Arc<Socket>) {
    while let Some(pieces) = link.outgoing().await {
        for piece in pieces {
            if channel.data_bytes(piece).await.is_err() {
                link.end("the connection to the server broke");
                return;
            }
        }
    }
    let leave = async {
        channel.eof().await.ok();
        ssh.disconnect(Disconnect::ByApplication, "", "").await.ok();
        // Waits until it is sent.
        ssh.await.ok();
    };
    tokio::time::timeout(Duration::from_secs(1), leave).await.ok();
    socket.end();
}

/// Hands out answers until the session ends.
async fn receive(link: Arc<Link>, mut channel: ChannelReadHalf, timeout: Duration, socket: Arc<Socket>) {
    let mut incoming = Incoming::default();
    let mut look = tokio::time::interval((timeout / 4).max(Duration::from_millis(10)));
    let why = loop {
        tokio::select! {
            message = channel.wait() => match message {
                Some(ChannelMsg::Data { data }) => {
                    link.heard();
                    if incoming.feed(&link, data).is_none() {
                        break "what the server sends is not SFTP";
                    }
                }
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break "the server ended the connection",
                // What it says beside, and its exit.
                Some(_) => {}
            },
            _ = look.tick() => if link.is_stalled(timeout) {
                break "the server does not answer";
            },
        }
    };
    link.end(why);
    socket.end();
}
