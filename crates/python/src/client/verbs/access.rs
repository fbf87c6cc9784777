//! The verbs on who may do what: keys, members, people and agents, invitations and transfers.

use longshore::core::PrincipalId;
use longshore::core::wire::{CreateInvitation, CreatePrincipal, HiddenText, OfferTransfer, Role, RotateKey};
use longshore::core::{ClaimToken, InvitationId};
use longshore::{Client, CreateKey, Invitations, KeyId, Members, Transfers};
use pyo3::prelude::*;

use super::{Workspace, read, unknown, value};
use crate::failure::invalid;
use crate::pending::Pending;
use crate::stream::Stream;

fn members(client: &Client, workspace: Workspace) -> Members {
    workspace.map_or_else(|| client.members(), |workspace| client.members().of(workspace))
}

fn invitations(client: &Client, workspace: Workspace) -> Invitations {
    workspace.map_or_else(|| client.invitations(), |workspace| client.invitations().of(workspace))
}

fn transfers(client: &Client, workspace: Workspace) -> Transfers {
    workspace.map_or_else(|| client.transfers(), |workspace| client.transfers().of(workspace))
}

/// Reads the token of an offer.
fn claim(args: &Bound<'_, PyAny>) -> PyResult<ClaimToken> {
    let (said,): (String,) = read(args)?;
    said.parse().map_err(|error| invalid(args.py(), error))
}

pub(super) fn call(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let (keys, principals, client) = (client.keys(), client.principals(), client.clone());
    match verb {
        "keys.create" => verb!(args, [key: CreateKey] keys.create(&key)),
        "keys.revoke" => verb!(args, [key: KeyId] keys.revoke(key)),
        "keys.rotate" => verb!(args, [key: KeyId, wanted: RotateKey] keys.rotate(key, wanted)),
        "members.get" => {
            verb!(args, [workspace: Workspace, who: PrincipalId] members(&client, workspace).get(who))
        }
        "members.set" => {
            verb!(args, [workspace: Workspace, who: PrincipalId, role: Role] members(&client, workspace).set(who, role))
        }
        "members.remove" => {
            verb!(args, [workspace: Workspace, who: PrincipalId] members(&client, workspace).remove(who))
        }
        "principals.create" => verb!(args, [wanted: CreatePrincipal] principals.create(&wanted)),
        "principals.get" => verb!(args, [who: PrincipalId] principals.get(who)),
        "principals.rename" => verb!(args, [who: PrincipalId, name: String] principals.rename(who, &name)),
        "principals.deactivate" => verb!(args, [who: PrincipalId] principals.deactivate(who)),
        "principals.reactivate" => verb!(args, [who: PrincipalId] principals.reactivate(who)),
        "principals.create_reset" => verb!(args, [who: PrincipalId] principals.create_reset(who)),
        "invitations.create" => {
            verb!(args, [workspace: Workspace, wanted: CreateInvitation] invitations(&client, workspace).create(&wanted))
        }
        "invitations.revoke" => verb!(args, [id: InvitationId] client.invitations().revoke(id)),
        "invitations.look" => verb!(args, [token: HiddenText] client.invitations().look(&token)),
        "invitations.accept" => verb!(args, [token: HiddenText] client.invitations().accept(&token)),
        "invitations.decline" => verb!(args, [token: HiddenText] client.invitations().decline(&token)),
        "transfers.offer" => {
            verb!(args, [workspace: Workspace, wanted: OfferTransfer] transfers(&client, workspace).offer(&wanted))
        }
        "transfers.get" => verb!(args, [workspace: Workspace] transfers(&client, workspace).get()),
        "transfers.revoke" => verb!(args, [workspace: Workspace] transfers(&client, workspace).revoke()),
        "transfers.look" => {
            let token = claim(args)?;
            Ok(value(async move { client.transfers().look(&token).await }))
        }
        "transfers.accept" => {
            let token = claim(args)?;
            Ok(value(async move { client.transfers().accept(&token).await }))
        }
        "transfers.decline" => {
            let token = claim(args)?;
            Ok(value(async move { client.transfers().decline(&token).await }))
        }
        _ => Err(unknown(args.py(), verb)),
    }
}

pub(super) fn list(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Stream> {
    match verb {
        "keys.list" => listing!(args, [] client.keys().list()),
        "members.list" => listing!(args, [workspace: Workspace] members(client, workspace).list()),
        "invitations.list" => listing!(args, [workspace: Workspace] invitations(client, workspace).list()),
        "principals.list" => listing!(args, [] client.principals().list()),
        _ => Err(unknown(args.py(), verb)),
    }
}
