//! OpenAPI schemas of the types that are strings in JSON.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! string_schema {
    ($($type:path, $name:literal, $description:literal, $example:literal;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
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

string_schema! {
    crate::WorkspaceId, "WorkspaceId", "The id of a workspace.", "ws_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::NodeId, "NodeId", "The id of a folder or file.", "nd_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::VersionId, "VersionId", "The id of a version.", "ver_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::EventId, "EventId", "The id of an event.", "evt_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::JobId, "JobId", "The id of a job.", "job_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::HookId, "HookId", "The id of a webhook.", "hk_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::DeliveryId, "DeliveryId", "The id of a webhook's delivery.", "dl_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::KeyId, "KeyId", "The id of an API key.", "key_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::SessionId, "SessionId", "The id of a session.", "ses_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::InvitationId, "InvitationId", "The id of an invitation.", "inv_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::WaitTicket, "WaitTicket", "A place in the queue for a lock.", "lw_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::LockId, "LockId", "The id of a lock.", "lk_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::NoteId, "NoteId", "The id of a note on a node.", "note_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::PrincipalId, "PrincipalId", "The id of a person or agent.", "usr_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::UploadId, "UploadId", "The id of a staged upload.", "upl_01k9x3m7q2e8rj5v4n6t0p1s2d";
    crate::Timestamp, "Timestamp", "RFC 3339 UTC with microseconds.", "2026-11-20T04:37:48.000001Z";
    crate::Digest, "Digest", "`blake3:` or `sha256:` and 64 hexadecimal characters.", "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    crate::Name, "Name", "UTF-8 in NFC, 1 to 255 bytes, no `/`, no control character, not `.` or `..`.", "report.csv";
    crate::WorkspacePath, "WorkspacePath", "An absolute path in a workspace, at most 4,096 bytes.", "/reports/q1.csv";
}
