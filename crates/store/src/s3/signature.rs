//! Signatures of requests: AWS's Signature Version 4 in headers, as S3 has it.
//!
//! `object_store` signs as well, but derives the key of the day and takes the address apart for every request, at more than all
//! else costs that a small one is made of.

use std::fmt::{self, Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::uri::Scheme;
use http::{HeaderName, Request, Uri, header};
use jiff::Timestamp;
use object_store::aws::AwsCredential;
use sha2::{Digest as _, Sha256};

use crate::digest::hex;
use crate::error::Result;
use crate::object::error::unexpected;
use crate::object::request::value;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What is said in place of a digest of content that is not covered.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What those between us and the service may change, or HTTP itself says later.
const NOT_SIGNED: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_LENGTH, header::USER_AGENT];

/// Signs requests to one region.
pub(super) struct Signer {
    region: String,
    /// The last that was made.
    key: Mutex<Option<Arc<DayKey>>>,
}

/// What signs for one day.
struct DayKey {
    credential: Arc<AwsCredential>,
    /// `20261121/us-east-1/s3/aws4_request`.
    scope: String,
    hmac: Hmac<Sha256>,
}

impl Signer {
    pub(super) fn new(region: &str) -> Self {
        Self { region: region.to_owned(), key: Mutex::default() }
    }

    /// Signs a request that has all else it is sent with. `content` is the SHA-256 of its content, where that is covered.
    pub(super) fn sign<B>(
        &self,
        request: &mut Request<B>,
        credential: &Arc<AwsCredential>,
        content: Option<&[u8]>,
    ) -> Result<()> {
        #[expect(clippy::disallowed_methods, reason = "a signature says when it was made")]
        let now = SystemTime::now();
        let now = Timestamp::try_from(now).map_err(|error| unexpected(error.to_string()))?;
        self.sign_at(&now.strftime("%Y%m%dT%H%M%SZ").to_string(), request, credential, content)
    }

    /// Signs a request at a time such as `20261121T031500Z`.
    fn sign_at<B>(
        &self,
        now: &str,
        request: &mut Request<B>,
        credential: &Arc<AwsCredential>,
        content: Option<&[u8]>,
    ) -> Result<()> {
        let content = content.map_or_else(|| UNSIGNED.to_owned(), hex);
        let headers = request.headers_mut();
        headers.insert(DATE, value(now)?);
        headers.insert(CONTENT, value(&content)?);
        if let Some(token) = &credential.token {
            let mut token = value(token)?;
            token.set_sensitive(true);
            headers.insert(TOKEN, token);
        }
        let (canonical, signed) = canonical(request, &content);
        let key = self.key(now.split('T').next().unwrap_or_default(), credential)?;
        let said = format!("AWS4-HMAC-SHA256\n{now}\n{}\n{}", key.scope, hex(&Sha256::digest(&canonical)));
        let signature = hex(&keyed(key.hmac.clone(), &said));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={signed}, Signature={signature}",
            credential.key_id, key.scope
        );
        let mut authorization = value(&authorization)?;
        authorization.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        Ok(())
    }

    /// Returns the key of a day such as `20261121`.
    fn key(&self, day: &str, credential: &Arc<AwsCredential>) -> Result<Arc<DayKey>> {
        // Whole at all times: it is replaced in one step.
        let mut last = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*last
            && key.scope.starts_with(day)
            && (Arc::ptr_eq(&key.credential, credential) || key.credential == *credential)
        {
            return Ok(Arc::clone(key));
        }
        let mut hmac = hmac(format!("AWS4{}", credential.secret_key).as_bytes())?;
        for step in [day, &self.region, "s3", "aws4_request"] {
            hmac = self::hmac(&keyed(hmac, step))?;
        }
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let key = Arc::new(DayKey { credential: Arc::clone(credential), scope, hmac });
        *last = Some(Arc::clone(&key));
        Ok(key)
    }
}

impl Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

fn hmac(key: &[u8]) -> Result<Hmac<Sha256>> {
    Hmac::new_from_slice(key).map_err(|error| unexpected(error.to_string()))
}

fn keyed(mut hmac: Hmac<Sha256>, text: &str) -> [u8; 32] {
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().into()
}

/// Returns the form of a request that is signed, and the names of the headers in it.
fn canonical<B>(request: &Request<B>, content: &str) -> (Vec<u8>, String) {
    let uri = request.uri();
    let host = host(uri);
    let given = request.headers().iter().filter(|(name, _)| !NOT_SIGNED.contains(name));
    let mut headers: Vec<_> = given.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    headers.push((header::HOST.as_str(), host.as_bytes()));
    headers.sort_by_key(|(name, _)| *name);

    let mut canonical = Vec::with_capacity(512);
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| canonical.extend_from_slice(part));
        canonical.push(b'\n');
    };
    line(&[request.method().as_str().as_bytes()]);
    // It is encoded just once, as the service wants it.
    line(&[uri.path().as_bytes()]);
    line(&[sorted(uri.query().unwrap_or_default()).as_bytes()]);
    let mut signed = String::with_capacity(128);
    for (name, value) in headers {
        // No request has a header twice.
        line(&[name.as_bytes(), b":", &without_blanks(value)]);
        let mark = if signed.is_empty() { "" } else { ";" };
        // Writing into text cannot fail.
        write!(signed, "{mark}{name}").ok();
    }
    line(&[]);
    line(&[signed.as_bytes()]);
    canonical.extend_from_slice(content.as_bytes());
    (canonical, signed)
}

/// Returns the host as the client says it: without the port that goes without saying.
fn host(uri: &Uri) -> String {
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = uri.host().unwrap_or_default();
    match uri.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Sorts the parts of a query, which is encoded.
fn sorted(query: &str) -> String {
    let mut parts: Vec<_> = query.split('&').map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
    parts.sort_unstable();
    parts.retain(|(name, _)| !name.is_empty());
    let parts: Vec<_> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parts.join("&")
}

/// Returns a header's value without blanks at its ends, and with one where there are more.
fn without_blanks(value: &[u8]) -> Vec<u8> {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderName, HeaderValue, Method, Request, header};
    use object_store::aws::{AwsAuthorizer, AwsCredential};
    use object_store::client::HttpRequestBody;
    use sha2::{Digest as _, Sha256};

    use super::{DATE, Signer};

    type Headers = [(&'static str, &'static str)];

    fn request(method: Method, address: &str, headers: &Headers) -> Request<HttpRequestBody> {
        let mut request = Request::new(HttpRequestBody::empty());
        (*request.method_mut(), *request.uri_mut()) = (method, address.parse().unwrap());
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        request
    }

    fn credential(secret: &str, token: Option<&str>) -> Arc<AwsCredential> {
        let (key_id, token) = ("AKIAIOSFODNN7EXAMPLE".to_owned(), token.map(str::to_owned));
        Arc::new(AwsCredential { key_id, secret_key: secret.to_owned(), token })
    }

    fn authorization(request: &Request<HttpRequestBody>) -> &str {
        request.headers()[header::AUTHORIZATION].to_str().unwrap()
    }

    #[test]
    fn the_services_own_example_is_signed_as_it_says() {
        let credential = credential("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
        let address = "https://examplebucket.s3.amazonaws.com/test.txt";
        let mut request = request(Method::GET, address, &[("range", "bytes=0-9")]);
        let empty = Sha256::digest(b"");
        Signer::new("us-east-1")
            .sign_at("20130524T000000Z", &mut request, &credential, Some(&empty[..]))
            .unwrap();
        assert_eq!(
            authorization(&request),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn every_request_is_signed_as_object_store_signs_it() {
        let metadata: &Headers = &[("x-amz-meta-b", "two  blanks, \"quotes\""), ("x-amz-meta-a", "")];
        let asked: [(Method, &str, &Headers); 7] = [
            (Method::GET, "http://h:9000/b/small/00/00001", &[("if-match", "\"a\""), ("range", "bytes=-5")]),
            (Method::HEAD, "https://h:443/b/%C3%A9%20%23", &[]),
            (Method::GET, "http://h:80/b/", &[]),
            (
                Method::GET,
                "https://b.s3.us-east-1.amazonaws.com/?list-type=2&encoding-type=url&prefix=a%2Fb&delimiter=%2F",
                &[],
            ),
            (Method::POST, "http://[::1]:9000/b/k?uploads=", &[("content-type", "application/xml")]),
            (Method::PUT, "http://h:9000/b/k?partNumber=10&uploadId=a~b", &[("content-length", "7")]),
            (Method::PUT, "http://h:9000/b/k", metadata),
        ];
        let signer = Signer::new("eu-west-1");
        for token in [None, Some("temporary")] {
            // The second key has the name of the first, and takes its place.
            for (credential, digest) in
                [(credential("one", token), None), (credential("two", token), Some([7; 32]))]
            {
                for (method, address, headers) in &asked {
                    let mut theirs = request(method.clone(), address, headers);
                    let mut ours = request(method.clone(), address, headers);
                    let digest = digest.as_ref().map(|digest| &digest[..]);
                    AwsAuthorizer::new(&credential, "s3", "eu-west-1")
                        .with_sign_payload(digest.is_some())
                        .try_authorize(&mut theirs, digest)
                        .unwrap();
                    let now = theirs.headers()[DATE].to_str().unwrap().to_owned();
                    signer.sign_at(&now, &mut ours, &credential, digest).unwrap();
                    assert_eq!(authorization(&ours), authorization(&theirs), "{method} {address}");
                    assert_eq!(ours.headers(), theirs.headers(), "{method} {address}");
                }
            }
        }
    }

    #[test]
    fn a_key_is_good_for_its_day_alone() {
        let (signer, credential) = (Signer::new("us-east-1"), credential("hunter2", None));
        let mut signatures = Vec::new();
        for now in ["20261121T235959Z", "20261122T000000Z", "20261121T235959Z"] {
            let mut request = request(Method::GET, "http://h:1/b/k", &[]);
            signer.sign_at(now, &mut request, &credential, None).unwrap();
            let text = authorization(&request);
            assert!(text.contains(&format!("/{}/us-east-1/s3/aws4_request,", &now[..8])), "{text}");
            signatures.push(text.to_owned());
        }
        assert_eq!(signatures[0], signatures[2]);
        assert_ne!(signatures[0], signatures[1]);
        let request = {
            let mut request = request(Method::GET, "http://h:1/b/k", &[]);
            signer.sign(&mut request, &credential, None).unwrap();
            format!("{request:?} {signer:?}")
        };
        assert!(!request.contains("hunter2") && !request.contains("Signature="), "{request}");
    }
}
