//! Shared access signatures: addresses at which the Blob service itself gives one file, for a while.
//!
//! `object_store` signs such addresses too, but without what the answer is to state: its media type and its name. So they are
//! signed here, after "Create a service SAS", with a key of the account. Entra's tokens sign nothing by themselves, and a signature
//! that an operator has may be good for more than one file: neither gives an address.

use std::fmt::{self, Debug};
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::error::{Error, ErrorKind, Result};
use crate::object::request::{add_query, encoded_path};
use crate::presign::PresignOptions;
use crate::secret::Secret;

/// The version of the service whose rules these signatures follow.
const VERSION: &str = "2020-12-06";

/// Signs addresses of one container's files.
pub(super) struct Signer {
    account: String,
    hmac: Hmac<Sha256>,
}

impl Signer {
    /// Takes a key of the account, in base64.
    pub(super) fn new(account: &str, key: &Secret) -> Result<Self> {
        // What is wrong with it would repeat it.
        let wrong = || Error::new(ErrorKind::InvalidInput, "the account's key is no base64");
        let key = BASE64_STANDARD.decode(key.expose()).map_err(|_| wrong())?;
        let hmac = Hmac::new_from_slice(&key).map_err(|_| wrong())?;
        Ok(Self { account: account.to_owned(), hmac })
    }

    /// Returns where the file can be read. `endpoint` is the Blob service's, without a slash at its end.
    pub(super) fn address(
        &self,
        endpoint: &str,
        container: &str,
        path: &str,
        options: &PresignOptions,
    ) -> Result<Secret> {
        #[expect(clippy::disallowed_methods, reason = "the address says until when it holds")]
        let now = SystemTime::now();
        let until = SignedDuration::try_from(options.expires_in)
            .and_then(|time| Timestamp::try_from(now)?.checked_add(time))
            .map_err(|error| {
                Error::new(ErrorKind::InvalidInput, "no address can hold for so long").with_source(error)
            })?;
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let protocol = if super::is_plain(endpoint) { "https,http" } else { "https" };
        let disposition = options.disposition.as_deref().unwrap_or_default();
        let media_type = options.media_type.as_deref().unwrap_or_default();
        let account = &self.account;
        // Each field has its line, also those that say nothing: the begin, a policy's name, addresses; a snapshot, a scope of
        // encryption, caching; encoding and language.
        let text = format!(
            "r\n\n{until}\n/blob/{account}/{container}/{path}\n\n\n{protocol}\n{VERSION}\nb\n\n\n\n\
             {disposition}\n\n\n{media_type}"
        );
        let mut hmac = self.hmac.clone();
        hmac.update(text.as_bytes());
        let signature = BASE64_STANDARD.encode(hmac.finalize().into_bytes());
        let mut address = format!("{endpoint}/{container}/{}", encoded_path(path));
        let fields = [
            ("sv", VERSION),
            ("sr", "b"),
            ("sp", "r"),
            ("se", &until),
            ("spr", protocol),
            ("rscd", disposition),
            ("rsct", media_type),
            ("sig", &signature),
        ];
        let said: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        add_query(&mut address, &said);
        Ok(Secret::new(address))
    }
}

impl Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Signer;
    use crate::azure::{AzureCredential, AzureOptions};
    use crate::presign::PresignOptions;
    use crate::store::Store;

    fn wanted() -> PresignOptions {
        PresignOptions {
            expires_in: Duration::from_secs(300),
            media_type: Some("text/csv".to_owned()),
            disposition: Some("attachment; filename=\"a b.csv\"".to_owned()),
        }
    }

    fn options(credential: AzureCredential) -> AzureOptions {
        let (account, container) = ("acme".to_owned(), "data".to_owned());
        AzureOptions { account, container, credential, ..AzureOptions::default() }
    }

    #[tokio::test]
    async fn an_address_is_signed_with_what_is_to_be_said() {
        let store = Store::azure(options(AzureCredential::Key("aHVudGVyMg==".into()))).unwrap();
        let address = store.presign_read("x/y z", &wanted()).await.unwrap().unwrap();
        let address = address.expose();
        assert!(address.starts_with("https://acme.blob.core.windows.net/data/x/y%20z?sv="), "{address}");
        for part in [
            "&sr=b&sp=r&se=",
            "&spr=https&",
            "&rscd=attachment%3B%20filename%3D%22a%20b.csv%22&",
            "&rsct=text%2Fcsv&",
            "&sig=",
        ] {
            assert!(address.contains(part), "{part} in {address}");
        }
        assert!(!address.contains("hunter2") && !address.contains("aHVudGVyMg"));
        // What it says nothing of is not said.
        let plain = PresignOptions { expires_in: Duration::from_secs(1), ..PresignOptions::default() };
        let plain = store.presign_read("x", &plain).await.unwrap().unwrap();
        assert!(!plain.expose().contains("rscd") && !plain.expose().contains("rsct"));
    }

    #[tokio::test]
    async fn who_has_no_key_signs_nothing() {
        for credential in [
            AzureCredential::Token("hunter2".into()),
            AzureCredential::Signature("sv=2020-12-06&sig=hunter2".into()),
            AzureCredential::ManagedIdentity { client: None },
        ] {
            let store = Store::azure(options(credential)).unwrap();
            assert!(store.presign_read("x/y", &wanted()).await.unwrap().is_none());
        }
        let key = AzureCredential::Key("aHVudGVyMg==".into());
        let store = Store::azure(options(key)).unwrap();
        assert!(!format!("{:?}", Signer::new("acme", &"aHVudGVyMg==".into()).unwrap()).contains("hunter2"));
        let forever = PresignOptions { expires_in: Duration::MAX, ..PresignOptions::default() };
        store.presign_read("x", &forever).await.unwrap_err();
    }
}
