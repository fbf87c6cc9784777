use std::time::Duration;

use http::Response;
use longshore_core::{Code, ErrorKind};

use super::{Error, ErrorCode};

fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    let (head, ()) = answer.body(()).unwrap().into_parts();
    Error::refused(&head, body.as_bytes())
}

#[test]
fn a_problem_is_read_whole() {
    let error = refused(
        412,
        &[("x-request-id", "req-1")],
        r#"{"type":"urn:longshore:error:precondition_failed","title":"the precondition does not hold","status":412,
            "detail":"version is another","code":"precondition_failed","request_id":"req-1",
            "current_version":"ver_01k9x3m7q2e8rj5v4n6t0p1s2d"}"#,
    );
    assert_eq!(error.kind(), ErrorKind::Precondition);
    assert!(error.is(Code::PreconditionFailed) && !error.is_retryable());
    assert_eq!(error.request_id(), Some("req-1"));
    assert_eq!(error.to_string(), "version is another");
    assert_eq!(error.current_version().unwrap().to_string(), "ver_01k9x3m7q2e8rj5v4n6t0p1s2d");
}

#[test]
fn an_unknown_code_is_kept_and_its_status_decides() {
    let error = refused(
        423,
        &[],
        r#"{"type":"t","title":"moonlit","status":423,"detail":"","code":"moonlit","request_id":"r","holder":{}}"#,
    );
    assert_eq!(error.code(), Some(&ErrorCode::Unknown("moonlit".to_owned())));
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.message(), "moonlit");
}

#[test]
fn a_commit_that_nobody_saw_end_is_like_a_broken_connection() {
    let body =
        r#"{"type":"t","title":"t","status":500,"detail":"","code":"outcome_unknown","request_id":"r"}"#;
    let error = refused(500, &[], body);
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Internal, None));
    assert!(error.may_have_happened() && error.is_retryable() && !error.is_network());
}

#[test]
fn an_answer_that_is_no_problem_still_tells_its_status() {
    let error = refused(503, &[("retry-after", "3")], "<html>busy</html>");
    assert!(error.is_retryable() && !error.may_have_happened() && !error.is_network());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert_eq!(error.status(), Some(503));
    assert!(refused(502, &[], "bad gateway").may_have_happened());
    assert_eq!(refused(500, &[], "").kind(), ErrorKind::Internal);
    assert!(refused(500, &[], "").may_have_happened());
    let moved = refused(301, &[("location", "https://else.where/")], "");
    assert_eq!(moved.to_string(), "the server answered 301 Moved Permanently to https://else.where/");
}
