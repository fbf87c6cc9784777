//! OpenAPI schemas of the types that are strings in JSON: their patterns are regular expressions of ECMA-262.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! string_schema {
    ($($type:path, $name:literal, $description:literal, $format:expr, $pattern:expr, $example:expr;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let format: Option<&str> = $format;
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .format(format.map(|format| SchemaFormat::Custom(format.to_owned())))
                    .pattern(Some($pattern))
                    .examples([serde_json::Value::from($example)])
                    .into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )+};
}

macro_rules! id_schema {
    ($($type:path, $name:literal, $description:literal, $prefix:literal;)+) => {
        string_schema! {$(
            $type, $name, $description, None, concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$"),
            concat!($prefix, "01k9x3m7q2e8rj5v4n6t0p1s2d");
        )+}
    };
}

id_schema! {
    crate::WorkspaceId, "WorkspaceId", "The id of a workspace.", "ws_";
    crate::NodeId, "NodeId", "The id of a folder or file.", "nd_";
    crate::VersionId, "VersionId", "The id of a version.", "ver_";
    crate::EventId, "EventId", "The id of an event.", "evt_";
    crate::JobId, "JobId", "The id of a job.", "job_";
    crate::HookId, "HookId", "The id of a webhook.", "hk_";
    crate::DeliveryId, "DeliveryId", "The id of a webhook's delivery.", "dl_";
    crate::KeyId, "KeyId", "The id of an API key.", "key_";
    crate::SessionId, "SessionId", "The id of a session.", "ses_";
    crate::IdentityId, "IdentityId", "The id of an identity of a person at a provider.", "idn_";
    crate::InvitationId, "InvitationId", "The id of an invitation.", "inv_";
    crate::ShareId, "ShareId", "The id of a share link.", "shr_";
    crate::WaitTicket, "WaitTicket", "A place in the queue for a lock.", "lw_";
    crate::LockId, "LockId", "The id of a lock.", "lk_";
    crate::NoteId, "NoteId", "The id of a note on a node.", "note_";
    crate::PrincipalId, "PrincipalId", "The id of a person or agent.", "usr_";
    crate::TransferId, "TransferId", "The id of an offer to hand a workspace over.", "tr_";
    crate::UploadId, "UploadId", "The id of a staged upload.", "upl_";
}

/// A type of events in a list of those that are wanted.
pub(crate) enum EventType {}

string_schema! {
    EventType, "EventType", "A type of events, or a family of them.", None,
        "^[a-z0-9_]+\\.(\\*|[a-z0-9_]+)$", "version.*";
    crate::Timestamp, "Timestamp", "RFC 3339 UTC with microseconds.", Some("date-time"),
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$", "2026-11-20T04:37:48.000001Z";
    crate::Digest, "Digest", "`blake3:` or `sha256:` and 64 hexadecimal characters.", None,
        "^(blake3|sha256):[0-9a-f]{64}$", "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    crate::Name, "Name", "UTF-8 in NFC, 1 to 255 bytes, no `/`, no control character, not `.` or `..`.", Some("name"),
        "^[^/\\x00-\\x1f\\x7f-\\x9f]{1,255}$", "report.csv";
    crate::WorkspacePath, "WorkspacePath", "An absolute path in a workspace, at most 4,096 bytes.", Some("workspace-path"),
        "^/([^/\\x00-\\x1f\\x7f-\\x9f]{1,255}(/[^/\\x00-\\x1f\\x7f-\\x9f]{1,255})*/?)?$", "/reports/q1.csv";
}
