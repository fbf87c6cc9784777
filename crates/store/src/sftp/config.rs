//! `sftp://user@host:port/folder?key_file=...&known_hosts=...`.

use std::path::PathBuf;
use std::time::Duration;

use super::{HostKeys, SftpOptions};
use crate::config::{Config, invalid};
use crate::error::Result;

/// The most bytes of a chunk, and of what may be on its way of one file.
const MOST: (u64, u64) = (64 << 20, 1 << 30);

/// Where OpenSSH keeps the keys of a user, below the home folder.
const KEY_FILES: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];

impl SftpOptions {
    /// Takes where the server is, who logs in there, and how it is used.
    pub(crate) fn from_config(config: &mut Config) -> Result<Self> {
        let host = config.demand_host("host")?;
        let user = config.take_user();
        let user = user
            .or_else(|| ["USER", "LOGNAME"].iter().find_map(|name| config.variable(name)).map(str::to_owned));
        let user = user.ok_or_else(|| invalid("the URL names no user: sftp://USER@HOST/path".to_owned()))?;
        let mut options = Self::new(host, user);
        if let Some(port) = config.take_port() {
            options.port = port;
        }
        let path = config.take_path();
        options.root = match path.strip_prefix("/~") {
            Some(below) if below.is_empty() || below.starts_with('/') => format!("~{below}"),
            _ => path,
        };
        options.password = config.take_password();
        options.key_file = config.take_file("key_file")?;
        options.key = config.take_secret("private_key");
        options.passphrase = config.take_secret("passphrase");
        options.agent = config.take_file("agent")?;
        let is_told = options.password.is_some()
            || options.key_file.is_some()
            || options.key.is_some()
            || options.agent.is_some();
        // Servers count what is tried: what was not asked for must not use up the attempts.
        if !is_told {
            options.agent = config.variable("SSH_AUTH_SOCK").map(PathBuf::from);
            let home = config.home();
            options.usual_key_files =
                home.iter().flat_map(|home| KEY_FILES.map(|file| home.join(file))).collect();
        }
        options.host_keys = host_keys(config)?;
        if let Some(time) = config.take_parsed("connect_timeout")? {
            options.connect_timeout = time;
        }
        if let Some(time) = config.take_parsed("request_timeout")? {
            options.request_timeout = time;
        }
        if let Some(time) = config.take_parsed::<Duration>("keepalive")? {
            options.keepalive = Some(time).filter(|time| !time.is_zero());
        }
        if let Some(requests) = config.take_parsed("requests")? {
            options.requests = requests;
        }
        if let Some(bytes) = size(config, "window", MOST.1)? {
            options.window = bytes;
        }
        if let Some(bytes) = size(config, "read_chunk", MOST.0)? {
            options.read_chunk = bytes;
        }
        if let Some(age) = config.take_parsed("sweep_older_than")? {
            options.sweep_older_than = age;
        }
        Ok(options)
    }
}

fn size(config: &mut Config, key: &'static str, most: u64) -> Result<Option<usize>> {
    let Some(bytes) = config.take_size(key)? else { return Ok(None) };
    let fits = usize::try_from(bytes).ok().filter(|_| bytes <= most);
    let why = || {
        invalid(format!("the option {key:?} is more than {}MiB, which each open file may hold", most >> 20))
    };
    fits.map(Some).ok_or_else(why)
}

fn host_keys(config: &mut Config) -> Result<HostKeys> {
    let known = config.take_file("known_hosts")?;
    let fingerprint = config.take("fingerprint");
    let any = config.take_parsed("accept_any_host_key")?.unwrap_or(false);
    match (known, fingerprint, any) {
        (Some(file), None, false) => Ok(HostKeys::Known(vec![file])),
        (None, Some(fingerprint), false) if fingerprint.starts_with("SHA256:") => {
            Ok(HostKeys::Fingerprint(fingerprint))
        }
        (None, Some(_), false) => {
            Err(invalid("the option \"fingerprint\" is not SHA256:…, as ssh-keygen -l prints it".to_owned()))
        }
        (None, None, true) => Ok(HostKeys::AcceptAny),
        (None, None, false) => {
            let own = config.home().map(|home| home.join(".ssh/known_hosts"));
            Ok(HostKeys::Known(own.into_iter().chain(["/etc/ssh/ssh_known_hosts".into()]).collect()))
        }
        _ => Err(invalid(
            "only one of \"known_hosts\", \"fingerprint\" and \"accept_any_host_key\" can hold".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::{Config, HostKeys, SftpOptions};
    use crate::error::Result;

    fn options(url: &str) -> Result<SftpOptions> {
        let variables = [("HOME", "/home/ann"), ("USER", "ann"), ("SSH_AUTH_SOCK", "/run/agent")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::parse(url)?.with_environment(variables).read(SftpOptions::from_config)
    }

    #[test]
    fn a_url_says_where_and_who() {
        let told = options("sftp://bob:pass@nas:2222/srv/x?keepalive=0s&read_chunk=2MiB&requests=9").unwrap();
        assert_eq!((told.host.as_str(), told.port, told.user.as_str()), ("nas", 2222, "bob"));
        assert_eq!((told.root.as_str(), told.read_chunk, told.requests), ("/srv/x", 2 << 20, 9));
        assert_eq!((told.keepalive, told.password.is_some()), (None, true));
        assert!(told.agent.is_none() && told.usual_key_files.is_empty());
        assert!(!format!("{told:?}").contains("pass\""));
        for (url, root) in [
            ("sftp://h", ""),
            ("sftp://h/", "/"),
            ("sftp://h/~", "~"),
            ("sftp://h/~/a", "~/a"),
            ("sftp://h/~a", "/~a"),
        ] {
            assert_eq!(options(url).unwrap().root, root, "{url}");
        }
    }

    #[test]
    fn what_is_not_said_is_what_openssh_does() {
        let usual = options("sftp://h/x").unwrap();
        assert_eq!(
            (usual.user.as_str(), usual.port, usual.connect_timeout),
            ("ann", 22, Duration::from_secs(15))
        );
        assert_eq!(usual.agent, Some(PathBuf::from("/run/agent")));
        assert_eq!(usual.usual_key_files.len(), 3);
        let known = ["/home/ann/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"].map(PathBuf::from);
        assert_eq!(usual.host_keys, HostKeys::Known(known.to_vec()));
        let keyed = options("sftp://h/x?key_file=~/k&known_hosts=/k").unwrap();
        assert_eq!(keyed.key_file, Some(PathBuf::from("/home/ann/k")));
        assert_eq!(keyed.host_keys, HostKeys::Known(vec!["/k".into()]));
        assert!(keyed.agent.is_none() && keyed.usual_key_files.is_empty());
        assert_eq!(options("sftp://h/x?accept_any_host_key=true").unwrap().host_keys, HostKeys::AcceptAny);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for url in [
            "sftp:/x",
            "sftp://h/x?unknown=1",
            "sftp://h/x?fingerprint=MD5:aa",
            "sftp://h/x?fingerprint=SHA256:aa&accept_any_host_key=true",
            "sftp://h/x?window=2GiB",
            "sftp://h/x?keepalive=often",
        ] {
            options(url).unwrap_err();
        }
    }
}
