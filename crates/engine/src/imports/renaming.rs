//! Which ids what is imported has here.
//!
//! Ids stay where they are free. Where one of them is not, all nodes, versions and notes of the import have new ones, each made of
//! the old one and a seed: so every line finds the same new id, and nothing has to be kept in mind.

use std::collections::HashMap;

use longshore_core::{NodeId, NoteId, PrincipalId, VersionId};
use serde_json::Value;

/// How old ids become those that are had here.
#[derive(Clone, Debug, Default)]
pub(super) struct Renaming {
    /// Nothing where the ids are free.
    pub(super) seed: Option<[u8; 32]>,
    /// Who stands for whom.
    pub(super) principals: HashMap<PrincipalId, PrincipalId>,
}

impl Renaming {
    pub(super) fn node(&self, id: NodeId) -> NodeId {
        self.seed.as_ref().map_or(id, |seed| id.renamed(seed))
    }

    pub(super) fn version(&self, id: VersionId) -> VersionId {
        self.seed.as_ref().map_or(id, |seed| id.renamed(seed))
    }

    pub(super) fn note(&self, id: NoteId) -> NoteId {
        self.seed.as_ref().map_or(id, |seed| id.renamed(seed))
    }

    /// Who is not named by the archive is left as they are: Longshore itself.
    pub(super) fn principal(&self, id: PrincipalId) -> PrincipalId {
        self.principals.get(&id).copied().unwrap_or(id)
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
        let renaming = Renaming { seed: Some([7; 32]), principals: [(who, other)].into() };
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
