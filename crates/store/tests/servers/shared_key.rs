//! Signatures with an Azure account's key, after "Authorize with Shared Key".

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http_server::Request;

/// Returns whether the request carries the signature that `key`, in base64, makes of it.
pub(crate) fn is_signed(request: &Request, account: &str, key: &str) -> bool {
    let signature = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("SharedKey ")?.strip_prefix(account)?.strip_prefix(':'))
        .and_then(|signature| BASE64_STANDARD.decode(signature).ok());
    let (Some(signature), Ok(key)) = (signature, BASE64_STANDARD.decode(key)) else {
        return false;
    };
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&key) else {
        return false;
    };
    hmac.update(string_to_sign(request, account).as_bytes());
    hmac.verify_slice(&signature).is_ok()
}

/// Returns the header that signs a request.
pub(crate) fn authorization(request: &Request, account: &str, key: &str) -> String {
    let key = BASE64_STANDARD.decode(key).unwrap_or_default();
    let signed = Hmac::<Sha256>::new_from_slice(&key).map(|mut hmac| {
        hmac.update(string_to_sign(request, account).as_bytes());
        BASE64_STANDARD.encode(hmac.finalize().into_bytes())
    });
    format!("SharedKey {account}:{}", signed.unwrap_or_default())
}

fn string_to_sign(request: &Request, account: &str) -> String {
    let header = |name: &str| request.header(name).unwrap_or_default();
    let length = header("content-length");
    let length = if length == "0" { "" } else { length };
    // The date counts once: as `x-ms-date` among the headers of the service, if that is there.
    let date = if request.header("x-ms-date").is_some() { "" } else { header("date") };
    let mut text = format!(
        "{}\n{}\n{}\n{length}\n{}\n{}\n{date}\n",
        request.method,
        header("content-encoding"),
        header("content-language"),
        header("content-md5"),
        header("content-type"),
    );
    for name in ["if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"] {
        text.push_str(header(name));
        text.push('\n');
    }
    let mut own: Vec<_> = request.headers.iter().filter(|(name, _)| name.starts_with("x-ms-")).collect();
    own.sort();
    for (name, value) in own {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&format!("/{account}{}", request.raw_path));
    let mut names: Vec<_> = request.query.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let pairs = request.query.iter().filter(|(key, _)| key.to_lowercase() == name);
        let mut values: Vec<_> = pairs.map(|(_, value)| value.as_str()).collect();
        values.sort_unstable();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}
