//! Passwords: which are taken, and their hashes, which cost those who guess.
//!
//! Argon2id (RFC 9106) over PHC strings. A hash fills megabytes, so no more than a few are made at once and not many wait:
//! whoever comes later is told to come again, before anything was filled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use argon2::{PasswordHasher as _, PasswordVerifier as _};
use longshore_core::wire::HiddenText;
use longshore_core::{Code, SignInName, random};
use longshore_flow::Blocking;
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// How many hashes are made at once.
const AT_ONCE: usize = 2;
/// How many may be made or waited for.
const WAITING: usize = 128;
const SALT: usize = 16;
const OUTPUT: usize = 32;

/// The fewest characters of a new password.
const LEAST_CHARACTERS: usize = 10;
/// The most bytes of a password.
const MOST_BYTES: usize = 1_024;

/// What a guess of a password costs. By default what OWASP's cheat sheet on password storage asks for: 19 MiB, two passes,
/// one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// How many KiB are filled.
    pub memory_kib: u32,
    /// How many times they are.
    pub passes: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1_024, passes: 2 }
    }
}

impl PasswordCost {
    fn params(self) -> Result<Params> {
        Params::new(self.memory_kib, self.passes, 1, Some(OUTPUT))
            .map_err(|error| Error::new(Code::Internal, format!("the cost of passwords: {error}")))
    }
}

/// What hashes passwords. It prints none.
#[derive(Debug)]
pub(crate) struct Passwords {
    cost: Params,
    threads: Blocking,
    room: Semaphore,
    /// The hash of nobody's password: a random output, which no password is known to have.
    nobody: String,
    /// How many KiB were filled.
    work: Arc<AtomicU64>,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(Code::Internal, format!("a password could not be hashed: {error}"))
}

/// How many KiB are filled for a hash.
fn work_of(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

impl Passwords {
    pub(crate) fn new(cost: PasswordCost) -> Result<Self> {
        let cost = cost.params()?;
        let (mut salt, mut output) = ([0; SALT], [0; OUTPUT]);
        random::fill(&mut salt);
        random::fill(&mut output);
        let nobody = PasswordHash {
            algorithm: Ident::new(ARGON2ID_IDENT.as_str()).map_err(failed)?,
            version: Some(Version::default().into()),
            params: ParamsString::try_from(&cost).map_err(failed)?,
            salt: Some(Salt::new(&salt).map_err(failed)?),
            hash: Some(Output::new(&output).map_err(failed)?),
        };
        let (threads, room) = (Blocking::new(AT_ONCE), Semaphore::new(WAITING));
        Ok(Self { cost, threads, room, nobody: nobody.to_string(), work: Arc::default() })
    }

    pub(crate) fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let full = |_| {
            Error::new(Code::Overloaded, "too many passwords are being looked at: come again in a moment")
        };
        let _place = self.room.try_acquire().map_err(full)?;
        self.threads.run(work).await.map_err(failed)?
    }

    /// Hashes a password with a fresh salt.
    pub(crate) async fn hash(&self, password: HiddenText) -> Result<String> {
        let (cost, work) = (self.cost.clone(), Arc::clone(&self.work));
        self.run(move || {
            let mut salt = [0; SALT];
            random::fill(&mut salt);
            work.fetch_add(work_of(&cost), Ordering::Relaxed);
            let argon = Argon2::new(Algorithm::Argon2id, Version::default(), cost);
            let hash = argon.hash_password_with_salt(password.reveal().as_bytes(), &salt).map_err(failed)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Tells whether a password has a hash. Where there is none the same work is done, and it has not.
    pub(crate) async fn verify(&self, password: HiddenText, hash: Option<String>) -> Result<bool> {
        let (known, work) = (hash.unwrap_or_else(|| self.nobody.clone()), Arc::clone(&self.work));
        // One that could never have been set is not worth more work than another.
        let password = if password.reveal().len() > MOST_BYTES { HiddenText::default() } else { password };
        self.run(move || {
            let known = PasswordHash::new(&known).map_err(|_| Error::corrupt("a password's hash"))?;
            let params = Params::try_from(&known).map_err(|_| Error::corrupt("a password's hash"))?;
            work.fetch_add(work_of(&params), Ordering::Relaxed);
            Ok(Argon2::default().verify_password(password.reveal().as_bytes(), &known).is_ok())
        })
        .await
    }

    /// Tells whether a hash was made at another cost than that of today.
    pub(crate) fn is_outdated(&self, hash: &str) -> bool {
        let params = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
        params.is_none_or(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                != (self.cost.m_cost(), self.cost.t_cost(), self.cost.p_cost())
        })
    }
}

/// Takes a text as a name to sign in by.
pub(crate) fn sign_in_name(text: &str) -> Result<SignInName> {
    SignInName::new(text).map_err(|rule| Error::new(Code::InvalidSignInName, rule))
}

/// Refuses a new password that is too short or too long.
pub(crate) fn ensure_long_enough(password: &HiddenText) -> Result<()> {
    let text = password.reveal();
    let broken = if text.chars().count() < LEAST_CHARACTERS {
        "a password has at least 10 characters"
    } else if text.len() > MOST_BYTES {
        "a password has at most 1,024 bytes"
    } else {
        return Ok(());
    };
    Err(Error::new(Code::InvalidPassword, broken))
}

/// Refuses a new password of somebody that breaks a rule.
pub(crate) fn ensure_acceptable(password: &HiddenText, name: &SignInName) -> Result<()> {
    ensure_long_enough(password)?;
    if name.is(password.reveal()) {
        return Err(Error::new(Code::InvalidPassword, "the sign-in name is no password"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use longshore_core::wire::HiddenText;
    use longshore_core::{Code, SignInName};

    use super::{PasswordCost, Passwords, WAITING, ensure_acceptable};

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, passes: 1 };

    fn text(text: &str) -> HiddenText {
        HiddenText::new(text)
    }

    #[tokio::test]
    async fn a_password_has_its_hash_and_no_other() {
        let passwords = Passwords::new(CHEAP).unwrap();
        let hash = passwords.hash(text("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(passwords.hash(text("correct horse")).await.unwrap(), hash);
        assert!(passwords.verify(text("correct horse"), Some(hash.clone())).await.unwrap());
        for other in ["correct horsf", "", "Correct horse", &"x".repeat(2_000)] {
            assert!(!passwords.verify(text(other), Some(hash.clone())).await.unwrap(), "{other}");
        }
    }

    #[tokio::test]
    async fn nobodys_password_costs_as_much_as_anybodys() {
        let passwords = Passwords::new(CHEAP).unwrap();
        let hash = passwords.hash(text("correct horse")).await.unwrap();
        let cost = async |hash| {
            let before = passwords.work();
            assert!(!passwords.verify(text("wrong horse"), hash).await.unwrap());
            passwords.work() - before
        };
        assert_eq!((cost(Some(hash)).await, cost(None).await), (64, 64));
    }

    #[tokio::test]
    async fn the_default_cost_is_owasps() {
        let passwords = Passwords::new(PasswordCost::default()).unwrap();
        assert!(passwords.nobody.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", passwords.nobody);
        assert!(!passwords.is_outdated(&passwords.nobody));
        assert!(Passwords::new(CHEAP).unwrap().is_outdated(&passwords.nobody));
    }

    #[tokio::test]
    async fn a_flood_is_refused_before_any_work() {
        let passwords = Passwords::new(CHEAP).unwrap();
        let _all = passwords.room.acquire_many(WAITING.try_into().unwrap()).await.unwrap();
        let refused = passwords.hash(text("correct horse")).await.unwrap_err();
        assert_eq!((refused.code(), passwords.work()), (Code::Overloaded, 0));
    }

    #[test]
    fn what_breaks_a_rule_is_no_password() {
        let name = SignInName::new("Ada@example.org").unwrap();
        for bad in ["", "ninechars", "ADA@EXAMPLE.ORG", &"x".repeat(1_025), &"\u{e9}".repeat(9)] {
            assert_eq!(ensure_acceptable(&text(bad), &name).unwrap_err().code(), Code::InvalidPassword);
        }
        for good in ["ten chars.", &"x".repeat(1_024), &"\u{e9}".repeat(10)] {
            ensure_acceptable(&text(good), &name).unwrap();
        }
    }
}
