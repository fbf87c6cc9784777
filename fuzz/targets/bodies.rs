//! Bodies of every form: multipart, batches, JSON, and any path and query.

#![no_main]

use axum::http::Method;
use libfuzzer_sys::fuzz_target;
use longshore_fuzz::{parts, world};

fuzz_target!(|data: &[u8]| {
    let Some((what, data)) = data.split_first() else { return };
    let (head, body) = parts(data);
    let world = world();
    let (file, workspace) = (world.file, world.workspace);
    let rest = String::from_utf8_lossy(head);
    let (method, url, kind): (Method, String, &[u8]) = match what % 8 {
        0 => (Method::POST, "/v1/files/root/files?name=b".to_owned(), b"multipart/form-data; boundary=X"),
        1 => (
            Method::PUT,
            format!("/v1/workspaces/{workspace}/files/{rest}"),
            b"multipart/form-data; boundary=X",
        ),
        2 => (Method::POST, format!("/v1/workspaces/{workspace}/batch"), b"application/vnd.longshore.batch"),
        3 => (Method::POST, format!("/v1/workspaces/{workspace}/batch/read"), b"application/json"),
        4 => (Method::PATCH, format!("/v1/files/{file}"), b"application/json"),
        5 => (Method::POST, format!("/v1/workspaces/{workspace}/undo"), b"application/json"),
        6 => (Method::GET, format!("/v1/workspaces/{workspace}/{rest}"), b""),
        _ => (Method::POST, format!("/v1/{rest}"), b"application/json"),
    };
    world.send(method, &url, &[("content-type", kind)], body);
});
