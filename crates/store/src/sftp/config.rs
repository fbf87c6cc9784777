//! `sftp://user@host:port/folder?key_file=~/.ssh/id_ed25519`.

use std::path::PathBuf;

use super::{HostKeys, SftpOptions};
use crate::config::{Config, invalid};
use crate::error::Result;

/// Where a user's keys are, in the order in which OpenSSH's own client tries them that we read.
const KEY_FILES: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];

impl SftpOptions {
    /// Takes how the server is reached, and the folder.
    pub(crate) fn from_config(config: &mut Config) -> Result<Self> {
        let host = config.demand_host("host")?;
        let login = config.take_user();
        let login =
            login.or_else(|| config.variable("USER").or(config.variable("LOGNAME")).map(str::to_owned));
        let user =
            login.ok_or_else(|| invalid("the URL names no user: sftp://USER@HOST/folder".to_owned()))?;
        let path = config.take_path();
        let root = match path.strip_prefix("/~/") {
            Some(below) => below.to_owned(),
            None if path == "/~" => String::new(),
            None => path,
        };
        let mut options = Self { root, ..Self::new(host, user) };
        options.port = config.take_port().unwrap_or(options.port);
        options.password = config.take_password();
        options.key = config.take_secret("private_key");
        options.passphrase = config.take_secret("passphrase");
        options.key_file = config.take_file("key_file")?;
        options.agent = config.take_file("agent")?;
        let is_named = options.password.is_some() || options.key.is_some() || options.key_file.is_some();
        if !is_named && options.agent.is_none() {
            options.agent = config.variable("SSH_AUTH_SOCK").map(PathBuf::from);
        }
        // Behind an agent the files may be encrypted, and one that cannot be used is an error.
        if !is_named && options.agent.is_none() {
            let mut files = config.home().into_iter().flat_map(|home| KEY_FILES.map(|file| home.join(file)));
            options.key_file = files.find(|file| file.is_file());
        }
        options.host_keys = host_keys(config)?;
        if let Some(time) = config.take_parsed("connect_timeout")? {
            options.connect_timeout = time;
        }
        if let Some(time) = config.take_parsed("request_timeout")? {
            options.request_timeout = time;
        }
        if let Some(time) = config.take_parsed("keepalive")? {
            options.keepalive = Some(time);
        }
        if let Some(requests) = config.take_parsed("requests")? {
            options.requests = requests;
        }
        let sizes = [("read_chunk", &mut options.read_chunk), ("window", &mut options.window)];
        for (key, size) in sizes {
            if let Some(bytes) = config.take_size(key)? {
                *size = usize::try_from(bytes)
                    .map_err(|_| invalid(format!("the option {key:?} is too large")))?;
            }
        }
        if let Some(age) = config.take_parsed("sweep_older_than")? {
            options.sweep_older_than = age;
        }
        Ok(options)
    }
}

/// Takes which keys the server may have: those that OpenSSH's own client knows, unless an option says otherwise.
fn host_keys(config: &mut Config) -> Result<HostKeys> {
    let (known, fingerprint) = (config.take_file("known_hosts")?, config.take("fingerprint"));
    let any = config.take_parsed("accept_any_host_key")?.unwrap_or(false);
    match (known, fingerprint, any) {
        (None, None, true) => Ok(HostKeys::AcceptAny),
        (None, Some(fingerprint), false) => Ok(HostKeys::Fingerprint(fingerprint)),
        (Some(file), None, false) => Ok(HostKeys::Known(vec![file])),
        (None, None, false) => {
            let users = config.home().map(|home| home.join(".ssh/known_hosts"));
            let files = users.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]);
            Ok(HostKeys::Known(files.filter(|file| file.is_file()).collect()))
        }
        _ => Err(invalid(
            "known_hosts, fingerprint and accept_any_host_key do not go together: one says who the server is"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{HostKeys, SftpOptions};
    use crate::config::Config;
    use crate::error::Result;

    fn read(url: &str) -> Result<SftpOptions> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        let variables =
            [("HOME", home.path().to_str().unwrap()), ("USER", "me"), ("SSH_AUTH_SOCK", "/run/agent")];
        let variables = variables.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Config::parse(url).unwrap().with_environment(variables).read(SftpOptions::from_config)
    }

    #[test]
    fn a_url_says_how_a_server_is_reached() {
        let options = read("sftp://h").unwrap();
        assert_eq!((&*options.host, &*options.user, options.port, &*options.root), ("h", "me", 22, ""));
        assert_eq!(options.agent, Some(PathBuf::from("/run/agent")));
        let options =
            read("sftp://you:p%2Fw@h:2222/srv/a?window=8MiB&keepalive=1m&fingerprint=SHA256:x").unwrap();
        assert_eq!(
            (&*options.user, options.port, &*options.root, options.window),
            ("you", 2222, "/srv/a", 8 << 20)
        );
        assert_eq!(options.password.unwrap().expose(), "p/w");
        assert_eq!(options.host_keys, HostKeys::Fingerprint("SHA256:x".to_owned()));
        assert_eq!(options.agent, None, "a password that is named is what is meant");
        assert_eq!(read("sftp://h/~/a").unwrap().root, "a");
        assert_eq!(read("sftp://h/?key_file=~/k").unwrap().key_file.unwrap().file_name().unwrap(), "k");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for url in [
            "sftp:///srv",
            "sftp://h/?accept_any_host_key=true&fingerprint=SHA256:x",
            "sftp://h/?keepalive=often",
            "sftp://h/?windows=1",
        ] {
            read(url).unwrap_err();
        }
    }
}
