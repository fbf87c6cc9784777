//! Signing in by OpenID Connect: providers, and how they know people.

use serde::{Deserialize, Serialize};

use super::HiddenText;
use crate::id::IdentityId;
use crate::time::Timestamp;

/// A provider that people may sign in by.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// Its name in URLs.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Its issuer, by which identities name it.
    pub issuer: String,
}

/// How a provider knows a person, who signs in by it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The identity's id.
    pub id: IdentityId,
    /// The provider's issuer.
    pub issuer: String,
    /// What the provider calls the person: it never changes, and no other person there has it.
    pub subject: String,
    /// The e-mail address as the provider last told it. Nobody is found by it.
    #[serde(default)]
    pub email: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody last signed in by it.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
}

/// Body of `POST /v1/session/oidc/{provider}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginOidc {
    /// Where the browser goes once it is signed in: a path of the server's own origin; left out, `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
    /// The token of an invitation, which who signs in accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub invitation: Option<HiddenText>,
}

/// Body of `POST /v1/me/identities`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkIdentity {
    /// The provider's name.
    pub provider: String,
    /// Where the browser goes once the identity is added: a path of the server's own origin; left out, `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
}

/// A sign-in that has begun: the cookie that came with it binds it to this browser for ten minutes.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcBegun {
    /// The page of the provider that the browser is to open.
    pub authorization_url: String,
}
