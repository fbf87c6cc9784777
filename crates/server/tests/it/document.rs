//! The OpenAPI document says what the router does.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{User, World};

fn document() -> Value {
    serde_json::to_value(longshore_server::openapi()).unwrap()
}

pub(crate) fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    all
}

/// What callers rely on, by path: a route that goes away or changes its name breaks them.
pub(crate) const CONTRACT: &[&str] = &[
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "DELETE /v1/files/{id}",
    "GET /v1/files/{id}",
    "PATCH /v1/files/{id}",
    "GET /v1/files/{id}/content",
    "HEAD /v1/files/{id}/content",
    "PUT /v1/files/{id}/content",
    "POST /v1/files/{id}/copy",
    "GET /v1/files/{id}/lock",
    "POST /v1/files/{id}/lock",
    "GET /v1/files/{id}/notes",
    "POST /v1/files/{id}/notes",
    "POST /v1/files/{id}/restore",
    "GET /v1/files/{id}/versions",
    "DELETE /v1/files/{id}/versions/{ver}",
    "GET /v1/files/{id}/versions/{ver}",
    "PATCH /v1/files/{id}/versions/{ver}",
    "GET /v1/files/{id}/versions/{ver}/chunks",
    "GET /v1/files/{id}/versions/{ver}/compare",
    "GET /v1/files/{id}/versions/{ver}/content",
    "HEAD /v1/files/{id}/versions/{ver}/content",
    "POST /v1/files/{id}/versions/{ver}/restore",
    "POST /v1/files/{parent}/children",
    "POST /v1/files/{parent}/files",
    "GET /v1/audit",
    "GET /v1/jobs",
    "GET /v1/jobs/{job}",
    "POST /v1/jobs/{job}/cancel",
    "POST /v1/jobs/{job}/retry",
    "GET /v1/keys",
    "POST /v1/keys",
    "POST /v1/keys/{key}/rotate",
    "DELETE /v1/keys/{key}",
    "GET /v1/locks",
    "GET /v1/files/{id}/archive",
    "HEAD /v1/files/{id}/archive",
    "POST /v1/files/{id}/links",
    "POST /v1/files/{id}/shares",
    "GET /v1/workspaces/{ws}/shares",
    "GET /v1/workspaces/{ws}/shares/{share}",
    "PATCH /v1/workspaces/{ws}/shares/{share}",
    "DELETE /v1/workspaces/{ws}/shares/{share}",
    "GET /v1/shares/{token}",
    "POST /v1/shares/{token}/open",
    "GET /v1/shares/{token}/tree",
    "GET /v1/shares/{token}/content",
    "HEAD /v1/shares/{token}/content",
    "GET /v1/shares/{token}/archive",
    "HEAD /v1/shares/{token}/archive",
    "POST /v1/shares/{token}/files",
    "GET /v1/links/{token}",
    "HEAD /v1/links/{token}",
    "POST /v1/workspaces/{ws}/archive",
    "DELETE /v1/locks/{lock}",
    "POST /v1/locks/{lock}/renew",
    "POST /v1/locks:batch",
    "GET /v1/me",
    "DELETE /v1/notes/{note}",
    "PATCH /v1/notes/{note}",
    "GET /v1/principals",
    "POST /v1/principals",
    "GET /v1/principals/{principal}",
    "PATCH /v1/principals/{principal}",
    "POST /v1/principals/{principal}/deactivate",
    "POST /v1/principals/{principal}/reactivate",
    "GET /v1/status",
    "GET /v1/uploads",
    "POST /v1/uploads",
    "DELETE /v1/uploads/{upload}",
    "GET /v1/uploads/{upload}",
    "HEAD /v1/uploads/{upload}",
    "PATCH /v1/uploads/{upload}",
    "GET /v1/workspaces",
    "POST /v1/workspaces",
    "GET /v1/workspaces/current",
    "POST /v1/workspaces/import",
    "GET /v1/workspaces/{ws}/export",
    "GET /v1/workspaces/{ws}",
    "PATCH /v1/workspaces/{ws}",
    "GET /v1/workspaces/{ws}/events",
    "POST /v1/workspaces/{ws}/batch",
    "POST /v1/workspaces/{ws}/batch/read",
    "POST /v1/workspaces/{ws}/undo",
    "GET /v1/workspaces/{ws}/files/{path}",
    "HEAD /v1/workspaces/{ws}/files/{path}",
    "PUT /v1/workspaces/{ws}/files/{path}",
    "POST /v1/workspaces/{ws}/folders",
    "GET /v1/workspaces/{ws}/members",
    "POST /v1/workspaces/{ws}/transfer",
    "GET /v1/workspaces/{ws}/transfer",
    "DELETE /v1/workspaces/{ws}/transfer",
    "POST /v1/transfers/look",
    "POST /v1/transfers/accept",
    "POST /v1/transfers/decline",
    "PATCH /v1/workspaces/{ws}/quota",
    "DELETE /v1/workspaces/{ws}/members/{principal}",
    "GET /v1/workspaces/{ws}/members/{principal}",
    "PUT /v1/workspaces/{ws}/members/{principal}",
    "GET /v1/workspaces/{ws}/nodes",
    "DELETE /v1/workspaces/{ws}/trash",
    "GET /v1/workspaces/{ws}/hooks",
    "POST /v1/workspaces/{ws}/hooks",
    "DELETE /v1/workspaces/{ws}/hooks/{hook}",
    "GET /v1/workspaces/{ws}/hooks/{hook}",
    "PATCH /v1/workspaces/{ws}/hooks/{hook}",
    "GET /v1/workspaces/{ws}/hooks/{hook}/deliveries",
    "GET /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}",
    "POST /v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}/redeliver",
    "POST /v1/workspaces/{ws}/hooks/{hook}/redeliver",
    "POST /v1/workspaces/{ws}/hooks/{hook}/rotate",
    "POST /v1/workspaces/{ws}/hooks/{hook}/test",
    "PUT /v1/me/password",
    "POST /v1/password",
    "GET /v1/session",
    "POST /v1/session",
    "DELETE /v1/session",
    "GET /v1/session/oidc",
    "GET /v1/session/oidc/{provider}",
    "POST /v1/session/oidc/{provider}",
    "GET /v1/session/oidc/{provider}/callback",
    "GET /v1/me/identities",
    "POST /v1/me/identities",
    "DELETE /v1/me/identities/{identity}",
    "GET /v1/principals/{principal}/identities",
    "DELETE /v1/principals/{principal}/identities/{identity}",
    "GET /v1/sessions",
    "DELETE /v1/sessions",
    "DELETE /v1/sessions/{session}",
    "DELETE /v1/invitations/{invitation}",
    "POST /v1/invitations/look",
    "POST /v1/invitations/accept",
    "POST /v1/invitations/decline",
    "POST /v1/principals/{principal}/password",
    "GET /v1/workspaces/{ws}/invitations",
    "POST /v1/workspaces/{ws}/invitations",
    "GET /v1/workspaces/{ws}/trash",
    "GET /v1/workspaces/{ws}/tree",
    "GET /v1/workspaces/{ws}/tree/{path}",
];

#[test]
fn every_route_of_the_contract_is_there() {
    let there: BTreeSet<String> =
        operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let contract: BTreeSet<String> = CONTRACT.iter().map(|route| (*route).to_owned()).collect();
    assert_eq!(there, contract);
}

#[tokio::test]
async fn every_operation_in_it_is_answered() {
    let world = World::new().await;
    for (method, path, _) in operations() {
        let what = format!("{method} {}", path.replace(['{', '}'], ""));
        let answer = world.call(User::Anonymous, &what, &[], "").await;
        let expected = match path.as_str() {
            // A link is its own key.
            "/v1/links/{token}" => 404,
            // What is missing here is the name.
            "/v1/shares/{token}/files" => 400,
            path if path.starts_with("/v1/shares/{token}") => 404,
            // What is missing here is the body.
            "/v1/session" if method == "POST" => 400,
            // Providers are there for all to see, and here is none.
            "/v1/session/oidc" => 200,
            path if path.starts_with("/v1/session/oidc/") => 404,
            "/v1/password"
            | "/v1/invitations/look"
            | "/v1/invitations/accept"
            | "/v1/invitations/decline" => 400,
            path if path.starts_with("/v1/") => 401,
            _ => 200,
        };
        assert_eq!(answer.status.as_u16(), expected, "{what}");
    }
}

#[test]
fn every_route_but_those_of_health_says_when_to_come_again() {
    for (method, path, operation) in operations() {
        let told = &operation["responses"]["429"]["headers"];
        let names: Vec<_> = told.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let expected: &[&str] = match path.as_str() {
            "/healthz" | "/readyz" => &[],
            _ => &["RateLimit", "RateLimit-Policy", "Retry-After"],
        };
        assert_eq!(names, expected, "{method} {path}");
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
