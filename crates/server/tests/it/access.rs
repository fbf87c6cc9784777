//! Who may do what: typed users and all the routes.

use std::time::Duration;

use longshore_core::Timestamp;
use longshore_core::wire::{CreateKey, LockGrant, Note, Role};

use longshore_engine::{JobKind, NewJob, Premises};
use serde_json::Value;

use crate::document::CONTRACT;
use crate::hooks;
use crate::world::{User, World};

/// A kind of job that nobody runs here.
static WORK: JobKind = JobKind::new("test.work");

/// A call that is good, and who may make it at least.
struct Call {
    what: String,
    body: String,
    needed: User,
    token: Option<String>,
}

impl Call {
    fn new(what: impl Into<String>, body: impl Into<String>, needed: User) -> Self {
        Self { what: what.into(), body: body.into(), needed, token: None }
    }

    /// Tells whether this is a call of a route of the contract, such as `GET /v1/files/{id}`.
    fn is_of(&self, route: &str) -> bool {
        let what = self.what.split('?').next().unwrap();
        let (what, route): (Vec<&str>, Vec<&str>) = (what.split('/').collect(), route.split('/').collect());
        let takes_all = route.last() == Some(&"{path}");
        let is_name = |part: &str| part.starts_with('{');
        (what.len() == route.len() || takes_all && what.len() > route.len())
            && what.iter().zip(&route).all(|(part, name)| part == name || is_name(name))
    }
}

/// Calls about locks: those of other files, so that they hold up nothing else.
async fn lock_calls(world: &World) -> Vec<Call> {
    let locked = async |name: &str| {
        let file = world.put(name, "locked").await.id;
        let grant: LockGrant = world.edit(&format!("POST /v1/files/{file}/lock"), "{}").await.read();
        (file, grant.lock.id, grant.token)
    };
    let (file, lock, token) = locked("locked.txt").await;
    let (_, broken, _) = locked("broken.txt").await;
    let free = world.put("free.txt", "free").await.id;
    let other = world.put("other.txt", "other").await.id;
    let token = Some(token);
    vec![
        Call::new(format!("GET /v1/files/{file}/lock"), "", User::Viewer),
        Call::new(format!("GET /v1/locks?workspace={}", world.id()), "", User::Viewer),
        Call::new(format!("POST /v1/files/{free}/lock"), "{}", User::Editor),
        Call::new("POST /v1/locks:batch", format!(r#"{{"files":["{other}"]}}"#), User::Editor),
        Call {
            token: token.clone(),
            ..Call::new(format!("POST /v1/locks/{lock}/renew"), "{}", User::Editor)
        },
        Call { token, ..Call::new(format!("DELETE /v1/locks/{lock}"), "", User::Editor) },
        // Without its token it is broken.
        Call::new(format!("DELETE /v1/locks/{broken}?force=true"), r#"{"reason":"gone home"}"#, User::Admin),
    ]
}

/// Each route with a body that is good for it, and who may call it.
async fn calls(world: &World) -> Vec<Call> {
    let ws = format!("/v1/workspaces/{}", world.id());
    let locks = lock_calls(world).await;
    let file = world.put("dir/file.txt", "one").await;
    let old = file.version_id.unwrap();
    world.put("dir/file.txt", "two").await;
    let folder = file.parent_id.unwrap();
    let file = format!("/v1/files/{}", file.id);
    let version = format!("{file}/versions/{old}");
    let compared =
        format!("{version}/compare?with={}", world.put("dir/file.txt", "two").await.version_id.unwrap());
    let gone = world.put("gone.txt", "gone").await.id;
    world.edit(&format!("DELETE /v1/files/{gone}"), "").await;
    let job = NewJob::new(&WORK, Value::Null).in_workspace(world.id());
    let job = format!("/v1/jobs/{}", world.engine.enqueue_job(job).await.unwrap());
    let hook = hooks::make(world).await.hook.id;
    let ping = world.engine.test_hook(&world.owner, world.id(), hook, Premises::default()).await.unwrap().id;
    let hooks = format!("{ws}/hooks");
    let hook = format!("{hooks}/{hook}");
    let ping = format!("{hook}/deliveries/{ping}");
    let note = world.edit(&format!("POST {file}/notes"), r#"{"text":"hm"}"#).await.read::<Note>().id;
    world.put("undone.txt", "undone").await;
    let seq = world.engine.workspace(&world.owner, world.id()).await.unwrap().seq;
    let undo = format!(r#"{{"act":{seq}}}"#);
    let preview = format!(r#"{{"act":{seq},"preview":true}}"#);
    let calls = [
        (format!("POST {ws}/undo"), preview.as_str(), User::Viewer),
        (format!("POST {ws}/undo"), undo.as_str(), User::Editor),
        (format!("PATCH /v1/notes/{note}"), r#"{"text":"ah"}"#, User::Editor),
        (format!("DELETE /v1/notes/{note}"), "", User::Editor),
        (format!("GET {ws}"), "", User::Viewer),
        (format!("GET {ws}/files/dir/file.txt"), "", User::Viewer),
        (format!("HEAD {ws}/files/dir/file.txt"), "", User::Viewer),
        (format!("GET {ws}/files/dir/file.txt?content=1"), "", User::Viewer),
        (format!("GET {ws}/tree"), "", User::Viewer),
        (format!("GET {ws}/tree/dir"), "", User::Viewer),
        (format!("GET {ws}/trash"), "", User::Viewer),
        (format!("GET {ws}/events"), "", User::Viewer),
        (format!("GET /v1/files/root?workspace={}", world.id()), "", User::Viewer),
        (format!("GET {file}"), "", User::Viewer),
        (format!("GET {file}/content"), "", User::Viewer),
        (format!("HEAD {file}/content"), "", User::Viewer),
        (format!("GET {file}/versions"), "", User::Viewer),
        (format!("GET {version}"), "", User::Viewer),
        (format!("GET {version}/content"), "", User::Viewer),
        (format!("GET {compared}"), "", User::Viewer),
        (format!("GET {file}/notes"), "", User::Viewer),
        (format!("GET {ws}/nodes?label=x&metadata.a=b&name=f&under=/dir"), "", User::Viewer),
        (format!("HEAD {version}/content"), "", User::Viewer),
        (format!("GET {job}"), "", User::Viewer),
        (format!("GET {job}?wait=0"), "", User::Viewer),
        (format!("GET /v1/jobs?workspace={}", world.id()), "", User::Viewer),
        (format!("POST {job}/cancel"), "", User::Editor),
        (format!("POST {job}/retry"), "", User::Editor),
        (format!("PUT {ws}/files/new.txt"), "new", User::Editor),
        (format!("POST {ws}/batch"), "{\"path\":\"/batched.txt\",\"size\":1}\nx", User::Editor),
        (format!("POST {ws}/batch/read"), r#"{"items":[{"path":"/dir/file.txt"}]}"#, User::Viewer),
        (format!("POST {ws}/folders"), r#"{"path":"/made"}"#, User::Editor),
        (format!("POST /v1/files/{folder}/children"), r#"{"kind":"folder","name":"sub"}"#, User::Editor),
        (format!("POST /v1/files/{folder}/files?name=more.txt"), "more", User::Editor),
        (format!("PATCH {file}"), r#"{"metadata":{"a":"b"}}"#, User::Editor),
        (format!("PUT {file}/content"), "three", User::Editor),
        (format!("GET {file}/archive"), "", User::Viewer),
        (format!("HEAD {file}/archive"), "", User::Viewer),
        (format!("POST {file}/links"), "{}", User::Viewer),
        (format!("POST {ws}/archive"), r#"{"items":["/dir"]}"#, User::Viewer),
        (format!("POST {version}/restore"), "", User::Editor),
        (format!("PATCH {version}"), r#"{"label":"old"}"#, User::Editor),
        (format!("DELETE {version}"), "", User::Admin),
        (format!("POST {file}/notes"), r#"{"text":"hm"}"#, User::Editor),
        (format!("POST {file}/copy"), r#"{"name":"copy.txt"}"#, User::Editor),
        (format!("POST /v1/files/{gone}/restore"), "{}", User::Editor),
        (format!("DELETE {file}"), "", User::Editor),
        (format!("DELETE {file}?purge=true"), "", User::Admin),
        (format!("DELETE {ws}/trash"), "", User::Admin),
        (format!("PATCH {ws}"), r#"{"name":"renamed"}"#, User::Admin),
        (format!("GET {hooks}"), "", User::Admin),
        (format!("POST {hooks}"), hooks::WANTED, User::Admin),
        (format!("GET {hook}"), "", User::Admin),
        (format!("PATCH {hook}"), r#"{"description":"for all"}"#, User::Admin),
        (format!("POST {hook}/rotate"), "", User::Admin),
        (format!("POST {hook}/test"), "", User::Admin),
        (format!("GET {hook}/deliveries"), "", User::Admin),
        (format!("GET {ping}"), "", User::Admin),
        (format!("POST {ping}/redeliver"), "", User::Admin),
        (format!("POST {hook}/redeliver"), r#"{"failed":true}"#, User::Admin),
        (format!("DELETE {hook}"), "", User::Admin),
    ];
    let calls = calls.into_iter().map(|(what, body, needed)| Call::new(what, body, needed));
    locks.into_iter().chain(calls).collect()
}

/// What no workspace is part of, for everybody with a key or for admins.
const SERVER_WIDE: &[(&str, &str, User)] = &[
    ("GET /v1/status", "", User::Viewer),
    ("GET /v1/me", "", User::Viewer),
    ("GET /v1/workspaces", "", User::Viewer),
    ("GET /v1/jobs", "", User::Viewer),
    ("GET /v1/uploads", "", User::Editor),
    ("GET /v1/keys", "", User::Admin),
    ("POST /v1/keys", r#"{"name":"k","role":"viewer"}"#, User::Admin),
];

/// Routes of the contract that other tests try: open to all, or of keys alone.
const ELSEWHERE: &[&str] = &[
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    // Its answer is that of the key's own workspace, and these keys reach two.
    "GET /v1/workspaces/current",
    // What is made and ended by one is not there for the next: `keys_that_are_not_good` and the engine's suite.
    "POST /v1/workspaces",
    "DELETE /v1/keys/{key}",
    // A link is its own key: `links::a_link_gives_its_version_to_anyone`.
    "GET /v1/links/{token}",
    "HEAD /v1/links/{token}",
    // It takes content of a size that the others need not have: `deltas::who_may_read_chunks`.
    "GET /v1/files/{id}/versions/{ver}/chunks",
    // An upload is its maker's alone: `uploads::who_may_do_what`.
    "POST /v1/uploads",
    "DELETE /v1/uploads/{upload}",
    "GET /v1/uploads/{upload}",
    "HEAD /v1/uploads/{upload}",
    "PATCH /v1/uploads/{upload}",
];

fn rank(user: User) -> u8 {
    match user {
        User::Anonymous => 0,
        User::Viewer => 1,
        User::Editor => 2,
        User::Admin | User::Foreign => 3,
    }
}

#[tokio::test]
async fn each_user_on_each_route() {
    let world = World::new().await;
    let mut calls = calls(&world).await;
    calls.extend(SERVER_WIDE.iter().map(|(what, body, who)| Call::new(*what, *body, *who)));
    for route in CONTRACT.iter().filter(|route| !ELSEWHERE.contains(route)) {
        assert!(calls.iter().any(|call| call.is_of(route)), "nobody tries {route}");
    }
    for Call { what, body, needed, token } in calls {
        let headers: Vec<_> = token.iter().map(|token| ("lock-token", token.as_str())).collect();
        let in_workspace = what.contains(&world.id().to_string())
            || what.contains("/v1/files/")
            || ["/v1/jobs/", "/v1/notes/", "/v1/locks"].iter().any(|route| what.contains(route));
        // Those who may not come first: their calls must leave things as they are.
        for user in [User::Anonymous, User::Foreign, User::Viewer, User::Editor, User::Admin] {
            let answer = world.call(user, &what, &headers, body.clone()).await;
            let expected = match user {
                User::Anonymous => 401,
                User::Foreign if in_workspace => 404,
                user if rank(user) < rank(needed) => 403,
                _ => 0,
            };
            if expected == 0 && user == User::Admin && rank(needed) < 3 && rank(needed) > 1 {
                // The editor has done it already; done twice it may be a conflict, and is no refusal.
                let is_gone = answer.outcome() == "404 note_not_found";
                let is_refused = [401, 403, 404].contains(&answer.status.as_u16()) && !is_gone;
                assert!(!is_refused, "{user:?} {what}: {answer:?}");
            } else if expected == 0 {
                assert!(answer.status.is_success(), "{user:?} {what}: {answer:?}");
            } else {
                assert_eq!(answer.status.as_u16(), expected, "{user:?} {what}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_learns_anything_without_a_key() {
    let world = World::new().await;
    for what in ["GET /v1/files/nonsense", "PUT /v1/workspaces/ws_x/files/%ff", "POST /v1/keys?x=y"] {
        let answer = world.call(User::Anonymous, what, &[], "not json").await;
        assert_eq!(answer.outcome(), "401 key_missing", "{what}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn keys_that_are_not_good() {
    let world = World::new().await;
    let good = world.key(User::Viewer).unwrap().to_owned();
    let mut typo = good.clone();
    typo.replace_range(40..41, if &good[40..41] == "x" { "y" } else { "x" });
    let stranger = longshore_core::key::ApiKey::generate(Timestamp::from_micros(1));
    let owner = world.owner.clone();
    let end = Timestamp::from_micros(1_763_613_468_000_000).plus(Duration::from_secs(60));
    let wanted = CreateKey {
        name: "short".to_owned(),
        role: Role::Viewer,
        workspace_id: None,
        expires_at: Some(end),
        agent: None,
    };
    let short = world.engine.create_key(&owner, wanted.clone(), None).await.unwrap();
    let revoked =
        world.engine.create_key(&owner, CreateKey { expires_at: None, ..wanted }, None).await.unwrap();
    let ask = async |field: String| {
        let answer = world.call(User::Anonymous, "GET /v1/me", &[("authorization", &field)], "").await;
        answer.outcome()
    };
    assert_eq!(ask(format!("Bearer {}", revoked.secret)).await, "200");
    world.engine.revoke_key(&owner, revoked.key.id, None).await.unwrap();
    assert_eq!(ask(format!("bearer {}", short.secret)).await, "200");
    world.clock.advance(Duration::from_secs(61));
    for (field, outcome) in [
        (format!("Bearer {good}"), "200"),
        (format!("Bearer {typo}"), "401 key_malformed"),
        ("Bearer lsk_short".to_owned(), "401 key_malformed"),
        ("Bearer".to_owned(), "401 key_malformed"),
        (format!("Basic {good}"), "401 key_malformed"),
        (format!("Bearer {}", stranger.reveal()), "401 key_unknown"),
        (format!("Bearer {}", short.secret), "401 key_expired"),
        (format!("Bearer {}", revoked.secret), "401 key_revoked"),
    ] {
        assert_eq!(ask(field.clone()).await, outcome, "{field}");
    }
}
