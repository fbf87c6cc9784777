//! The engine's error: a public code, what is wrong in this very case, and privately why.

use std::fmt::{self, Display};
use std::sync::Arc;

use longshore_core::wire::Facts;
use longshore_core::{Code, ErrorKind, KeyId, PathError, PrincipalId, VersionId, WorkspaceId};

use crate::actor::Credential;

/// The result of an engine verb.
pub type Result<T> = std::result::Result<T, Error>;

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why an engine verb did not do what it was asked.
///
/// Nothing changed, whatever the code.
#[derive(Clone, Debug)]
pub struct Error {
    code: Code,
    detail: String,
    facts: Option<Box<Facts>>,
    source: Option<Source>,
    refusal: Option<Box<Refusal>>,
}

/// What the audit log is to know of a refusal. Nothing of it is told to who was refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    /// Where a right is lacking.
    pub(crate) workspace: Option<WorkspaceId>,
    /// Whose secret or name it was, where that much was right.
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) credential: Option<Credential>,
    /// The id in a key that is not good: whoever showed it need not have it.
    pub(crate) claimed: Option<KeyId>,
}

impl Error {
    /// Makes an error of a code and what is wrong in this very case.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), facts: None, source: None, refusal: None }
    }

    pub(crate) fn caused(
        code: Code,
        detail: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { source: Some(Arc::new(source)), ..Self::new(code, detail) }
    }

    /// A fault of ours: what the database gave cannot be.
    pub(crate) fn corrupt(what: impl Display) -> Self {
        Self::new(Code::Internal, format!("the database holds what it should not: {what}"))
    }

    /// The same with another code, for who knows better what it means.
    pub(crate) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// The same, as one that refuses a right, in this workspace where it is one's: the audit log has it, though its code may say
    /// only that nothing is there.
    pub(crate) fn refusing(mut self, workspace: impl Into<Option<WorkspaceId>>) -> Self {
        let refusal = self.refusal.get_or_insert_default();
        refusal.workspace = refusal.workspace.or(workspace.into());
        self
    }

    /// The same, where it is a refusal, as one of an act in this workspace.
    pub(crate) fn within(self, workspace: WorkspaceId) -> Self {
        if self.refuses_a_right() { self.refusing(workspace) } else { self }
    }

    /// The same, saying who is refused.
    pub(crate) fn of(mut self, principal: PrincipalId, credential: impl Into<Option<Credential>>) -> Self {
        let refusal = self.refusal.get_or_insert_default();
        (refusal.principal, refusal.credential) = (Some(principal), credential.into());
        self
    }

    /// The same, saying which key somebody claimed to have.
    pub(crate) fn claiming(mut self, key: KeyId) -> Self {
        self.refusal.get_or_insert_default().claimed = Some(key);
        self
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// Tells whether it refuses for want of a right, be it said so or not.
    pub(crate) fn refuses_a_right(&self) -> bool {
        self.refusal.is_some() || matches!(self.kind(), ErrorKind::Denied | ErrorKind::Unauthenticated)
    }

    /// Tells whether it says that nothing was done. After any other nobody knows what the transaction is worth.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self.code.kind(), ErrorKind::Unavailable | ErrorKind::Internal)
    }

    pub(crate) fn stale(detail: impl Into<String>, current: Option<VersionId>) -> Self {
        let facts = Facts { current_version: current, ..Facts::default() };
        Self::new(Code::PreconditionFailed, detail).with_facts(facts)
    }

    /// The same, saying more for a program to act on.
    pub(crate) fn with_facts(self, facts: Facts) -> Self {
        Self { facts: Some(Box::new(facts)), ..self }
    }

    /// The same, saying more besides what it says already.
    pub(crate) fn adding(self, more: Facts) -> Self {
        let said = self.facts.map(|facts| *facts).unwrap_or_default();
        let facts = Facts {
            queue: more.queue.or(said.queue),
            locks: if more.locks.is_empty() { said.locks } else { more.locks },
            lock_ids: if more.lock_ids.is_empty() { said.lock_ids } else { more.lock_ids },
            ..said
        };
        Self { facts: Some(Box::new(facts)), ..self }
    }

    /// Returns the public code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Returns the kind, which says what the caller must do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.code.kind()
    }

    /// Returns what is wrong in this very case. For [`ErrorKind::Internal`] it is for the log alone.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the version that stands, where a precondition failed.
    #[must_use]
    pub const fn current_version(&self) -> Option<VersionId> {
        match &self.facts {
            Some(facts) => facts.current_version,
            None => None,
        }
    }

    /// Returns what the code has to say beyond its text.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
    }

    /// Tells whether the same call may do better later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.code.is_retryable()
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
