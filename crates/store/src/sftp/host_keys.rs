//! Whether a server is the one it should be.

use std::path::{Path, PathBuf};

use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey, parse_public_key_base64};

use super::options::HostKeys;
use crate::error::{Error, ErrorKind, Result};

/// The keys that a server may prove itself with.
#[derive(Debug)]
pub(super) struct Trust {
    host: String,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Known { files: Vec<PathBuf>, keys: Vec<Known>, revoked: Vec<KeyData> },
    Fingerprint(String),
    Any,
}

/// A key that stands for the server in a file.
#[derive(Debug)]
struct Known {
    file: PathBuf,
    line: usize,
    key: PublicKey,
}

impl Trust {
    /// Reads what is known of a server. This blocks.
    pub(super) fn read(host: &str, port: u16, keys: &HostKeys) -> Result<Self> {
        let rule = match keys {
            HostKeys::AcceptAny => Rule::Any,
            HostKeys::Fingerprint(fingerprint) => Rule::Fingerprint(fingerprint.trim().to_owned()),
            HostKeys::Known(files) => {
                let (mut keys, mut revoked) = (Vec::new(), Vec::new());
                for file in files {
                    let found = known_host_keys_path(host, port, file).map_err(|error| {
                        let message = format!("the known hosts in {} cannot be read", file.display());
                        Error::new(ErrorKind::InvalidInput, message).with_source(error)
                    })?;
                    keys.extend(found.into_iter().map(|(line, key)| Known { file: file.clone(), line, key }));
                    revoked.extend(revoked_in(file));
                }
                Rule::Known { files: files.clone(), keys, revoked }
            }
        };
        let host = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        Ok(Self { host, rule })
    }

    /// Returns the kinds of keys to ask for: those first that are known, as a server has several and shows one.
    pub(super) fn preferred(&self, usual: &[Algorithm]) -> Vec<Algorithm> {
        let is_known = |algorithm: &Algorithm| match &self.rule {
            Rule::Known { keys, .. } => keys.iter().any(|known| is_of(algorithm, &known.key.algorithm())),
            _ => false,
        };
        let (first, rest): (Vec<_>, Vec<_>) = usual.iter().cloned().partition(is_known);
        [first, rest].concat()
    }

    /// Refuses a key that is not the server's.
    pub(super) fn check(&self, key: &PublicKey) -> Result<()> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let (kind, host) = (key.algorithm(), &self.host);
        let refuse = |message: String| Err(Error::new(ErrorKind::PermissionDenied, message));
        match &self.rule {
            Rule::Any => Ok(()),
            Rule::Fingerprint(wanted) if *wanted == fingerprint => Ok(()),
            Rule::Fingerprint(wanted) => refuse(format!(
                "the host key of {host} is {kind} {fingerprint}, not {wanted}: if the server has a new key, state its fingerprint"
            )),
            Rule::Known { revoked, .. } if revoked.contains(key.key_data()) => {
                refuse(format!("the host key of {host}, {kind} {fingerprint}, is marked as revoked"))
            }
            Rule::Known { keys, .. } if keys.iter().any(|known| known.key.key_data() == key.key_data()) => {
                Ok(())
            }
            Rule::Known { keys, files, .. } => match keys.first() {
                Some(known) => refuse(format!(
                    "the host key of {host} is {kind} {fingerprint}, which is not the known one: somebody may stand \
                     between, or the server has a new key; if it has, replace line {} of {}",
                    known.line,
                    known.file.display(),
                )),
                None => refuse(format!(
                    "the host key of {host}, {kind} {fingerprint}, is not known: compare it with the server's own, then add \
                     it to {} or state its fingerprint",
                    files
                        .first()
                        .map_or_else(|| "a known_hosts file".to_owned(), |file| file.display().to_string()),
                )),
            },
        }
    }
}

/// Tells whether keys are of one kind; RSA keys of any hash are.
fn is_of(asked: &Algorithm, known: &Algorithm) -> bool {
    asked == known || matches!((asked, known), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }))
}

/// Returns the keys that a file marks as revoked, for whatever host: such a key is nobody's any more.
fn revoked_in(file: &Path) -> Vec<KeyData> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.strip_prefix("@revoked"));
    let keys = lines.filter_map(|line| parse_public_key_base64(line.split_whitespace().nth(2)?).ok());
    keys.map(|key| key.key_data().clone()).collect()
}

#[cfg(test)]
mod tests {
    use russh::keys::{Algorithm, PublicKey, parse_public_key_base64};
    use tempfile::TempDir;

    use super::{HostKeys, Trust};
    use crate::error::ErrorKind;

    const ONE: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const TWO: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";
    const OF_ONE: &str = "SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE";

    fn key(text: &str) -> PublicKey {
        parse_public_key_base64(text).unwrap()
    }

    fn check(lines: &str, port: u16, key: &PublicKey) -> Result<(), String> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, lines).unwrap();
        let trust = Trust::read("one.example.org", port, &HostKeys::Known(vec![file])).unwrap();
        trust.check(key).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            error.message().to_owned()
        })
    }

    #[test]
    fn a_host_key_is_known_or_refused() {
        let (one, two) = (key(ONE), key(TWO));
        let lines = format!("# a comment\none.example.org,10.0.0.1 ssh-ed25519 {ONE} me\n");
        check(&lines, 22, &one).unwrap();
        let changed = check(&lines, 22, &two).unwrap_err();
        assert!(changed.contains("not the known one") && changed.contains("replace line"), "{changed}");
        let other_port = check(&lines, 2222, &one).unwrap_err();
        assert!(
            other_port.contains("[one.example.org]:2222") && other_port.contains("not known"),
            "{other_port}"
        );
        check(&format!("[one.example.org]:2222 ssh-ed25519 {ONE}\n"), 2222, &one).unwrap();
        // A server may have several keys.
        let both = format!("one.example.org ssh-ed25519 {ONE}\none.example.org ssh-ed25519 {TWO}\n");
        check(&both, 22, &two).unwrap();
        let revoked = format!("{lines}@revoked * ssh-ed25519 {ONE}\n");
        assert!(check(&revoked, 22, &one).unwrap_err().contains("revoked"));
        assert!(check("", 22, &one).unwrap_err().contains("not known"));
    }

    #[test]
    fn without_a_file_no_server_is_known() {
        for files in [Vec::new(), vec!["/nowhere/known_hosts".into()]] {
            let trust = Trust::read("h", 22, &HostKeys::Known(files)).unwrap();
            assert_eq!(trust.check(&key(ONE)).unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        Trust::read("h", 22, &HostKeys::AcceptAny).unwrap().check(&key(ONE)).unwrap();
    }

    #[test]
    fn a_pinned_key_is_the_only_one() {
        let trust = Trust::read("h", 22, &HostKeys::Fingerprint(OF_ONE.to_owned())).unwrap();
        trust.check(&key(ONE)).unwrap();
        let other = trust.check(&key(TWO)).unwrap_err();
        assert!(other.message().contains(OF_ONE), "{other}");
    }

    #[test]
    fn the_known_kind_of_key_is_asked_for_first() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, format!("h ssh-ed25519 {ONE}\n")).unwrap();
        let trust = Trust::read("h", 22, &HostKeys::Known(vec![file])).unwrap();
        let usual = [Algorithm::Rsa { hash: None }, Algorithm::Ed25519];
        assert_eq!(trust.preferred(&usual), [Algorithm::Ed25519, Algorithm::Rsa { hash: None }]);
    }
}
