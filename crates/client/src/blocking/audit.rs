//! The audit log for programs without an async runtime.

use std::sync::Arc;

use longshore_core::wire::{AuditEntry, AuditPage};
use tokio::runtime::Runtime;

use super::{Client, Waiting};
use crate::api::audit::AuditFilter;
use crate::error::Result;

/// The blocking verbs on the audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    verbs: crate::Audit,
    runtime: Arc<Runtime>,
}

impl Audit {
    verbs! {
        iterate list(after: Option<&str>, filter: &AuditFilter) -> Waiting<crate::Listing<AuditEntry>>;
        wait page(after: Option<&str>, filter: &AuditFilter) -> Result<AuditPage>;
        iterate follow(after: Option<&str>, filter: &AuditFilter) -> Waiting<crate::Following<AuditEntry>>;
    }
}

impl Client {
    /// Returns the verbs on the audit log.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit { verbs: self.client.audit(), runtime: self.runtime.clone() }
    }
}
