//! Finding nodes by what is said of them: metadata, labels, names.
//!
//! Metadata and labels are found by an index, whatever the size of the workspace. A name alone is looked for by
//! walking. Either way one call looks at a bounded number of nodes: a page may come with few items or none and
//! still lead to a next one.

use longshore_core::wire::{Metadata, Node, Page};
use longshore_core::{Code, NodeId, WorkspaceId, WorkspacePath};
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::db::nodes::NodeRow;
use crate::db::terms::{self, Term};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::{Depth, PageRequest, Stride, WalkCursor, pause, resume, walk};
use crate::narrowing::Need;
use crate::nodes::{at_path, live_node};
use crate::read_clock::ReadClock;

/// How many nodes one call looks at.
const LOOKED_AT: u32 = 10_000;

/// How many it looks at at once.
const STEP: u32 = 500;

/// The most metadata and labels that one search names: more than a node can have.
const TERMS: usize = 96;

/// What is looked for: all of it must hold.
#[derive(Clone, Debug, Default)]
pub struct NodeFilter {
    /// Keys of the metadata with their values.
    pub metadata: Metadata,
    /// Labels.
    pub labels: Vec<String>,
    /// A part of the name, whatever its case.
    pub name: Option<String>,
    /// The folder below which to look; left out, everywhere.
    pub under: Option<WorkspacePath>,
}

impl NodeFilter {
    fn terms(&self) -> Vec<Term> {
        let metadata = self.metadata.iter().map(|(key, value)| Term::of_metadata(key, value));
        metadata.chain(self.labels.iter().map(|label| Term::of_label(label))).collect()
    }

    /// Brings the name into the form in which names are compared.
    fn prepared(self) -> Self {
        Self { name: self.name.map(|name| name.to_lowercase()), ..self }
    }

    fn fits_name(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|wanted| name.to_lowercase().contains(wanted))
    }

    fn fits(&self, row: &NodeRow) -> bool {
        self.metadata.iter().all(|(key, value)| row.metadata.get(key) == Some(value))
            && self.labels.iter().all(|label| row.labels.contains(label))
            && self.fits_name(&row.name)
    }
}

/// Where a search goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// By a term: after this node.
    After(String),
    /// By walking.
    Walk(WalkCursor),
}

/// What one call finds, and where the next goes on.
type Part = (Vec<Node>, Option<Place>);

/// Returns the folder below which to look: left out, all that the key reaches.
async fn base(tx: &mut Tx, actor: &Actor, root: NodeId, filter: &NodeFilter) -> Result<NodeId> {
    match (&filter.under, actor.narrowing().folder) {
        (None, None) => Ok(root),
        (None, Some(folder)) => Ok(live_node(tx, actor, folder).await?.0.id),
        (Some(path), _) => Ok(at_path(tx, actor, root, path.clone()).await?.0.id),
    }
}

/// Looks among the nodes with the rarest of the terms.
async fn by_terms(
    tx: &mut Tx,
    workspace: WorkspaceId,
    base: NodeId,
    filter: &NodeFilter,
    mut after: String,
    (limit, mut clock): (u32, ReadClock),
) -> Result<Part> {
    let mut items = Vec::new();
    let mut rarest: Option<(u64, Term)> = None;
    for term in filter.terms() {
        let most = rarest.as_ref().map_or(u64::from(LOOKED_AT), |(count, _)| *count);
        let count = terms::count(tx, workspace, &term, u32::try_from(most).unwrap_or(LOOKED_AT)).await?;
        if rarest.as_ref().is_none_or(|(least, _)| count < *least) {
            rarest = Some((count, term));
        }
    }
    let Some((_, term)) = rarest else { return Ok((items, None)) };
    let mut looked_at = 0;
    while looked_at < LOOKED_AT {
        let rows = terms::nodes(tx, workspace, &term, &after, STEP).await?;
        let came = rows.len();
        for row in rows {
            looked_at += 1;
            after = row.id.to_string();
            if !filter.fits(&row) {
                continue;
            }
            let place = db::nodes::place(tx, row.id).await?;
            // The folder itself is not below itself.
            if place.trashed_at.is_none() && place.ids.iter().skip(1).any(|id| *id == base) {
                items.push(clock.node(tx, row, place).await?);
                if items.len() == limit as usize {
                    return Ok((items, Some(Place::After(after))));
                }
            }
        }
        if came < STEP as usize {
            return Ok((items, None));
        }
    }
    Ok((items, Some(Place::After(after))))
}

/// Looks at all that is below a folder, by paths.
async fn by_walking(
    tx: &mut Tx,
    base: NodeId,
    filter: &NodeFilter,
    start: WalkCursor,
    (limit, mut clock): (u32, ReadClock),
) -> Result<Part> {
    let path = db::nodes::place(tx, base).await?.path;
    let mut frames = resume(tx, base, path, start).await?;
    let stride = Stride { depth: Depth::All, limit, looks: LOOKED_AT };
    let items = walk(tx, &mut frames, stride, &mut clock, |row| filter.fits_name(&row.name)).await?;
    Ok((items, pause(base, frames).map(Place::Walk)))
}

impl Engine {
    /// Finds live nodes by what is said of them.
    ///
    /// By metadata or labels they come in the order in which they were made, by name alone in the order of paths.
    pub async fn find_nodes(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        filter: NodeFilter,
        page: PageRequest,
    ) -> Result<Page<Node>> {
        actor.needs(workspace, Need::READ)?;
        let (root, limit) = (self.workspace(actor, workspace).await?.root_id, page.limit());
        let (actor, clock) = (actor.clone(), self.read_clock());
        if filter.metadata.len() + filter.labels.len() > TERMS {
            let detail = format!("a search names at most {TERMS} keys and labels");
            return Err(Error::new(Code::InvalidQuery, detail));
        }
        let place: Option<Place> = self.place_of(&page)?;
        let filter = filter.prepared();
        let (items, next) = self
            .db()
            .read(move |tx| {
                let (actor, filter) = (actor.clone(), filter.clone());
                let (place, clock) = (place.clone(), clock.clone());
                Box::pin(async move {
                    let base = base(tx, &actor, root, &filter).await?;
                    let by_terms_alone = filter.metadata.is_empty() && filter.labels.is_empty();
                    match (by_terms_alone, place) {
                        (false, None) => {
                            by_terms(tx, workspace, base, &filter, String::new(), (limit, clock)).await
                        }
                        (false, Some(Place::After(after))) => {
                            by_terms(tx, workspace, base, &filter, after, (limit, clock)).await
                        }
                        (true, None) => {
                            by_walking(tx, base, &filter, (base, vec![String::new()]), (limit, clock)).await
                        }
                        (true, Some(Place::Walk(start))) => {
                            by_walking(tx, base, &filter, start, (limit, clock)).await
                        }
                        _ => Err(Error::new(Code::InvalidCursor, "this cursor belongs to another search")),
                    }
                })
            })
            .await?;
        self.page(items, next)
    }
}
