//! Resumable uploads: tus 1.0 with creation, creation-with-upload, creation-defer-length, checksum, concatenation,
//! expiration and termination.

mod checksum;
mod metadata;
mod protocol;
mod receive;

use axum::Json as Answer;
use axum::body::HttpBody;
use axum::extract::{FromRequestParts, Request, State};
use axum::handler::Handler;
use axum::http::header::{ALLOW, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{options, post};
use longshore_core::wire::{OpenUpload, Page, StagedUpload, UploadState};
use longshore_core::{Code, UploadId};
use longshore_engine::{AppendOptions, Made, NewUpload, Staged};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::checksum::Checksum;
use self::metadata::Metadata;
use self::protocol::{Concat, Length};
use super::app::App;
use super::browser;
use super::document::{Octets, UploadProblems};
use super::extract::{At, Caller, Nothing, Paging, Query};
use super::incoming;
use super::place::OfUpload;
use super::premise::Premises;
use crate::problem::Failure;

/// The routes, each answer of which says which tus it speaks.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, resume, append, remove))
        // For clients whose way lets through GET and POST alone; and what a server can, of which the document tells.
        .route("/v1/uploads/{upload}", post(overridden).options(capabilities))
        .route("/v1/uploads", options(capabilities))
        .layer(axum::middleware::map_response(protocol::speak))
}

/// A request of tus: its head with what all of them say.
struct Head {
    parts: Parts,
    caller: Caller,
    premises: longshore_engine::Premises,
}

impl Head {
    /// Reads the head of a request that must say which tus it speaks, unless it only looks.
    async fn of(mut parts: Parts, app: &App) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let looks = matches!(parts.method, Method::GET | Method::HEAD);
        protocol::check_version(&parts.headers, looks)?;
        Query::<Nothing>::from_request_parts(&mut parts, app).await?;
        let Premises(premises) = Premises::of(&parts)?;
        Ok(Self { parts, caller, premises })
    }

    async fn upload(&mut self, app: &App) -> Result<UploadId, Failure> {
        let At(id) = At::from_request_parts(&mut self.parts, app).await?;
        Ok(id)
    }
}

/// Says what the server can.
async fn capabilities(State(app): State<App>) -> Response {
    protocol::capabilities(app.engine().largest_file())
}

/// Does what `X-HTTP-Method-Override` says instead.
async fn overridden(State(app): State<App>, mut request: Request) -> Response {
    let stated = request.headers().get("x-http-method-override").and_then(|value| value.to_str().ok());
    let method = stated.map(str::to_ascii_uppercase).and_then(|text| text.parse::<Method>().ok());
    let Some(method) = method else {
        return not_allowed("a POST to an upload says in `X-HTTP-Method-Override` what it is");
    };
    *request.method_mut() = method.clone();
    match method {
        Method::PATCH => append.call(request, app).await,
        Method::DELETE => remove.call(request, app).await,
        Method::HEAD => resume.call(request, app).await,
        Method::GET => get.call(request, app).await,
        _ => not_allowed("the method is GET, HEAD, PATCH or DELETE"),
    }
}

/// Refuses a method, and says which there are.
fn not_allowed(detail: &str) -> Response {
    let allow = [(ALLOW, "GET, HEAD, PATCH, DELETE, OPTIONS, POST")];
    (allow, Failure::new(Code::MethodNotAllowed, detail)).into_response()
}

/// Lists the caller's own uploads that are not finished, oldest first: those of the workspaces that the key reaches, and parts of none.
#[utoipa::path(get, path = "/v1/uploads", operation_id = "list_uploads", tag = "uploads", params(Paging),
    responses((status = 200, description = "Uploads.", body = Page<OpenUpload>), UploadProblems))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<OpenUpload>>, Failure> {
    Ok(Answer(app.engine().open_uploads(&caller, page.into()).await?))
}

/// What a creation says, for its documentation.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read from the header map; this is what the OpenAPI document says of them")]
struct CreationHeaders {
    /// `1.0.0`.
    #[param(rename = "Tus-Resumable")]
    tus_resumable: String,
    /// How many bytes will come.
    #[param(rename = "Upload-Length")]
    upload_length: Option<u64>,
    /// `1`: the length comes later. Does not go with `Upload-Length`; one of the two is needed, but for a `final` upload.
    #[param(rename = "Upload-Defer-Length", minimum = 1, maximum = 1)]
    upload_defer_length: Option<u32>,
    /// Keys with values in base64: `filename`, `workspace`, `parent_id` or `path`, `filetype`, `if_match`; `node_id` for a
    /// new version of a file; `on_conflict`, `digest`; `offset` for where a part begins in its file.
    #[param(rename = "Upload-Metadata")]
    upload_metadata: Option<String>,
    /// `partial`, or `final;` and the URLs of the parts.
    #[param(rename = "Upload-Concat")]
    upload_concat: Option<String>,
    /// The tokens of the locks under which the file is written, with commas between them.
    #[param(rename = "Lock-Token")]
    lock_token: Option<String>,
    /// The digest of the bytes that come along (RFC 9530). They are kept only if it matches.
    #[param(rename = "Content-Digest")]
    content_digest: Option<String>,
    /// The same key with the same headers within 24 h goes on with the upload that was begun first.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// `return=representation` (RFC 7240): the answer's body is what `GET` shows of the upload.
    #[param(rename = "Prefer")]
    prefer: Option<String>,
}

/// Begins a resumable upload; with its first bytes, or of parts that are whole.
#[utoipa::path(post, path = "/v1/uploads", operation_id = "create_upload", tag = "uploads",
    request_body(content = inline(Option<Octets>), content_type = "application/offset+octet-stream"),
    params(CreationHeaders),
    responses(
        (status = 201, description = "The upload; the file too, where all its bytes came.", body = Option<StagedUpload>,
            headers(("Location" = String), ("Upload-Offset" = u64), ("Upload-Expires" = String))),
        UploadProblems))]
async fn create(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let head = Head::of(parts, &app).await?;
    let (headers, engine) = (&head.parts.headers, app.engine());
    let has_body = !body.is_end_stream();
    if has_body {
        protocol::check_media_type(headers)?;
    }
    let (id, concat) = (engine.upload_id(), protocol::concat(headers)?);
    let text = protocol::metadata(headers)?;
    let metadata = Metadata::parse(&text)?;
    let new = |made, length| NewUpload { id, made, length, metadata: text.clone() };
    let staged = match concat {
        Some(Concat::Final(parts)) => {
            let made = metadata.file(&app, &head.caller, id, head.premises).await?;
            engine.join_uploads(&head.caller, new(made, None), &parts).await?
        }
        concat => {
            let length = protocol::length(headers)?;
            let premises = head.premises.clone();
            let made = match concat {
                Some(_) => Made::Part(metadata.offset()?, metadata.workspace()?),
                None => metadata.file(&app, &head.caller, id, premises).await?,
            };
            let length = match length {
                Some(Length::Bytes(length)) => Some(length),
                Some(Length::Deferred) => None,
                None => {
                    return Err(protocol::malformed(
                        "upload-length",
                        "or `upload-defer-length: 1` is needed",
                    ));
                }
            };
            // What is malformed begins nothing.
            let (size, checksum) = (incoming::length(headers)?, Checksum::of(headers)?);
            let new = new(made, length);
            let idempotency = head.premises.idempotency.clone().map(|key| protocol::identify(key, headers));
            let created = engine.create_upload_once(&head.caller, new, idempotency).await?;
            let at = location(created.id);
            let begun = if created.id == id {
                Ok(created)
            } else {
                // A repeat goes on with what was begun first; what of that came is not taken twice.
                engine.resume_upload(&head.caller, created.id, head.premises.clone()).await
            };
            let begun = begun.map_err(|error| Failure::from(error).with_header(LOCATION, at.clone()))?;
            let is_new = begun.offset == 0 && begun.state == UploadState::Receiving;
            if is_new && (has_body || length == Some(0)) {
                let options = AppendOptions {
                    size,
                    is_whole: checksum.is_some(),
                    premises: head.premises,
                    ..AppendOptions::default()
                };
                receive::receive(&app, &head.caller, begun.id, options, checksum, body)
                    .await
                    .map_err(|failure| failure.with_header(LOCATION, at))?
            } else {
                begun
            }
        }
    };
    let mut response = protocol::progress(StatusCode::CREATED, &staged);
    response.headers_mut().insert(LOCATION, location(staged.id));
    if !protocol::prefers_representation(headers) {
        return Ok(response);
    }
    let (head, _) = response.into_parts();
    Ok((head.status, head.headers, Answer(shown(staged)?)).into_response())
}

fn location(id: UploadId) -> HeaderValue {
    HeaderValue::try_from(format!("/v1/uploads/{id}")).unwrap_or(HeaderValue::from_static(""))
}

/// Shows a resumable upload, and disturbs nobody who adds to it.
#[utoipa::path(get, path = "/v1/uploads/{upload}", operation_id = "get_upload", tag = "uploads",
    params(OfUpload),
    responses((status = 200, description = "The upload.", body = StagedUpload), UploadProblems))]
async fn get(State(app): State<App>, request: Request) -> Result<Answer<StagedUpload>, Failure> {
    let mut head = Head::of(request.into_parts().0, &app).await?;
    let id = head.upload(&app).await?;
    Ok(Answer(shown(app.engine().staged_upload(&head.caller, id).await?)?))
}

/// Returns what is shown of an upload.
fn shown(staged: Staged) -> Result<StagedUpload, Failure> {
    Ok(StagedUpload {
        id: staged.id,
        state: staged.state,
        offset: staged.offset,
        length: staged.length,
        expires_at: staged.expires_at,
        metadata: Metadata::parse(&staged.metadata)?.into_map(),
        node: staged.written.map(|written| written.node),
    })
}

/// Tells where to go on, and takes the upload over from a request that still adds to it. One that is whole and was not
/// written is written now.
#[utoipa::path(head, path = "/v1/uploads/{upload}", operation_id = "get_upload", tag = "uploads",
    params(OfUpload),
    responses(
        (status = 200, description = "How far it is.", headers(("Upload-Offset" = u64), ("Upload-Length" = u64))),
        UploadProblems))]
async fn resume(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let mut head = Head::of(request.into_parts().0, &app).await?;
    // It breaks off who adds to the upload, and may write it: a cookie that another site's page had sent does not.
    if head.caller.session().is_some() {
        browser::ensure_same_site(&head.parts)?;
    }
    let id = head.upload(&app).await?;
    let staged = app.engine().resume_upload(&head.caller, id, head.premises).await?;
    Ok(protocol::description(&staged))
}

/// What comes with bytes of an upload, for its documentation.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read from the header map; this is what the OpenAPI document says of them")]
struct AppendHeaders {
    /// `1.0.0`.
    #[param(rename = "Tus-Resumable")]
    tus_resumable: String,
    /// Where the bytes begin: where the upload ends so far.
    #[param(rename = "Upload-Offset")]
    upload_offset: u64,
    /// How many bytes there will be, where that was deferred.
    #[param(rename = "Upload-Length")]
    upload_length: Option<u64>,
    /// An algorithm (`sha256`, `sha1`, `md5` or `blake3`) and the digest of these bytes in base64. They are kept only if they match.
    #[param(rename = "Upload-Checksum")]
    upload_checksum: Option<String>,
    /// The same by RFC 9530: the digest of these bytes.
    #[param(rename = "Content-Digest")]
    content_digest: Option<String>,
    /// Of a delta, the version that its ranges are copied of: one of a file of the same workspace.
    #[param(rename = "Longshore-Base")]
    longshore_base: Option<String>,
    /// In place of what the creation said, where these bytes are the last.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// The tokens of the locks under which the file is written, which the bytes renew.
    #[param(rename = "Lock-Token")]
    lock_token: Option<String>,
}

/// Adds bytes to an upload; with the last of them the file is written. Without bytes at the end it is tried again.
///
/// The bytes come as they are, or as a delta (`application/vnd.longshore.delta`): `C`, a place and a length of 8 bytes each
/// copy a range of the base; `D` and a length of 4 bytes are followed by that many bytes. Numbers have the least byte first.
#[utoipa::path(patch, path = "/v1/uploads/{upload}", operation_id = "append_upload", tag = "uploads",
    request_body(content = inline(Octets), content_type = "application/offset+octet-stream"),
    params(OfUpload, AppendHeaders),
    responses(
        (status = 204, description = "The bytes are durable. Of the last, `Longshore-Node` and `Longshore-Version` name the file.",
            headers(("Upload-Offset" = u64), ("Longshore-Node" = String), ("Longshore-Version" = String), ("ETag" = String))),
        (status = 460, description = "The bytes do not match their checksum: none was kept.",
            body = longshore_core::wire::Problem, content_type = "application/problem+json"),
        UploadProblems))]
async fn append(State(app): State<App>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let mut head = Head::of(parts, &app).await?;
    let id = head.upload(&app).await?;
    let headers = &head.parts.headers;
    let (base, checksum) = (protocol::base(headers)?, Checksum::of(headers)?);
    let options = AppendOptions {
        offset: protocol::offset(headers)?,
        length: match protocol::length(headers)? {
            Some(Length::Bytes(length)) => Some(length),
            Some(Length::Deferred) | None => None,
        },
        size: incoming::length(headers)?,
        is_whole: checksum.is_some(),
        base,
        premises: head.premises,
    };
    let staged = receive::receive(&app, &head.caller, id, options, checksum, body).await?;
    Ok(protocol::progress(StatusCode::NO_CONTENT, &staged))
}

/// Removes an upload. The file that it became stays.
#[utoipa::path(delete, path = "/v1/uploads/{upload}", operation_id = "delete_upload", tag = "uploads",
    params(OfUpload, ("Tus-Resumable" = String, Header, description = "`1.0.0`.")),
    responses((status = 204, description = "The upload is gone."), UploadProblems))]
async fn remove(State(app): State<App>, request: Request) -> Result<StatusCode, Failure> {
    let mut head = Head::of(request.into_parts().0, &app).await?;
    let id = head.upload(&app).await?;
    app.engine().remove_upload(&head.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
