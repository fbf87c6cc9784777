//! Signing in by OpenID Connect: the code flow with PKCE, of a client that has a secret (OpenID Connect Core 1.0, RFC 7636,
//! RFC 9207).
//!
//! Whom a provider vouches for is found out here; whom that lets in, the engine decides. Providers are the operator's choice
//! and may be private, so the guard that dials them lets every address pass; where it dials is what the configured issuer says
//! of itself. No secret, code, verifier or token is in an error or in the log.

mod attempt;
mod provider;
mod token;

use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::OidcProvider;
use longshore_core::{Code, Timestamp};
use longshore_engine::egress::{Guard, Settings};
use longshore_engine::{Error, Result, Vouched};

use self::provider::{Provider, encoded, error_name, refused};
use crate::config::{Config, OidcConfig, PublicOrigin};

pub(crate) use self::attempt::{Attempt, LASTS, Purpose, wrong};

/// How long a provider may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What sign-in by OpenID Connect is made of.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The origin that browsers come back to.
    pub origin: PublicOrigin,
    /// The providers.
    pub providers: Vec<OidcConfig>,
    /// A file with certificate authorities (PEM) to trust besides this machine's.
    pub ca_file: Option<PathBuf>,
    /// How long a provider may take for an answer (10 s).
    pub patience: Duration,
}

/// The providers that people may sign in by; by default there is none. Clones share what is known of them.
#[derive(Clone, Default)]
pub struct Oidc(Option<Arc<Inner>>);

struct Inner {
    origin: PublicOrigin,
    providers: Vec<Provider>,
}

impl Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.providers().iter().map(|provider| &provider.config.name);
        f.debug_list().entries(names).finish()
    }
}

/// What a provider's answer says, as the browser brings it.
#[derive(Clone, Copy)]
pub(crate) struct Told<'t> {
    pub(crate) code: Option<&'t str>,
    pub(crate) iss: Option<&'t str>,
    pub(crate) error: Option<&'t str>,
}

/// Whom a provider has vouched for, and whether it is one of those who may come without an invitation.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) vouched: Vouched,
    pub(crate) is_of_domain: bool,
}

impl Oidc {
    /// Takes the providers that are configured. Nobody is asked yet.
    pub(crate) fn of(config: &Config) -> crate::Result<Self> {
        let (providers, ca_file) = (config.oidc.providers()?, config.egress.ca_file.clone());
        let Some(origin) = config.server.public_origin.clone().filter(|_| !providers.is_empty()) else {
            return Ok(Self::default());
        };
        Self::new(OidcSettings { origin, providers, ca_file, patience: PATIENCE })
    }

    /// Takes providers. Nobody is asked yet.
    pub fn new(settings: OidcSettings) -> crate::Result<Self> {
        let unusable = |error| crate::Error::caused("the providers to sign in by", error);
        let all = |text: &str| text.parse().ok();
        let networks = ["0.0.0.0/0", "::/0"].into_iter().filter_map(all).collect();
        let ports = ["1-65535"].into_iter().filter_map(|text| text.parse().ok()).collect();
        let guard = Guard::new(Settings {
            // At loopback addresses alone, which `provider` sees to.
            allow_http: true,
            ports,
            networks,
            ca_file: settings.ca_file,
            user_agent: Some(format!("Longshore/{}", env!("CARGO_PKG_VERSION"))),
        });
        let guard = guard.map_err(unusable)?;
        let provider = |config: OidcConfig| {
            let secret = config.secret()?;
            Ok(Provider::new(config, secret, guard.clone(), settings.patience))
        };
        let providers = settings.providers.into_iter().map(provider).collect::<crate::Result<_>>()?;
        Ok(Self(Some(Arc::new(Inner { origin: settings.origin, providers }))))
    }

    fn providers(&self) -> &[Provider] {
        self.0.as_ref().map_or(&[], |inner| &inner.providers)
    }

    /// Lists the providers, in the order of the configuration.
    pub(crate) fn list(&self) -> Vec<OidcProvider> {
        let of = |Provider { config, .. }: &Provider| OidcProvider {
            name: config.name.clone(),
            label: config.label().to_owned(),
            issuer: config.issuer.clone(),
        };
        self.providers().iter().map(of).collect()
    }

    fn named(&self, name: &str) -> Result<(&Inner, &Provider)> {
        let found = self.0.as_deref().and_then(|inner| {
            Some((inner, inner.providers.iter().find(|provider| provider.config.name == name)?))
        });
        found.ok_or_else(|| Error::new(Code::ProviderNotFound, "no provider to sign in by is called so"))
    }

    /// Returns the URL of a path on the origin that people reach the server by.
    pub(crate) fn own_url(&self, path: &str) -> String {
        let origin = self.0.as_ref().map_or("", |inner| inner.origin.as_str());
        format!("{origin}{path}")
    }

    /// Refuses a name that no provider has.
    pub(crate) fn ensure_named(&self, name: &str) -> Result<()> {
        self.named(name).map(drop)
    }

    /// Begins a sign-in: returns the page of the provider that the browser is to open.
    pub(crate) async fn begin(&self, name: &str, attempt: &Attempt, now: Timestamp) -> Result<String> {
        let (inner, provider) = self.named(name)?;
        let _place = provider.place()?;
        let discovery = provider.discovery(now).await?;
        let endpoint = &discovery.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        let config = &provider.config;
        let mut url = format!("{endpoint}{joint}response_type=code&code_challenge_method=S256");
        for (key, value) in [
            ("client_id", config.client_id.as_str()),
            ("redirect_uri", &inner.callback(name)),
            ("scope", &config.scopes.join(" ")),
            ("state", &attempt.state()),
            ("nonce", &attempt.nonce()),
            ("code_challenge", &attempt.challenge()),
        ] {
            url.push_str(&format!("&{key}={}", encoded(value)));
        }
        Ok(url)
    }

    /// Ends a sign-in: finds out whom the provider vouches for by the answer that the attempt's own browser brought.
    pub(crate) async fn finish(
        &self,
        name: &str,
        attempt: &Attempt,
        told: Told<'_>,
        now: Timestamp,
    ) -> Result<Known> {
        let (inner, provider) = self.named(name)?;
        let _place = provider.place()?;
        let discovery = provider.discovery(now).await?;
        provider.ensure_from(&discovery, told.iss)?;
        if let Some(error) = told.error {
            return Err(refused(match error_name(error) {
                Some(error) => format!("the provider has refused the sign-in: {error}"),
                None => "the provider has refused the sign-in".to_owned(),
            }));
        }
        let code = told.code.filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| refused("the provider's answer has no code"))?;
        let proof = (code, &attempt.verifier());
        let claims = provider.exchange(&discovery, proof, &inner.callback(name), now).await?;
        if !claims.nonce.as_deref().is_some_and(|nonce| attempt.is_nonce(nonce)) {
            return Err(refused("the ID token is of another sign-in"));
        }
        let is_of_domain = claims.is_of_domain(&provider.config.allowed_domains);
        let email = claims.verified_email().map(str::to_owned);
        let vouched = Vouched {
            issuer: provider.config.issuer.clone(),
            names: [claims.name, claims.preferred_username, email].into_iter().flatten().collect(),
            subject: claims.sub,
            email: claims.email,
        };
        Ok(Known { vouched, is_of_domain })
    }
}

impl Inner {
    /// Where the provider sends the browser back to: each has an address of its own, so that none can answer for another.
    fn callback(&self, name: &str) -> String {
        format!("{}/v1/session/oidc/{name}/callback", self.origin.as_str())
    }
}
