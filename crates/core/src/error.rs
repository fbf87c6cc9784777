//! Error kinds, and the public table of error codes.
//!
//! A kind says what the caller must do; a code says exactly what happened and never changes its meaning.
//! Which HTTP status, exit code or exception a kind becomes is decided at each edge, in one place.

use std::fmt::{self, Display};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What kind of thing went wrong, by what the caller must do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The thing named does not exist or cannot be seen: name another.
    NotFound,
    /// The state of the workspace forbids it: look, then decide anew.
    Conflict,
    /// A stated premise is stale: read again, then try with the new premise.
    Precondition,
    /// The request itself is wrong: mend it; sending it again is of no use.
    Invalid,
    /// The caller may not do this: ask somebody who may grant it.
    Denied,
    /// The caller is unknown: bring a valid key.
    Unauthenticated,
    /// Too many bytes: send less, or have the limit raised.
    TooLarge,
    /// Too many requests: wait as told, then send the same again.
    RateLimited,
    /// Not possible just now, and nothing happened: wait, then send the same again.
    Unavailable,
    /// A fault of Longshore or its machine: report it with the request id.
    Internal,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal, $kind:ident, $title:literal;)+) => {
        /// A stable error code of the public API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the code as callers see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Returns the kind this code belongs to.
            #[must_use]
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind),+ }
            }

            /// Returns the code's title: a short sentence that never varies.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// Returns when the code is given, as its documentation says.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

codes! {
    /// No route answers this path.
    RouteNotFound = "route_not_found", NotFound, "no such route";
    /// The workspace does not exist, or the key does not reach it.
    WorkspaceNotFound = "workspace_not_found", NotFound, "no such workspace";
    /// The folder or file does not exist, or the key does not reach it.
    NodeNotFound = "node_not_found", NotFound, "no such folder or file";
    /// The file has no such version.
    VersionNotFound = "version_not_found", NotFound, "no such version";
    /// There is no note with this id, or the key does not reach its node.
    NoteNotFound = "note_not_found", NotFound, "no such note";
    /// The log has no such act, or keeps it no longer.
    ActNotFound = "act_not_found", NotFound, "no such act";
    /// There is no key with this id.
    KeyNotFound = "key_not_found", NotFound, "no such key";
    /// There is no person or agent with this id.
    PrincipalNotFound = "principal_not_found", NotFound, "no such principal";
    /// There is no session with this id among one's own, or nobody is signed in by the request.
    SessionNotFound = "session_not_found", NotFound, "no such session";
    /// There is no identity with this id among those of the person.
    IdentityNotFound = "identity_not_found", NotFound, "no such identity";
    /// No provider of this name is configured to sign in by.
    ProviderNotFound = "provider_not_found", NotFound, "no such provider";
    /// There is no such invitation, or its token is not the one it was given with.
    InvitationNotFound = "invitation_not_found", NotFound, "no such invitation";
    /// The invitation was accepted, declined or revoked, its time is over, or who made it may invite no more: ask for a new one.
    InvitationEnded = "invitation_ended", NotFound, "the invitation has ended";
    /// What was to set a new password is none of this server's, was used, or its time is over: ask for a new one.
    ResetNotFound = "reset_not_found", NotFound, "no such reset of a password";
    /// The person or agent is no member of the workspace.
    MemberNotFound = "member_not_found", NotFound, "no such member";
    /// The events after this place are not kept any more, or the log never got so far. List the tree, then follow
    /// from the `seq` that the workspace had before.
    EventsGone = "events_gone", NotFound, "the events are gone";
    /// There is no lock with this id, or the node is not locked.
    LockNotFound = "lock_not_found", NotFound, "no such lock";
    /// The job does not exist, or the key does not reach it.
    JobNotFound = "job_not_found", NotFound, "no such job";
    /// There is no webhook with this id in the workspace.
    HookNotFound = "hook_not_found", NotFound, "no such webhook";
    /// The webhook has no delivery with this id.
    DeliveryNotFound = "delivery_not_found", NotFound, "no such delivery";
    /// There is no staged upload with this id, or another principal made it.
    UploadNotFound = "upload_not_found", NotFound, "no such upload";
    /// The staged upload was left alone for too long, and is removed: begin a new one.
    UploadExpired = "upload_expired", NotFound, "the upload has expired";
    /// The link is none of this server's, or what it led to is in the trash or gone.
    LinkNotFound = "link_not_found", NotFound, "no such link";
    /// The link's time is over, or the key that made it is revoked or over: ask for a new one.
    LinkExpired = "link_expired", NotFound, "the link has ended";
    /// The share link is none of this server's, was revoked, its time or its downloads are over, what it led to is in the trash
    /// or gone, or who made it may give it no longer: all of these are told alike. For who makes links: there is none with this id.
    ShareNotFound = "share_not_found", NotFound, "no such share link";
    /// The claim token belongs to no offer, or no offer of the workspace is open.
    TransferNotFound = "transfer_not_found", NotFound, "no such offer";
    /// The offer was accepted, declined or revoked, its time is over, or who made it may make it no longer: ask for a new one.
    TransferEnded = "transfer_ended", NotFound, "the offer has ended";
    /// Another node in the folder has this name (`on_conflict=error`, `If-None-Match: *`, a move or a restore).
    NameTaken = "name_taken", Conflict, "the name is taken";
    /// Somebody else's lock covers the node, or the request names no lock; `lock` says whose it is.
    Locked = "locked", Conflict, "locked";
    /// Waiting for this lock would close a circle of waiters: release what is held, then take all at once.
    Deadlock = "deadlock", Conflict, "waiting would never end";
    /// A workspace of this name exists already.
    WorkspaceExists = "workspace_exists", Conflict, "the workspace name is taken";
    /// A folder is needed where a file stands.
    NotAFolder = "not_a_folder", Conflict, "not a folder";
    /// A file is needed where a folder stands.
    NotAFile = "not_a_file", Conflict, "not a file";
    /// A folder cannot be moved or copied into itself.
    IntoItself = "into_itself", Conflict, "a folder cannot go into itself";
    /// The node, or a folder above it, is in the trash.
    InTrash = "in_trash", Conflict, "in the trash";
    /// The node is not in the trash.
    NotInTrash = "not_in_trash", Conflict, "not in the trash";
    /// The version is the file's current one: only the file itself can be removed.
    VersionInUse = "version_in_use", Conflict, "the current version stays";
    /// What is to be undone changed no node: locks, notes and the rules of a workspace cannot be undone.
    NotUndoable = "not_undoable", Conflict, "nothing that can be undone";
    /// Others have since written what is to be undone; `conflicts` names the nodes. Nothing was undone.
    UndoConflict = "undo_conflict", Conflict, "others have written since";
    /// A workspace has one owner: that role is neither given nor taken, and the owner is not removed.
    OwnerRefused = "owner_refused", Conflict, "not possible with the owner";
    /// The owner of a workspace neither accepts nor declines their own offer of it.
    TransferToSelf = "transfer_to_self", Conflict, "the workspace is the caller's own";
    /// The workspace has as many members, or the principal is a member of as many workspaces, as may be.
    TooManyMembers = "too_many_members", Conflict, "too many members";
    /// Somebody has this sign-in name already.
    SignInNameTaken = "sign_in_name_taken", Conflict, "the sign-in name is taken";
    /// Somebody else signs in by this identity already.
    IdentityTaken = "identity_taken", Conflict, "the identity is taken";
    /// The person has as many identities as may be: remove some.
    TooManyIdentities = "too_many_identities", Conflict, "too many identities";
    /// Without this identity, and without a password, the person could sign in no more: add another way in first.
    LastWayIn = "last_way_in", Conflict, "this is the last way in";
    /// The workspace has as many open invitations as it may have: revoke some.
    TooManyInvitations = "too_many_invitations", Conflict, "too many invitations";
    /// The workspace has as many share links as it may have: revoke some.
    TooManyShares = "too_many_shares", Conflict, "too many share links";
    /// The share link was revoked, and stays so: make a new one. Only who may change it is told.
    ShareRevoked = "share_revoked", Conflict, "the share link was revoked";
    /// The share link is for reading and this would write, or it is a drop box and this would read.
    ShareModeWrong = "share_mode_wrong", Conflict, "the share link is not for this";
    /// This is for people alone: an agent has no password and no session.
    PersonNeeded = "person_needed", Conflict, "a person is needed";
    /// The root folder cannot be renamed, moved, copied or deleted.
    RootRefused = "root_refused", Conflict, "not possible with the root folder";
    /// The key was revoked, or its time is over: only one that is good is rotated.
    KeyEnded = "key_ended", Conflict, "the key has ended";
    /// The job has ended: there is nothing left to cancel.
    JobFinished = "job_finished", Conflict, "the job has ended";
    /// Only a job that failed or was cancelled can be retried.
    JobNotFailed = "job_not_failed", Conflict, "the job did not fail";
    /// Another job for the same work is queued or running.
    JobDuplicate = "job_duplicate", Conflict, "the same work is queued already";
    /// The job is a step of the server's own work: ended by hand it would leave that work undone.
    JobNotCancellable = "job_not_cancellable", Conflict, "the job cannot be cancelled";
    /// The workspace has as many webhooks as it may have.
    TooManyHooks = "too_many_hooks", Conflict, "too many webhooks";
    /// The webhook is switched off: switch it on first.
    HookDisabled = "hook_disabled", Conflict, "the webhook is switched off";
    /// The secret before the last rotation still signs: a new one now would take it from who has not changed over yet.
    RotationUnderWay = "rotation_under_way", Conflict, "the last rotation is not over";
    /// The bytes do not begin where the staged upload ends: ask it for its offset, and go on from there.
    OffsetMismatch = "offset_mismatch", Conflict, "the offset is not that of the upload";
    /// A later request for the same staged upload took over. What came before is kept; ask for the offset.
    UploadTakenOver = "upload_taken_over", Conflict, "a later request took over";
    /// An upload that is to be a part of another is not whole yet, or is no part.
    UploadIncomplete = "upload_incomplete", Conflict, "a part of the upload is missing";
    /// The parts were made into another file before, or in another way: they are gone.
    UploadJoined = "upload_joined", Conflict, "the parts are another file's";
    /// The content is too small for a list of its chunks to pay: send the new version whole.
    NotChunked = "not_chunked", Conflict, "the content has no list of chunks";
    /// `If-Match` or `If-None-Match` does not hold; `current_version` names the version that stands, `current_event` what made it.
    PreconditionFailed = "precondition_failed", Precondition, "the precondition does not hold";
    /// The workspace takes no change of a file without `If-Match`.
    PreconditionRequired = "precondition_required", Precondition, "a precondition is required";
    /// The lock that the request names is held no longer; `reason` is `expired`, `broken`, `released` or `superseded`.
    LockLost = "lock_lost", Precondition, "the lock is lost";
    /// The lock that the request names covers nothing that the request changes.
    LockElsewhere = "lock_elsewhere", Precondition, "the lock covers another node";
    /// The request speaks a version of the tus protocol that the server does not; `Tus-Version` names those it does.
    TusVersionUnsupported = "tus_version_unsupported", Precondition, "the tus version is not supported";
    /// A name breaks a rule for names.
    InvalidName = "invalid_name", Invalid, "the name breaks a rule";
    /// A path breaks a rule for paths.
    InvalidPath = "invalid_path", Invalid, "the path breaks a rule";
    /// An id is not of the form its kind has.
    InvalidId = "invalid_id", Invalid, "the id is malformed";
    /// A header cannot be understood.
    InvalidHeader = "invalid_header", Invalid, "a header is malformed";
    /// A query parameter is unknown or cannot be understood.
    InvalidQuery = "invalid_query", Invalid, "a query parameter is malformed";
    /// The JSON body cannot be understood.
    InvalidBody = "invalid_body", Invalid, "the body is malformed";
    /// The cursor was not given by this list.
    InvalidCursor = "invalid_cursor", Invalid, "the cursor is malformed";
    /// None of the ranges asked for lies inside the content.
    RangeNotSatisfiable = "range_not_satisfiable", Invalid, "the range lies outside the content";
    /// The content's digest is not the one that was sent with it. Nothing was stored.
    DigestMismatch = "digest_mismatch", Invalid, "the digest does not match the content";
    /// The bytes of this request do not have the `Upload-Checksum` that came with them. None of them was kept.
    ChecksumMismatch = "checksum_mismatch", Invalid, "the checksum does not match the bytes";
    /// An instruction of a delta is malformed, or copies what its base does not have. What came before it is kept.
    InvalidDelta = "invalid_delta", Invalid, "the delta is malformed";
    /// The body is of a media type that this route does not take.
    MediaTypeUnsupported = "media_type_unsupported", Invalid, "the media type is not taken here";
    /// The content ended before, or went on past, the length that was announced. Nothing was stored.
    LengthMismatch = "length_mismatch", Invalid, "the content has another length than announced";
    /// The metadata breaks a rule: a map of at most 64 keys and 8 KiB.
    InvalidMetadata = "invalid_metadata", Invalid, "the metadata breaks a rule";
    /// A label breaks a rule: a node has at most 32, of 1 to 64 characters; a version one, of 1 to 200; no control characters.
    InvalidLabel = "invalid_label", Invalid, "the label breaks a rule";
    /// A note breaks a rule: 1 to 4,000 characters, on a range that lies inside the version's text.
    InvalidNote = "invalid_note", Invalid, "the note breaks a rule";
    /// A sign-in name breaks a rule: 1 to 254 characters, without spaces around it and without control characters.
    InvalidSignInName = "invalid_sign_in_name", Invalid, "the sign-in name breaks a rule";
    /// A new password breaks a rule: at least 10 characters, at most 1,024 bytes, and not the sign-in name.
    InvalidPassword = "invalid_password", Invalid, "the password breaks a rule";
    /// The answer of a provider belongs to no sign-in that this browser began, or to one that is over: begin anew.
    OidcStateWrong = "oidc_state_wrong", Invalid, "no such sign-in is under way";
    /// What was to be imported is no whole export of a workspace: the detail names the entry and what is wrong with it. Nothing
    /// of it is there.
    ExportMalformed = "export_malformed", Invalid, "the export is malformed";
    /// This `Idempotency-Key` came before with another request.
    IdempotencyMismatch = "idempotency_mismatch", Invalid, "the idempotency key belongs to another request";
    /// The URL is not one that the server may ask: another scheme, port or address is needed.
    UrlRefused = "url_refused", Invalid, "the URL may not be asked";
    /// The route does not answer this method.
    MethodNotAllowed = "method_not_allowed", Invalid, "the method is not allowed here";
    /// The role of the key, or of who acts with it, or what the key is narrowed to, does not allow this.
    Forbidden = "forbidden", Denied, "the key may not do this";
    /// The key is good from certain addresses alone, and the request comes from another.
    KeyAddressRefused = "key_address_refused", Denied, "the key is not good from this address";
    /// A write that a cookie authorises carries no `X-CSRF-Token`: `GET /v1/session` tells it.
    CsrfMissing = "csrf_missing", Denied, "a CSRF token is needed";
    /// The `X-CSRF-Token` is not that of the session: `GET /v1/session` tells it.
    CsrfWrong = "csrf_wrong", Denied, "the CSRF token is not the session's";
    /// A browser says that a page of another site has sent the request, which a cookie is not to authorise.
    CrossSite = "cross_site", Denied, "the request comes from another site";
    /// This is for a person themselves: it takes a session, or a key that is not narrowed and has the role owner.
    AccountNeeded = "account_needed", Denied, "this takes a session or a whole key";
    /// The provider says who it is, and nobody here signs in by that: ask for an invitation, or add the identity to an account.
    IdentityUnknown = "identity_unknown", Denied, "nobody signs in by this identity";
    /// The present password is not the one that was stated.
    PasswordWrong = "password_wrong", Denied, "the password is wrong";
    /// The share link takes a password, and this is not it.
    SharePasswordWrong = "share_password_wrong", Denied, "the share link's password is wrong";
    /// An upload that is made of others takes no bytes of its own.
    UploadNotAppendable = "upload_not_appendable", Denied, "the upload takes no bytes";
    /// The token is not the one that this lock was granted with.
    LockTokenWrong = "lock_token_wrong", Denied, "the token belongs to no such lock";
    /// The request carries no key.
    KeyMissing = "key_missing", Unauthenticated, "a key is needed";
    /// The key is malformed: its length, prefix or checksum is wrong.
    KeyMalformed = "key_malformed", Unauthenticated, "the key is malformed";
    /// The key is well formed but unknown here.
    KeyUnknown = "key_unknown", Unauthenticated, "the key is unknown";
    /// The key was revoked.
    KeyRevoked = "key_revoked", Unauthenticated, "the key was revoked";
    /// The key's time is over.
    KeyExpired = "key_expired", Unauthenticated, "the key has expired";
    /// Nobody signs in by this name with this password: one of them is wrong, or the person may sign in no more.
    SignInFailed = "sign_in_failed", Unauthenticated, "the name or the password is wrong";
    /// The provider has refused the sign-in, or what it told is not good: begin anew.
    OidcRefused = "oidc_refused", Unauthenticated, "the provider's word is not good";
    /// The session that the cookie names has ended, or is none: sign in again.
    SessionEnded = "session_ended", Unauthenticated, "the session has ended";
    /// What the share link leads to is seen by who has opened it, and for an hour: open it, and send the grant as `Share-Grant`.
    ShareNotOpened = "share_not_opened", Unauthenticated, "the share link was not opened";
    /// Whoever acts with the key was deactivated.
    PrincipalDeactivated = "principal_deactivated", Unauthenticated, "the principal is deactivated";
    /// The content is larger than the server takes.
    BodyTooLarge = "body_too_large", TooLarge, "the content is too large";
    /// The workspace would keep more than its quota lets it, or a file would be larger than that; `quota` has the numbers.
    QuotaExceeded = "quota_exceeded", TooLarge, "the quota is exceeded";
    /// The request's header section is larger than the server takes.
    HeaderTooLarge = "header_too_large", TooLarge, "the header is too large";
    /// One act would touch more nodes than it may: do it in parts.
    TooManyNodes = "too_many_nodes", TooLarge, "too many nodes at once";
    /// A staged upload came in more pieces than it may have: send more bytes in each request.
    TooManyPieces = "too_many_pieces", TooLarge, "the upload is in too many pieces";
    /// The key, or its address, sends requests faster than it may, or too many keys of the address were none.
    RateLimited = "rate_limited", RateLimited, "too many requests";
    /// The workspace has as many locks, or waiters for them, as it may have.
    TooManyLocks = "too_many_locks", RateLimited, "too many locks";
    /// The principal has as many staged uploads that are not finished as it may have: finish or remove some, which
    /// `GET /v1/uploads` lists.
    TooManyUploads = "too_many_uploads", RateLimited, "too many unfinished uploads";
    /// As many exports of the workspace are being read as may be at once: come again when one has ended.
    TooManyExports = "too_many_exports", RateLimited, "too many exports";
    /// The server works on as many requests as it takes.
    Overloaded = "overloaded", Unavailable, "the server is busy";
    /// The server is shutting down.
    ShuttingDown = "shutting_down", Unavailable, "the server is shutting down";
    /// The request took longer than the server waits. Nothing was stored.
    RequestTimeout = "request_timeout", Unavailable, "the request took too long";
    /// The disk under the blobs or the database is full. Nothing was stored.
    StorageFull = "storage_full", Unavailable, "the storage is full";
    /// The blob storage or the database does not answer. Nothing was stored.
    StorageUnavailable = "storage_unavailable", Unavailable, "the storage does not answer";
    /// The provider to sign in by does not answer, or not as OpenID Connect has it: come again later.
    OidcUnavailable = "oidc_unavailable", Unavailable, "the provider does not answer";
    /// The database failed while the change was being committed: it may or may not have happened. Look, then decide.
    OutcomeUnknown = "outcome_unknown", Internal, "nobody knows whether it happened";
    /// A job's attempt took longer than its kind may take. Seen in a job's `error`.
    JobTimeout = "job_timeout", Internal, "the job took too long";
    /// The worker that ran the job was lost, as often as the job may be tried. Seen in a job's `error`.
    JobLost = "job_lost", Internal, "the job's worker was lost";
    /// A fault inside; the log has it under the request id.
    Internal = "internal", Internal, "internal error";
}

impl Code {
    /// Tells whether the same request may do better later, everything else being equal.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self.kind(), ErrorKind::RateLimited | ErrorKind::Unavailable)
    }
}

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| de::Error::custom(format!("unknown error code {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Code;

    #[test]
    fn no_two_codes_share_a_text() {
        let texts: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
