//! How long the audit log is kept.

use std::time::Duration;

/// The audit log.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct AuditConfig {
    /// For how many days its entries are kept; 0 for ever.
    #[config(env = "LONGSHORE_AUDIT_KEPT_DAYS", default = 400)]
    pub kept_days: u32,
}

impl AuditConfig {
    pub(crate) fn kept(&self) -> Option<Duration> {
        (self.kept_days > 0).then(|| Duration::from_hours(24) * self.kept_days)
    }
}
