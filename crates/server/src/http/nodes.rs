//! Finding nodes by what is said of them.

use axum::Json as Answer;
use axum::extract::State;
use longshore_core::WorkspaceId;
use longshore_core::wire::{MAX_PAGE, Node, Page};
use longshore_engine::{NodeFilter, PageRequest};

use super::app::App;
use super::document::ReadProblems;
use super::extract::{At, Caller, Query, invalid_query};
use super::place::InWorkspace;
use crate::problem::Failure;

/// What a query parameter that names a key of the metadata begins with.
const METADATA: &str = "metadata.";

/// Finds live nodes by metadata, labels, a part of the name and the folder that they are below. All must hold.
///
/// By metadata or labels they come in the order in which they were made, by name alone in the order of paths. One
/// request looks at a bounded number of nodes: a page may have few items and still lead to a next one.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/nodes", operation_id = "find_nodes", tag = "workspaces",
    params(
        InWorkspace,
        ("metadata.{key}" = Option<String>, Query, description = "A key of the metadata and its value; for many keys many times."),
        ("label" = Option<Vec<String>>, Query, description = "A label; for many labels many times."),
        ("name" = Option<String>, Query, description = "A part of the name, whatever its case."),
        ("under" = Option<String>, Query, description = "The path of the folder below which to look."),
        ("limit" = Option<u32>, Query, description = "How many items at most.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "Where to go on: the page before gave it.")),
    responses((status = 200, description = "Nodes.", body = Page<Node>), ReadProblems))]
pub(super) async fn find(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Answer<Page<Node>>, Failure> {
    let (filter, page) = read(pairs)?;
    Ok(Answer(app.engine().find_nodes(&caller, workspace, filter, page).await?))
}

/// Sets what a query may say once.
fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), Failure> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid_query(format!("`{name}` comes twice"))),
    }
}

fn read(pairs: Vec<(String, String)>) -> Result<(NodeFilter, PageRequest), Failure> {
    let mut filter = NodeFilter::default();
    let (mut limit, mut cursor) = (None, None);
    for (name, value) in pairs {
        if let Some(key) = name.strip_prefix(METADATA) {
            if filter.metadata.insert(key.to_owned(), value).is_some() {
                return Err(invalid_query(format!("`{name}` comes twice")));
            }
            continue;
        }
        match name.as_str() {
            "label" => filter.labels.push(value),
            "name" => once(&mut filter.name, &name, value)?,
            "under" => once(&mut filter.under, &name, value.parse()?)?,
            "cursor" => once(&mut cursor, &name, value)?,
            "limit" => {
                let number = value.parse().ok().filter(|number| (1..=MAX_PAGE).contains(number));
                let wrong = || invalid_query(format!("`limit` is 1 to {MAX_PAGE}"));
                once(&mut limit, &name, number.ok_or_else(wrong)?)?;
            }
            _ => return Err(invalid_query(format!("no parameter `{name}` here"))),
        }
    }
    Ok((filter, PageRequest::new(limit, cursor)))
}
