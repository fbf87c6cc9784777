//! By what nodes are found besides their names: a term for each label, and for each key and value of the metadata.
//!
//! The rows follow the nodes' own in the same transaction ([`super::nodes::insert`], [`super::nodes::update`]).

use bytes::Bytes;
use longshore_core::wire::{Labels, Metadata};
use longshore_core::{NodeId, WorkspaceId};

use super::Tx;
use super::nodes::{self, NodeRow};
use crate::error::Result;

/// How many bytes of a hash are kept: two terms that differ never share 16.
const LENGTH: usize = 16;

/// What a node can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term(Bytes);

impl Term {
    fn of(parts: [&[u8]; 3]) -> Self {
        let mut hash = blake3::Hasher::new();
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(Bytes::copy_from_slice(&hash.finalize().as_bytes()[..LENGTH]))
    }

    pub(crate) fn of_label(label: &str) -> Self {
        Self::of([b"label", label.as_bytes(), b""])
    }

    pub(crate) fn of_metadata(key: &str, value: &str) -> Self {
        Self::of([b"metadata", key.as_bytes(), value.as_bytes()])
    }
}

fn terms(metadata: &Metadata, labels: &Labels) -> impl Iterator<Item = Term> {
    let metadata = metadata.iter().map(|(key, value)| Term::of_metadata(key, value));
    metadata.chain(labels.iter().map(|label| Term::of_label(label)))
}

/// Writes the terms of a node that has none.
pub(super) async fn insert(tx: &mut Tx, node: &NodeRow) -> Result<()> {
    for term in terms(&node.metadata, &node.labels) {
        tx.execute(
            "INSERT INTO node_terms (workspace_id, term, node_id) VALUES ($1, $2, $3)",
            &[node.workspace.into(), term.0.into(), node.id.into()],
        )
        .await?;
    }
    Ok(())
}

/// Writes the terms of a node anew.
pub(super) async fn replace(tx: &mut Tx, node: &NodeRow) -> Result<()> {
    tx.execute("DELETE FROM node_terms WHERE node_id = $1", &[node.id.into()]).await?;
    insert(tx, node).await
}

/// Lists the nodes with a term, by their ids, from after one on; in the trash or not.
pub(crate) async fn nodes(
    tx: &mut Tx,
    workspace: WorkspaceId,
    term: &Term,
    after: &str,
    limit: u32,
) -> Result<Vec<NodeRow>> {
    let found = tx
        .query(
            "SELECT node_id FROM node_terms WHERE workspace_id = $1 AND term = $2 AND node_id > $3
             ORDER BY node_id LIMIT $4",
            &[workspace.into(), term.0.clone().into(), after.into(), limit.into()],
        )
        .await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        let id: NodeId = row.parse(0)?;
        rows.extend(nodes::get(tx, id).await?);
    }
    Ok(rows)
}

/// Tells how many nodes have a term, up to a limit.
pub(crate) async fn count(tx: &mut Tx, workspace: WorkspaceId, term: &Term, limit: u32) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT COUNT(*) FROM (SELECT 1 FROM node_terms WHERE workspace_id = $1 AND term = $2 LIMIT $3) AS counted",
            &[workspace.into(), term.0.clone().into(), limit.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}
