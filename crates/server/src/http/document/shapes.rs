//! The shapes of parameters that are text: what a caller can know of them before they ask.
//!
//! A parameter means the same wherever it stands, so its shape hangs on its name alone: here, and not on each route.

use longshore_core::{Name, PrincipalId, VersionId, WorkspaceId, WorkspacePath};
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{Object, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// The characters of an id behind its prefix.
macro_rules! id {
    ($prefix:literal) => {
        concat!($prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}")
    };
}

/// A lock's token, but for what its checksum says.
macro_rules! token {
    () => {
        "lst_[0-7][0-9a-hjkmnp-tv-z]{25}[0-9A-Za-z]{49}"
    };
}

/// A text's shape.
#[derive(Clone, Copy)]
enum Shape {
    /// That of a type which bodies hold too: it stands beside the type.
    Of(fn() -> RefOr<Schema>),
    /// What this regular expression (ECMA-262) matches, whole.
    Pattern(&'static str),
    /// What it matches, and what the format's own rules are beyond that.
    Format(&'static str, &'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any text.
    Any,
}
use Shape::{Any, Format, Of, OneOf, Pattern};

const ENTITY_TAGS: Shape = Format("entity-tags", "^(\\*|(W/)?\"[!#-~]*\"(, *(W/)?\"[!#-~]*\")*)$");
const TIME: Shape = Pattern(
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?Z$",
);
/// Of the audit log, whose places are others than those of events.
const PLACE: Shape = Pattern("^(now|(0|[1-9][0-9]{0,17})\\.(0|[1-9][0-9]{0,17}))$");

/// Returns the shape of a parameter of an operation; nothing for one that is not known here.
fn shape(place: &ParameterIn, name: &str, is_write: bool) -> Option<Shape> {
    Some(match (place, name) {
        (ParameterIn::Path, "id" | "parent") => Pattern(concat!("^(root|", id!("nd_"), ")$")),
        // The rest of the URL; but a parameter of OpenAPI is one segment.
        (ParameterIn::Path, "path") => Of(Name::schema),
        (ParameterIn::Path, "token") => Any,
        (ParameterIn::Path, "provider") => Pattern("^[a-z0-9-]{1,32}$"),
        (ParameterIn::Query, "return_to") => Format("path-of-this-origin", "^/([!-.0-[\\]-~][!-[\\]-~]*)?$"),
        // What a provider says is judged, whatever it is.
        (ParameterIn::Query, "code" | "state" | "iss" | "error") => Any,
        (ParameterIn::Query, "workspace") => Of(WorkspaceId::schema),
        (ParameterIn::Query, "name") if is_write => Of(Name::schema),
        (ParameterIn::Query, "path" | "under") => Of(WorkspacePath::schema),
        (ParameterIn::Query, "cursor") => Format("cursor", "^[A-Za-z0-9_-]+$"),
        (ParameterIn::Query, "with") => Of(VersionId::schema),
        (ParameterIn::Query, "since" | "until") => TIME,
        (ParameterIn::Query, "principal" | "actor") => Of(PrincipalId::schema),
        (ParameterIn::Query, "owner") => Pattern(concat!("^(me|", id!("usr_"), ")$")),
        (ParameterIn::Query, "after") => Pattern("^(now|0|[1-9][0-9]{0,17})$"),
        (ParameterIn::Query, "depth") => Pattern("^(all|[1-9][0-9]{0,8})$"),
        (ParameterIn::Query, "types") => {
            Pattern("^[a-z0-9_]+\\.(\\*|[a-z0-9_]+)(,[a-z0-9_]+\\.(\\*|[a-z0-9_]+))*$")
        }
        (ParameterIn::Query, "kind") => Pattern("^[a-z0-9.]{1,64}$"),
        (ParameterIn::Query, "name" | "metadata.{key}") => Any,
        (ParameterIn::Header, "If-Match") => ENTITY_TAGS,
        (ParameterIn::Header, "If-None-Match") if is_write => OneOf(&["*"]),
        (ParameterIn::Header, "If-None-Match") => ENTITY_TAGS,
        (ParameterIn::Header, "Idempotency-Key") => Format("idempotency-key", "^[!-~]([ -~]{0,253}[!-~])?$"),
        (ParameterIn::Header, "Lock-Token") => {
            Format("lock-token", concat!("^(", token!(), "( *, *", token!(), ")*)?$"))
        }
        (ParameterIn::Header, "Share-Grant") => {
            Format("share-grant", "^lsg_[0-7][0-9a-hjkmnp-tv-z]{25}[0-9A-Za-z]{49}$")
        }
        (ParameterIn::Header, "Content-Digest") => {
            Format("content-digest", "^(sha-256=:[A-Za-z0-9+/]{43}=:|blake3=:[A-Za-z0-9+/]{43}=:)?$")
        }
        (ParameterIn::Header, "Tus-Resumable") => OneOf(&["1.0.0"]),
        (ParameterIn::Header, "Upload-Concat") => Format("upload-concat", "^(partial|final;.+)$"),
        (ParameterIn::Header, "Upload-Checksum") => {
            Format("upload-checksum", "^[a-z0-9]+ [A-Za-z0-9+/]+={0,2}$")
        }
        (ParameterIn::Header, "Upload-Metadata") => {
            Format("upload-metadata", "^[!-+.-~]+( [A-Za-z0-9+/]*={0,2})?(,.+)?$")
        }
        (ParameterIn::Header, "Longshore-Base") => Format("longshore-base", "^.+$"),
        // What these hold is taken or passed over, and never refused.
        (ParameterIn::Header, "Range" | "If-Range" | "Prefer") => Any,
        _ => return None,
    })
}

/// Returns the schema of a parameter that is a plain text, without a shape of its own.
fn text(parameter: &mut Parameter) -> Option<&mut Object> {
    let Some(RefOr::T(Schema::Object(object))) = &mut parameter.schema else { return None };
    // A header or a part of the URL is there or not; it is never null.
    if let SchemaType::Array(kinds) = &mut object.schema_type {
        kinds.retain(|kind| *kind != Type::Null);
        if let [kind] = kinds.as_slice() {
            object.schema_type = SchemaType::Type(kind.clone());
        }
    }
    let is_text = object.schema_type == SchemaType::Type(Type::String);
    (is_text && object.enum_values.is_none() && object.pattern.is_none()).then_some(object)
}

/// Gives the parameters of an operation their shapes, and returns the names of those that have none here.
pub(super) fn put_on(operation: &mut Operation, is_write: bool) -> Vec<String> {
    let mut unknown = Vec::new();
    let is_of_audit = operation.operation_id.as_deref() == Some("list_audit");
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let (place, name) = (parameter.parameter_in.clone(), parameter.name.clone());
        let Some(object) = text(parameter) else { continue };
        let shape = if is_of_audit && name == "after" { Some(PLACE) } else { shape(&place, &name, is_write) };
        match shape {
            None => unknown.push(name),
            Some(Any) => {}
            Some(Of(schema)) => {
                let RefOr::T(Schema::Object(told)) = schema() else { continue };
                object.pattern = told.pattern;
                object.format = told.format;
            }
            Some(OneOf(texts)) => {
                object.enum_values = Some(texts.iter().map(|text| (*text).into()).collect());
            }
            Some(Pattern(pattern)) => object.pattern = Some(pattern.to_owned()),
            Some(Format(format, pattern)) => {
                object.pattern = Some(pattern.to_owned());
                object.format = Some(SchemaFormat::Custom(format.to_owned()));
            }
        }
    }
    unknown
}
