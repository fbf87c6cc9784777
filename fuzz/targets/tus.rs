//! Resumable uploads with any headers and bytes: begun, gone on with, looked at and taken back.

#![no_main]

use axum::http::Method;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use libfuzzer_sys::fuzz_target;
use longshore_fuzz::{headers, parts, world};

const NAMES: &[&str] = &[
    "upload-length",
    "upload-offset",
    "upload-metadata",
    "upload-concat",
    "upload-checksum",
    "upload-defer-length",
    "content-type",
    "longshore-base",
    "tus-resumable",
    "x-http-method-override",
    "content-digest",
    "if-match",
    "prefer",
    "lock-token",
    "content-length",
];

fuzz_target!(|data: &[u8]| {
    let Some((what, data)) = data.split_first() else { return };
    let (head, body) = parts(data);
    let world = world();
    let mut said = headers(NAMES, head);
    if what & 0x80 == 0 {
        said.push(("tus-resumable", b"1.0.0"));
    }
    if what & 0x40 == 0 {
        world.send(Method::POST, "/v1/uploads", &said, body);
        return;
    }
    // To an upload of ten bytes that is there.
    let metadata = format!("filename Yg==,workspace {}", BASE64_STANDARD.encode(world.workspace.to_string()));
    let made: [(&str, &[u8]); 3] =
        [("tus-resumable", b"1.0.0"), ("upload-length", b"10"), ("upload-metadata", metadata.as_bytes())];
    let (_, _) = world.send(Method::POST, "/v1/uploads", &made, &[]);
    let (_, list) = world.send(Method::GET, "/v1/uploads?limit=1", &[], &[]);
    let list = String::from_utf8_lossy(&list);
    let Some(id) = list.split("\"id\":\"upl_").nth(1).and_then(|rest| rest.get(..26)) else { return };
    let url = format!("/v1/uploads/upl_{id}");
    let method = [Method::PATCH, Method::HEAD, Method::DELETE, Method::POST][usize::from(what & 3)].clone();
    world.send(method, &url, &said, body);
    world.send(Method::DELETE, &url, &[("tus-resumable", b"1.0.0")], &[]);
});
