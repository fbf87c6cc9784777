//! A provider of OpenID Connect on this machine, which does as a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use longshore_core::Timestamp;
use longshore_egress::testing::{Peer, content, header};
use longshore_server::config::{OidcConfig, Secret};
use longshore_server::{Entrance, Oidc, OidcSettings};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

pub(crate) const ORIGIN: &str = "https://files.example.org";
pub(crate) const CLIENT: &str = "longshore";
pub(crate) const SECRET: &str = "the client's own: secret+%";

/// A key that signs tokens. Those of RSA are too slow to be made anew, and ring makes none: there is one for all tests.
pub(crate) enum Signer {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(crate) fn rsa() -> Self {
        let text: String = include_str!("rsa.b64").split_whitespace().collect();
        Self::Rsa(Box::new(RsaKeyPair::from_der(&BASE64_STANDARD.decode(text).unwrap()).unwrap()))
    }

    pub(crate) fn p256() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(algorithm, pair.as_ref(), &random).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(crate) fn sign(&self, signed: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature).unwrap();
                signature
            }
            Self::P256(pair) => pair.sign(&SystemRandom::new(), signed).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(signed).as_ref().to_vec(),
        }
    }

    /// Returns the key that verifies, as a provider shows it.
    pub(crate) fn public(&self, id: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": encoded(n), "e": encoded(e) })
            }
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encoded(x), "y": encoded(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": encoded(pair.public_key()) })
            }
        }
    }

    /// Makes a token of what it says.
    pub(crate) fn token(&self, id: &str, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "kid": id, "typ": "JWT" });
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", encoded(signature))
    }
}

/// How one of the provider's addresses answers, where not as it should.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// With this status and body.
    Says(u16, String),
    /// Not at all.
    Hangs,
    /// With what never ends.
    Endless,
}

/// What a provider does next.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) keys: Vec<Value>,
    pub(crate) discovery: BTreeMap<&'static str, Value>,
    pub(crate) troubles: BTreeMap<&'static str, Trouble>,
    /// The ID token that each code is exchanged for, and the challenge that its exchange answers.
    codes: BTreeMap<String, (String, String)>,
    used: BTreeSet<String>,
}

pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) peer: Peer,
    pub(crate) issuer: String,
    pub(crate) script: Arc<Mutex<Script>>,
}

/// A sign-in that has begun, as its browser has it.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) cookie: String,
    pub(crate) query: BTreeMap<String, String>,
}

impl Begun {
    pub(crate) fn of(url: &str, cookie: &str) -> Self {
        let read = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
        };
        let pairs = url.split_once('?').unwrap().1.split('&');
        let query = pairs.map(|pair| pair.split_once('=').unwrap());
        Self {
            url: url.to_owned(),
            cookie: cookie.split(';').next().unwrap().to_owned(),
            query: query.map(|(key, value)| (key.to_owned(), read(value))).collect(),
        }
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        &self.query[key]
    }
}

fn answer(status: u16, body: &str) -> String {
    let kind = "content-type: application/json";
    format!("HTTP/1.1 {status} x\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn behave(mut stream: TcpStream, trouble: Trouble) -> std::io::Result<()> {
    match trouble {
        Trouble::Says(status, body) => {
            let place =
                if (300..400).contains(&status) { format!("location: {body}\r\n") } else { String::new() };
            let text = answer(status, &body).replacen("\r\n", &format!("\r\n{place}"), 1);
            stream.write_all(text.as_bytes()).await
        }
        Trouble::Hangs => {
            // Until the other side has hung up.
            let mut byte = [0];
            tokio::io::AsyncReadExt::read(&mut stream, &mut byte).await.map(drop)
        }
        Trouble::Endless => {
            stream.write_all(b"HTTP/1.1 200 x\r\n\r\n{\"a\":\"").await?;
            loop {
                stream.write_all(&[b'a'; 65_536]).await?;
            }
        }
    }
}

/// Exchanges a code as a careful provider does: once, for who knows the client's secret and the verifier.
fn exchange(script: &mut Script, request: &str, name: &str) -> String {
    let read = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let own = header(request, "authorization").unwrap().strip_prefix("Basic ").unwrap();
    let own = String::from_utf8(BASE64_STANDARD.decode(own).unwrap()).unwrap();
    let (client, secret) = own.split_once(':').unwrap();
    if (read(client).as_str(), read(secret).as_str()) != (CLIENT, SECRET) {
        return answer(401, r#"{"error":"invalid_client"}"#);
    }
    let form: BTreeMap<String, String> = content(request)
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), read(value)))
        .collect();
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(form["redirect_uri"], format!("{ORIGIN}/v1/session/oidc/{name}/callback"));
    let digest = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
    let known = script.codes.get(&form["code"]).filter(|(_, challenge)| *challenge == encoded(digest));
    match known {
        Some((token, _)) if script.used.insert(form["code"].clone()) => answer(
            200,
            &json!({ "id_token": token, "access_token": "opaque", "token_type": "Bearer" }).to_string(),
        ),
        _ => answer(400, r#"{"error":"invalid_grant","error_description":"no such code"}"#),
    }
}

impl Provider {
    pub(crate) async fn start(name: &str) -> Self {
        let script = Arc::<Mutex<Script>>::default();
        let (scripted, own) = (Arc::clone(&script), name.to_owned());
        let peer = Peer::start(move |mut stream, request| {
            let (script, name) = (Arc::clone(&scripted), own.clone());
            async move {
                let path = request.split(' ').nth(1).unwrap().to_owned();
                let trouble = script.lock().unwrap().troubles.get(path.as_str()).cloned();
                if let Some(trouble) = trouble {
                    return behave(stream, trouble).await;
                }
                let issuer = format!("http://{}/realm", header(&request, "host").unwrap());
                let text = {
                    let mut script = script.lock().unwrap();
                    match path.as_str() {
                        "/realm/.well-known/openid-configuration" => {
                            let mut found = json!({
                                "issuer": issuer,
                                "authorization_endpoint": format!("{issuer}/auth?kc=1"),
                                "token_endpoint": format!("{issuer}/token"),
                                "jwks_uri": format!("{issuer}/keys"),
                                "code_challenge_methods_supported": ["S256"],
                            });
                            for (key, value) in &script.discovery {
                                found[*key] = value.clone();
                            }
                            answer(200, &found.to_string())
                        }
                        "/realm/keys" => answer(200, &json!({ "keys": script.keys }).to_string()),
                        "/realm/token" => exchange(&mut script, &request, &name),
                        _ => answer(404, "{}"),
                    }
                };
                stream.write_all(text.as_bytes()).await
            }
        })
        .await;
        let issuer = peer.url("/realm");
        Self { name: name.to_owned(), peer, issuer, script }
    }

    pub(crate) fn config(&self) -> OidcConfig {
        OidcConfig {
            name: self.name.clone(),
            label: Some("Our login".to_owned()),
            issuer: self.issuer.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Secret(SECRET.to_owned()),
            scopes: ["openid", "email"].map(str::to_owned).to_vec(),
            allowed_domains: vec!["example.org".to_owned()],
        }
    }

    /// Returns what lets people sign in by providers.
    pub(crate) fn entrance(providers: &[&Self], patience: Duration) -> Entrance {
        let providers = providers.iter().map(|provider| provider.config()).collect();
        let settings = OidcSettings { origin: ORIGIN.parse().unwrap(), providers, ca_file: None, patience };
        Entrance { oidc: Oidc::new(settings).unwrap(), ..Entrance::default() }
    }

    pub(crate) fn publish(&self, keys: &[(&Signer, &str)]) {
        self.script.lock().unwrap().keys = keys.iter().map(|(key, id)| key.public(id)).collect();
    }

    pub(crate) fn has_trouble(&self, path: &'static str, trouble: Trouble) {
        self.script.lock().unwrap().troubles.insert(path, trouble);
    }

    pub(crate) fn is_well(&self) {
        self.script.lock().unwrap().troubles.clear();
    }

    /// Returns how often an address was asked.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.peer.requests().iter().filter(|request| request.split(' ').nth(1) == Some(path)).count()
    }

    /// Returns what the ID token of a person says who has signed in there by an attempt.
    pub(crate) fn claims(&self, begun: &Begun, subject: &str, now: Timestamp) -> Value {
        let now = now.as_micros() / 1_000_000;
        json!({
            "iss": self.issuer,
            "aud": CLIENT,
            "azp": CLIENT,
            "sub": subject,
            "exp": now + 300,
            "iat": now,
            "nonce": begun.get("nonce"),
            "name": format!("{subject} of example"),
        })
    }

    /// Gives a code for a token.
    pub(crate) fn code(&self, begun: &Begun, token: String) -> String {
        let mut script = self.script.lock().unwrap();
        let mut code = String::from("c/+ ");
        write!(code, "{}-{}", script.codes.len(), begun.get("state")).unwrap();
        script.codes.insert(code.clone(), (token, begun.get("code_challenge").to_owned()));
        code
    }
}
