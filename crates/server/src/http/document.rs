//! The OpenAPI document: what holds for all routes, and the answers they share.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use longshore_core::wire::Problem;
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, Header, Object, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};
use utoipa::{IntoResponses, Modify, ToSchema};

use super::{browser, limited};

mod shapes;

/// What holds for all routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Longshore",
        description = "The file workspace that agents and people share. Errors are RFC 9457 \
                       `application/problem+json` with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact()
    ),
    components(schemas(Problem)),
    modifiers(&Credentials),
    security(("key" = []), ("session" = [])),
    tags(
        (name = "server", description = "The server itself."),
        (name = "keys", description = "API keys."),
        (name = "hooks", description = "Webhooks and their deliveries."),
        (name = "principals", description = "People and agents."),
        (name = "sessions", description = "Signing in, and passwords."),
        (name = "invitations", description = "Invitations into workspaces."),
        (name = "shares", description = "Share links: a folder or a file for who has no key."),
        (name = "members", description = "Who may do what in a workspace."),
        (name = "transfers", description = "Workspaces that are handed over to another owner."),
        (name = "workspaces", description = "Workspaces, and what is found by path."),
        (name = "files", description = "Folders and files by id."),
        (name = "uploads", description = "Resumable uploads: tus 1.0."),
        (name = "locks", description = "Leases on nodes, enforced on every write."),
        (name = "notes", description = "Short comments on folders and files."),
        (name = "versions", description = "Contents of a file, old and current."),
        (name = "audit", description = "What was done and what was refused."),
        (name = "jobs", description = "Durable background work."),
    )
)]
pub(super) struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("lsk_…")
            .description(Some("An API key."))
            .build();
        let cookie = "The session of who has signed in. Requests that are not `GET`, `HEAD` or `OPTIONS` need `X-CSRF-Token` too.";
        let cookie = ApiKeyValue::with_description(browser::COOKIE, cookie);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// Brings the paths into the form of OpenAPI, which has no catch-alls.
pub(super) fn finished(mut document: OpenApi) -> OpenApi {
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for item in document.paths.paths.values_mut() {
        // A handler answers GET and HEAD alike, but each operation has an id of its own.
        if let Some(id) = item.head.as_mut().and_then(|head| head.operation_id.as_mut()) {
            id.push_str("_head");
        }
    }
    for remark in remarks(&mut document) {
        remark.schema_type = SchemaType::AnyValue;
    }
    let all_optional = all_optional(&document);
    for (path, operation, is_write) in operations(&mut document) {
        shapes::put_on(operation, is_write);
        // Where every field may be left out, so may the body.
        if let Some(RefOr::T(body)) = &mut operation.request_body
            && is_of(body, &all_optional)
        {
            body.required = Some(Required::False);
        }
        if limited::may_refuse(path) {
            let status = StatusCode::TOO_MANY_REQUESTS.as_str().to_owned();
            operation.responses.responses.insert(status, RefOr::T(too_many_requests()));
        }
    }
    document
}

/// Returns what is said beside the types of fields: a default, a description. utoipa makes objects of these, which no
/// text could be as well.
fn remarks(document: &mut OpenApi) -> impl Iterator<Item = &mut Object> {
    let schemas = document.components.iter_mut().flat_map(|components| components.schemas.values_mut());
    let fields = schemas.flat_map(|schema| match schema {
        RefOr::T(Schema::Object(object)) => Some(object.properties.values_mut()),
        _ => None,
    });
    let parts = fields.flatten().flat_map(|field| match field {
        RefOr::T(Schema::AllOf(parts)) => Some(&mut parts.items),
        _ => None,
    });
    parts.flatten().filter_map(|part| match part {
        RefOr::T(Schema::Object(object)) if object.properties.is_empty() => {
            (object.schema_type == SchemaType::Type(Type::Object)).then_some(object)
        }
        _ => None,
    })
}

/// Returns references to the objects none of whose fields is needed.
fn all_optional(document: &OpenApi) -> BTreeSet<String> {
    let schemas = document.components.iter().flat_map(|components| &components.schemas);
    let of_none = schemas.filter(|(_, schema)| {
        matches!(schema, RefOr::T(Schema::Object(object)) if object.required.is_empty() && !object.properties.is_empty())
    });
    of_none.map(|(name, _)| Ref::from_schema_name(name).ref_location).collect()
}

/// Tells whether a body is one of some objects.
fn is_of(body: &RequestBody, objects: &BTreeSet<String>) -> bool {
    body.content.values().any(|content| {
        let RefOr::T(content) = content else { return false };
        matches!(&content.schema, Some(RefOr::Ref(object)) if objects.contains(&object.ref_location))
    })
}

/// Returns each operation with its path, and whether it writes.
fn operations(document: &mut OpenApi) -> impl Iterator<Item = (&String, &mut Operation, bool)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let reads = [&mut item.get, &mut item.head].map(|operation| (operation, false));
        let writes = [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        let all = reads.into_iter().chain(writes.map(|operation| (operation, true)));
        all.filter_map(move |(operation, is_write)| Some((path, operation.as_mut()?, is_write)))
    })
}

/// What any route answers who comes too often.
fn too_many_requests() -> Response {
    let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let header = |kind: Type, description: &str| {
        let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
        header.description = Some(description.to_owned());
        header
    };
    ResponseBuilder::new()
        .description("Too Many Requests: nothing happened")
        .content("application/problem+json", content)
        .header("Retry-After", header(Type::Integer, "In how many seconds to come again."))
        .header("RateLimit", header(Type::String, "For `rate_limited`: what is left, as `\"key\";r=0;t=3`."))
        .header(
            "RateLimit-Policy",
            header(
                Type::String,
                "For `rate_limited`: how many in how many seconds, as `\"key\";q=600;w=60`.",
            ),
        )
        .build()
}

fn problems(statuses: &[StatusCode]) -> BTreeMap<String, RefOr<Response>> {
    let problem = |status: &StatusCode| {
        let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
        let response = ResponseBuilder::new()
            .description(status.canonical_reason().unwrap_or_default())
            .content("application/problem+json", content)
            .build();
        (status.as_str().to_owned(), RefOr::T(response))
    };
    statuses.iter().map(problem).collect()
}

/// How a route that reads may refuse.
pub(super) struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            StatusCode::BAD_REQUEST,
            StatusCode::UNAUTHORIZED,
            StatusCode::NOT_FOUND,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::SERVICE_UNAVAILABLE,
        ])
    }
}

/// How a route that reads content may refuse, besides [`ReadProblems`].
pub(super) struct ContentProblems;

impl IntoResponses for ContentProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = ReadProblems::responses();
        responses.append(&mut problems(&[
            StatusCode::CONFLICT,
            StatusCode::PRECONDITION_FAILED,
            StatusCode::RANGE_NOT_SATISFIABLE,
        ]));
        responses
    }
}

/// How a link may refuse, besides [`ContentProblems`].
pub(super) struct LinkProblems;

impl IntoResponses for LinkProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[StatusCode::GONE])
    }
}

/// How a route that reads events may refuse, besides [`ReadProblems`].
pub(super) struct EventProblems;

impl IntoResponses for EventProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = ReadProblems::responses();
        responses.append(&mut problems(&[StatusCode::GONE]));
        responses
    }
}

/// How a route about an invitation's token may refuse.
pub(super) struct InvitationProblems;

impl IntoResponses for InvitationProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = AdminProblems::responses();
        responses.append(&mut problems(&[StatusCode::GONE]));
        responses
    }
}

/// How a route that manages keys or workspaces may refuse.
pub(super) struct AdminProblems;

impl IntoResponses for AdminProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = ReadProblems::responses();
        responses.append(&mut problems(&[
            StatusCode::FORBIDDEN,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::CONFLICT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNPROCESSABLE_ENTITY,
            StatusCode::INSUFFICIENT_STORAGE,
        ]));
        responses
    }
}

/// How a route that writes may refuse.
pub(super) struct WriteProblems;

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = AdminProblems::responses();
        responses.append(&mut problems(&[
            StatusCode::PRECONDITION_FAILED,
            StatusCode::PRECONDITION_REQUIRED,
            StatusCode::LOCKED,
        ]));
        responses
    }
}

/// How a route about staged uploads may refuse.
pub(super) struct UploadProblems;

impl IntoResponses for UploadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = WriteProblems::responses();
        responses.append(&mut problems(&[StatusCode::GONE, StatusCode::UNSUPPORTED_MEDIA_TYPE]));
        responses
    }
}

/// How a route about locks may refuse.
pub(super) struct LockProblems;

impl IntoResponses for LockProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = WriteProblems::responses();
        responses.append(&mut problems(&[StatusCode::GONE]));
        responses
    }
}

/// Bytes as they are.
pub(super) struct Octets;

impl utoipa::PartialSchema for Octets {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Binary)))
            .into()
    }
}

impl ToSchema for Octets {}

#[cfg(test)]
mod tests {
    use super::{finished, operations, remarks, shapes};

    #[test]
    fn every_text_of_a_parameter_has_a_shape() {
        let mut document = super::super::routes().into_openapi();
        let unknown: Vec<String> = operations(&mut document)
            .flat_map(|(path, operation, is_write)| {
                shapes::put_on(operation, is_write).into_iter().map(move |name| format!("{name} of {path}"))
            })
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn a_field_with_a_default_can_be_what_it_is() {
        let mut document = super::super::routes().into_openapi();
        assert!(remarks(&mut document).count() > 0, "utoipa makes none any more: `remarks` can go");
        assert_eq!(remarks(&mut finished(document)).count(), 0);
    }
}
