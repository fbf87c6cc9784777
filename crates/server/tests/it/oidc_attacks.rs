//! What strangers try on the sign-in by OpenID Connect.

use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::Kept;
use crate::oidc::provider::{CLIENT, Provider, SECRET, Signer, encoded};
use crate::oidc::{Login, cookies, percent, session};
use crate::world::World;

#[tokio::test]
async fn an_answer_of_another_sign_in_is_none() {
    let login = Login::new().await;
    login.invited("ada").await;
    let (own, others) = (login.begin().await, login.begin().await);
    let code = login.provider.code(&own, login.key.token("one", &login.claims(&own, "ada")));
    let code = percent(&code);
    let good = format!("code={code}&state={}", own.get("state"));
    let twice = format!("{}; {}", own.cookie, others.cookie);
    for (query, cookie) in [
        (format!("code={code}"), own.cookie.as_str()),
        (format!("code={code}&state="), &own.cookie),
        (format!("code={code}&state=x"), &own.cookie),
        (format!("code={code}&state={}", others.get("state")), &own.cookie),
        (format!("code={code}&state={}", own.get("nonce")), &own.cookie),
        // Somebody else's browser, or none.
        (good.clone(), &others.cookie),
        (good.clone(), "a=b"),
        (good.clone(), &twice),
        (good.clone(), "__Host-longshore-oidc="),
        (good.clone(), "__Host-longshore-oidc=e30"),
    ] {
        let answer = login.come_with(&query, &[("cookie", cookie)]).await;
        assert_eq!(answer.outcome(), "400 oidc_state_wrong", "{query} {cookie}");
        // What is of no attempt ends none.
        assert!(cookies(&answer).is_empty());
    }
    assert_eq!(login.provider.asked("/realm/token"), 1, "the newcomer's alone");
    // A token that was made for another attempt, by a code of this one.
    let stolen = login.claims(&others, "ada");
    assert_eq!(login.come_as(&own, &stolen).await.outcome(), "401 oidc_refused");
    // A code of another attempt: the provider compares the challenge.
    let code = login.provider.code(&others, login.key.token("one", &login.claims(&own, "ada")));
    let query = format!("code={}&state={}", percent(&code), own.get("state"));
    assert_eq!(login.come_with(&query, &[("cookie", &own.cookie)]).await.outcome(), "401 oidc_refused");
    // All of that has not ended the attempt itself, which is good once.
    session(&login.come_with(&good, &[("cookie", &own.cookie)]).await);
    let replayed = login.come_with(&good, &[("cookie", &own.cookie)]).await;
    assert_eq!(replayed.outcome(), "401 oidc_refused");
    assert!(cookies(&replayed)[0].starts_with("__Host-longshore-oidc=; "));
    login.world.clock.advance(Duration::from_mins(10));
    let late = login.come_with(&good, &[("cookie", &own.cookie)]).await;
    assert_eq!(late.outcome(), "400 oidc_state_wrong");
}

#[tokio::test]
async fn a_token_that_says_something_else_is_refused() {
    let login = Login::new().await;
    login.invited("ada").await;
    let now = login.world.engine.now().as_micros() / 1_000_000;
    let wrong: &[(&str, Value)] = &[
        ("iss", json!("https://evil.example")),
        ("iss", json!(format!("{}/", login.provider.issuer))),
        ("iss", json!(null)),
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("aud", json!([])),
        ("aud", json!(null)),
        ("azp", json!("another")),
        ("exp", json!(now - 60)),
        ("exp", json!(null)),
        ("exp", json!("soon")),
        ("iat", json!(now + 61)),
        ("iat", json!(null)),
        ("nbf", json!(now + 61)),
        ("nonce", json!("x")),
        ("nonce", json!(null)),
        ("nonce", json!("")),
        ("sub", json!("")),
        ("sub", json!(null)),
        ("sub", json!("a\u{0}b")),
        ("sub", json!("x".repeat(256))),
    ];
    for (claim, value) in wrong {
        let begun = login.begin().await;
        let mut claims = login.claims(&begun, "ada");
        claims[claim] = value.clone();
        let answer = login.come_as(&begun, &claims).await;
        assert_eq!(answer.outcome(), "401 oidc_refused", "{claim} {value}");
        assert!(cookies(&answer)[0].starts_with("__Host-longshore-oidc=; "));
    }
    for (claims, outcome) in [
        (json!({ "aud": [CLIENT, "another"], "azp": CLIENT }), "303"),
        (json!({ "aud": [CLIENT, "another"], "azp": null }), "401 oidc_refused"),
        (json!({ "aud": [CLIENT, "another"], "azp": "another" }), "401 oidc_refused"),
        (json!({ "aud": [CLIENT], "azp": null }), "303"),
        (json!({ "exp": now - 59 }), "303"),
        (json!({ "iat": now + 60, "exp": (now + 300) as f64 + 0.5 }), "303"),
    ] {
        let begun = login.begin().await;
        let mut said = login.claims(&begun, "ada");
        for (claim, value) in claims.as_object().unwrap() {
            said[claim] = value.clone();
        }
        assert_eq!(login.come_as(&begun, &said).await.outcome(), outcome, "{claims}");
    }
}

#[tokio::test]
async fn a_token_never_chooses_what_it_is_verified_by() {
    let mut login = Login::new().await;
    login.key = Signer::rsa();
    login.provider.publish(&[(&login.key, "one"), (&Signer::p256(), "two")]);
    login.invited("ada").await;
    let public = login.key.public("one");
    let modulus = public["n"].as_str().unwrap();
    let der = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, modulus).unwrap();
    let hs256 = |key: &[u8], signed: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
    };
    let begun = login.begin().await;
    let payload = encoded(login.claims(&begun, "ada").to_string());
    let header = |header: Value| format!("{}.{payload}", encoded(header.to_string()));
    let mut tokens = Vec::new();
    for alg in ["none", "None", "NONE", ""] {
        let signed = header(json!({ "alg": alg }));
        tokens.extend([format!("{signed}."), format!("{signed}.{}", encoded("x")), signed]);
    }
    let signed = header(json!({ "alg": "HS256", "kid": "one" }));
    for key in [&der[..], modulus.as_bytes(), public.to_string().as_bytes(), SECRET.as_bytes(), b""] {
        tokens.push(format!("{signed}.{}", encoded(hs256(key, &signed))));
    }
    // The right key under another name of an algorithm, or of a key, or with what must be understood and is not.
    for wrong in [
        json!({ "alg": "ES256", "kid": "one" }),
        json!({ "alg": "RS512", "kid": "one" }),
        json!({ "alg": "PS256", "kid": "one" }),
        json!({ "alg": "EdDSA", "kid": "one" }),
        json!({ "alg": "RS256", "kid": "two" }),
        json!({ "alg": "RS256", "kid": "one", "crit": ["b64"], "b64": false }),
        json!({ "alg": "RS256", "kid": 1 }),
        json!({ "kid": "one" }),
        // A key that the token itself brings.
        json!({ "alg": "ES256", "kid": "three", "jwk": Signer::p256().public("three") }),
    ] {
        let signed = header(wrong);
        tokens.push(format!("{signed}.{}", encoded(login.key.sign(signed.as_bytes()))));
    }
    let good = login.key.token("one", &login.claims(&begun, "ada"));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let other = encoded(login.claims(&begun, "eve").to_string());
    tokens.extend([
        format!("{head}.{other}.{signature}"),
        format!("{signed}.{}", &signature[4..]),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}.x"),
        format!("x.{good}"),
        good.replace('.', ""),
        "..".to_owned(),
        String::new(),
    ]);
    for token in tokens {
        let answer = login.come(&begun, token.clone()).await;
        assert_eq!(answer.outcome(), "401 oidc_refused", "{token}");
    }
    session(&login.come(&begun, good).await);
}

#[tokio::test]
async fn one_provider_never_answers_for_another() {
    let (mut login, other) = (Login::new().await, Provider::start("b").await);
    let theirs = Signer::p256();
    other.publish(&[(&theirs, "one")]);
    let both = Provider::entrance(&[&login.provider, &other], Duration::from_secs(30));
    login.world = World::new().await.behind(both);
    login.invited("ada").await;
    let at_callback = async |name: &str, query: &str, cookie: &str| {
        let what = format!("GET /v1/session/oidc/{name}/callback?{query}");
        login.ask(&what, &[("cookie", cookie)], Value::Null).await.outcome()
    };
    // A sign-in at one is not ended at the other's address.
    let begun = login.begin().await;
    let code = percent(&login.provider.code(&begun, login.key.token("one", &login.claims(&begun, "ada"))));
    let query = format!("code={code}&state={}", begun.get("state"));
    assert_eq!(at_callback("b", &query, &begun.cookie).await, "400 oidc_state_wrong");
    assert_eq!(other.peer.connections(), 0);
    // An answer that names the other one is refused before its code is shown to anybody.
    let asked = login.provider.asked("/realm/token");
    let named = format!("{query}&iss={}", percent(&other.issuer));
    assert_eq!(at_callback("a", &named, &begun.cookie).await, "401 oidc_refused");
    assert_eq!(login.provider.asked("/realm/token"), asked);
    let named = format!("{query}&iss={}", percent(&login.provider.issuer));
    assert_eq!(at_callback("a", &named, &begun.cookie).await, "303");
    // A token of the other one, and one of its keys under the name of ours.
    let begun = login.begin().await;
    for claims in [other.claims(&begun, "ada", login.world.engine.now()), login.claims(&begun, "ada")] {
        let answer = login.come(&begun, theirs.token("one", &claims)).await;
        assert_eq!(answer.outcome(), "401 oidc_refused");
    }
    // The same subject at the other one is somebody else.
    let answer = login.ask("GET /v1/session/oidc/b", &[], Value::Null).await;
    let begun = crate::oidc::provider::Begun::of(answer.header("location"), answer.header("set-cookie"));
    let token = theirs.token("one", &other.claims(&begun, "ada", login.world.engine.now()));
    let query = format!("code={}&state={}", percent(&other.code(&begun, token)), begun.get("state"));
    assert_eq!(at_callback("b", &query, &begun.cookie).await, "403 identity_unknown");
    // One that says it names itself has to.
    other.script.lock().unwrap().discovery =
        [("authorization_response_iss_parameter_supported", json!(true))].into();
    login.world.clock.advance(Duration::from_mins(61));
    let answer = login.ask("GET /v1/session/oidc/b", &[], Value::Null).await;
    let begun = crate::oidc::provider::Begun::of(answer.header("location"), answer.header("set-cookie"));
    let query = format!("code=x&state={}", begun.get("state"));
    assert_eq!(at_callback("b", &query, &begun.cookie).await, "401 oidc_refused");
    assert_eq!(other.asked("/realm/token"), 1);
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let login = Login::new().await;
    for wrong in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "%5C/evil.example",
        "/%09/evil.example",
        "/%0A/evil.example",
        "evil",
        "",
        "/%C3%A9",
    ] {
        let what = format!("GET /v1/session/oidc/a?return_to={wrong}");
        assert_eq!(login.ask(&what, &[], Value::Null).await.outcome(), "400 invalid_query", "{wrong}");
    }
    let body = json!({ "return_to": "//evil.example" });
    assert_eq!(login.ask("POST /v1/session/oidc/a", &[], body).await.outcome(), "400 invalid_body");
    // Nor does another site begin it.
    for headers in [[("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")]] {
        let what = "GET /v1/session/oidc/a";
        assert_eq!(login.ask(what, &headers, Value::Null).await.outcome(), "403 cross_site");
    }
    for what in
        ["GET /v1/session/oidc/b", "POST /v1/session/oidc/b", "GET /v1/session/oidc/b/callback?code=x"]
    {
        let body = if what.starts_with("POST") { json!({}) } else { Value::Null };
        assert_eq!(login.ask(what, &[], body).await.outcome(), "404 provider_not_found", "{what}");
    }
    // What the provider refuses is told by its name, and nothing else of it.
    for (error, has) in [("access_denied", true), ("%3Cscript%3E", false)] {
        let begun = login.begin().await;
        let query = format!("error={error}&error_description=geheim&state={}", begun.get("state"));
        let answer = login.come_with(&query, &[("cookie", &begun.cookie)]).await;
        assert_eq!(answer.outcome(), "401 oidc_refused");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(text.contains("access_denied"), has);
        assert!(!text.contains("geheim") && !text.contains("script"));
    }
}

#[tokio::test]
async fn row_24_nothing_of_a_sign_in_is_in_the_log() {
    let kept = Kept::default();
    let writer = kept.clone();
    let all = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
    let all = all.with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(all);
    let login = Login::new().await;
    let invitation = login.invite().await;
    let body = json!({ "invitation": invitation });
    let begun = login.begin_by("POST /v1/session/oidc/a", &[], body).await;
    let token = login.key.token("one", &login.claims(&begun, "ada"));
    let code = login.provider.code(&begun, token.clone());
    let query = format!("code={}&state={}", percent(&code), begun.get("state"));
    let done = login.come_with(&query, &[("cookie", &begun.cookie)]).await;
    let cookie = session(&done).to_owned();
    // Refusals say more.
    login.come_with(&query, &[("cookie", &begun.cookie)]).await;
    login.come_with("code=geheim&state=x", &[("cookie", &begun.cookie)]).await;
    let wrong = login.begin().await;
    let refused = login.key.token("two", &login.claims(&wrong, "eve"));
    login.come(&wrong, refused.clone()).await;
    let trouble = crate::oidc::provider::Trouble::Says(401, r#"{"error":"invalid_client"}"#.to_owned());
    login.provider.has_trouble("/realm/token", trouble);
    login.sign_in("ada").await;
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("oidc_refused") && log.contains("invalid_client"), "{log}");
    let exchanges = login.provider.peer.requests();
    let exchange = exchanges.iter().find(|request| request.starts_with("POST /realm/token")).unwrap();
    let form = longshore_egress::testing::content(exchange);
    let verifier = form.rsplit_once("code_verifier=").unwrap().1;
    let basic = longshore_egress::testing::header(exchange, "authorization").unwrap();
    for secret in [
        SECRET,
        &percent(SECRET),
        basic.strip_prefix("Basic ").unwrap(),
        verifier,
        &code,
        &percent(&code),
        begun.get("state"),
        begun.get("nonce"),
        begun.cookie.split_once('=').unwrap().1,
        cookie.split_once('=').unwrap().1,
        &invitation,
        &token,
        &refused,
        token.rsplit_once('.').unwrap().1,
        "geheim",
    ] {
        assert!(!log.contains(secret), "{secret:?} is in the log");
    }
}
