//! The table of rights: what each route needs of who calls it.
//!
//! The engine decides, by its own rules; this says what comes of them, route by route, and a test walks all routes with all
//! kinds of callers and compares. A route that is not in here fails it.

use longshore_core::wire::Role;

/// What a route needs of who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: it is open to all.
    Open,
    /// The secret in the URL or in the body, and no key.
    Link,
    /// The secret in the body. Who shows a key or a session besides must be let in by it; a key that may less than its
    /// principal is refused.
    Token,
    /// A good key, whatever its role, or a session.
    Key,
    /// A session, or a key with all that its principal may: the role owner, not narrowed to a workspace.
    Account,
    /// A session. For a key there is none to be found.
    Session,
    /// This role in any workspace; what is told is of those alone where it is had.
    Somewhere(Role),
    /// This role in the workspace that the URL, the body or what they name lies in. Who has none there gets 404.
    Workspace(Role),
    /// To have made what the URL names, and this role in its workspace still. Anybody else's is 404.
    Maker(Role),
    /// To be an admin of the server, by a session or by a key that is not narrowed to a workspace.
    Server,
}

/// The right that each route needs at least, by method and path as the OpenAPI document has them.
///
/// A session does what a key of its person's own role does. Where its cookie authorises anything but a `GET`, a `HEAD` or an
/// `OPTIONS`, it takes the session's `X-CSRF-Token` too.
///
/// Some ask for more in some of their forms: an undo that is no preview takes an editor, and an admin where it is of
/// somebody else's acts; a deletion with `purge`, and the end of a lock with `force`, take an admin; a note is changed
/// by its author and by admins; a job asks for what its kind says. A member may take itself out.
pub const RIGHTS: &[(&str, Right)] = &[
    ("GET /healthz", Right::Open),
    ("GET /metrics", Right::Open),
    ("GET /openapi.json", Right::Open),
    ("GET /readyz", Right::Open),
    ("GET /v1/links/{token}", Right::Link),
    ("HEAD /v1/links/{token}", Right::Link),
    ("GET /v1/me", Right::Key),
    ("PUT /v1/me/password", Right::Account),
    ("POST /v1/password", Right::Link),
    ("GET /v1/session", Right::Session),
    ("POST /v1/session", Right::Open),
    ("DELETE /v1/session", Right::Session),
    ("GET /v1/sessions", Right::Account),
    ("DELETE /v1/sessions", Right::Account),
    ("DELETE /v1/sessions/{session}", Right::Account),
    ("DELETE /v1/invitations/{invitation}", Right::Workspace(Role::Admin)),
    ("POST /v1/invitations/look", Right::Link),
    ("POST /v1/invitations/accept", Right::Token),
    ("POST /v1/invitations/decline", Right::Link),
    ("GET /v1/status", Right::Key),
    ("GET /v1/jobs", Right::Key),
    ("GET /v1/workspaces", Right::Key),
    ("GET /v1/workspaces/current", Right::Key),
    ("GET /v1/keys", Right::Somewhere(Role::Admin)),
    ("POST /v1/keys", Right::Workspace(Role::Admin)),
    ("DELETE /v1/keys/{key}", Right::Workspace(Role::Admin)),
    ("GET /v1/principals", Right::Server),
    ("POST /v1/principals", Right::Server),
    ("GET /v1/principals/{principal}", Right::Server),
    ("PATCH /v1/principals/{principal}", Right::Server),
    ("POST /v1/principals/{principal}/password", Right::Server),
    ("POST /v1/principals/{principal}/deactivate", Right::Server),
    ("POST /v1/principals/{principal}/reactivate", Right::Server),
    ("POST /v1/workspaces", Right::Server),
    ("GET /v1/workspaces/{ws}", Right::Workspace(Role::Viewer)),
    ("PATCH /v1/workspaces/{ws}", Right::Workspace(Role::Admin)),
    ("GET /v1/workspaces/{ws}/members", Right::Workspace(Role::Viewer)),
    ("GET /v1/workspaces/{ws}/members/{principal}", Right::Workspace(Role::Viewer)),
    ("PUT /v1/workspaces/{ws}/members/{principal}", Right::Workspace(Role::Admin)),
    ("DELETE /v1/workspaces/{ws}/members/{principal}", Right::Workspace(Role::Admin)),
    ("GET /v1/workspaces/{ws}/invitations", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/invitations", Right::Workspace(Role::Admin)),
    ("GET /v1/workspaces/{ws}/events", Right::Workspace(Role::Viewer)),
    ("GET /v1/workspaces/{ws}/nodes", Right::Workspace(Role::Viewer)),
    ("GET /v1/workspaces/{ws}/tree", Right::Workspace(Role::Viewer)),
    ("GET /v1/workspaces/{ws}/tree/{path}", Right::Workspace(Role::Viewer)),
    ("GET /v1/workspaces/{ws}/trash", Right::Workspace(Role::Viewer)),
    ("DELETE /v1/workspaces/{ws}/trash", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/undo", Right::Workspace(Role::Viewer)),
    ("POST /v1/workspaces/{ws}/archive", Right::Workspace(Role::Viewer)),
    ("POST /v1/workspaces/{ws}/batch", Right::Workspace(Role::Editor)),
    ("POST /v1/workspaces/{ws}/batch/read", Right::Workspace(Role::Viewer)),
    ("POST /v1/workspaces/{ws}/folders", Right::Workspace(Role::Editor)),
    ("GET /v1/workspaces/{ws}/files/{path}", Right::Workspace(Role::Viewer)),
    ("HEAD /v1/workspaces/{ws}/files/{path}", Right::Workspace(Role::Viewer)),
    ("PUT /v1/workspaces/{ws}/files/{path}", Right::Workspace(Role::Editor)),
    ("GET /v1/workspaces/{ws}/hooks", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/hooks", Right::Workspace(Role::Admin)),
    ("GET /v1/workspaces/{ws}/hooks/{hook}", Right::Workspace(Role::Admin)),
    ("PATCH /v1/workspaces/{ws}/hooks/{hook}", Right::Workspace(Role::Admin)),
    ("DELETE /v1/workspaces/{ws}/hooks/{hook}", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/rotate", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/test", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/redeliver", Right::Workspace(Role::Admin)),
    ("GET /v1/workspaces/{ws}/hooks/{hook}/deliveries", Right::Workspace(Role::Admin)),
    ("GET /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}", Right::Workspace(Role::Admin)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}/redeliver", Right::Workspace(Role::Admin)),
    ("POST /v1/files/{parent}/children", Right::Workspace(Role::Editor)),
    ("POST /v1/files/{parent}/files", Right::Workspace(Role::Editor)),
    ("GET /v1/files/{id}", Right::Workspace(Role::Viewer)),
    ("PATCH /v1/files/{id}", Right::Workspace(Role::Editor)),
    ("DELETE /v1/files/{id}", Right::Workspace(Role::Editor)),
    ("POST /v1/files/{id}/copy", Right::Workspace(Role::Editor)),
    ("POST /v1/files/{id}/restore", Right::Workspace(Role::Editor)),
    ("GET /v1/files/{id}/content", Right::Workspace(Role::Viewer)),
    ("HEAD /v1/files/{id}/content", Right::Workspace(Role::Viewer)),
    ("PUT /v1/files/{id}/content", Right::Workspace(Role::Editor)),
    ("GET /v1/files/{id}/archive", Right::Workspace(Role::Viewer)),
    ("HEAD /v1/files/{id}/archive", Right::Workspace(Role::Viewer)),
    ("POST /v1/files/{id}/links", Right::Workspace(Role::Viewer)),
    ("GET /v1/files/{id}/lock", Right::Workspace(Role::Viewer)),
    ("POST /v1/files/{id}/lock", Right::Workspace(Role::Editor)),
    ("GET /v1/files/{id}/notes", Right::Workspace(Role::Viewer)),
    ("POST /v1/files/{id}/notes", Right::Workspace(Role::Editor)),
    ("GET /v1/files/{id}/versions", Right::Workspace(Role::Viewer)),
    ("GET /v1/files/{id}/versions/{ver}", Right::Workspace(Role::Viewer)),
    ("PATCH /v1/files/{id}/versions/{ver}", Right::Workspace(Role::Editor)),
    ("DELETE /v1/files/{id}/versions/{ver}", Right::Workspace(Role::Admin)),
    ("GET /v1/files/{id}/versions/{ver}/chunks", Right::Workspace(Role::Viewer)),
    ("GET /v1/files/{id}/versions/{ver}/compare", Right::Workspace(Role::Viewer)),
    ("GET /v1/files/{id}/versions/{ver}/content", Right::Workspace(Role::Viewer)),
    ("HEAD /v1/files/{id}/versions/{ver}/content", Right::Workspace(Role::Viewer)),
    ("POST /v1/files/{id}/versions/{ver}/restore", Right::Workspace(Role::Editor)),
    ("PATCH /v1/notes/{note}", Right::Workspace(Role::Editor)),
    ("DELETE /v1/notes/{note}", Right::Workspace(Role::Editor)),
    ("GET /v1/locks", Right::Workspace(Role::Viewer)),
    ("POST /v1/locks:batch", Right::Workspace(Role::Editor)),
    ("POST /v1/locks/{lock}/renew", Right::Workspace(Role::Editor)),
    ("DELETE /v1/locks/{lock}", Right::Workspace(Role::Editor)),
    ("GET /v1/jobs/{job}", Right::Workspace(Role::Viewer)),
    ("POST /v1/jobs/{job}/cancel", Right::Workspace(Role::Editor)),
    ("POST /v1/jobs/{job}/retry", Right::Workspace(Role::Editor)),
    ("GET /v1/uploads", Right::Somewhere(Role::Editor)),
    ("POST /v1/uploads", Right::Workspace(Role::Editor)),
    ("GET /v1/uploads/{upload}", Right::Maker(Role::Editor)),
    ("HEAD /v1/uploads/{upload}", Right::Maker(Role::Editor)),
    ("PATCH /v1/uploads/{upload}", Right::Maker(Role::Editor)),
    ("DELETE /v1/uploads/{upload}", Right::Maker(Role::Editor)),
];
