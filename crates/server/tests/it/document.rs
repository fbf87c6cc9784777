//! The OpenAPI document says what the router does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{User, World};

fn document() -> Value {
    serde_json::to_value(longshore_server::openapi()).unwrap()
}

fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn every_route_of_the_contract_is_there() {
    let there: BTreeSet<String> =
        operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let ws = "/v1/workspaces/{ws}";
    let file = "/v1/files/{id}";
    let contract: BTreeSet<String> = [
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /v1/status",
        "GET /v1/me",
        "GET /v1/keys",
        "POST /v1/keys",
        "DELETE /v1/keys/{key}",
        "GET /v1/workspaces",
        "POST /v1/workspaces",
        "GET /v1/workspaces/current",
        "POST /v1/files/{parent}/children",
        "POST /v1/files/{parent}/files",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["GET", "PATCH"].map(|method| format!("{method} {ws}")))
    .chain(["PUT", "GET", "HEAD"].map(|method| format!("{method} {ws}/files/{{path}}")))
    .chain(["tree", "tree/{path}", "trash", "events"].map(|list| format!("GET {ws}/{list}")))
    .chain([format!("POST {ws}/folders")])
    .chain(["GET", "PATCH", "DELETE"].map(|method| format!("{method} {file}")))
    .chain(["GET", "HEAD", "PUT"].map(|method| format!("{method} {file}/content")))
    .chain(["", "/{ver}", "/{ver}/content"].map(|rest| format!("GET {file}/versions{rest}")))
    .chain([format!("HEAD {file}/versions/{{ver}}/content")])
    .chain(["versions/{ver}/restore", "copy", "restore"].map(|act| format!("POST {file}/{act}")))
    .collect();
    assert_eq!(there, contract);
}

#[tokio::test]
async fn every_operation_in_it_is_answered() {
    let world = World::new().await;
    for (method, path, _) in operations() {
        let what = format!("{method} {}", path.replace(['{', '}'], ""));
        let answer = world.call(User::Anonymous, &what, &[], "").await;
        let expected = if path.starts_with("/v1/") { 401 } else { 200 };
        assert_eq!(answer.status.as_u16(), expected, "{what}");
    }
}

#[test]
fn refusals_are_described_and_every_reference_leads_somewhere() {
    let document = document();
    for (method, path, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        if !path.starts_with("/v1/") {
            assert_eq!(operation["security"], serde_json::json!([{}]), "{method} {path}");
            continue;
        }
        for status in ["400", "401", "404", "500", "503"] {
            let schema = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
        }
        if method != "GET" && method != "HEAD" {
            assert!(responses.contains_key("403"), "{method} {path}");
        }
    }
    let ids: BTreeSet<String> =
        operations().iter().map(|(_, _, operation)| operation["operationId"].to_string()).collect();
    assert_eq!(ids.len(), operations().len(), "two operations share an id");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/").skip(1) {
        let pointer = format!("/{}", reference.split('"').next().unwrap());
        assert!(document.pointer(&pointer).is_some(), "{pointer}");
    }
}
