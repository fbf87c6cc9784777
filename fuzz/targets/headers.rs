//! Requests for a file with any headers: ranges, conditions, who forwards them, locks and digests.

#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use longshore_fuzz::{headers, parts, world};

const NAMES: &[&str] = &[
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "forwarded",
    "x-forwarded-for",
    "lock-token",
    "content-digest",
    "idempotency-key",
    "accept-encoding",
    "origin",
    "last-event-id",
    "content-type",
    "accept",
    "content-length",
];

fuzz_target!(|data: &[u8]| {
    let Some((what, data)) = data.split_first() else { return };
    let (head, body) = parts(data);
    let world = world();
    let (file, workspace) = (world.file, world.workspace);
    let (method, url) = match what % 8 {
        0 | 1 => (Method::GET, format!("/v1/files/{file}/content")),
        2 => (Method::HEAD, format!("/v1/files/{file}/content")),
        3 => (Method::GET, format!("/v1/files/{file}/archive")),
        4 => (Method::PUT, format!("/v1/files/{file}/content")),
        5 => (Method::GET, format!("/v1/workspaces/{workspace}/events")),
        6 => (Method::PATCH, format!("/v1/files/{file}")),
        _ => (Method::OPTIONS, format!("/v1/files/{file}/content")),
    };
    world.send(method, &url, &headers(NAMES, head), body);
});
