//! What the segments of routes name, for the OpenAPI document: one struct for each kind of place.

use longshore_core::{
    DeliveryId, HookId, IdentityId, InvitationId, PrincipalId, SessionId, ShareId, UploadId, VersionId,
    WorkspaceId,
};

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident { $($(#[$said:meta])* $segment:ident: $kind:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, utoipa::IntoParams)]
        #[into_params(parameter_in = Path)]
        #[expect(dead_code, reason = "read by `At`; this is what the OpenAPI document says of it")]
        pub(super) struct $name {
            $($(#[$said])* $segment: $kind,)+
        }
    )+};
}

places! {
    /// In a workspace.
    InWorkspace {
        /// The workspace's id.
        ws: WorkspaceId,
    }
    /// Of a person or an agent.
    OfPrincipal {
        /// The person's or the agent's id.
        principal: PrincipalId,
    }
    /// Of a session of one's own.
    OfSession {
        /// The session's id.
        session: SessionId,
    }
    /// Of an identity of one's own.
    OfIdentity {
        /// The identity's id.
        identity: IdentityId,
    }
    /// Of an identity of a person.
    OfPersonsIdentity {
        /// The person's id.
        principal: PrincipalId,
        /// The identity's id.
        identity: IdentityId,
    }
    /// Of a provider to sign in by.
    OfProvider {
        /// The provider's name.
        provider: String,
    }
    /// Of an invitation.
    OfInvitation {
        /// The invitation's id.
        invitation: InvitationId,
    }
    /// Of a member of a workspace.
    OfMember {
        /// The workspace's id.
        ws: WorkspaceId,
        /// The person's or the agent's id.
        principal: PrincipalId,
    }
    /// Of a share link.
    OfShare {
        /// The workspace's id.
        ws: WorkspaceId,
        /// The link's id.
        share: ShareId,
    }
    /// Behind a share link.
    Shared {
        /// The link's secret.
        token: String,
    }
    /// Of a webhook.
    OfHook {
        /// The workspace's id.
        ws: WorkspaceId,
        /// The hook's id.
        hook: HookId,
    }
    /// Of a delivery of a webhook.
    OfDelivery {
        /// The workspace's id.
        ws: WorkspaceId,
        /// The hook's id.
        hook: HookId,
        /// The delivery's id.
        delivery: DeliveryId,
    }
    /// Of a staged upload.
    OfUpload {
        /// The upload's id.
        upload: UploadId,
    }
    /// Of a folder or a file.
    OfNode {
        /// The node's id, or `root`.
        id: String,
    }
    /// Of a file.
    OfFile {
        /// The file's id.
        id: String,
    }
    /// Of a version of a file.
    OfVersion {
        /// The file's id.
        id: String,
        /// The version's id.
        ver: VersionId,
    }
}
