//! The verbs on who may do what: keys, members, people and agents.

use longshore::core::PrincipalId;
use longshore::core::wire::{CreatePrincipal, Role};
use longshore::{Client, CreateKey, KeyId, Members};
use pyo3::prelude::*;

use super::{Workspace, read, unknown, value};
use crate::pending::Pending;
use crate::stream::Stream;

fn members(client: &Client, workspace: Workspace) -> Members {
    workspace.map_or_else(|| client.members(), |workspace| client.members().of(workspace))
}

pub(super) fn call(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let (keys, principals, client) = (client.keys(), client.principals(), client.clone());
    match verb {
        "keys.create" => verb!(args, [key: CreateKey] keys.create(&key)),
        "keys.revoke" => verb!(args, [key: KeyId] keys.revoke(key)),
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
        _ => Err(unknown(args.py(), verb)),
    }
}

pub(super) fn list(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Stream> {
    match verb {
        "keys.list" => listing!(args, [] client.keys().list()),
        "members.list" => listing!(args, [workspace: Workspace] members(client, workspace).list()),
        "principals.list" => listing!(args, [] client.principals().list()),
        _ => Err(unknown(args.py(), verb)),
    }
}
