//! What is to become of a staged upload: kept with it, since the one who finishes it may not be who began it.

use longshore_core::wire::OnConflict;
use longshore_core::{Digest, KeyId, VersionId};
use serde::{Deserialize, Serialize};

use crate::act::{Preconditions, Premises};
use crate::actor::Actor;
use crate::db::uploads::UploadRow;
use crate::error::{Error, Result};
use crate::nodes::Target;
use crate::upload::{Input, UploadOptions};

/// `If-Match`, in a form that JSON tells apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Matching {
    Any,
    Versions(Vec<VersionId>),
}

/// What was said when the upload began. Tokens of locks are not among it: who finishes it brings them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Where the content goes; nothing for a part.
    pub(super) target: Option<Target>,
    media_type: Option<String>,
    pub(super) digests: Vec<Digest>,
    on_conflict: OnConflict,
    if_match: Option<Matching>,
    if_none_match: bool,
    /// Where a part is to begin in the content.
    pub(super) at: u64,
    /// The key that it was begun with.
    #[serde(default)]
    pub(super) key: Option<KeyId>,
}

impl Plan {
    pub(super) fn of_file(input: &Input) -> Self {
        let options = &input.options;
        let Preconditions { if_match, if_none_match } = options.premises.preconditions.clone();
        Self {
            target: Some(input.target.clone()),
            media_type: options.media_type.clone(),
            digests: options.digests.clone(),
            on_conflict: options.on_conflict,
            if_match: if_match.map(|versions| versions.map_or(Matching::Any, Matching::Versions)),
            if_none_match,
            at: 0,
            key: input.actor.key(),
        }
    }

    pub(super) fn of_part(at: u64, key: Option<KeyId>) -> Self {
        Self { at, key, ..Self::default() }
    }

    pub(super) fn of(row: &UploadRow) -> Result<Self> {
        Self::from_json(&row.plan)
    }

    pub(super) fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(Error::corrupt)
    }

    /// Tells whether another plan makes the same file. Preconditions are no part of that: who finishes it brings their own.
    pub(super) fn makes_what(&self, other: &Self) -> bool {
        let of = |plan: &Self| (plan.target.clone(), plan.media_type.clone(), plan.on_conflict);
        of(self) == of(other) && self.digests == other.digests
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::corrupt)
    }

    /// Returns what commits the content, for who finishes it now: whose premises come before those of the begin.
    pub(super) fn input(self, actor: &Actor, length: u64, premises: Premises) -> Result<Input> {
        let target = self.target.ok_or_else(|| Error::corrupt("an upload without a target"))?;
        let preconditions = if premises.preconditions.is_empty() {
            let if_match = self.if_match.map(|matching| match matching {
                Matching::Any => None,
                Matching::Versions(versions) => Some(versions),
            });
            Preconditions { if_match, if_none_match: self.if_none_match }
        } else {
            premises.preconditions
        };
        let options = UploadOptions {
            length: Some(length),
            media_type: self.media_type,
            digests: self.digests,
            on_conflict: self.on_conflict,
            metadata: None,
            premises: Premises { preconditions, locks: premises.locks, idempotency: None },
        };
        Ok(Input { actor: actor.clone(), target, options })
    }
}
