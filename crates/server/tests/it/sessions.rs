//! Signing in, what browsers may do with it, and passwords.

use std::time::Duration;

use longshore_core::wire::{CreatePrincipal, HiddenText, Member, PrincipalKind, ResetPassword, Role};
use longshore_core::{PrincipalId, WorkspaceId};
use longshore_engine::Premises;
use longshore_server::{Entrance, Rate, Rates, Source};
use serde_json::json;

use crate::world::{Answer, User, World, request};

pub(crate) const PASSWORD: &str = "correct horse";

/// Makes a token by which a new person sets a password.
pub(crate) async fn reset(world: &World) -> String {
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: "Eve".to_owned() };
    let id = world.engine.create_principal(&world.owner, wanted, None).await.unwrap().id;
    world.engine.create_reset(&world.owner, id, None).await.unwrap().token.reveal().to_owned()
}

/// Has somebody sign in by a name and [`PASSWORD`].
pub(crate) async fn set_password(world: &World, id: PrincipalId, name: &str) {
    let token = world.engine.create_reset(&world.owner, id, None).await.unwrap().token;
    let password = HiddenText::new(PASSWORD);
    let wanted = ResetPassword { token, password, sign_in_name: Some(name.to_owned()) };
    world.engine.reset_password(wanted, None).await.unwrap();
}

/// Makes a person with a password, who is a member.
pub(crate) async fn person(world: &World, name: &str, workspace: WorkspaceId, role: Role) -> PrincipalId {
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: name.to_owned() };
    let id = world.engine.create_principal(&world.owner, wanted, None).await.unwrap().id;
    set_password(world, id, name).await;
    let member = world.engine.set_member(&world.owner, workspace, id, role, Premises::default());
    member.await.unwrap();
    id
}

/// A browser of somebody who has signed in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) cookie: String,
    pub(crate) csrf_token: String,
    pub(crate) id: String,
}

impl SignedIn {
    fn of(answer: &Answer) -> Self {
        let set = answer.header("set-cookie");
        let body = answer.json();
        let signed_in = if body["signed_in"].is_object() { &body["signed_in"] } else { &body };
        Self {
            cookie: set.split(';').next().unwrap().to_owned(),
            csrf_token: signed_in["csrf_token"].as_str().unwrap().to_owned(),
            id: signed_in["session"]["id"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn new(world: &World, name: &str) -> Self {
        let answer = sign_in(world, name, PASSWORD, &[]).await;
        assert_eq!(answer.outcome(), "200");
        Self::of(&answer)
    }

    pub(crate) fn headers(&self) -> [(&str, &str); 2] {
        [("cookie", &self.cookie), ("x-csrf-token", &self.csrf_token)]
    }

    pub(crate) async fn call(&self, world: &World, what: &str, body: &str) -> Answer {
        world.call_with(None, what, &self.headers(), body.to_owned()).await
    }

    pub(crate) async fn sign_out(&self, world: &World) {
        assert_eq!(self.call(world, "DELETE /v1/session", "").await.outcome(), "204");
    }
}

async fn sign_in(world: &World, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "name": name, "password": password }).to_string();
    world.call_with(None, "POST /v1/session", headers, body).await
}

#[tokio::test]
async fn a_browser_signs_in_works_and_signs_out() {
    let world = World::new().await;
    person(&world, "Ada@example.org", world.id(), Role::Editor).await;
    let headers = [("user-agent", "a browser"), ("sec-fetch-site", "same-origin")];
    let answer = sign_in(&world, "ada@example.org", PASSWORD, &headers).await;
    let set = answer.header("set-cookie");
    assert!(set.starts_with("__Host-longshore=lss_"), "{set}");
    assert!(set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=7776000"), "{set}");
    let ada = SignedIn::of(&answer);
    let secret = ada.cookie.split_once('=').unwrap().1;
    assert!(!String::from_utf8_lossy(&answer.body).contains(&secret[30..]));
    // A page that was opened anew learns its token.
    let again = ada.call(&world, "GET /v1/session", "").await;
    assert_eq!(
        (again.json()["csrf_token"].as_str(), again.header("cache-control")),
        (Some(&*ada.csrf_token), "no-store")
    );
    let me = ada.call(&world, "GET /v1/me", "").await.json();
    assert_eq!((&me["principal"]["name"], &me["key"]), (&json!("Ada@example.org"), &json!(null)));
    let written = ada.call(&world, &format!("PUT {}", world.at("a.txt")), "a").await;
    assert_eq!(written.outcome(), "201");
    let listed = ada.call(&world, "GET /v1/sessions", "").await.json();
    assert_eq!(
        (&listed["items"][0]["user_agent"], &listed["items"][0]["current"]),
        (&json!("a browser"), &json!(true))
    );
    let out = ada.call(&world, "DELETE /v1/session", "").await;
    assert_eq!(out.outcome(), "204");
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let ended = ada.call(&world, "GET /v1/me", "").await;
    assert_eq!(ended.outcome(), "401 session_ended");
    assert!(ended.header("set-cookie").starts_with("__Host-longshore=;"));
}

#[tokio::test]
async fn an_authorization_never_uses_the_cookie() {
    let world = World::new().await;
    person(&world, "ada", world.id(), Role::Admin).await;
    let ada = SignedIn::new(&world, "ada").await;
    let viewer = world.key(User::Viewer);
    let me = world.call_with(viewer, "GET /v1/me", &ada.headers(), "").await.json();
    assert_eq!(me["key"]["name"], "Viewer");
    let put = format!("PUT {}", world.at("a.txt"));
    assert_eq!(world.call_with(viewer, &put, &ada.headers(), "a").await.outcome(), "403 forbidden");
    let headers = [("authorization", "Basic abc"), ("cookie", ada.cookie.as_str())];
    let answer = world.call_with(None, "GET /v1/me", &headers, "").await;
    assert_eq!(answer.outcome(), "401 key_malformed");
    // A key needs no token of any page.
    let headers = [("cookie", ada.cookie.as_str()), ("origin", "https://app.example")];
    assert_eq!(world.call(User::Editor, &put, &headers, "a").await.outcome(), "201");
}

#[tokio::test]
async fn no_page_of_another_site_signs_anybody_in() {
    let world = World::new().await;
    person(&world, "ada", world.id(), Role::Editor).await;
    for (name, value, outcome) in [
        ("sec-fetch-site", "cross-site", "403 cross_site"),
        ("sec-fetch-site", "same-site", "403 cross_site"),
        ("origin", "https://evil.example", "403 cross_site"),
        ("origin", "null", "403 cross_site"),
        ("origin", "https://x", "200"),
        ("sec-fetch-site", "none", "200"),
    ] {
        assert_eq!(
            sign_in(&world, "ada", PASSWORD, &[(name, value)]).await.outcome(),
            outcome,
            "{name} {value}"
        );
    }
}

/// Row 7, CVE-2026-23849 (File Browser): names told apart by how long a refusal takes. Work is counted, not timed.
#[tokio::test]
async fn row_07_names_that_nobody_has_cost_as_much() {
    let world = World::new().await;
    person(&world, "ada", world.id(), Role::Editor).await;
    let gone = person(&world, "eve", world.id(), Role::Editor).await;
    world.engine.deactivate_principal(&world.owner, gone, None).await.unwrap();
    let mut told = Vec::new();
    for (name, password) in [
        ("ada", "another horse"),
        ("nobody", "another horse"),
        ("eve", PASSWORD),
        ("\u{7}", "x"),
        ("ada", ""),
    ] {
        let before = world.engine.password_work();
        let answer = sign_in(&world, name, password, &[("x-request-id", "same")]).await;
        assert_eq!(answer.outcome(), "401 sign_in_failed");
        told.push((answer.json(), format!("{:?}", answer.headers), world.engine.password_work() - before));
    }
    assert!(told[0].2 > 0);
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

#[tokio::test]
async fn who_guesses_waits_and_has_nothing_hashed_meanwhile() {
    let rates = Rates { failures: Rate::per_minute(5, 5), ..Default::default() };
    let world = World::new().await.behind(Entrance { rates, ..Entrance::default() });
    person(&world, "ada", world.id(), Role::Editor).await;
    let from = |name: &str, password: &str| {
        let body = json!({ "name": name, "password": password }).to_string();
        let request = axum::http::Request::post("/v1/session").header("host", "x");
        let source = Source([192, 0, 2, 1].into());
        world.send(request.extension(source).body(body.into()).unwrap())
    };
    assert_eq!(from("ada", PASSWORD).await.outcome(), "200");
    for guess in 0..5 {
        assert_eq!(from("ada", &format!("another horse {guess}")).await.outcome(), "401 sign_in_failed");
    }
    let before = world.engine.password_work();
    assert_eq!(from("ada", "one more horse").await.outcome(), "429 rate_limited");
    assert_eq!(world.engine.password_work(), before);
}

#[tokio::test]
async fn passwords_are_changed_and_reset() {
    let world = World::new().await;
    let id = person(&world, "ada", world.id(), Role::Editor).await;
    let (ada, other) = (SignedIn::new(&world, "ada").await, SignedIn::new(&world, "ada").await);
    assert_ne!(ada.cookie, other.cookie);
    let change = |current: &str, new: &str| {
        let body = json!({ "current": current, "new": new }).to_string();
        let ada = &ada;
        let world = &world;
        async move { ada.call(world, "PUT /v1/me/password", &body).await.outcome() }
    };
    assert_eq!(change("another horse", "battery staple").await, "403 password_wrong");
    assert_eq!(change(PASSWORD, "too short").await, "400 invalid_password");
    assert_eq!(change(PASSWORD, "battery staple").await, "204");
    assert_eq!(other.call(&world, "GET /v1/me", "").await.outcome(), "401 session_ended");
    let made = world.call(User::Admin, &format!("POST /v1/principals/{id}/password"), &[], "").await;
    assert_eq!(made.outcome(), "201");
    let body = json!({ "token": made.json()["token"], "password": PASSWORD }).to_string();
    for outcome in ["204", "404 reset_not_found"] {
        let answer = world.call_with(None, "POST /v1/password", &[], body.clone()).await;
        assert_eq!(answer.outcome(), outcome);
    }
    assert_eq!(ada.call(&world, "GET /v1/me", "").await.outcome(), "401 session_ended");
    SignedIn::new(&world, "ada").await;
}

#[tokio::test]
async fn one_ends_ones_own_sessions() {
    let world = World::new().await;
    person(&world, "ada", world.id(), Role::Editor).await;
    person(&world, "eve", world.id(), Role::Admin).await;
    let (ada, second, third) = (
        SignedIn::new(&world, "ada").await,
        SignedIn::new(&world, "ada").await,
        SignedIn::new(&world, "ada").await,
    );
    let eve = SignedIn::new(&world, "eve").await;
    let end = format!("DELETE /v1/sessions/{}", second.id);
    assert_eq!(eve.call(&world, &end, "").await.outcome(), "404 session_not_found");
    assert_eq!(ada.call(&world, &end, "").await.outcome(), "204");
    assert_eq!(second.call(&world, "GET /v1/me", "").await.outcome(), "401 session_ended");
    assert_eq!(ada.call(&world, "DELETE /v1/sessions", "").await.outcome(), "204");
    assert_eq!(third.call(&world, "GET /v1/me", "").await.outcome(), "401 session_ended");
    assert_eq!(ada.call(&world, "GET /v1/me", "").await.outcome(), "200");
    assert_eq!(eve.call(&world, "GET /v1/me", "").await.outcome(), "200");
}

#[tokio::test]
async fn who_is_invited_joins() {
    let world = World::new().await;
    let invitations = format!("/v1/workspaces/{}/invitations", world.id());
    let invite = async || {
        let what = format!("POST {invitations}");
        let made = world.call(User::Admin, &what, &[], r#"{"role":"editor","note":"hm"}"#).await;
        assert_eq!(made.outcome(), "201");
        made.json()
    };
    let made = invite().await;
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("lsi_"));
    let body = json!({ "token": token }).to_string();
    let look = world.call_with(None, "POST /v1/invitations/look", &[], body.clone()).await.json();
    assert_eq!(
        (&look["workspace"], &look["role"], &look["invited_by"]),
        (&json!("default"), &json!("editor"), &json!("owner"))
    );
    let newcomer = json!({ "token": token, "sign_in_name": "Ada", "password": PASSWORD }).to_string();
    let foreign = [("sec-fetch-site", "cross-site")];
    let accept = "POST /v1/invitations/accept";
    assert_eq!(world.call_with(None, accept, &foreign, newcomer.clone()).await.outcome(), "403 cross_site");
    assert_eq!(world.call_with(None, accept, &[], body.clone()).await.outcome(), "400 invalid_body");
    let accepted = world.call_with(None, accept, &[], newcomer).await;
    assert_eq!(accepted.outcome(), "200");
    let ada = SignedIn::of(&accepted);
    let written = ada.call(&world, &format!("PUT {}", world.at("a.txt")), "a").await;
    assert_eq!(written.outcome(), "201");
    assert_eq!(world.call_with(None, accept, &[], body).await.outcome(), "410 invitation_ended");
    // Who is known joins by what they show, and a cookie alone shows nothing.
    let second = invite().await;
    let body = json!({ "token": second["token"] }).to_string();
    let cookie = [("cookie", ada.cookie.as_str())];
    assert_eq!(world.call_with(None, accept, &cookie, body.clone()).await.outcome(), "403 csrf_missing");
    let member = ada.call(&world, accept, &body).await.json();
    let member: Member = serde_json::from_value(member["member"].clone()).unwrap();
    assert_eq!(member.role, Role::Editor);
    // Declined and revoked ones are told alike, and the list has no token.
    let (declined, revoked) = (invite().await, invite().await);
    let token = |made: &serde_json::Value| json!({ "token": made["token"] }).to_string();
    let answer = world.call_with(None, "POST /v1/invitations/decline", &[], token(&declined)).await;
    assert_eq!(answer.outcome(), "204");
    let revoke = format!("DELETE /v1/invitations/{}", revoked["id"].as_str().unwrap());
    assert_eq!(world.call(User::Editor, &revoke, &[], "").await.outcome(), "403 forbidden");
    assert_eq!(world.call(User::Foreign, &revoke, &[], "").await.outcome(), "404 invitation_not_found");
    assert_eq!(world.call(User::Admin, &revoke, &[], "").await.outcome(), "204");
    for made in [&declined, &revoked] {
        let answer = world.call_with(None, "POST /v1/invitations/look", &[], token(made)).await;
        assert_eq!(answer.outcome(), "410 invitation_ended");
    }
    let listed = world.call(User::Admin, &format!("GET {invitations}"), &[], "").await;
    let text = String::from_utf8_lossy(&listed.body).into_owned();
    for made in [&made, &second, &declined, &revoked] {
        assert!(!text.contains(&made["token"].as_str().unwrap()[30..]));
    }
    let unknown = json!({ "token": "lsi_x" }).to_string();
    let answer = world.call_with(None, "POST /v1/invitations/look", &[], unknown).await;
    assert_eq!(answer.outcome(), "404 invitation_not_found");
}

/// Who was let in before would otherwise show a guesser, by being let in again, which guess was right.
#[tokio::test]
async fn who_guesses_passwords_of_a_name_learns_nothing_once_shut_out() {
    let rates = Rates { failures: Rate::per_minute(6, 3), ..Rates::default() };
    let world = World::new().await.behind(Entrance { rates, ..Entrance::default() });
    let id = person(&world, "ada", world.id(), Role::Editor).await;
    let from = async |address: [u8; 4], name: &str, password: &str| {
        let request = request(None, "POST /v1/session", &[]).extension(Source(address.into()));
        let body = json!({ "name": name, "password": password }).to_string();
        world.send(request.body(body.into()).unwrap()).await.outcome()
    };
    let (here, elsewhere) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    assert_eq!(from(here, "ada", PASSWORD).await, "200");
    for _ in 0..3 {
        assert_eq!(from(here, "ada", "correct horsf").await, "401 sign_in_failed");
    }
    assert_eq!(from(here, "ada", "correct horsf").await, "429 rate_limited");
    assert_eq!(from(here, "ada", PASSWORD).await, "429 rate_limited");
    assert_eq!(from(elsewhere, "ada", PASSWORD).await, "200");
    // Many addresses together are counted at the name, however it is written.
    world.clock.advance(Duration::from_mins(10));
    for address in 0..10 {
        for _ in 0..3 {
            assert_eq!(from([198, 51, 100, address], "Ada", "guess").await, "401 sign_in_failed");
        }
    }
    assert_eq!(from(elsewhere, "ada", PASSWORD).await, "429 rate_limited");
    set_password(&world, id, "eve").await;
    assert_eq!(from(elsewhere, "eve", PASSWORD).await, "200");
}
