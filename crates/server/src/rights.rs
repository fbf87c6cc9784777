//! The table of rights: what each route needs of who calls it.
//!
//! The engine decides, by its own rules; this says what comes of them, route by route, and a test walks all routes with all
//! kinds of callers and compares. A route that is not in here fails it.

use longshore_core::wire::{Role, Verb};

/// Which verbs a key must have that is narrowed to some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// None of them: it is for every key.
    None,
    /// All of these.
    All(&'static [Verb]),
    /// One of these: what the request really does decides further.
    Any(&'static [Verb]),
}

/// What a route needs of who calls it. A key that is narrowed to verbs and lacks one that is needed gets 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: it is open to all.
    Open,
    /// The secret in the URL or in the body, and no key.
    Link,
    /// The secret in the URL of a share link that was opened, the grant which that gave, and no key. Without the grant it is 401.
    Visitor,
    /// The secret in the body. Who shows a key or a session besides must be let in by it; a key that may less than its
    /// principal is refused.
    Token,
    /// A good key, whatever its role, or a session.
    Key(Verbs),
    /// A session, or a key with all that its principal may: the role owner, and not narrowed.
    Account,
    /// A session. For a key there is none to be found.
    Session,
    /// This role in any workspace; what is told is of those alone where it is had.
    Somewhere(Role, Verbs),
    /// This role in the workspace that the URL, the body or what they name lies in. Who has none there gets 404. What is told
    /// to a key of a folder is of that folder alone.
    Workspace(Role, Verbs),
    /// The same, and by a key of a folder to reach the node that is named or meant: else it gets 404.
    Node(Role, Verbs),
    /// The same as in [`Right::Workspace`], but of what is about the workspace as a whole: a key of a folder gets 403.
    Whole(Role, Verbs),
    /// To own the workspace that the URL names, or to be an admin of the server, by a key that manages it as a whole and has
    /// these verbs. Who has no role there gets 404.
    Owner(Verbs),
    /// The claim token in the body, and a key that writes, manages, and is not narrowed to a folder or to another workspace than
    /// the token's.
    Claim,
    /// To have made what the URL names, and this role in its workspace still. Anybody else's is 404, and so is, to a key that
    /// is narrowed to verbs or a folder, what was made with another key.
    Maker(Role, Verbs),
    /// To have made the share link that the URL names, by any key that reads and shares where it leads, or to be an admin of its
    /// workspace, by one that is not narrowed to a folder. Anybody else's is 404.
    ShareMaker,
    /// To be an admin of the server, by a session or by a key that is not narrowed to a workspace.
    Server,
}

const READ: Verbs = Verbs::All(&[Verb::Read]);
const CREATE: Verbs = Verbs::All(&[Verb::Create]);
const WRITE: Verbs = Verbs::All(&[Verb::Write]);
const DELETE: Verbs = Verbs::All(&[Verb::Delete]);
const MANAGE: Verbs = Verbs::All(&[Verb::Manage]);
/// To give a role takes all verbs that it has: these at least.
const GIVE: Verbs = Verbs::All(&[Verb::Read, Verb::Share, Verb::Manage]);
const SHARE: Verbs = Verbs::All(&[Verb::Read, Verb::Share]);
/// New files take `create`, new versions `write`.
const UPLOAD: Verbs = Verbs::Any(&[Verb::Create, Verb::Write]);

/// The right that each route needs at least, by method and path as the OpenAPI document has them.
///
/// A session does what a key of its person's own role does. Where its cookie authorises anything but a `GET`, a `HEAD` or an
/// `OPTIONS`, it takes the session's `X-CSRF-Token` too.
///
/// Some ask for more in some of their forms: an undo that is no preview takes an editor, and an admin where it is of
/// somebody else's acts, and the verbs `delete` for what the acts made and `write` for what they changed; of a stretch of acts
/// it is about the workspace as a whole; a deletion with `purge`, and the end of a lock with `force`, take an admin; a drop box, when it is made
/// and when it is changed, takes an editor and the verb `create` besides; a note is changed by its author and by admins; a job asks for what its kind says, and is not for a key of a
/// folder at all. A member may take itself out. To give a role takes the verbs that it has, to have a password set a key that
/// has no end and is not narrowed.
pub const RIGHTS: &[(&str, Right)] = &[
    ("GET /healthz", Right::Open),
    ("GET /metrics", Right::Open),
    ("GET /openapi.json", Right::Open),
    ("GET /readyz", Right::Open),
    ("GET /v1/links/{token}", Right::Link),
    ("HEAD /v1/links/{token}", Right::Link),
    ("GET /v1/shares/{token}", Right::Link),
    ("POST /v1/shares/{token}/open", Right::Link),
    ("GET /v1/shares/{token}/tree", Right::Visitor),
    ("GET /v1/shares/{token}/content", Right::Visitor),
    ("HEAD /v1/shares/{token}/content", Right::Visitor),
    ("GET /v1/shares/{token}/archive", Right::Visitor),
    ("HEAD /v1/shares/{token}/archive", Right::Visitor),
    ("POST /v1/shares/{token}/files", Right::Visitor),
    ("GET /v1/me", Right::Key(Verbs::None)),
    ("PUT /v1/me/password", Right::Account),
    ("POST /v1/password", Right::Link),
    ("GET /v1/session", Right::Session),
    ("POST /v1/session", Right::Open),
    ("DELETE /v1/session", Right::Session),
    ("GET /v1/session/oidc", Right::Open),
    ("GET /v1/session/oidc/{provider}", Right::Open),
    ("POST /v1/session/oidc/{provider}", Right::Open),
    ("GET /v1/session/oidc/{provider}/callback", Right::Link),
    ("GET /v1/me/identities", Right::Account),
    ("POST /v1/me/identities", Right::Session),
    ("DELETE /v1/me/identities/{identity}", Right::Account),
    ("GET /v1/sessions", Right::Account),
    ("DELETE /v1/sessions", Right::Account),
    ("DELETE /v1/sessions/{session}", Right::Account),
    ("DELETE /v1/invitations/{invitation}", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/invitations/look", Right::Link),
    ("POST /v1/invitations/accept", Right::Token),
    ("POST /v1/invitations/decline", Right::Link),
    ("GET /v1/status", Right::Key(Verbs::None)),
    ("GET /v1/audit", Right::Somewhere(Role::Admin, MANAGE)),
    ("GET /v1/jobs", Right::Key(READ)),
    ("GET /v1/workspaces", Right::Key(Verbs::None)),
    ("GET /v1/workspaces/current", Right::Key(Verbs::None)),
    ("GET /v1/keys", Right::Somewhere(Role::Admin, MANAGE)),
    ("POST /v1/keys", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/keys/{key}/rotate", Right::Whole(Role::Admin, MANAGE)),
    ("DELETE /v1/keys/{key}", Right::Whole(Role::Admin, MANAGE)),
    ("GET /v1/principals", Right::Server),
    ("POST /v1/principals", Right::Server),
    ("GET /v1/principals/{principal}", Right::Server),
    ("PATCH /v1/principals/{principal}", Right::Server),
    ("POST /v1/principals/{principal}/password", Right::Server),
    ("GET /v1/principals/{principal}/identities", Right::Server),
    ("DELETE /v1/principals/{principal}/identities/{identity}", Right::Server),
    ("POST /v1/principals/{principal}/deactivate", Right::Server),
    ("POST /v1/principals/{principal}/reactivate", Right::Server),
    ("POST /v1/workspaces", Right::Server),
    ("POST /v1/workspaces/import", Right::Server),
    ("GET /v1/workspaces/{ws}/export", Right::Owner(Verbs::All(&[Verb::Read, Verb::Manage]))),
    ("GET /v1/workspaces/{ws}", Right::Workspace(Role::Viewer, Verbs::None)),
    ("PATCH /v1/workspaces/{ws}", Right::Whole(Role::Admin, MANAGE)),
    ("PATCH /v1/workspaces/{ws}/quota", Right::Server),
    ("POST /v1/workspaces/{ws}/transfer", Right::Owner(GIVE)),
    ("GET /v1/workspaces/{ws}/transfer", Right::Whole(Role::Admin, MANAGE)),
    ("DELETE /v1/workspaces/{ws}/transfer", Right::Owner(MANAGE)),
    ("POST /v1/transfers/look", Right::Claim),
    ("POST /v1/transfers/accept", Right::Claim),
    ("POST /v1/transfers/decline", Right::Claim),
    ("GET /v1/workspaces/{ws}/members", Right::Whole(Role::Viewer, READ)),
    ("GET /v1/workspaces/{ws}/members/{principal}", Right::Whole(Role::Viewer, READ)),
    ("PUT /v1/workspaces/{ws}/members/{principal}", Right::Whole(Role::Admin, GIVE)),
    ("DELETE /v1/workspaces/{ws}/members/{principal}", Right::Whole(Role::Admin, MANAGE)),
    ("GET /v1/workspaces/{ws}/invitations", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/workspaces/{ws}/invitations", Right::Whole(Role::Admin, GIVE)),
    ("GET /v1/workspaces/{ws}/shares", Right::Workspace(Role::Viewer, SHARE)),
    ("GET /v1/workspaces/{ws}/shares/{share}", Right::ShareMaker),
    ("PATCH /v1/workspaces/{ws}/shares/{share}", Right::ShareMaker),
    ("DELETE /v1/workspaces/{ws}/shares/{share}", Right::ShareMaker),
    ("GET /v1/workspaces/{ws}/events", Right::Workspace(Role::Viewer, READ)),
    ("GET /v1/workspaces/{ws}/nodes", Right::Workspace(Role::Viewer, READ)),
    ("GET /v1/workspaces/{ws}/tree", Right::Node(Role::Viewer, READ)),
    ("GET /v1/workspaces/{ws}/tree/{path}", Right::Node(Role::Viewer, READ)),
    ("GET /v1/workspaces/{ws}/trash", Right::Workspace(Role::Viewer, READ)),
    ("DELETE /v1/workspaces/{ws}/trash", Right::Whole(Role::Admin, DELETE)),
    ("POST /v1/workspaces/{ws}/undo", Right::Node(Role::Viewer, READ)),
    ("POST /v1/workspaces/{ws}/archive", Right::Node(Role::Viewer, READ)),
    ("POST /v1/workspaces/{ws}/batch", Right::Workspace(Role::Editor, UPLOAD)),
    ("POST /v1/workspaces/{ws}/batch/read", Right::Workspace(Role::Viewer, READ)),
    ("POST /v1/workspaces/{ws}/folders", Right::Node(Role::Editor, CREATE)),
    ("GET /v1/workspaces/{ws}/files/{path}", Right::Node(Role::Viewer, READ)),
    ("HEAD /v1/workspaces/{ws}/files/{path}", Right::Node(Role::Viewer, READ)),
    ("PUT /v1/workspaces/{ws}/files/{path}", Right::Node(Role::Editor, UPLOAD)),
    ("GET /v1/workspaces/{ws}/hooks", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/workspaces/{ws}/hooks", Right::Whole(Role::Admin, MANAGE)),
    ("GET /v1/workspaces/{ws}/hooks/{hook}", Right::Whole(Role::Admin, MANAGE)),
    ("PATCH /v1/workspaces/{ws}/hooks/{hook}", Right::Whole(Role::Admin, MANAGE)),
    ("DELETE /v1/workspaces/{ws}/hooks/{hook}", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/rotate", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/test", Right::Whole(Role::Admin, MANAGE)),
    ("POST /v1/workspaces/{ws}/hooks/{hook}/redeliver", Right::Whole(Role::Admin, MANAGE)),
    ("GET /v1/workspaces/{ws}/hooks/{hook}/deliveries", Right::Whole(Role::Admin, MANAGE)),
    ("GET /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}", Right::Whole(Role::Admin, MANAGE)),
    (
        "POST /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}/redeliver",
        Right::Whole(Role::Admin, MANAGE),
    ),
    ("POST /v1/files/{parent}/children", Right::Node(Role::Editor, CREATE)),
    ("POST /v1/files/{parent}/files", Right::Node(Role::Editor, UPLOAD)),
    ("GET /v1/files/{id}", Right::Node(Role::Viewer, READ)),
    ("PATCH /v1/files/{id}", Right::Node(Role::Editor, WRITE)),
    ("DELETE /v1/files/{id}", Right::Node(Role::Editor, DELETE)),
    ("POST /v1/files/{id}/copy", Right::Node(Role::Editor, Verbs::All(&[Verb::Read, Verb::Create]))),
    ("POST /v1/files/{id}/restore", Right::Node(Role::Editor, WRITE)),
    ("GET /v1/files/{id}/content", Right::Node(Role::Viewer, READ)),
    ("HEAD /v1/files/{id}/content", Right::Node(Role::Viewer, READ)),
    ("PUT /v1/files/{id}/content", Right::Node(Role::Editor, WRITE)),
    ("GET /v1/files/{id}/archive", Right::Node(Role::Viewer, READ)),
    ("HEAD /v1/files/{id}/archive", Right::Node(Role::Viewer, READ)),
    ("POST /v1/files/{id}/links", Right::Node(Role::Viewer, SHARE)),
    ("POST /v1/files/{id}/shares", Right::Node(Role::Viewer, SHARE)),
    ("GET /v1/files/{id}/lock", Right::Node(Role::Viewer, READ)),
    ("POST /v1/files/{id}/lock", Right::Node(Role::Editor, WRITE)),
    ("GET /v1/files/{id}/notes", Right::Node(Role::Viewer, READ)),
    ("POST /v1/files/{id}/notes", Right::Node(Role::Editor, WRITE)),
    ("GET /v1/files/{id}/versions", Right::Node(Role::Viewer, READ)),
    ("GET /v1/files/{id}/versions/{ver}", Right::Node(Role::Viewer, READ)),
    ("PATCH /v1/files/{id}/versions/{ver}", Right::Node(Role::Editor, WRITE)),
    ("DELETE /v1/files/{id}/versions/{ver}", Right::Node(Role::Admin, DELETE)),
    ("GET /v1/files/{id}/versions/{ver}/chunks", Right::Node(Role::Viewer, READ)),
    ("GET /v1/files/{id}/versions/{ver}/compare", Right::Node(Role::Viewer, READ)),
    ("GET /v1/files/{id}/versions/{ver}/content", Right::Node(Role::Viewer, READ)),
    ("HEAD /v1/files/{id}/versions/{ver}/content", Right::Node(Role::Viewer, READ)),
    ("POST /v1/files/{id}/versions/{ver}/restore", Right::Node(Role::Editor, WRITE)),
    ("PATCH /v1/notes/{note}", Right::Node(Role::Editor, WRITE)),
    ("DELETE /v1/notes/{note}", Right::Node(Role::Editor, WRITE)),
    ("GET /v1/locks", Right::Workspace(Role::Viewer, READ)),
    ("POST /v1/locks:batch", Right::Node(Role::Editor, WRITE)),
    ("POST /v1/locks/{lock}/renew", Right::Node(Role::Editor, WRITE)),
    ("DELETE /v1/locks/{lock}", Right::Node(Role::Editor, WRITE)),
    ("GET /v1/jobs/{job}", Right::Node(Role::Viewer, READ)),
    ("POST /v1/jobs/{job}/cancel", Right::Node(Role::Editor, MANAGE)),
    ("POST /v1/jobs/{job}/retry", Right::Node(Role::Editor, MANAGE)),
    ("GET /v1/uploads", Right::Somewhere(Role::Editor, UPLOAD)),
    ("POST /v1/uploads", Right::Node(Role::Editor, UPLOAD)),
    ("GET /v1/uploads/{upload}", Right::Maker(Role::Editor, UPLOAD)),
    ("HEAD /v1/uploads/{upload}", Right::Maker(Role::Editor, UPLOAD)),
    ("PATCH /v1/uploads/{upload}", Right::Maker(Role::Editor, UPLOAD)),
    ("DELETE /v1/uploads/{upload}", Right::Maker(Role::Editor, UPLOAD)),
];
