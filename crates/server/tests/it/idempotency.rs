//! The same request again: every route that writes, by the OpenAPI document.

use axum::body::Body;
use axum::http::Request;
use longshore_core::wire::{CreateKey, Node, Role};
use longshore_core::{ClaimToken, Timestamp};

use crate::document::operations;
use crate::hooks::{WANTED, make};
use crate::oidc;
use crate::world::{Answer, User, World};

/// Writes that take no key, and why they need none.
const WITHOUT: &[(&str, &str)] = &[
    (
        "POST /v1/workspaces/{ws}/batch",
        "each item is answered as before: `batch::a_repeat_is_answered_as_before`",
    ),
    ("POST /v1/workspaces/{ws}/batch/read", "it reads"),
    ("POST /v1/workspaces/{ws}/archive", "it reads"),
    ("POST /v1/transfers/look", "it reads"),
    ("POST /v1/locks/{lock}/renew", "the time that is left must be told as it is, never as it was"),
    ("DELETE /v1/locks/{lock}", "an ended lock stays ended, whoever ends it again"),
    (
        "POST /v1/uploads",
        "it speaks tus: `upload_repeats::a_creation_with_a_key_is_begun_once`; joined parts are one upload anyway",
    ),
    ("PATCH /v1/uploads/{upload}", "the offset tells a repeat, and the last answer is given again"),
    ("DELETE /v1/uploads/{upload}", "what is gone stays gone"),
    ("POST /v1/session", "who signs in twice has two sessions, of which each can be ended"),
    ("DELETE /v1/session", "an ended session stays ended, and its repeat is anybody's"),
    ("POST /v1/session/oidc/{provider}", "nothing is kept of an attempt but in its browser"),
    ("POST /v1/me/identities", "nothing is kept of an attempt but in its browser"),
    ("DELETE /v1/me/identities/{identity}", "what is gone stays gone"),
    ("DELETE /v1/sessions", "what is gone stays gone"),
    ("DELETE /v1/sessions/{session}", "what is gone stays gone"),
    ("PUT /v1/me/password", "the present password is the premise: a repeat does not hold it"),
    ("POST /v1/password", "the token is good once"),
    ("POST /v1/shares/{token}/open", "who opens a link twice has two visits, of which each ends by itself"),
    ("POST /v1/shares/{token}/files", "its key is the visit's: `shares::a_drop_box_takes_what_comes_whole`"),
    ("POST /v1/invitations/look", "it reads"),
    ("POST /v1/invitations/accept", "the token is good once"),
    ("POST /v1/invitations/decline", "the token is good once"),
];

/// How a route is asked: the URL and body, and another request that the same key must not stand for.
struct Asked {
    user: User,
    url: String,
    body: &'static str,
    other: (String, &'static str),
}

fn editing(url: String, body: &'static str, other: &'static str) -> Asked {
    Asked { user: User::Editor, other: (url.clone(), other), url, body }
}

fn administering(url: String, body: &'static str, other: &'static str) -> Asked {
    Asked { user: User::Admin, ..editing(url, body, other) }
}

/// The same without a body: the other request is for another node.
fn bodiless(user: User, url: String, other: String) -> Asked {
    Asked { user, url, body: "", other: (other, "") }
}

async fn note(world: &World, file: &str) -> String {
    let made = world.edit(&format!("POST {file}/notes"), r#"{"text":"so"}"#).await.json();
    format!("/v1/notes/{}", made["id"].as_str().unwrap())
}

async fn share(world: &World, file: &str) -> String {
    let made = world.edit(&format!("POST {file}/shares"), "{}").await.json();
    format!("/v1/workspaces/{}/shares/{}", world.id(), made["id"].as_str().unwrap())
}

/// Makes a person; returns their id.
async fn person(world: &World) -> String {
    let what = "POST /v1/principals";
    let made = world.call(User::Admin, what, &[], r#"{"kind":"person","name":"Ada"}"#).await.json();
    made["id"].as_str().unwrap().to_owned()
}

/// Makes somebody who is no member; returns their id.
async fn stranger(world: &World) -> String {
    let body = r#"{"kind":"agent","name":"stranger"}"#;
    let made = world.call(User::Admin, "POST /v1/principals", &[], body).await.json();
    made["id"].as_str().unwrap().to_owned()
}

async fn hook(world: &World) -> String {
    format!("/v1/workspaces/{}/hooks/{}", world.id(), make(world).await.hook.id)
}

async fn job(world: &World) -> String {
    let what = format!("POST {}/redeliver", hook(world).await);
    let made = world.call(User::Admin, &what, &[], r#"{"since_seq":0}"#).await.json();
    format!("/v1/jobs/{}", made["id"].as_str().unwrap())
}

/// Prepares what a route is about, and says how to ask it.
async fn asked(world: &World, route: &str) -> Asked {
    let files: [Node; 2] = [world.put("a", "one").await, world.put("b", "one").await];
    let [a, b] = files.each_ref().map(|file| format!("/v1/files/{}", file.id));
    let versions = files.each_ref().map(|file| file.version_id.unwrap());
    let workspace = format!("/v1/workspaces/{}", world.id());
    let root = format!("/v1/files/{}", world.workspace.root_id);
    match route {
        "POST /v1/keys" => administering(
            "/v1/keys".to_owned(),
            r#"{"name":"k","role":"viewer"}"#,
            r#"{"name":"l","role":"viewer"}"#,
        ),
        "DELETE /v1/keys/{key}" => {
            let made = async |name: &str| {
                let body = format!(r#"{{"name":"{name}","role":"viewer"}}"#);
                let made = world.call(User::Admin, "POST /v1/keys", &[], body).await.json();
                format!("/v1/keys/{}", made["id"].as_str().unwrap())
            };
            bodiless(User::Admin, made("one").await, made("two").await)
        }
        "POST /v1/keys/{key}/rotate" => {
            let body = r#"{"name":"k","role":"viewer"}"#;
            let made = world.call(User::Admin, "POST /v1/keys", &[], body).await.json();
            let url = format!("/v1/keys/{}/rotate", made["id"].as_str().unwrap());
            administering(url, r#"{"grace_seconds":60}"#, r#"{"grace_seconds":61}"#)
        }
        "POST /v1/workspaces" => {
            administering("/v1/workspaces".to_owned(), r#"{"name":"new"}"#, r#"{"name":"newer"}"#)
        }
        "POST /v1/workspaces/import" => {
            let export = world.call(User::Admin, &format!("GET {workspace}/export"), &[], "").await;
            // All that is in it is text.
            let body: &'static str = String::from_utf8(export.body.to_vec()).unwrap().leak();
            Asked {
                user: User::Admin,
                url: "/v1/workspaces/import?name=first".to_owned(),
                body,
                other: ("/v1/workspaces/import?name=second".to_owned(), body),
            }
        }
        "PATCH /v1/workspaces/{ws}" => administering(workspace, r#"{"name":"x"}"#, r#"{"name":"y"}"#),
        "POST /v1/workspaces/{ws}/folders" => {
            editing(format!("{workspace}/folders"), r#"{"path":"/f/g"}"#, r#"{"path":"/f/h"}"#)
        }
        "POST /v1/workspaces/{ws}/undo" => {
            editing(format!("{workspace}/undo"), r#"{"act":3}"#, r#"{"act":2}"#)
        }
        "PUT /v1/workspaces/{ws}/files/{path}" => {
            editing(format!("{workspace}/files/new/file?on_conflict=rename"), "content", "other content")
        }
        "POST /v1/files/{parent}/files" => {
            editing(format!("{root}/files?name=a&on_conflict=rename"), "content", "other content")
        }
        "PUT /v1/files/{id}/content" => editing(format!("{a}/content"), "content", "other content"),
        "POST /v1/files/{parent}/children" => editing(
            format!("{root}/children"),
            r#"{"kind":"folder","name":"f"}"#,
            r#"{"kind":"folder","name":"g"}"#,
        ),
        "PATCH /v1/files/{id}" => editing(a, r#"{"name":"x"}"#, r#"{"name":"y"}"#),
        "DELETE /v1/files/{id}" => bodiless(User::Editor, a, b),
        "POST /v1/files/{id}/copy" => editing(format!("{a}/copy"), r#"{"name":"x"}"#, r#"{"name":"y"}"#),
        "POST /v1/files/{id}/restore" => {
            assert_eq!(world.edit(&format!("DELETE {a}"), "").await.status, 200);
            editing(format!("{a}/restore"), r#"{"name":"x"}"#, r#"{"name":"y"}"#)
        }
        "POST /v1/files/{id}/versions/{ver}/restore" => {
            let restore = |url: &str, place: usize| format!("{url}/versions/{}/restore", versions[place]);
            bodiless(User::Editor, restore(&a, 0), restore(&b, 1))
        }
        "POST /v1/files/{id}/links" => {
            editing(format!("{a}/links"), r#"{"expires_in":60}"#, r#"{"expires_in":61}"#)
        }
        "POST /v1/files/{id}/shares" => {
            editing(format!("{a}/shares"), r#"{"expires_in":60}"#, r#"{"expires_in":61}"#)
        }
        "PATCH /v1/workspaces/{ws}/shares/{share}" => {
            editing(share(world, &a).await, r#"{"note":"one"}"#, r#"{"note":"two"}"#)
        }
        "DELETE /v1/workspaces/{ws}/shares/{share}" => {
            bodiless(User::Editor, share(world, &a).await, share(world, &b).await)
        }
        "POST /v1/files/{id}/lock" => {
            editing(format!("{a}/lock"), r#"{"purpose":"one"}"#, r#"{"purpose":"two"}"#)
        }
        "POST /v1/locks:batch" => {
            let body = |id| format!(r#"{{"files":["{id}"]}}"#).leak();
            editing("/v1/locks:batch".to_owned(), body(files[0].id), body(files[1].id))
        }
        "POST /v1/files/{id}/notes" => {
            editing(format!("{a}/notes"), r#"{"text":"one"}"#, r#"{"text":"two"}"#)
        }
        "PATCH /v1/notes/{note}" => editing(note(world, &a).await, r#"{"text":"one"}"#, r#"{"text":"two"}"#),
        "DELETE /v1/notes/{note}" => bodiless(User::Editor, note(world, &a).await, note(world, &b).await),
        "PATCH /v1/files/{id}/versions/{ver}" => {
            let url = format!("{a}/versions/{}", versions[0]);
            editing(url, r#"{"label":"one"}"#, r#"{"label":"two"}"#)
        }
        "DELETE /v1/files/{id}/versions/{ver}" => {
            world.put("a", "two").await;
            world.put("b", "two").await;
            let url = |url: &str, place: usize| format!("{url}/versions/{}", versions[place]);
            bodiless(User::Admin, url(&a, 0), url(&b, 1))
        }
        "DELETE /v1/workspaces/{ws}/trash" => {
            world.edit(&format!("DELETE {a}"), "").await;
            bodiless(User::Admin, format!("{workspace}/trash"), b)
        }
        "POST /v1/workspaces/{ws}/hooks" => {
            administering(format!("{workspace}/hooks"), WANTED, r#"{"url":"https://93.184.216.34/other"}"#)
        }
        "PATCH /v1/workspaces/{ws}/hooks/{hook}" => {
            administering(hook(world).await, r#"{"description":"one"}"#, r#"{"description":"two"}"#)
        }
        "DELETE /v1/workspaces/{ws}/hooks/{hook}" => {
            bodiless(User::Admin, hook(world).await, hook(world).await)
        }
        "POST /v1/workspaces/{ws}/hooks/{hook}/rotate" => administering(
            format!("{}/rotate", hook(world).await),
            r#"{"overlap_hours":1}"#,
            r#"{"overlap_hours":2}"#,
        ),
        "POST /v1/workspaces/{ws}/hooks/{hook}/test" => {
            let test = |hook| format!("{hook}/test");
            bodiless(User::Admin, test(hook(world).await), test(hook(world).await))
        }
        "POST /v1/workspaces/{ws}/hooks/{hook}/redeliver" => administering(
            format!("{}/redeliver", hook(world).await),
            r#"{"since_seq":0}"#,
            r#"{"since_seq":1}"#,
        ),
        "POST /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}/redeliver" => {
            let redeliver = async || {
                let hook = hook(world).await;
                let made = world.call(User::Admin, &format!("POST {hook}/test"), &[], "").await.json();
                format!("{hook}/deliveries/{}/redeliver", made["id"].as_str().unwrap())
            };
            bodiless(User::Admin, redeliver().await, redeliver().await)
        }
        "POST /v1/jobs/{job}/cancel" => {
            let cancel = |job| format!("{job}/cancel");
            bodiless(User::Admin, cancel(job(world).await), cancel(job(world).await))
        }
        "POST /v1/jobs/{job}/retry" => {
            let retry = async || {
                let job = job(world).await;
                let cancelled = world.call(User::Admin, &format!("POST {job}/cancel"), &[], "").await;
                assert!(cancelled.status.is_success(), "{cancelled:?}");
                format!("{job}/retry")
            };
            bodiless(User::Admin, retry().await, retry().await)
        }
        "PUT /v1/workspaces/{ws}/members/{principal}" => {
            let url = format!("{workspace}/members/{}", stranger(world).await);
            administering(url, r#"{"role":"viewer"}"#, r#"{"role":"editor"}"#)
        }
        "DELETE /v1/workspaces/{ws}/members/{principal}" => {
            let member = async || {
                let url = format!("{workspace}/members/{}", stranger(world).await);
                let answer =
                    world.call(User::Admin, &format!("PUT {url}"), &[], r#"{"role":"viewer"}"#).await;
                assert_eq!(answer.status, 201);
                url
            };
            bodiless(User::Admin, member().await, member().await)
        }
        "PATCH /v1/workspaces/{ws}/quota" => {
            administering(format!("{workspace}/quota"), r#"{"files":7}"#, r#"{"files":8}"#)
        }
        "POST /v1/workspaces/{ws}/transfer" => {
            administering(format!("{workspace}/transfer"), r#"{"expires_in":60}"#, r#"{"expires_in":61}"#)
        }
        "DELETE /v1/workspaces/{ws}/transfer" => {
            offer(world).await;
            bodiless(User::Admin, format!("{workspace}/transfer"), b)
        }
        "POST /v1/transfers/accept" | "POST /v1/transfers/decline" => {
            let body = |token: &str| format!(r#"{{"token":"{token}"}}"#).leak();
            let (one, other) = (offer(world).await, ClaimToken::generate(Timestamp::from_micros(1)));
            let url = route.trim_start_matches("POST ").to_owned();
            editing(url, body(&one), body(other.reveal()))
        }
        "POST /v1/workspaces/{ws}/invitations" => {
            administering(format!("{workspace}/invitations"), r#"{"role":"viewer"}"#, r#"{"role":"editor"}"#)
        }
        "DELETE /v1/invitations/{invitation}" => {
            let made = async || {
                let url = format!("POST {workspace}/invitations");
                let made = world.call(User::Admin, &url, &[], r#"{"role":"viewer"}"#).await.json();
                format!("/v1/invitations/{}", made["id"].as_str().unwrap())
            };
            bodiless(User::Admin, made().await, made().await)
        }
        "POST /v1/principals/{principal}/password" => {
            let url = async || format!("/v1/principals/{}/password", person(world).await);
            bodiless(User::Admin, url().await, url().await)
        }
        "DELETE /v1/principals/{principal}/identities/{identity}" => {
            let url = async |subject: &str| {
                let (person, identity) = oidc::identity(world, subject).await;
                format!("/v1/principals/{person}/identities/{identity}")
            };
            bodiless(User::Admin, url("ada").await, url("eve").await)
        }
        "POST /v1/principals" => administering(
            "/v1/principals".to_owned(),
            r#"{"kind":"person","name":"Ada"}"#,
            r#"{"kind":"agent","name":"Ada"}"#,
        ),
        "PATCH /v1/principals/{principal}" => {
            let url = format!("/v1/principals/{}", stranger(world).await);
            administering(url, r#"{"name":"Ada"}"#, r#"{"name":"Eve"}"#)
        }
        "POST /v1/principals/{principal}/deactivate" | "POST /v1/principals/{principal}/reactivate" => {
            let url = async || {
                let path = route.trim_start_matches("POST ");
                path.replace("{principal}", &stranger(world).await)
            };
            bodiless(User::Admin, url().await, url().await)
        }
        _ => panic!("say here how {route} is asked, so that its key is tried"),
    }
}

/// Offers the workspace; returns the token.
async fn offer(world: &World) -> String {
    let url = format!("POST /v1/workspaces/{}/transfer", world.id());
    world.call(User::Admin, &url, &[], "{}").await.json()["token"].as_str().unwrap().to_owned()
}

async fn ask(world: &World, user: User, what: &str, key: &str, body: &str) -> Answer {
    world.call(user, what, &[("idempotency-key", key)], Body::from(body.to_owned())).await
}

/// Asks as an admin whom nobody else is.
async fn ask_as_another(world: &World, what: &str, key: &str, body: &str) -> Answer {
    let wanted = CreateKey { agent: Some("another".to_owned()), ..CreateKey::new("another", Role::Admin) };
    let made = world.engine.create_key(&world.owner, wanted, None).await.unwrap();
    let (method, url) = what.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(url).header("host", "x");
    let request = request.header("authorization", format!("Bearer {}", made.secret));
    let request = request.header("idempotency-key", key).body(Body::from(body.to_owned()));
    world.send(request.unwrap()).await
}

/// How much has happened: the events, the keys, the workspaces, the jobs and the hooks.
async fn effects(world: &World) -> (u64, [usize; 4]) {
    let count = async |url: &str| {
        world.call(User::Admin, &format!("GET {url}"), &[], "").await.json()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    let seq = world.engine.workspace(&world.owner, world.id()).await.unwrap().seq;
    let hooks = format!("/v1/workspaces/{}/hooks", world.id());
    let lists = ["/v1/keys", "/v1/workspaces", "/v1/jobs", &hooks];
    let mut counts = [0; 4];
    for (list, counted) in lists.into_iter().zip(&mut counts) {
        *counted = count(list).await;
    }
    (seq, counts)
}

#[tokio::test]
async fn every_write_has_one_effect_for_one_key() {
    let mut tried = 0;
    for (method, path, operation) in operations() {
        let route = format!("{method} {path}");
        if method == "GET" || method == "HEAD" || WITHOUT.iter().any(|(known, _)| *known == route) {
            continue;
        }
        let parameters = operation["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|one| one["name"] == "Idempotency-Key"), "{route} does not say it");
        let mut world = World::new().await;
        let Asked { user, url, body, other } = asked(&world, &route).await;
        let what = format!("{method} {url}");
        let first = ask(&world, user, &what, "one", body).await;
        assert!(first.status.is_success(), "{route}: {first:?}");
        assert!(!first.headers.contains_key("idempotency-replayed"), "{route}");
        let done = effects(&world).await;

        let check_again = async |world: &World| {
            let again = ask(world, user, &what, "one", body).await;
            assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")), "{route}");
            assert!(again.status.is_success(), "{route}: {again:?}");
            assert_eq!(again.header("idempotency-replayed"), "true", "{route}");
            assert_eq!(effects(world).await, done, "{route} happened twice");
        };
        check_again(&world).await;
        let mistaken = ask(&world, user, &format!("{method} {}", other.0), "one", other.1).await;
        assert_eq!(mistaken.outcome(), "422 idempotency_mismatch", "{route}");
        assert!(!mistaken.headers.contains_key("idempotency-replayed"), "{route}");
        assert_eq!(effects(&world).await, done, "{route}");
        world.restart().await;
        check_again(&world).await;

        // To somebody else the key is free: theirs is another request, whatever becomes of it.
        let theirs = ask_as_another(&world, &what, "one", body).await;
        assert_ne!(theirs.outcome(), "422 idempotency_mismatch", "{route}");
        assert!(!theirs.headers.contains_key("idempotency-replayed"), "{route}");
        tried += 1;
    }
    assert!(tried >= 30, "{tried}");
}

#[tokio::test]
async fn what_is_gone_since_still_answers_its_repeat() {
    let world = World::new().await;
    let trash = async |file: &Node| world.edit(&format!("DELETE /v1/files/{}", file.id), "").await;
    let purge = async |file: &Node| {
        trash(file).await;
        let purged =
            world.call(User::Admin, &format!("DELETE /v1/files/{}?purge=true", file.id), &[], "").await;
        assert_eq!(purged.status, 200, "{purged:?}");
    };
    let repeats = async |what: &str, body: &'static str, first: &Answer| {
        let again = ask(&world, User::Editor, what, what, body).await;
        assert!(again.status.is_success(), "{what}: {again:?}");
        assert_eq!((&again.body, again.header("idempotency-replayed")), (&first.body, "true"), "{what}");
    };
    // What the body leaves to be found by the node is not needed for an answer that was given.
    for (verb, body) in [
        ("PATCH ", r#"{"parent_id":"root","name":"moved"}"#),
        ("POST /copy", r#"{"parent_id":"root","name":"copied"}"#),
        ("POST /restore", r#"{"parent_id":"root","name":"restored"}"#),
    ] {
        let file = world.put("f/a", "one").await;
        if verb == "POST /restore" {
            trash(&file).await;
        }
        let (method, rest) = verb.split_once(' ').unwrap();
        let what = format!("{method} /v1/files/{}{rest}", file.id);
        let first = ask(&world, User::Editor, &what, &what, body).await;
        assert!(first.status.is_success(), "{what}: {first:?}");
        purge(&file).await;
        repeats(&what, body, &first).await;
        assert_eq!(ask(&world, User::Editor, &what, "new", body).await.outcome(), "404 node_not_found");
    }
    // Nor is the text that a note was on.
    let file = world.put("f/b", "some text").await;
    let what = format!("POST /v1/files/{}/notes", file.id);
    let body = r#"{"text":"so","range":{"start":0,"end":4}}"#;
    let first = ask(&world, User::Editor, &what, &what, body).await;
    trash(&file).await;
    repeats(&what, body, &first).await;
    purge(&file).await;
    repeats(&what, body, &first).await;
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let world = World::new().await;
    let file = world.put("a", "one").await;
    let what = format!("PUT {}?on_conflict=error", world.at("a"));
    assert_eq!(ask(&world, User::Editor, &what, "one", "two").await.outcome(), "409 name_taken");
    world.edit(&format!("DELETE /v1/files/{}", file.id), "").await;
    let made = ask(&world, User::Editor, &what, "one", "two").await;
    assert_eq!((made.status.as_u16(), made.header("idempotency-replayed")), (201, ""));
    for bad in ["", "é", &"x".repeat(256)] {
        assert_eq!(ask(&world, User::Editor, &what, bad, "two").await.outcome(), "400 invalid_header");
    }
}

#[tokio::test]
async fn a_premise_that_is_asked_for_or_stale_names_what_stands() {
    let world = World::new().await;
    let old = world.put("a", "one").await;
    let file = world.put("a", "two").await;
    let patch = format!("PATCH /v1/files/{}", file.id);
    let seq = world.engine.workspace(&world.owner, world.id()).await.unwrap().seq;
    let stale = format!("\"{}\"", old.version_id.unwrap());
    let rename = r#"{"name":"b"}"#;
    let refused = world.call(User::Editor, &patch, &[("if-match", &stale)], rename).await;
    assert_eq!(refused.outcome(), "412 precondition_failed");
    assert_eq!(refused.json()["current_version"], file.version_id.unwrap().to_string());
    assert_eq!(refused.json()["current_event"], seq);

    let workspace = format!("PATCH /v1/workspaces/{}", world.id());
    let rule = r#"{"settings":{"require_preconditions":true}}"#;
    assert_eq!(world.call(User::Admin, &workspace, &[], rule).await.status, 200);
    let refused = world.edit(&patch, rename).await;
    assert_eq!(refused.outcome(), "428 precondition_required");
    assert_eq!(refused.json()["current_version"], file.version_id.unwrap().to_string());
    assert_eq!(refused.json()["current_event"], seq);
    let current = format!("\"{}\"", file.version_id.unwrap());
    assert_eq!(world.call(User::Editor, &patch, &[("if-match", &current)], rename).await.status, 200);
}
