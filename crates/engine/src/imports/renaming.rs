//! Which ids what is imported has here.
//!
//! Ids stay where they are free. Where one of them is not, all nodes, versions and notes of the import have new ones, each made of
//! the old one and a seed: so every line finds the same new id, and nothing has to be kept in mind. What the log alone names and
//! somebody else has here gets a new id in any case, which is nobody's.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use longshore_core::{KeyId, NodeId, NoteId, PrincipalId, VersionId};
use serde_json::Value;

/// How old ids become those that are had here.
#[derive(Clone, Debug, Default)]
pub(super) struct Renaming {
    /// Nothing where the ids are free.
    pub(super) seed: Option<[u8; 32]>,
    /// Who stands for whom.
    pub(super) principals: HashMap<PrincipalId, PrincipalId>,
    pub(super) strangers: Strangers,
}

/// What the events that are written now name, and somebody else has here.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers {
    pub(super) seed: [u8; 32],
    pub(super) ids: HashSet<String>,
}

impl Strangers {
    /// Returns a new id of nobody for one that is a stranger's.
    fn anew<T: Display + Copy>(&self, id: T, renamed: fn(T, &[u8; 32]) -> T) -> Option<T> {
        self.ids.contains(&id.to_string()).then(|| renamed(id, &self.seed))
    }
}

/// Tells whether a text is an id of the kinds that are renamed.
pub(super) fn is_id(text: &str) -> bool {
    text.parse::<NodeId>().is_ok()
        || text.parse::<VersionId>().is_ok()
        || text.parse::<NoteId>().is_ok()
        || text.parse::<PrincipalId>().is_ok()
        || text.parse::<KeyId>().is_ok()
}

impl Renaming {
    pub(super) fn node(&self, id: NodeId) -> NodeId {
        match &self.seed {
            Some(seed) => id.renamed(seed),
            None => self.strangers.anew(id, NodeId::renamed).unwrap_or(id),
        }
    }

    pub(super) fn version(&self, id: VersionId) -> VersionId {
        match &self.seed {
            Some(seed) => id.renamed(seed),
            None => self.strangers.anew(id, VersionId::renamed).unwrap_or(id),
        }
    }

    pub(super) fn note(&self, id: NoteId) -> NoteId {
        match &self.seed {
            Some(seed) => id.renamed(seed),
            None => self.strangers.anew(id, NoteId::renamed).unwrap_or(id),
        }
    }

    /// Who is not named by the archive is left as they are: Longshore itself, and who is nobody here.
    pub(super) fn principal(&self, id: PrincipalId) -> PrincipalId {
        let known = self.principals.get(&id).copied();
        known.or_else(|| self.strangers.anew(id, PrincipalId::renamed)).unwrap_or(id)
    }

    pub(super) fn key(&self, id: KeyId) -> KeyId {
        self.strangers.anew(id, KeyId::renamed).unwrap_or(id)
    }

    /// Does so with each text of a value that is such an id.
    pub(super) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(new) = self.text(text) {
                    *text = new;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&self, text: &str) -> Option<String> {
        let (prefix, _) = text.split_once('_')?;
        match prefix {
            "nd" => Some(self.node(text.parse().ok()?).to_string()),
            "ver" => Some(self.version(text.parse().ok()?).to_string()),
            "note" => Some(self.note(text.parse().ok()?).to_string()),
            "usr" => Some(self.principal(text.parse().ok()?).to_string()),
            "key" => Some(self.key(text.parse().ok()?).to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::{NodeId, PrincipalId, Timestamp, VersionId};
    use serde_json::json;

    use super::Renaming;

    #[test]
    fn an_id_has_one_new_one_wherever_it_stands() {
        let now = Timestamp::from_micros(1_763_613_468_000_000);
        let (node, version) = (NodeId::new(now), VersionId::new(now));
        let (who, other) = (PrincipalId::new(now), PrincipalId::new(now));
        let renaming =
            Renaming { seed: Some([7; 32]), principals: [(who, other)].into(), ..Renaming::default() };
        let mut value =
            json!({ "a": [node, { "b": version }], "by": who, "text": format!("see {node}"), "n": 1 });
        renaming.value(&mut value);
        let (renamed, text) = (renaming.node(node), format!("see {node}"));
        assert_ne!(renamed, node);
        let expected =
            json!({ "a": [renamed, { "b": renaming.version(version) }], "by": other, "text": text, "n": 1 });
        assert_eq!(value, expected);
        let kept = Renaming::default();
        let mut value = expected.clone();
        kept.value(&mut value);
        assert_eq!(value, expected);
    }
}
