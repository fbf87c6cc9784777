//! The HTTP API. This file is its table of contents: a resource each, the routes of a resource together.
//!
//! `edge` is around every route, and `origins` around it where pages of others may call; who comes too often is
//! `limited`; what a browser sends by itself `browser` judges; `extract`, `premise`, `json` and
//! `incoming` read requests, `outgoing` answers them, and stored bytes in a `guise` that no browser runs; `document` makes the
//! OpenAPI text from what stands at the handlers.

mod app;
mod archive;
mod audit;
mod batch;
mod browser;
mod content;
mod content_origin;
mod context;
mod document;
mod edge;
mod events;
mod exports;
mod extract;
mod feed;
mod files;
mod form;
mod forwarded;
mod guise;
mod hooks;
mod identities;
mod incoming;
mod invitations;
mod jobs;
mod json;
mod keys;
mod leftover;
mod limited;
mod links;
mod locks;
mod members;
mod multipart;
mod nodes;
mod notes;
mod oidc;
mod origins;
mod outgoing;
mod passwords;
mod place;
mod premise;
mod principals;
mod ranges;
mod sessions;
mod shared;
mod shares;
mod status;
mod transfers;
mod trash;
mod tree;
mod undo;
mod uploads;
mod versions;
mod workspaces;

use axum::Router;
use axum::http::Uri;
use axum::routing::get;
use longshore_core::Code;
use longshore_engine::Engine;
use longshore_flow::Tasks;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::app::App;
pub use self::app::{Entrance, Limits};
use self::document::Document;
use self::edge::Edge;
pub use self::forwarded::Source;
pub use self::origins::allow_origins;
use crate::problem::Failure;

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::healthz))
        .routes(routes!(status::readyz))
        .routes(routes!(status::metrics))
        .routes(routes!(status::openapi))
        .routes(routes!(status::status))
        .routes(routes!(status::me))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(principals::list, principals::create))
        .routes(routes!(principals::get, principals::update))
        .routes(routes!(principals::deactivate))
        .routes(routes!(principals::reactivate))
        .routes(routes!(sessions::get, sessions::sign_in, sessions::sign_out))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(oidc::providers))
        .routes(routes!(oidc::go, oidc::begin))
        .routes(routes!(oidc::callback))
        .routes(routes!(identities::list, identities::link))
        .routes(routes!(identities::remove))
        .routes(routes!(identities::list_of))
        .routes(routes!(identities::remove_of))
        .routes(routes!(passwords::change))
        .routes(routes!(passwords::reset))
        .routes(routes!(passwords::create_reset))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::look))
        .routes(routes!(invitations::accept))
        .routes(routes!(invitations::decline))
        .routes(routes!(audit::list))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(workspaces::list, workspaces::create))
        .routes(routes!(workspaces::current))
        .routes(routes!(exports::import))
        .routes(routes!(exports::export))
        .routes(routes!(workspaces::get, workspaces::update))
        .routes(routes!(workspaces::set_quota))
        .routes(routes!(workspaces::create_folders))
        .routes(routes!(members::list))
        .routes(routes!(members::get, members::set, members::remove))
        .routes(routes!(transfers::offer, transfers::get, transfers::revoke))
        .routes(routes!(transfers::look))
        .routes(routes!(transfers::accept))
        .routes(routes!(transfers::decline))
        .routes(routes!(files::get_at, files::write_at))
        .routes(routes!(batch::write))
        .routes(routes!(batch::read))
        .routes(routes!(tree::list_root))
        .routes(routes!(tree::list))
        .routes(routes!(nodes::find))
        .routes(routes!(trash::list, trash::empty))
        .routes(routes!(events::list))
        .routes(routes!(hooks::list, hooks::create))
        .routes(routes!(hooks::get, hooks::update, hooks::delete))
        .routes(routes!(hooks::rotate))
        .routes(routes!(hooks::test))
        .routes(routes!(hooks::deliveries))
        .routes(routes!(hooks::delivery))
        .routes(routes!(hooks::redeliver_one))
        .routes(routes!(hooks::redeliver))
        .routes(routes!(undo::undo))
        .routes(routes!(files::create_child))
        .routes(routes!(files::write_child))
        .routes(routes!(files::get, files::update, files::delete))
        .routes(routes!(files::copy))
        .routes(routes!(files::restore))
        .routes(routes!(locks::of_node, locks::acquire))
        .routes(routes!(locks::acquire_many))
        .routes(routes!(locks::list))
        .routes(routes!(locks::renew))
        .routes(routes!(locks::release))
        .routes(routes!(notes::list, notes::create))
        .routes(routes!(notes::update, notes::delete))
        .routes(routes!(content::get, content::put))
        .routes(routes!(links::create))
        .routes(routes!(links::open))
        .routes(routes!(shares::create))
        .routes(routes!(shares::list))
        .routes(routes!(shares::get, shares::update, shares::revoke))
        .routes(routes!(shared::look))
        .routes(routes!(shared::open))
        .routes(routes!(shared::tree))
        .routes(routes!(shared::content))
        .routes(routes!(shared::archive))
        .routes(routes!(shared::put))
        .routes(routes!(archive::of_node))
        .routes(routes!(archive::of_selection))
        .routes(routes!(versions::list))
        .routes(routes!(versions::get, versions::update, versions::delete))
        .routes(routes!(versions::compare))
        .routes(routes!(versions::chunks))
        .routes(routes!(content::get_version))
        .routes(routes!(versions::restore))
        .merge(uploads::routes())
}

/// Makes the service behind the front door, for a socket or for a test.
pub fn router(engine: Engine, limits: Limits) -> Router {
    router_behind(engine, limits, Entrance::default())
}

/// Makes the service with what stands in front of its routes.
pub fn router_behind(engine: Engine, limits: Limits, entrance: Entrance) -> Router {
    service(engine, limits, entrance, CancellationToken::new(), Tasks::new())
}

/// Describes the API, from the code that serves it.
#[must_use]
pub fn openapi() -> OpenApi {
    document::finished(routes().into_openapi())
}

pub(crate) fn service(
    engine: Engine,
    limits: Limits,
    entrance: Entrance,
    closing: CancellationToken,
    tasks: Tasks,
) -> Router {
    finished(App::new(engine, limits, entrance, closing, tasks))
}

fn finished(app: App) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        // A catch-all does not match nothing, and the root is a folder like any other.
        .route("/v1/workspaces/{ws}/files/", get(files::get_at).put(files::write_at))
        .route("/v1/workspaces/{ws}/tree/", get(tree::list))
        // For people, who see the end of an address first.
        .route("/v1/links/{token}/{name}", get(links::open))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(Edge::new(app.clone()))
        .with_state(app)
}

async fn no_route(uri: Uri) -> Failure {
    let path = uri.path();
    // What goes on behind a link's secret is no route, and the secret stands in no error.
    let hidden = [links::PREFIX, shared::PREFIX].into_iter().find(|prefix| path.starts_with(prefix));
    let path = hidden.unwrap_or(path);
    Failure::new(Code::RouteNotFound, format!("no route answers {path:?}"))
}

async fn no_method() -> Failure {
    Failure::new(Code::MethodNotAllowed, "`Allow` names the methods of this route")
}
