//! How people sign in, and what lasts of it.

use std::fmt::{self, Debug};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Principal;
use crate::id::SessionId;
use crate::time::Timestamp;

/// A text that nobody is to read but whom it was sent to: a password, a token. It prints nothing of itself.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HiddenText(String);

/// Reads a secret. What is none is not repeated: a number in its place may be somebody's password.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom("a secret is a string"))
}

impl<'de> Deserialize<'de> for HiddenText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        secret(deserializer).map(Self)
    }
}

impl HiddenText {
    /// Takes a text that is to be hidden.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the whole text: for the moment it is shown, sent or looked at.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Debug for HiddenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HiddenText")
    }
}

/// Body of `POST /v1/session`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The sign-in name; capitals do not matter.
    pub name: String,
    /// The password.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: HiddenText,
}

/// A session: somebody signed in, in one browser.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, within five minutes.
    pub seen_at: Timestamp,
    /// When it ends unless it is used before.
    pub idle_ends_at: Timestamp,
    /// When it ends in any case.
    pub ends_at: Timestamp,
    /// Where it began.
    #[serde(default)]
    pub address: Option<String>,
    /// What the browser called itself: at most 200 characters.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Who is signed in, and what their pages send with every write.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Who it is.
    pub principal: Principal,
    /// The session.
    pub session: Session,
    /// What goes into `X-CSRF-Token` of each request that is not `GET`, `HEAD` or `OPTIONS`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub csrf_token: HiddenText,
}

/// Body of `PUT /v1/me/password`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password as it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub current: HiddenText,
    /// The password as it is to be: at least 10 characters, at most 1,024 bytes, and not the sign-in name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub new: HiddenText,
}

/// What lets a person set a new password, once; it is shown this once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewReset {
    /// The token, `lsr_…`; only a hash of it is kept.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: HiddenText,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// Body of `POST /v1/password`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The token.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: HiddenText,
    /// The new password.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub password: HiddenText,
    /// A new sign-in name; needed where the person has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{ChangePassword, ResetPassword, SignIn};
    use crate::wire::{AcceptInvitation, ClaimTransfer, CreateShare, OpenShare, UpdateShare};

    fn refusal<T: serde::de::DeserializeOwned>(body: &str) -> String {
        let direct = serde_json::from_str::<T>(body).err().unwrap().to_string();
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        format!("{direct} {}", serde_json::from_value::<T>(value).err().unwrap())
    }

    #[test]
    fn what_stands_in_a_secrets_place_is_not_repeated() {
        for wrong in
            ["1234567890", "1234567890.5", "-1234567890", "[1234567890]", r#"{"a":1234567890}"#, "true"]
        {
            for told in [
                refusal::<SignIn>(&format!(r#"{{"name":"a","password":{wrong}}}"#)),
                refusal::<ChangePassword>(&format!(r#"{{"current":"a","new":{wrong}}}"#)),
                refusal::<ResetPassword>(&format!(r#"{{"token":{wrong},"password":"a"}}"#)),
                refusal::<AcceptInvitation>(&format!(r#"{{"token":"a","password":{wrong}}}"#)),
                refusal::<OpenShare>(&format!(r#"{{"password":{wrong}}}"#)),
                refusal::<CreateShare>(&format!(r#"{{"password":{wrong}}}"#)),
                refusal::<UpdateShare>(&format!(r#"{{"password":{wrong}}}"#)),
                refusal::<ClaimTransfer>(&format!(r#"{{"token":{wrong}}}"#)),
            ] {
                assert!(told.contains("a secret is a string"), "{told}");
                assert!(!told.contains("1234567890") && !told.contains("true"), "{told}");
            }
        }
    }
}
