//! Share links over HTTP: what who has one is told, and what is counted.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use longshore_core::wire::{CreateShare, HiddenText, NewShare, Node, OpenShare, OpenedShare, ShareMode};
use longshore_core::{NodeId, ShareToken};
use longshore_engine::Premises;
use longshore_server::{Entrance, Rate, Rates, Source};
use serde_json::json;

use crate::world::{Answer, User, World};

const PASSWORD: &str = "correct horse";

async fn share(world: &World, node: NodeId, wanted: CreateShare) -> NewShare {
    world.engine.create_share(&world.owner, node, wanted, Premises::default()).await.unwrap()
}

/// Makes a link to read a node and opens it; returns the token and the grant.
pub(crate) async fn opened(world: &World, node: NodeId) -> (String, String) {
    let made = share(world, node, CreateShare::default()).await;
    let opened = world.engine.open_share(&made.token, OpenShare::default()).await.unwrap();
    (made.token.reveal().to_owned(), opened.grant.reveal().to_owned())
}

fn locked() -> CreateShare {
    CreateShare { password: Some(HiddenText::new(PASSWORD)), ..CreateShare::default() }
}

async fn call(world: &World, what: &str, grant: Option<&str>, body: &str) -> Answer {
    // Ids of requests have lengths, and answers with them.
    let headers = [("x-request-id", "same")].into_iter().chain(grant.map(|grant| ("share-grant", grant)));
    world.call(User::Anonymous, what, &headers.collect::<Vec<_>>(), body.to_owned()).await
}

async fn open(world: &World, token: &str, password: &str) -> Answer {
    let body = json!({ "password": password }).to_string();
    call(world, &format!("POST /v1/shares/{token}/open"), None, &body).await
}

/// Every call that who has a link can make of it.
fn calls(token: &str) -> Vec<(String, &'static str)> {
    [
        ("GET", "", ""),
        ("POST", "/open", "{}"),
        ("GET", "/tree", ""),
        ("GET", "/content", ""),
        ("HEAD", "/content", ""),
        ("GET", "/content?path=/file", ""),
        ("GET", "/archive", ""),
        ("HEAD", "/archive", ""),
        ("POST", "/files?name=new", "x"),
    ]
    .map(|(method, rest, body)| (format!("{method} /v1/shares/{token}{rest}"), body))
    .into()
}

/// What of an answer may not tell one link that leads nowhere from another.
fn told(answer: &Answer) -> String {
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.sort();
    format!("{} {headers:?} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

#[tokio::test]
async fn links_that_lead_nowhere_are_answered_alike() {
    let world = World::new().await;
    let file = world.put("a/file", "content").await;
    let folder = file.parent_id.unwrap();
    let (engine, owner, none) = (&world.engine, &world.owner, Premises::default);
    let mut gone = Vec::new();
    let mut made = async |wanted: CreateShare| {
        let made = share(&world, folder, wanted).await;
        let opened = engine.open_share(&made.token, OpenShare::default()).await.unwrap();
        gone.push((made.token.reveal().to_owned(), Some(opened.grant.reveal().to_owned())));
        made.share
    };
    // Revoked, over by time, all downloads given, and the maker without the right.
    let revoked = made(CreateShare::default()).await;
    engine.revoke_share(owner, world.id(), revoked.id, none()).await.unwrap();
    made(CreateShare { expires_in: Some(60), ..CreateShare::default() }).await;
    made(CreateShare { expires_in: Some(60), mode: ShareMode::Drop, ..CreateShare::default() }).await;
    world.clock.advance(Duration::from_secs(61));
    let by_editor = world.edit(&format!("POST /v1/files/{folder}/shares"), "{}").await.read::<NewShare>();
    gone.push((by_editor.token.reveal().to_owned(), None));
    engine.revoke_key(owner, by_editor.share.key_id.unwrap(), None).await.unwrap();
    // A node in the trash, and one that is gone for good.
    for purged in [false, true] {
        let node =
            world.engine.create_folders(owner, world.id(), format!("/{purged}").parse().unwrap(), none());
        let node = node.await.unwrap().0.id;
        gone.push((opened(&world, node).await.0, None));
        engine.trash_node(owner, node, none()).await.unwrap();
        if purged {
            engine.purge_node(owner, node, none()).await.unwrap();
        }
    }
    // Unknown, malformed, of another kind, and no text that anybody gave.
    gone.push((ShareToken::generate(engine.now()).reveal().to_owned(), None));
    for other in ["lsh_", "x", "lsl_x", "%00", "%2e%2e", "..%2f", &"x".repeat(2_000)] {
        gone.push((other.to_owned(), None));
    }
    gone.push((gone[0].0.to_uppercase(), None));
    gone.push((world.key(User::Admin).unwrap().to_owned(), None));
    let expected: Vec<_> = calls("lsh_nothing").into_iter().collect();
    let mut answers = Vec::new();
    for (what, body) in expected {
        let answer = call(&world, &what, None, body).await;
        assert_eq!(answer.status, 404, "{what}: {answer:?}");
        answers.push(told(&answer));
    }
    for (token, grant) in gone {
        for (place, (what, body)) in calls(&token).into_iter().enumerate() {
            let answer = call(&world, &what, grant.as_deref(), body).await;
            assert_eq!(told(&answer), answers[place], "{what}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(&token), "{what}: {answer:?}");
        }
    }
    // What goes on behind a secret is no route, and the secret stands in no error.
    let beyond = call(&world, "GET /v1/shares/lsh_secret/nowhere/at/all", None, "").await;
    assert_eq!(beyond.outcome(), "404 route_not_found");
    assert!(!String::from_utf8_lossy(&beyond.body).contains("lsh_secret"), "{beyond:?}");
}

#[tokio::test]
async fn nothing_is_told_before_the_password() {
    let world = World::new().await;
    let file = world.put("hidden/inner", "content").await;
    let made = share(&world, file.parent_id.unwrap(), locked()).await;
    let token = made.token.reveal();
    let seen = call(&world, &format!("GET /v1/shares/{token}"), None, "").await;
    assert_eq!(seen.json(), json!({ "mode": "read", "has_password": true }));
    assert_eq!((seen.header("cache-control"), seen.header("referrer-policy")), ("no-store", "no-referrer"));
    let ids = [file.id.to_string(), file.parent_id.unwrap().to_string(), world.id().to_string()];
    let silent = |answer: &Answer| {
        let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        for told in ["hidden", "inner", "content\"", "folder", "owner", "default"] {
            assert!(!text.contains(told), "{told}: {text}");
        }
        assert!(!ids.iter().any(|id| text.contains(id.as_str())), "{text}");
    };
    silent(&seen);
    let (_, foreign) = opened(&world, file.id).await;
    for grant in [None, Some(""), Some("lsg_nothing"), Some(token), Some(foreign.as_str())] {
        for (what, body) in calls(token).into_iter().skip(2) {
            let answer = call(&world, &what, grant, body).await;
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            if !what.starts_with("HEAD") {
                assert_eq!(answer.outcome(), "401 share_not_opened", "{what}");
                silent(&answer);
            }
        }
    }
    for wrong in ["", "correct horsf", token] {
        let answer = open(&world, token, wrong).await;
        assert_eq!(answer.outcome(), "403 share_password_wrong");
        silent(&answer);
    }
    // A key is no password, be it an admin's.
    let by_key = world.call(User::Admin, &format!("GET /v1/shares/{token}/tree"), &[], "").await;
    assert_eq!(by_key.outcome(), "401 share_not_opened");
    let visit = open(&world, token, PASSWORD).await;
    assert_eq!(visit.header("cache-control"), "no-store");
    let visit: OpenedShare = visit.read();
    assert_eq!(visit.name, "hidden");
    let tree = call(&world, &format!("GET /v1/shares/{token}/tree"), Some(visit.grant.reveal()), "").await;
    assert_eq!(tree.json()["items"][0]["path"], "/inner");
    assert_eq!(tree.header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn who_guesses_passwords_shuts_out_their_address() {
    let rates = Rates { failures: Rate::per_minute(6, 3), ..Rates::default() };
    let world = World::new().await.behind(Entrance { rates, ..Entrance::default() });
    let file = world.put("file", "content").await;
    let (made, other) = (share(&world, file.id, locked()).await, share(&world, file.id, locked()).await);
    let from = async |address: [u8; 4], token: &HiddenText, password: &str| {
        let url = format!("/v1/shares/{}/open", token.reveal());
        let body = json!({ "password": password }).to_string();
        let request = Request::post(url).header("host", "x").extension(Source(address.into()));
        world.send(request.body(Body::from(body)).unwrap()).await.outcome()
    };
    let (here, elsewhere) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let visit = open(&world, made.token.reveal(), PASSWORD).await.read::<OpenedShare>();
    assert_eq!(from(here, &made.token, PASSWORD).await, "200");
    for _ in 0..3 {
        assert_eq!(from(here, &made.token, "correct horsf").await, "403 share_password_wrong");
    }
    // Nothing is tried any more, be it right and let in before: who guesses would see by that which guess was right.
    assert_eq!(from(here, &made.token, PASSWORD).await, "429 rate_limited");
    assert_eq!(from(here, &other.token, PASSWORD).await, "429 rate_limited");
    assert_eq!(from([192, 0, 2, 3], &other.token, PASSWORD).await, "200");
    assert_eq!(from(elsewhere, &made.token, PASSWORD).await, "200");
    // Links that are none are guesses too.
    world.clock.advance(Duration::from_mins(5));
    for _ in 0..3 {
        let none = ShareToken::generate(world.engine.now());
        assert_eq!(from(here, &HiddenText::new(none.reveal()), "").await, "404 share_not_found");
    }
    assert_eq!(from(here, &made.token, "correct horsf").await, "429 rate_limited");
    // Many addresses together are counted at the link: ten times as many as one, and then nobody is let try. Who is in stays in.
    world.clock.advance(Duration::from_mins(5));
    for address in 0..10 {
        for _ in 0..3 {
            assert_eq!(from([198, 51, 100, address], &made.token, "guess").await, "403 share_password_wrong");
        }
    }
    assert_eq!(from([198, 51, 100, 99], &made.token, PASSWORD).await, "429 rate_limited");
    assert_eq!(from([198, 51, 100, 99], &made.token, "guess").await, "429 rate_limited");
    let content = format!("GET /v1/shares/{}/content", made.token.reveal());
    assert_eq!(call(&world, &content, Some(visit.grant.reveal()), "").await.status, 200);
    assert_eq!(from([198, 51, 100, 99], &other.token, "guess").await, "403 share_password_wrong");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(from([198, 51, 100, 98], &made.token, PASSWORD).await, "200");
}

#[tokio::test]
async fn what_a_visit_has_begun_counts_once() {
    let world = World::new().await;
    let file = world.put("file", "0123456789").await;
    let made =
        share(&world, file.id, CreateShare { most_downloads: Some(2), ..CreateShare::default() }).await;
    let token = made.token.reveal();
    let grant = async || {
        let opened = call(&world, &format!("POST /v1/shares/{token}/open"), None, "").await;
        opened.read::<OpenedShare>().grant.reveal().to_owned()
    };
    let (first, second, third) = (grant().await, grant().await, grant().await);
    let url = format!("/v1/shares/{token}/content");
    let get = async |method: &str, grant: &str, range: Option<&str>| {
        let headers = [("share-grant", grant)].into_iter().chain(range.map(|range| ("range", range)));
        world.call(User::Anonymous, &format!("{method} {url}"), &headers.collect::<Vec<_>>(), "").await
    };
    let counted =
        async || world.engine.share(&world.owner, world.id(), made.share.id).await.unwrap().downloads;
    let head = get("HEAD", &first, None).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "10"));
    assert_eq!(counted().await, 0);
    // A range that begins it is a download, and all that follows is the same one.
    let part = get("GET", &first, Some("bytes=0-3")).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &b"0123"[..]));
    for range in [Some("bytes=4-"), Some("bytes=0-0,5-6"), None, Some("bytes=99-")] {
        get("GET", &first, range).await;
        get("HEAD", &first, range).await;
    }
    assert_eq!(counted().await, 1);
    assert_eq!(
        get("GET", &second, None).await.header("content-disposition"),
        "attachment; filename=\"file\""
    );
    assert_eq!(counted().await, 2);
    // All are given: who has begun goes on, and nobody else begins.
    assert_eq!(get("GET", &first, Some("bytes=8-")).await.status, 206);
    assert_eq!(get("GET", &third, None).await.outcome(), "404 share_not_found");
    assert_eq!(get("HEAD", &third, None).await.status, 404);
    assert_eq!(open(&world, token, "").await.outcome(), "404 share_not_found");
    assert_eq!(counted().await, 2);
}

#[tokio::test]
async fn a_drop_box_takes_what_comes_whole() {
    let world = World::new().await;
    let there = world.put("box/taken", "there").await;
    let drop = CreateShare { mode: ShareMode::Drop, ..CreateShare::default() };
    let made = share(&world, there.parent_id.unwrap(), drop).await;
    let token = made.token.reveal();
    let opened = call(&world, &format!("POST /v1/shares/{token}/open"), None, "").await.read::<OpenedShare>();
    let grant = ("share-grant", opened.grant.reveal());
    let put = async |name: &str, added: &[(&str, &str)], body: &str| {
        let headers: Vec<_> = added.iter().copied().chain([grant]).collect();
        let what = format!("POST /v1/shares/{token}/files?name={name}");
        world.call(User::Anonymous, &what, &headers, body.to_owned()).await
    };
    let first = put("new", &[], "dropped").await;
    assert_eq!((first.outcome(), first.json()["size"].clone()), ("201".to_owned(), json!(7)));
    let second = put("taken", &[], "dropped").await;
    // Nothing tells a name that was taken from one that was free.
    let named = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((named(&first), first.json()), (named(&second), second.json()));
    // What comes cut or changed is not there, and what is sent again is there once.
    let digest = there.digest.unwrap().to_content_digest();
    let cut = put("cut", &[("content-digest", &digest)], "other").await;
    assert_eq!(cut.outcome(), "400 digest_mismatch");
    let once = [("idempotency-key", "once")];
    let (one, two) = (put("again", &once, "x").await, put("again", &once, "x").await);
    assert_eq!((one.outcome(), one.body), ("201".to_owned(), two.body.clone()));
    assert_eq!(two.header("idempotency-replayed"), "true");
    assert_eq!(put("again", &once, "y").await.outcome(), "422 idempotency_mismatch");
    assert_eq!(put("a%2fb", &[], "x").await.outcome(), "400 invalid_name");
    assert_eq!(world.paths().await, ["/box", "/box/again", "/box/new", "/box/taken", "/box/taken (2)"]);
    for what in ["GET {}/tree", "GET {}/content?path=/new", "GET {}/archive"] {
        let what = what.replace("{}", &format!("/v1/shares/{token}"));
        assert_eq!(call(&world, &what, Some(grant.1), "").await.outcome(), "409 share_mode_wrong", "{what}");
    }
    // Too large is too large for everybody.
    assert_eq!(put("large", &[], &"x".repeat(1_000_001)).await.outcome(), "413 body_too_large");
}

#[tokio::test]
async fn makers_list_change_and_revoke_their_links() {
    let world = World::new().await;
    let file = world.put("a/file", "content").await;
    let made = format!("POST /v1/files/{}/shares", file.id);
    let answer = world.edit(&made, json!({ "note": "for Ada", "expires_in": 60 }).to_string()).await;
    assert_eq!(answer.outcome(), "201");
    let made: NewShare = answer.read();
    assert!(made.token.reveal().starts_with("lsh_"));
    let (list, one) = (
        format!("/v1/workspaces/{}/shares", world.id()),
        format!("/v1/workspaces/{}/shares/{}", world.id(), made.share.id),
    );
    let listed = world.edit(&format!("GET {list}"), "").await;
    assert_eq!(listed.json()["items"], json!([made.share]));
    assert!(!String::from_utf8_lossy(&listed.body).contains("lsh_"));
    let changed =
        world.edit(&format!("PATCH {one}"), r#"{"note":null,"password":"correct horse"}"#).await.json();
    assert_eq!((changed["note"].clone(), changed["has_password"].clone()), (json!(null), json!(true)));
    assert_eq!(changed["expires_at"], json!(made.share.expires_at));
    assert_eq!(world.edit(&format!("PATCH {one}"), r#"{"mode":"drop"}"#).await.outcome(), "400 invalid_body");
    assert_eq!(world.edit(&format!("DELETE {one}"), "").await.status, 204);
    assert_eq!(world.edit(&format!("GET {one}"), "").await.json()["state"], "revoked");
    assert_eq!(world.edit(&format!("PATCH {one}"), "{}").await.outcome(), "409 share_revoked");
    let drop = world.edit(&format!("POST /v1/files/{}/shares", file.id), r#"{"mode":"drop"}"#).await;
    assert_eq!(drop.outcome(), "409 not_a_folder");
    let root = world.edit(&format!("POST /v1/files/root/shares?workspace={}", world.id()), "").await;
    assert_eq!(root.outcome(), "201");
}

#[tokio::test]
async fn shared_content_is_given_on_the_origin_of_content_alone() {
    let origin = "https://content.example.org";
    let entrance = Entrance { content_origin: Some(origin.parse().unwrap()), ..Entrance::default() };
    let world = World::new().await.behind(entrance);
    let node: Node = world.put("d/page.html", "<script>").await;
    let (token, grant) = opened(&world, node.parent_id.unwrap()).await;
    let at = async |host: &str, what: &str| {
        let (method, url) = what.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(url).header("host", host);
        world.send(request.header("share-grant", &grant).body(Body::empty()).unwrap()).await
    };
    for rest in ["content?path=/page.html", "archive"] {
        let url = format!("/v1/shares/{token}/{rest}");
        for method in ["GET", "HEAD"] {
            let there = at("content.example.org", &format!("{method} {url}")).await;
            assert_eq!(there.status, 200, "{url}: {there:?}");
            let here = at("files.example.org", &format!("{method} {url}")).await;
            assert_eq!(
                (here.status.as_u16(), here.header("location")),
                (307, format!("{origin}{url}").as_str())
            );
            assert_eq!((here.body.len(), here.header("cache-control")), (0, "no-store"));
        }
    }
    // What tells of a link, and what lets in, is the service's.
    for (what, status) in [("GET ", 200), ("POST /open", 200), ("GET /tree", 200)] {
        let (method, rest) = what.split_once(' ').unwrap();
        let what = format!("{method} /v1/shares/{token}{rest}");
        assert_eq!(at("files.example.org", &what).await.status.as_u16(), status, "{what}");
        assert_eq!(at("content.example.org", &what).await.outcome(), "404 route_not_found", "{what}");
    }
}
