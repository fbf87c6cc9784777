//! Signing in by OpenID Connect, against a provider on this machine.

pub(crate) mod provider;

use std::time::Duration;

use longshore_core::wire::{Identity, OidcProvider, Page, Role};
use longshore_engine::{Browser, Premises, Vouched, Welcome};
use serde_json::{Value, json};

use self::provider::{Begun, ORIGIN, Provider, Signer, Trouble, encoded};
use crate::sessions::{self, SignedIn};
use crate::world::{Answer, User, World};

/// How long a provider may take here: nothing waits for it but what is to hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A world with a provider that signs by a key.
pub(crate) struct Login {
    pub(crate) world: World,
    pub(crate) provider: Provider,
    pub(crate) key: Signer,
}

pub(crate) fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

impl Login {
    pub(crate) async fn new() -> Self {
        let (provider, key) = (Provider::start("a").await, Signer::p256());
        provider.publish(&[(&key, "one")]);
        let world = World::new().await.behind(Provider::entrance(&[&provider], PATIENCE));
        Self { world, provider, key }
    }

    pub(crate) async fn ask(&self, what: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.world.call_with(None, what, headers, body).await
    }

    /// Begins to sign in as a browser does that follows a link.
    pub(crate) async fn begin(&self) -> Begun {
        let answer = self.ask("GET /v1/session/oidc/a?return_to=/files?a=b", &[], Value::Null).await;
        assert_eq!(answer.outcome(), "303");
        Begun::of(answer.header("location"), answer.header("set-cookie"))
    }

    /// Begins as a script does.
    pub(crate) async fn begin_by(&self, what: &str, headers: &[(&str, &str)], body: Value) -> Begun {
        let answer = self.ask(what, headers, body).await;
        assert_eq!(answer.outcome(), "200");
        Begun::of(answer.json()["authorization_url"].as_str().unwrap(), answer.header("set-cookie"))
    }

    pub(crate) fn claims(&self, begun: &Begun, subject: &str) -> Value {
        self.provider.claims(begun, subject, self.world.engine.now())
    }

    /// Comes back from the provider with what it says in the query.
    pub(crate) async fn come_with(&self, query: &str, headers: &[(&str, &str)]) -> Answer {
        let what = format!("GET /v1/session/oidc/{}/callback?{query}", self.provider.name);
        self.ask(&what, headers, Value::Null).await
    }

    /// Comes back with a code for a token.
    pub(crate) async fn come(&self, begun: &Begun, token: String) -> Answer {
        let code = self.provider.code(begun, token);
        let query = format!("code={}&state={}&session_state=x", percent(&code), begun.get("state"));
        self.come_with(&query, &[("cookie", &begun.cookie)]).await
    }

    /// Comes back with what says this.
    pub(crate) async fn come_as(&self, begun: &Begun, claims: &Value) -> Answer {
        self.come(begun, self.key.token("one", claims)).await
    }

    /// Signs in from begin to end.
    pub(crate) async fn sign_in(&self, subject: &str) -> Answer {
        let begun = self.begin().await;
        self.come_as(&begun, &self.claims(&begun, subject)).await
    }

    /// Makes an invitation and returns its token.
    pub(crate) async fn invite(&self) -> String {
        let what = format!("POST /v1/workspaces/{}/invitations", self.world.id());
        let made = self.world.call(User::Admin, &what, &[], r#"{"role":"editor"}"#).await;
        made.json()["token"].as_str().unwrap().to_owned()
    }

    /// Has a new person sign in by an invitation.
    pub(crate) async fn invited(&self, subject: &str) -> Answer {
        let body = json!({ "invitation": self.invite().await });
        let begun = self.begin_by("POST /v1/session/oidc/a", &[], body).await;
        self.come_as(&begun, &self.claims(&begun, subject)).await
    }
}

/// Makes a person who signs in by an identity; returns the ids of both.
pub(crate) async fn identity(world: &World, subject: &str) -> (String, String) {
    let (engine, issuer) = (&world.engine, "https://login.example.org".to_owned());
    let vouched = Vouched { issuer, subject: subject.to_owned(), email: None, names: Vec::new() };
    let let_in = engine.sign_in_by_identity(vouched, Welcome::Newcomers, Browser::default());
    let person = let_in.await.unwrap().0.principal.id;
    let identity = engine.list_identities_of(&world.owner, person).await.unwrap().items[0].id;
    (person.to_string(), identity.to_string())
}

/// Returns the cookies that an answer sets.
pub(crate) fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
}

/// Returns the session that an answer begins.
pub(crate) fn session(answer: &Answer) -> &str {
    assert_eq!(answer.outcome(), "303", "{answer:?}");
    let own = cookies(answer).into_iter().find(|cookie| cookie.starts_with("__Host-longshore=lss_"));
    own.unwrap().split(';').next().unwrap()
}

#[tokio::test]
async fn a_person_signs_in_from_begin_to_end() {
    let login = Login::new().await;
    let listed: Page<OidcProvider> = login.ask("GET /v1/session/oidc", &[], Value::Null).await.read();
    assert_eq!((listed.items[0].name.as_str(), listed.items[0].label.as_str()), ("a", "Our login"));
    // Nobody was asked before somebody wants to sign in.
    assert_eq!(login.provider.peer.connections(), 0);
    let answer = login.ask("GET /v1/session/oidc/a?return_to=/files?a=b", &[], Value::Null).await;
    assert_eq!((answer.outcome().as_str(), answer.header("cache-control")), ("303", "no-store"));
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-longshore-oidc="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    let begun = Begun::of(answer.header("location"), cookie);
    assert!(begun.url.starts_with(&format!("{}/auth?kc=1&", login.provider.issuer)), "{}", begun.url);
    for (key, value) in [
        ("response_type", "code"),
        ("client_id", "longshore"),
        ("scope", "openid email"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &format!("{ORIGIN}/v1/session/oidc/a/callback")),
    ] {
        assert_eq!(begun.get(key), value);
    }
    // What the address names as its server plays no part.
    login.invited("ada").await;
    let done = login.come_as(&begun, &login.claims(&begun, "ada")).await;
    assert_eq!(done.header("location"), format!("{ORIGIN}/files?a=b"));
    assert_eq!((done.header("cache-control"), done.header("referrer-policy")), ("no-store", "no-referrer"));
    assert!(cookies(&done).iter().any(|cookie| cookie.starts_with("__Host-longshore-oidc=; ")));
    let cookie = [("cookie", session(&done))];
    let me = login.ask("GET /v1/me", &cookie, Value::Null).await.json();
    assert_eq!(me["principal"]["name"], "ada of example");
    let signed_in = login.ask("GET /v1/session", &cookie, Value::Null).await.json();
    assert!(signed_in["csrf_token"].is_string());
    let own: Page<Identity> = login.ask("GET /v1/me/identities", &cookie, Value::Null).await.read();
    assert_eq!(
        (own.items[0].issuer.as_str(), own.items[0].subject.as_str()),
        (login.provider.issuer.as_str(), "ada")
    );
    // All of it is known by now.
    assert_eq!(login.provider.asked("/realm/.well-known/openid-configuration"), 1);
    assert_eq!(login.provider.asked("/realm/keys"), 1);
    login.world.clock.advance(Duration::from_mins(61));
    session(&login.sign_in("ada").await);
    assert_eq!(login.provider.asked("/realm/.well-known/openid-configuration"), 2);
    assert_eq!(login.provider.asked("/realm/keys"), 2);
}

#[tokio::test]
async fn each_algorithm_that_is_known_is_good() {
    let mut login = Login::new().await;
    login.invited("ada").await;
    for key in [Signer::rsa(), Signer::ed25519(), Signer::p256()] {
        // A key that is of another use or kind stands beside it.
        let mut other = key.public("one");
        other["use"] = json!("enc");
        login.provider.publish(&[(&key, "one")]);
        login.provider.script.lock().unwrap().keys.extend([
            other,
            json!({ "kty": "oct", "k": "x" }),
            json!(7),
        ]);
        login.world.clock.advance(Duration::from_mins(61));
        login.key = key;
        session(&login.sign_in("ada").await);
    }
}

#[tokio::test]
async fn who_is_neither_known_nor_invited_stays_out() {
    let login = Login::new().await;
    sessions::person(&login.world, "ada@example.org", login.world.id(), Role::Admin).await;
    let before = login.world.call(User::Admin, "GET /v1/principals", &[], "").await.json();
    let mut claims = login.claims(&login.begin().await, "ada");
    for (email, is_verified) in [
        (json!(null), json!(null)),
        (json!("ada@example.org"), json!(false)),
        (json!("ada@example.org"), json!(null)),
        (json!("ada@example.org"), json!("true")),
        (json!("ada@example.org"), json!(1)),
        (json!("ada@example.org.evil.example"), json!(true)),
        (json!("ada@evil.example"), json!(true)),
        (json!("ada@evilexample.org"), json!(true)),
        (json!("ada@sub.example.org"), json!(true)),
        (json!("example.org"), json!(true)),
        (json!("@example.org"), json!(true)),
        (json!("ada@evil.example@example.org"), json!(true)),
    ] {
        let begun = login.begin().await;
        claims["nonce"] = json!(begun.get("nonce"));
        (claims["email"], claims["email_verified"]) = (email, is_verified);
        let answer = login.come_as(&begun, &claims).await;
        assert_eq!(answer.outcome(), "403 identity_unknown", "{claims}");
        assert!(cookies(&answer).iter().all(|cookie| cookie.starts_with("__Host-longshore-oidc=; ")));
    }
    assert_eq!(login.world.call(User::Admin, "GET /v1/principals", &[], "").await.json(), before);
    // Whoever has a verified address of the domain is somebody new, without any role, whoever signs in by its name.
    let begun = login.begin().await;
    claims["nonce"] = json!(begun.get("nonce"));
    (claims["email"], claims["email_verified"]) = (json!("ada@Example.ORG"), json!(true));
    let done = login.come_as(&begun, &claims).await;
    let cookie = [("cookie", session(&done))];
    let workspaces = login.ask("GET /v1/workspaces", &cookie, Value::Null).await.json();
    assert_eq!(workspaces["items"], json!([]));
}

#[tokio::test]
async fn who_is_invited_joins_by_an_identity() {
    let login = Login::new().await;
    let token = login.invite().await;
    let begin = "POST /v1/session/oidc/a";
    let body = |token: &str| json!({ "invitation": token, "return_to": "/welcome" });
    for (token, headers, outcome) in [
        (token.as_str(), &[("sec-fetch-site", "cross-site")][..], "403 cross_site"),
        ("lsi_nothing", &[], "404 invitation_not_found"),
    ] {
        assert_eq!(login.ask(begin, headers, body(token)).await.outcome(), outcome);
    }
    let begun = login.begin_by(begin, &[], body(&token)).await;
    assert!(!begun.url.contains(&token[30..]));
    let done = login.come_as(&begun, &login.claims(&begun, "ada")).await;
    assert_eq!(done.header("location"), format!("{ORIGIN}/welcome"));
    let cookie = [("cookie", session(&done))];
    let listed = login.ask("GET /v1/workspaces", &cookie, Value::Null).await.json();
    assert_eq!(listed["items"][0]["id"], json!(login.world.id()));
    assert_eq!(login.ask(begin, &[], body(&token)).await.outcome(), "410 invitation_ended");
    // One that ends on the way lets nobody in.
    let token = login.invite().await;
    let begun = login.begin_by(begin, &[], body(&token)).await;
    let decline = login.ask("POST /v1/invitations/decline", &[], json!({ "token": token })).await;
    assert_eq!(decline.outcome(), "204");
    let answer = login.come_as(&begun, &login.claims(&begun, "eve")).await;
    assert_eq!(answer.outcome(), "410 invitation_ended");
}

#[tokio::test]
async fn an_identity_is_added_in_the_session_that_began_it() {
    let login = Login::new().await;
    sessions::person(&login.world, "ada", login.world.id(), Role::Editor).await;
    sessions::person(&login.world, "eve", login.world.id(), Role::Editor).await;
    let (ada, eve) = (SignedIn::new(&login.world, "ada").await, SignedIn::new(&login.world, "eve").await);
    let link = "POST /v1/me/identities";
    let body = json!({ "provider": "a", "return_to": "/account" });
    // A cookie alone begins nothing: else another site could add an identity of its own.
    let answer = login.ask(link, &ada.headers()[..1], body.clone()).await;
    assert_eq!(answer.outcome(), "403 csrf_missing");
    let answer = login.world.call(User::Admin, link, &[], body.to_string()).await;
    assert_eq!(answer.outcome(), "404 session_not_found");
    let nowhere = json!({ "provider": "b" });
    assert_eq!(login.ask(link, &ada.headers(), nowhere).await.outcome(), "404 provider_not_found");
    let elsewhere = json!({ "provider": "a", "return_to": "//evil.example" });
    assert_eq!(login.ask(link, &ada.headers(), elsewhere).await.outcome(), "400 invalid_body");
    let come = async |begun: &Begun, session: Option<&SignedIn>, subject: &str| {
        let code = login.provider.code(begun, login.key.token("one", &login.claims(begun, subject)));
        let own = session.map_or_else(String::new, |session| format!("; {}", session.cookie));
        let query = format!("code={}&state={}", percent(&code), begun.get("state"));
        login.come_with(&query, &[("cookie", &format!("{}{own}", begun.cookie))]).await
    };
    let begun = login.begin_by(link, &ada.headers(), body.clone()).await;
    assert_eq!(come(&begun, None, "ada").await.outcome(), "401 key_missing");
    assert_eq!(come(&begun, Some(&eve), "ada").await.outcome(), "400 oidc_state_wrong");
    let done = come(&begun, Some(&ada), "ada").await;
    assert_eq!((done.outcome().as_str(), done.header("location")), ("303", &*format!("{ORIGIN}/account")));
    assert!(cookies(&done).iter().all(|cookie| !cookie.contains("lss_")));
    let cookie = session(&login.sign_in("ada").await).to_owned();
    let me = login.ask("GET /v1/me", &[("cookie", &cookie)], Value::Null).await.json();
    assert_eq!(me["principal"]["name"], "ada");
    let begun = login.begin_by(link, &eve.headers(), body.clone()).await;
    assert_eq!(come(&begun, Some(&eve), "ada").await.outcome(), "409 identity_taken");
    // A session that ends on the way adds nothing.
    let begun = login.begin_by(link, &eve.headers(), body).await;
    eve.sign_out(&login.world).await;
    assert_eq!(come(&begun, Some(&eve), "eve").await.outcome(), "401 session_ended");
    let own: Page<Identity> = ada.call(&login.world, "GET /v1/me/identities", "").await.read();
    let remove = format!("DELETE /v1/me/identities/{}", own.items[0].id);
    assert_eq!(ada.call(&login.world, &remove, "").await.outcome(), "204");
    assert_eq!(ada.call(&login.world, &remove, "").await.outcome(), "404 identity_not_found");
    // The session that the identity had begun ended with it.
    assert_eq!(
        login.ask("GET /v1/me", &[("cookie", &cookie)], Value::Null).await.outcome(),
        "401 session_ended"
    );
}

#[tokio::test]
async fn the_last_way_in_stays_and_admins_take_it_away() {
    let login = Login::new().await;
    let done = login.invited("ada").await;
    let cookie = session(&done).to_owned();
    let signed_in = login.ask("GET /v1/session", &[("cookie", &cookie)], Value::Null).await.json();
    let csrf = signed_in["csrf_token"].as_str().unwrap();
    let own = [("cookie", cookie.as_str()), ("x-csrf-token", csrf)];
    let found: Page<Identity> = login.ask("GET /v1/me/identities", &own, Value::Null).await.read();
    let id = found.items[0].id;
    let answer = login.ask(&format!("DELETE /v1/me/identities/{id}"), &own, Value::Null).await;
    assert_eq!(answer.outcome(), "409 last_way_in");
    let person = signed_in["principal"]["id"].as_str().unwrap();
    // Who was deactivated is told what strangers are.
    let deactivate = format!("POST /v1/principals/{person}/deactivate");
    assert_eq!(login.world.call(User::Admin, &deactivate, &[], "").await.outcome(), "200");
    let (gone, stranger) = (login.sign_in("ada").await, login.sign_in("eve").await);
    assert_eq!(gone.json()["detail"], stranger.json()["detail"]);
    assert_eq!(
        (gone.outcome(), stranger.outcome()),
        ("403 identity_unknown".into(), "403 identity_unknown".into())
    );
    let url = format!("/v1/principals/{person}/identities");
    assert_eq!(
        login.world.call(User::Editor, &format!("GET {url}"), &[], "").await.outcome(),
        "403 forbidden"
    );
    let listed: Page<Identity> = login.world.call(User::Admin, &format!("GET {url}"), &[], "").await.read();
    assert_eq!(listed.items[0].id, id);
    let remove = format!("DELETE {url}/{id}");
    let key = [("idempotency-key", "once")];
    for outcome in ["204", "204"] {
        assert_eq!(login.world.call(User::Admin, &remove, &key, "").await.outcome(), outcome);
    }
    assert_eq!(login.world.call(User::Admin, &remove, &[], "").await.outcome(), "404 identity_not_found");
}

#[tokio::test]
async fn who_signs_in_by_a_provider_may_join_more_and_leave_again() {
    let login = Login::new().await;
    let ada = session(&login.invited("ada").await).to_owned();
    let id = login.ask("GET /v1/me", &[("cookie", &ada)], Value::Null).await.json();
    let id = id["principal"]["id"].as_str().unwrap().parse().unwrap();
    let (engine, owner) = (&login.world.engine, &login.world.owner);
    engine.remove_member(owner, login.world.id(), id, Premises::default()).await.unwrap();
    let again = session(&login.invited("ada").await).to_owned();
    let me = login.ask("GET /v1/me", &[("cookie", &again)], Value::Null).await.json();
    assert_eq!(me["principal"]["id"], json!(id));
    assert_eq!(
        engine
            .list_members(owner, login.world.id(), longshore_engine::PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        2
    );
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_asked_for_once() {
    let mut login = Login::new().await;
    session(&login.invited("ada").await);
    let keys = "/realm/keys";
    let asked = |login: &Login| login.provider.asked(keys);
    assert_eq!(asked(&login), 1);
    // The provider signs by another one now: known after a minute, by one question.
    let next = Signer::ed25519();
    login.provider.publish(&[(&next, "two")]);
    let come = async |login: &Login, key: &Signer, id: &str| {
        let begun = login.begin().await;
        login.come(&begun, key.token(id, &login.claims(&begun, "ada"))).await.outcome()
    };
    assert_eq!(come(&login, &next, "two").await, "401 oidc_refused");
    assert_eq!(asked(&login), 1);
    login.world.clock.advance(Duration::from_mins(1));
    assert_eq!(come(&login, &next, "two").await, "303");
    assert_eq!(asked(&login), 2);
    // The one before is good no more; and whatever is shown, the provider is left alone for a minute.
    for (key, id) in [(&login.key, "one"), (&next, "three"), (&login.key, "two"), (&Signer::rsa(), "two")] {
        assert_eq!(come(&login, key, id).await, "401 oidc_refused");
    }
    assert_eq!(asked(&login), 2);
    login.world.clock.advance(Duration::from_mins(1));
    let many = (0..10).map(|_| come(&login, &login.key, "one"));
    assert!(futures_util::future::join_all(many).await.iter().all(|outcome| outcome == "401 oidc_refused"));
    assert_eq!(asked(&login), 3);
    // A token that names no key is tried with those there are for its algorithm, however many there are for others.
    let others: Vec<_> = (0..6).map(|_| Signer::p256()).collect();
    let all: Vec<_> = others.iter().chain([&next]).map(|key| (key, "some")).collect();
    login.provider.publish(&all);
    login.world.clock.advance(Duration::from_mins(61));
    login.key = next;
    let begun = login.begin().await;
    let signed =
        format!("{}.{}", encoded(r#"{"alg":"EdDSA"}"#), encoded(login.claims(&begun, "ada").to_string()));
    let token = format!("{signed}.{}", encoded(login.key.sign(signed.as_bytes())));
    session(&login.come(&begun, token).await);
}

#[tokio::test]
async fn a_provider_that_is_down_is_said_to_be_and_comes_back() {
    let login = Login::new().await;
    session(&login.invited("ada").await);
    let (discovery, token, keys) = ("/realm/.well-known/openid-configuration", "/realm/token", "/realm/keys");
    let says = |status: u16, body: &str| Trouble::Says(status, body.to_owned());
    let anew = || login.world.clock.advance(Duration::from_mins(61));
    for trouble in [
        Trouble::Endless,
        says(500, "{}"),
        says(200, "no JSON"),
        says(200, "{}"),
        says(302, "http://127.0.0.1:1/"),
        says(
            200,
            r#"{"issuer":"https://evil.example","authorization_endpoint":"https://a/","token_endpoint":"https://a/","jwks_uri":"https://a/"}"#,
        ),
    ] {
        anew();
        login.provider.has_trouble(discovery, trouble.clone());
        let answer = login.ask("GET /v1/session/oidc/a", &[], Value::Null).await;
        assert_eq!(answer.outcome(), "503 oidc_unavailable", "{trouble:?}");
        // It is left alone for a moment.
        let asked = login.provider.asked(discovery);
        login.provider.is_well();
        let answer = login.ask("GET /v1/session/oidc/a", &[], Value::Null).await;
        assert_eq!(
            (answer.outcome().as_str(), login.provider.asked(discovery)),
            ("503 oidc_unavailable", asked)
        );
        login.world.clock.advance(Duration::from_secs(30));
        session(&login.sign_in("ada").await);
    }
    for (path, trouble, outcome) in [
        (token, Trouble::Endless, "503 oidc_unavailable"),
        (token, says(500, ""), "503 oidc_unavailable"),
        (token, says(401, r#"{"error":"invalid_client"}"#), "503 oidc_unavailable"),
        (token, says(400, r#"{"error":"invalid_grant"}"#), "401 oidc_refused"),
        (token, says(400, r#"{"error":"<script>"}"#), "503 oidc_unavailable"),
        (token, says(200, r#"{"access_token":"x"}"#), "503 oidc_unavailable"),
        (token, says(200, r#"{"id_token":"x.y"}"#), "401 oidc_refused"),
        (token, says(307, "https://evil.example/"), "503 oidc_unavailable"),
        (keys, Trouble::Endless, "503 oidc_unavailable"),
        (keys, says(404, "{}"), "503 oidc_unavailable"),
        (keys, says(200, r#"{"keys":7}"#), "503 oidc_unavailable"),
        (keys, says(200, r#"{"keys":[]}"#), "401 oidc_refused"),
    ] {
        anew();
        login.provider.has_trouble(path, trouble.clone());
        assert_eq!(login.sign_in("ada").await.outcome(), outcome, "{path} {trouble:?}");
        login.provider.is_well();
        login.world.clock.advance(Duration::from_mins(1));
        session(&login.sign_in("ada").await);
    }
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_not_waited_for() {
    let mut login = Login::new().await;
    session(&login.invited("ada").await);
    for path in ["/realm/token", "/realm/keys", "/realm/.well-known/openid-configuration"] {
        let begun = login.begin().await;
        login.provider.has_trouble(path, Trouble::Hangs);
        login.world.put_behind(Provider::entrance(&[&login.provider], Duration::from_millis(500)));
        let answer = login.come_as(&begun, &login.claims(&begun, "ada")).await;
        assert_eq!(answer.outcome(), "503 oidc_unavailable", "{path}");
        login.provider.is_well();
        login.world.put_behind(Provider::entrance(&[&login.provider], PATIENCE));
        session(&login.sign_in("ada").await);
    }
}

#[tokio::test]
async fn endpoints_that_are_read_on_the_way_are_not_used() {
    let login = Login::new().await;
    for (key, url) in [
        ("authorization_endpoint", "http://login.example.org/auth"),
        ("token_endpoint", "http://192.0.2.1/token"),
        ("jwks_uri", "http://127.0.0.1.evil.example/"),
        ("jwks_uri", "file:///etc/passwd"),
        ("token_endpoint", "https://"),
        ("authorization_endpoint", "javascript:alert(1)"),
    ] {
        login.provider.script.lock().unwrap().discovery = [(key, json!(url))].into();
        login.world.clock.advance(Duration::from_secs(30));
        let answer = login.ask("GET /v1/session/oidc/a", &[], Value::Null).await;
        assert_eq!(answer.outcome(), "503 oidc_unavailable", "{key} {url}");
    }
}
