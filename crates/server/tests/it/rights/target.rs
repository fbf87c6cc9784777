//! What each route is called for: made anew, by the walk's editor, so that nobody meets what another has done.

use longshore_core::wire::{
    CreateInvitation, CreateKey, Link, LockGrant, NewInvitation, NewShare, Node, Note, OfferTransfer,
    OpenedShare, Role, Verb,
};
use longshore_engine::{JobKind, NewJob, Premises};
use serde_json::Value;

use super::{Caller, Walk};
use crate::uploads::metadata;
use crate::{hooks, oidc, sessions};

/// A kind of job that nobody runs here.
static WORK: JobKind = JobKind::new("test.work");

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

/// A call that is good.
pub(super) struct Target {
    pub(super) what: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// What who has opened the share link shows that it is about.
    pub(super) grant: Option<String>,
}

impl Target {
    fn new(what: impl Into<String>, body: impl Into<String>) -> Self {
        Self { what: what.into(), headers: Vec::new(), body: body.into(), grant: None }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The name that somebody in a session signs in by.
pub(super) fn sign_in_name(caller: Caller) -> String {
    format!("{caller:?}")
}

/// A name that nothing has yet.
fn fresh() -> String {
    longshore_core::NodeId::new(longshore_core::Timestamp::from_micros(1)).to_string()
}

async fn put(walk: &Walk, name: &str, content: &str) -> Node {
    walk.edit(&format!("PUT {}", walk.world.at(&walk.path(name))), &[], content).await.read()
}

async fn file(walk: &Walk) -> Node {
    put(walk, &fresh(), "one").await
}

/// Returns the URL of a file's old version, and its current one.
async fn versions(walk: &Walk) -> (String, String) {
    let old = file(walk).await;
    let new = put(walk, &old.name, "two").await;
    let url = format!("/v1/files/{}/versions/{}", old.id, old.version_id.unwrap());
    (url, new.version_id.unwrap().to_string())
}

async fn locked(walk: &Walk) -> (Node, LockGrant) {
    let node = file(walk).await;
    let grant = walk.edit(&format!("POST /v1/files/{}/lock", node.id), &[], "{}").await.read();
    (node, grant)
}

async fn note(walk: &Walk) -> Note {
    let file = file(walk).await.id;
    walk.edit(&format!("POST /v1/files/{file}/notes"), &[], r#"{"text":"hm"}"#).await.read()
}

/// Says of an upload what file it is to become.
fn of_file(walk: &Walk) -> String {
    let path = format!("/{}", walk.path(&fresh()));
    metadata(&[("path", &path), ("workspace", &walk.world.id().to_string())])
}

async fn upload(walk: &Walk) -> String {
    let told = of_file(walk);
    let headers = [TUS, ("upload-length", "3"), ("upload-metadata", told.as_str())];
    walk.edit("POST /v1/uploads", &headers, "").await.header("location").to_owned()
}

async fn job(walk: &Walk) -> String {
    let job = NewJob::new(&WORK, Value::Null).in_workspace(walk.world.id());
    format!("/v1/jobs/{}", walk.world.engine.enqueue_job(job).await.unwrap())
}

/// Has the owner offer the workspace; returns the token.
async fn offered(walk: &Walk) -> String {
    let (engine, owner) = (&walk.world.engine, &walk.world.owner);
    let wanted = OfferTransfer::default();
    engine.offer_transfer(owner, walk.world.id(), wanted, Premises::default()).await.unwrap().token
}

/// Makes an agent that is a member, with a key of the workspace that is narrowed as every key which manages is, so that each of
/// them may rotate it; returns its id and the key's.
async fn member(walk: &Walk) -> (String, String) {
    let wanted = CreateKey {
        workspace_id: Some(walk.world.id()),
        agent: Some(fresh()),
        verbs: Some([Verb::Manage].into()),
        ..CreateKey::new(fresh(), Role::Viewer)
    };
    let made = walk.world.engine.create_key(&walk.world.owner, wanted, None).await.unwrap();
    (made.key.principal.id.to_string(), made.key.id.to_string())
}

/// Makes an invitation. Of open ones a workspace has a thousand, which is more than a walk makes.
async fn invitation(walk: &Walk) -> NewInvitation {
    let wanted = CreateInvitation { role: Role::Viewer, note: None, expires_in: 3_600 };
    let (world, none) = (&walk.world, Premises::default());
    world.engine.create_invitation(&world.owner, world.id(), wanted, none).await.unwrap()
}

/// Makes a share link to a file.
async fn share(walk: &Walk) -> NewShare {
    let file = file(walk).await.id;
    walk.edit(&format!("POST /v1/files/{file}/shares"), &[], "{}").await.read()
}

/// Makes a hook with a delivery; the other hooks are removed, of which a workspace has so many and no more.
async fn hook(walk: &Walk) -> (String, String) {
    let (world, none) = (&walk.world, Premises::default);
    let page = longshore_engine::PageRequest::default();
    for old in world.engine.list_hooks(&world.owner, world.id(), page).await.unwrap().items {
        world.engine.delete_hook(&world.owner, world.id(), old.id, none()).await.unwrap();
    }
    let hook = hooks::make(world).await.hook.id;
    let ping = world.engine.test_hook(&world.owner, world.id(), hook, none()).await.unwrap().id;
    let hook = format!("/v1/workspaces/{}/hooks/{hook}", world.id());
    let ping = format!("{hook}/deliveries/{ping}");
    (hook, ping)
}

/// Returns a call of a route in the form that asks for more than the route does at least.
pub(super) async fn harder(walk: &Walk, route: &str) -> Target {
    match route {
        "POST /v1/workspaces/{ws}/undo" => {
            // By whoever calls: each takes back what they have done themselves, which is nothing.
            let url = format!("POST /v1/workspaces/{}/undo", walk.world.id());
            Target::new(url, r#"{"actor":"me","since_seq":1}"#)
        }
        "DELETE /v1/files/{id}" => {
            Target::new(format!("DELETE /v1/files/{}?purge=true", file(walk).await.id), "")
        }
        "POST /v1/files/{id}/shares" => {
            let folder = put(walk, &format!("{}/x", fresh()), "x").await.parent_id.unwrap();
            Target::new(format!("POST /v1/files/{folder}/shares"), r#"{"mode":"drop"}"#)
        }
        "DELETE /v1/locks/{lock}" => {
            let lock = locked(walk).await.1.lock.id;
            Target::new(format!("DELETE /v1/locks/{lock}?force=true"), r#"{"reason":"gone home"}"#)
        }
        other => panic!("{other} has no other form here"),
    }
}

/// Returns a call of a route, about something that was made for it.
pub(super) async fn target(walk: &Walk, route: &str) -> Target {
    let (method, path) = route.split_once(' ').unwrap();
    if let Some(rest) = path.strip_prefix("/v1/workspaces/{ws}") {
        return in_workspace(walk, method, rest).await;
    }
    if let Some(rest) = path.strip_prefix("/v1/files/{id}") {
        return on_file(walk, method, rest).await;
    }
    let of = |url: String, body: &str| Target::new(format!("{method} {url}"), body);
    match path {
        "/v1/keys" if method == "POST" => {
            let body = format!(r#"{{"name":"k","role":"viewer","workspace_id":"{}"}}"#, walk.world.id());
            of("/v1/keys".to_owned(), &body)
        }
        "/v1/keys/{key}/rotate" => of(format!("/v1/keys/{}/rotate", member(walk).await.1), "{}"),
        "/v1/keys/{key}" => of(format!("/v1/keys/{}", member(walk).await.1), ""),
        "/v1/workspaces" if method == "POST" => {
            of("/v1/workspaces".to_owned(), &format!(r#"{{"name":"{}"}}"#, fresh()))
        }
        "/v1/principals" if method == "POST" => {
            of("/v1/principals".to_owned(), r#"{"kind":"person","name":"Ada"}"#)
        }
        "/v1/session" if method == "POST" => {
            let name = sign_in_name(Caller::SignedIn(Role::Viewer));
            of(path.to_owned(), &format!(r#"{{"name":"{name}","password":"{}"}}"#, sessions::PASSWORD))
        }
        "/v1/session/oidc/{provider}" => {
            of("/v1/session/oidc/a".to_owned(), if method == "POST" { "{}" } else { "" })
        }
        "/v1/session/oidc/{provider}/callback" => {
            of("/v1/session/oidc/a/callback?code=x&state=x".to_owned(), "")
        }
        "/v1/me/identities" if method == "POST" => of(path.to_owned(), r#"{"provider":"a"}"#),
        "/v1/me/identities/{identity}" => {
            let nobodys = longshore_core::IdentityId::new(longshore_core::Timestamp::from_micros(1));
            of(format!("/v1/me/identities/{nobodys}"), "")
        }
        path if path.starts_with("/v1/principals/{principal}/identities") => {
            let (person, identity) = oidc::identity(&walk.world, &fresh()).await;
            of(path.replace("{principal}", &person).replace("{identity}", &identity), "")
        }
        "/v1/sessions/{session}" => {
            let nobodys = longshore_core::SessionId::new(longshore_core::Timestamp::from_micros(1));
            of(format!("/v1/sessions/{nobodys}"), "")
        }
        "/v1/me/password" => {
            let password = sessions::PASSWORD;
            of(path.to_owned(), &format!(r#"{{"current":"{password}","new":"{password}"}}"#))
        }
        "/v1/password" => {
            let token = sessions::reset(&walk.world).await;
            let (password, name) = (sessions::PASSWORD, fresh());
            let body = format!(r#"{{"token":"{token}","password":"{password}","sign_in_name":"{name}"}}"#);
            of(path.to_owned(), &body)
        }
        path if path.starts_with("/v1/invitations/") => {
            let made = invitation(walk).await;
            let body = format!(r#"{{"token":"{}"}}"#, made.token.reveal());
            let body = if method == "POST" { body.as_str() } else { "" };
            of(path.replace("{invitation}", &made.invitation.id.to_string()), body)
        }
        path if path.starts_with("/v1/principals/{principal}") => {
            let body = if method == "PATCH" { r#"{"name":"Ada"}"# } else { "" };
            of(path.replace("{principal}", &member(walk).await.0), body)
        }
        "/v1/files/{parent}/children" => {
            let body = format!(r#"{{"kind":"folder","name":"{}"}}"#, fresh());
            of(format!("/v1/files/{}/children", file(walk).await.parent_id.unwrap()), &body)
        }
        "/v1/files/{parent}/files" => {
            let parent = file(walk).await.parent_id.unwrap();
            of(format!("/v1/files/{parent}/files?name={}", fresh()), "x")
        }
        // Who is let through hears that this is no archive.
        "/v1/workspaces/import" => of(format!("/v1/workspaces/import?name={}", fresh()), "x"),
        path if path.starts_with("/v1/transfers/") => {
            // One that has ended: who is let through hears so, and nobody's role changes on the way.
            let token = offered(walk).await;
            let (engine, owner) = (&walk.world.engine, &walk.world.owner);
            engine.revoke_transfer(owner, walk.world.id(), Premises::default()).await.unwrap();
            of(path.to_owned(), &format!(r#"{{"token":"{token}"}}"#))
        }
        "/v1/links/{token}" => {
            let url = format!("POST /v1/files/{}/links", file(walk).await.id);
            let link: Link = walk.edit(&url, &[], "{}").await.read();
            of(link.url[link.url.find("/v1/").unwrap()..].to_owned(), "")
        }
        path if path.starts_with("/v1/shares/{token}") => {
            let folder = put(walk, &format!("{}/x", fresh()), "x").await.parent_id.unwrap();
            let wanted = if path.ends_with("/files") { r#"{"mode":"drop"}"# } else { "{}" };
            let made: NewShare =
                walk.edit(&format!("POST /v1/files/{folder}/shares"), &[], wanted).await.read();
            let token = made.token.reveal();
            let opened: OpenedShare =
                walk.edit(&format!("POST /v1/shares/{token}/open"), &[], "").await.read();
            let query = match path.rsplit('/').next() {
                Some("content") => "?path=/x",
                Some("files") => "?name=y",
                _ => "",
            };
            let target = of(path.replace("{token}", token) + query, "");
            Target { grant: Some(opened.grant.reveal().to_owned()), ..target }
        }
        "/v1/notes/{note}" => {
            let body = if method == "PATCH" { r#"{"text":"ah"}"# } else { "" };
            of(format!("/v1/notes/{}", note(walk).await.id), body)
        }
        "/v1/locks" => of(format!("/v1/locks?workspace={}", walk.world.id()), ""),
        "/v1/locks:batch" => {
            of("/v1/locks:batch".to_owned(), &format!(r#"{{"files":["{}"]}}"#, file(walk).await.id))
        }
        "/v1/locks/{lock}" | "/v1/locks/{lock}/renew" => {
            let grant = locked(walk).await.1;
            let body = if method == "POST" { "{}" } else { "" };
            of(path.replace("{lock}", &grant.lock.id.to_string()), body).with("lock-token", grant.token)
        }
        path if path.starts_with("/v1/jobs/{job}") => {
            of(path.replace("/v1/jobs/{job}", &job(walk).await), "")
        }
        "/v1/uploads" if method == "POST" => {
            let told = of_file(walk);
            of("/v1/uploads".to_owned(), "")
                .with(TUS.0, TUS.1)
                .with("upload-length", "3")
                .with("upload-metadata", told)
        }
        "/v1/uploads/{upload}" => {
            let body = if method == "PATCH" { "abc" } else { "" };
            of(upload(walk).await, body)
                .with(TUS.0, TUS.1)
                .with("upload-offset", "0")
                .with("content-type", "application/offset+octet-stream")
        }
        path => of(path.to_owned(), ""),
    }
}

async fn in_workspace(walk: &Walk, method: &str, rest: &str) -> Target {
    let ws = format!("/v1/workspaces/{}", walk.world.id());
    let of = |rest: String, body: &str| Target::new(format!("{method} {ws}{rest}"), body);
    match (method, rest) {
        ("PATCH", "") => of(String::new(), &format!(r#"{{"name":"{}"}}"#, fresh())),
        ("POST", "/transfer") => of("/transfer".to_owned(), "{}"),
        (_, "/transfer") => {
            offered(walk).await;
            of("/transfer".to_owned(), "")
        }
        (_, "/quota") => of("/quota".to_owned(), r#"{"files":100000}"#),
        ("PUT", "/members/{principal}") => {
            of(format!("/members/{}", member(walk).await.0), r#"{"role":"editor"}"#)
        }
        ("POST", "/invitations") => of("/invitations".to_owned(), r#"{"role":"viewer"}"#),
        (_, "/members/{principal}") => of(format!("/members/{}", member(walk).await.0), ""),
        (_, "/undo") => {
            file(walk).await;
            let seq = walk.world.engine.workspace(&walk.world.owner, walk.world.id()).await.unwrap().seq;
            of("/undo".to_owned(), &format!(r#"{{"act":{seq},"preview":true}}"#))
        }
        (_, "/archive") => {
            of("/archive".to_owned(), &format!(r#"{{"items":["{}"]}}"#, file(walk).await.path))
        }
        (_, "/batch") => {
            of("/batch".to_owned(), &format!("{{\"path\":\"/{}\",\"size\":1}}\nx", walk.path(&fresh())))
        }
        (_, "/batch/read") => {
            let body = format!(r#"{{"items":[{{"path":"{}"}}]}}"#, file(walk).await.path);
            of("/batch/read".to_owned(), &body)
        }
        (_, "/folders") => of("/folders".to_owned(), &format!(r#"{{"path":"/{}"}}"#, walk.path(&fresh()))),
        ("PUT", "/files/{path}") => of(format!("/files/{}", walk.path(&fresh())), "x"),
        (_, "/files/{path}") => of(format!("/files{}", file(walk).await.path), ""),
        (_, "/tree/{path}") => {
            let name = fresh();
            put(walk, &format!("{name}/x"), "x").await;
            of(format!("/tree/{}", walk.path(&name)), "")
        }
        ("POST", "/hooks") => {
            hook(walk).await;
            of("/hooks".to_owned(), hooks::WANTED)
        }
        (_, "/shares/{share}") => {
            let share = share(walk).await.share.id;
            let body = if method == "PATCH" { r#"{"note":"for Ada"}"# } else { "" };
            of(format!("/shares/{share}"), body)
        }
        (_, rest) if rest.starts_with("/hooks/{hook}/deliveries/{delivery}") => {
            let ping = hook(walk).await.1;
            Target::new(
                format!("{method} {}", rest.replace("/hooks/{hook}/deliveries/{delivery}", &ping)),
                "",
            )
        }
        (_, rest) if rest.starts_with("/hooks/{hook}") => {
            let url = rest.replace("/hooks/{hook}", &hook(walk).await.0);
            let body = match (method, rest) {
                ("PATCH", _) => r#"{"description":"for all"}"#,
                ("POST", "/hooks/{hook}/redeliver") => r#"{"failed":true}"#,
                _ => "",
            };
            Target::new(format!("{method} {url}"), body)
        }
        (_, rest) => of(rest.to_owned(), ""),
    }
}

async fn on_file(walk: &Walk, method: &str, rest: &str) -> Target {
    if let Some(rest) = rest.strip_prefix("/versions/{ver}") {
        let (version, current) = versions(walk).await;
        return match (method, rest) {
            ("PATCH", "") => Target::new(format!("PATCH {version}"), r#"{"label":"old"}"#),
            (_, "/compare") => Target::new(format!("{method} {version}/compare?with={current}"), ""),
            (_, rest) => Target::new(format!("{method} {version}{rest}"), ""),
        };
    }
    if (method, rest) == ("GET", "/lock") {
        return Target::new(format!("GET /v1/files/{}/lock", locked(walk).await.0.id), "");
    }
    let node = file(walk).await;
    let url = format!("{method} /v1/files/{}{rest}", node.id);
    let body = match (method, rest) {
        ("PATCH", "") => r#"{"metadata":{"a":"b"}}"#.to_owned(),
        ("PUT", "/content") => "two".to_owned(),
        ("POST", "/copy") => format!(r#"{{"name":"{}"}}"#, fresh()),
        ("POST", "/restore") => {
            walk.edit(&format!("DELETE /v1/files/{}", node.id), &[], "").await;
            "{}".to_owned()
        }
        ("POST", "/links" | "/lock" | "/shares") => "{}".to_owned(),
        ("POST", "/notes") => r#"{"text":"hm"}"#.to_owned(),
        _ => String::new(),
    };
    Target::new(url, body)
}
