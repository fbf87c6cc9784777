use super::response;

#[test]
fn an_answer_is_kept_as_it_came() {
    for (kind, body, kept) in [
        (
            Some("application/json; charset=utf-8"),
            "{\"a\":\r\n 1.0000000000000000001}\n",
            "{\"a\":   1.0000000000000000001}",
        ),
        (Some("application/problem+json"), "[1]", "[1]"),
        (None, "1", "1"),
        (None, "plain", "\"plain\""),
        (Some("text/plain"), "1\n2", "\"1\\n2\""),
        (Some("application/json"), "{broken", "\"{broken\""),
        (Some("application/json"), "", "null"),
    ] {
        assert_eq!(response(kind, body.as_bytes()).get(), kept, "{kind:?} {body}");
    }
}
