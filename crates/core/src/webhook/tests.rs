use std::time::Duration;

use proptest::prelude::*;

use super::{Headers, Secret, Verifier, VerifyError, sign};
use crate::time::Timestamp;

/// Made by the Python library of the standard (PyPI `standardwebhooks` 1.1.0).
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxEek";
const SENT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,xm3N4+aKmqpsHqf2GrAK/g6ew7J0s6ILlNe44yY/l78=";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn secret() -> Secret {
    SECRET.parse().unwrap()
}

fn check(headers: Headers<'_>, body: &[u8], now: i64) -> Result<(), VerifyError> {
    Verifier::new([secret()]).verify_at(&headers, body, at(now))
}

fn headers(signature: &str) -> Headers<'_> {
    Headers { id: ID, timestamp: "1614265330", signature }
}

#[test]
fn what_a_foreign_library_signed_is_signed_alike_and_verified() {
    assert_eq!(sign(&secret(), ID, SENT, BODY), SIGNATURE);
    assert_eq!(check(headers(SIGNATURE), BODY, SENT), Ok(()));
}

#[test]
fn whatever_is_changed_the_signature_no_longer_matches() {
    let no = Err(VerifyError::NoMatch);
    assert_eq!(check(headers(SIGNATURE), br#"{"test": 2432232315}"#, SENT), no);
    assert_eq!(check(Headers { id: "msg_other", ..headers(SIGNATURE) }, BODY, SENT), no);
    assert_eq!(check(Headers { timestamp: "1614265331", ..headers(SIGNATURE) }, BODY, SENT), no);
    // The same number, but not the text that was signed.
    assert_eq!(check(Headers { timestamp: "01614265330", ..headers(SIGNATURE) }, BODY, SENT), no);
    let other = Verifier::new([Secret::generate()]);
    assert_eq!(other.verify_at(&headers(SIGNATURE), BODY, at(SENT)), no);
    assert_eq!(Verifier::new([]).verify_at(&headers(SIGNATURE), BODY, at(SENT)), no);
    for signature in [
        "",
        " ",
        "v1",
        "v1,",
        "v1,AAAA",
        "v1,!",
        "v2,xm3N",
        &SIGNATURE[3..],
        &SIGNATURE.replace("v1,", "v1a,"),
        &SIGNATURE.replace('=', ""),
        &SIGNATURE.replace("xm", "xn"),
    ] {
        assert_eq!(check(headers(signature), BODY, SENT), no, "{signature:?}");
    }
}

#[test]
fn one_of_several_signatures_is_enough_and_one_of_several_secrets() {
    let new = Secret::generate();
    let both = format!("v1a,xyz {} {SIGNATURE}", sign(&new, ID, SENT, BODY));
    for known in [vec![secret()], vec![new.clone()], vec![Secret::generate(), new.clone()]] {
        Verifier::new(known).verify_at(&headers(&both), BODY, at(SENT)).unwrap();
    }
    let none = Verifier::new([Secret::generate()]).verify_at(&headers(&both), BODY, at(SENT));
    assert_eq!(none, Err(VerifyError::NoMatch));
    // Nobody is made to compute signatures by the thousand.
    let many = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(16));
    assert_eq!(check(headers(&many), BODY, SENT), Err(VerifyError::NoMatch));
}

#[test]
fn an_attempt_from_another_time_is_refused() {
    assert_eq!(check(headers(SIGNATURE), BODY, SENT + 300), Ok(()));
    assert_eq!(check(headers(SIGNATURE), BODY, SENT + 301), Err(VerifyError::TooOld));
    assert_eq!(check(headers(SIGNATURE), BODY, SENT - 300), Ok(()));
    assert_eq!(check(headers(SIGNATURE), BODY, SENT - 301), Err(VerifyError::TooNew));
    let patient = Verifier::new([secret()]).tolerance(Duration::from_secs(86_400));
    patient.verify_at(&headers(SIGNATURE), BODY, at(SENT + 86_400)).unwrap();
    for timestamp in ["", "-1", "+1614265330", "1614265330.0", "99999999999999999999", "today", " 1614265330"]
    {
        let error = check(Headers { timestamp, ..headers(SIGNATURE) }, BODY, SENT).unwrap_err();
        assert_eq!(error, VerifyError::MalformedTimestamp, "{timestamp:?}");
    }
    // The longest number there is overflows nothing.
    let far = Headers { timestamp: "9223372036854775807", ..headers(SIGNATURE) };
    assert_eq!(check(far, BODY, SENT), Err(VerifyError::TooNew));
}

#[test]
fn a_secret_comes_back_and_prints_nothing() {
    let secret = Secret::generate();
    let text = secret.reveal();
    assert_eq!(text.parse::<Secret>().unwrap().reveal(), text);
    assert_eq!(text.len(), "whsec_".len() + 44);
    assert!(!format!("{secret:?} {:?}", Verifier::new([secret.clone()])).contains(&text[6..12]));
    assert_ne!(Secret::generate().reveal(), text);
}

#[test]
fn what_is_no_secret_is_refused() {
    let of = |length: usize| {
        use base64::Engine as _;
        format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![7; length]))
    };
    for length in [24, 64] {
        of(length).parse::<Secret>().unwrap();
    }
    for text in [
        &of(23),
        &of(65),
        &of(0),
        &of(32)[6..],
        "",
        "whsec_",
        "whsec_!",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ] {
        assert!(text.parse::<Secret>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_nothing_else_does(
        id in "[a-z0-9_]{1,40}",
        seconds in 0_i64..4_000_000_000,
        body in prop::collection::vec(any::<u8>(), 0..200),
        at_byte in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let secret = secret();
        let signature = sign(&secret, &id, seconds, &body);
        let timestamp = seconds.to_string();
        let headers = Headers { id: &id, timestamp: &timestamp, signature: &signature };
        let verifier = Verifier::new([secret]);
        prop_assert_eq!(verifier.verify_at(&headers, &body, at(seconds)), Ok(()));
        if !body.is_empty() {
            let mut torn = body.clone();
            let place = at_byte.index(torn.len());
            torn[place] ^= 1 << bit;
            prop_assert_eq!(verifier.verify_at(&headers, &torn, at(seconds)), Err(VerifyError::NoMatch));
        }
    }
}
