//! The table of verbs: their names in Python, what they take, and what they are in the Rust client.

use longshore::core::PrincipalId;
use longshore::{
    AcquireLocks, After, Client, CopyNode, CreateHook, CreateLink, CreateNote, DeliveryId, DeliveryState,
    Depth, EventFilter, HookId, IfMatch, JobFilter, JobId, JobState, Labels, LockId, LockOwner, LockToken,
    Metadata, Name, NodeId, NodeQuery, NoteId, Path, Place, Redeliver, RestoreNode, UndoActs, UpdateHook,
    UpdateNode, UpdateQuota, UpdateWorkspace, VersionId, WorkspaceId,
};
use pyo3::prelude::*;
use serde::Deserialize;

use super::{folder, guard, read, seconds, value};
use crate::failure::invalid;
use crate::pending::Pending;
use crate::stream::Stream;

/// Reads what a verb takes, and makes it pending.
macro_rules! verb {
    ($args:expr, [] $verb:expr) => {
        Ok(value(async move { $verb.await }))
    };
    ($args:expr, [$($name:ident: $kind:ty),*] $verb:expr) => {{
        let ($($name,)*): ($($kind,)*) = read($args)?;
        Ok(value(async move { $verb.await }))
    }};
}

/// Reads what a listing takes, and begins it.
macro_rules! listing {
    ($args:expr, [] $listing:expr) => {
        Ok(Stream::items($listing))
    };
    ($args:expr, [$($name:ident: $kind:ty),*] $listing:expr) => {{
        let ($($name,)*): ($($kind,)*) = read($args)?;
        Ok(Stream::items($listing))
    }};
}

mod access;

type Workspace = Option<WorkspaceId>;
type Version = Option<VersionId>;

/// Begins a verb.
pub(super) fn call(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let files = client.files();
    match verb {
        "me" => {
            let client = client.clone();
            verb!(args, [] client.me())
        }
        "status" => {
            let client = client.clone();
            verb!(args, [] client.status())
        }
        "files.get" => verb!(args, [node: NodeId] files.get(node)),
        "files.by_path" => {
            verb!(args, [path: Path, workspace: Workspace] files.by_path(Place { workspace, path }))
        }
        "files.mkdir" => {
            verb!(args, [path: Path, workspace: Workspace] files.mkdir(Place { workspace, path }))
        }
        "files.create_folder" => {
            let (parent, name, workspace): (String, Name, Workspace) = read(args)?;
            let parent = folder(args.py(), &parent, workspace)?;
            Ok(value(async move { files.create_folder(parent, name).await }))
        }
        "files.update" => verb!(args, [node: NodeId, change: UpdateNode, version: Version] {
            files.update(node, &change, version.map(IfMatch::Version))
        }),
        "files.copy" => verb!(args, [node: NodeId, copy: CopyNode, version: Version] {
            files.copy(node, &copy, version.map(IfMatch::Version))
        }),
        "files.trash" => {
            verb!(args, [node: NodeId, version: Version] files.trash(node, version.map(IfMatch::Version)))
        }
        "files.restore" => verb!(args, [node: NodeId, restore: RestoreNode, version: Version] {
            files.restore(node, &restore, version.map(IfMatch::Version))
        }),
        "files.purge" => {
            verb!(args, [node: NodeId, version: Version] files.purge(node, version.map(IfMatch::Version)))
        }
        "files.empty_trash" => verb!(args, [workspace: Workspace] files.empty_trash(workspace)),
        "files.version" => verb!(args, [node: NodeId, version: VersionId] files.version(node, version)),
        "files.restore_version" => verb!(args, [node: NodeId, version: VersionId, current: Version] {
            files.restore_version(node, version, current.map(IfMatch::Version))
        }),
        "files.label_version" => {
            verb!(args, [node: NodeId, version: VersionId, label: Option<String>, current: Version] {
                files.label_version(node, version, label, current.map(IfMatch::Version))
            })
        }
        "files.compare_versions" => {
            verb!(args, [node: NodeId, one: VersionId, other: VersionId] files.compare_versions(node, one, other))
        }
        "files.delete_version" => verb!(args, [node: NodeId, version: VersionId, current: Version] {
            files.delete_version(node, version, current.map(IfMatch::Version))
        }),
        "files.link" => verb!(args, [node: NodeId, link: CreateLink] files.link(node, &link)),
        "undo" => {
            let client = client.clone();
            verb!(args, [workspace: Workspace, acts: UndoActs] client.undo(workspace, &acts))
        }
        _ => match verb.split_once('.') {
            Some(("workspaces", verb)) => workspaces(client, verb, args),
            Some(("locks", verb)) => locks(client, verb, args),
            Some(("keys" | "members" | "principals" | "invitations" | "transfers", _)) => {
                access::call(client, verb, args)
            }
            Some(("jobs", verb)) => jobs(client, verb, args),
            Some(("notes", verb)) => notes(client, verb, args),
            Some(("hooks", verb)) => hooks(client, verb, args),
            Some(("events", verb)) => events(client, verb, args),
            _ => Err(unknown(args.py(), verb)),
        },
    }
}

fn unknown(py: Python<'_>, verb: &str) -> PyErr {
    invalid(py, format!("there is no verb {verb:?}"))
}

fn workspaces(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let workspaces = client.workspaces();
    match verb {
        "current" => verb!(args, [] workspaces.current()),
        "get" => verb!(args, [workspace: WorkspaceId] workspaces.get(workspace)),
        "create" => verb!(args, [name: Name] workspaces.create(name)),
        "set_quota" => {
            verb!(args, [workspace: WorkspaceId, quota: UpdateQuota] workspaces.set_quota(workspace, &quota))
        }
        "update" => {
            verb!(args, [workspace: WorkspaceId, change: UpdateWorkspace] workspaces.update(workspace, &change))
        }
        _ => Err(unknown(args.py(), verb)),
    }
}

/// Reads the token that a lock was granted with.
fn token(py: Python<'_>, said: &str) -> PyResult<LockToken> {
    said.parse().map_err(|error| invalid(py, error))
}

fn locks(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let locks = client.locks();
    match verb {
        "acquire" => {
            let (node, options): (NodeId, guard::HoldSaid) = read(args)?;
            let options = options.options(args.py())?;
            Ok(value(async move { locks.wait_for(node, &options).await }))
        }
        "acquire_many" => verb!(args, [wanted: AcquireLocks] locks.acquire_many(&wanted)),
        "renew" => {
            let (said, ttl): (String, Option<u32>) = read(args)?;
            let token = token(args.py(), &said)?;
            Ok(value(async move { locks.renew(&token, ttl).await }))
        }
        "release" => {
            let (said,): (String,) = read(args)?;
            let token = token(args.py(), &said)?;
            Ok(value(async move { locks.release(&token).await }))
        }
        "break" => verb!(args, [lock: LockId, reason: String] locks.break_lock(lock, &reason)),
        "get" => verb!(args, [node: NodeId] locks.get(node)),
        _ => Err(unknown(args.py(), verb)),
    }
}

fn jobs(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let jobs = client.jobs();
    match verb {
        "get" => verb!(args, [job: JobId] jobs.get(job)),
        "wait" => {
            let (job, limit): (JobId, Option<f64>) = read(args)?;
            let limit = limit.map(|limit| seconds(args.py(), limit)).transpose()?;
            Ok(value(async move { jobs.wait(job, limit).await }))
        }
        "cancel" => verb!(args, [job: JobId] jobs.cancel(job)),
        "retry" => verb!(args, [job: JobId] jobs.retry(job)),
        _ => Err(unknown(args.py(), verb)),
    }
}

fn notes(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let notes = client.notes();
    match verb {
        "create" => verb!(args, [node: NodeId, note: CreateNote] notes.create(node, &note)),
        "update" => verb!(args, [note: NoteId, text: String] notes.update(note, text)),
        "delete" => verb!(args, [note: NoteId] notes.delete(note)),
        _ => Err(unknown(args.py(), verb)),
    }
}

fn of(client: &Client, workspace: Workspace) -> longshore::Hooks {
    workspace.map_or_else(|| client.hooks(), |workspace| client.hooks().of(workspace))
}

fn hooks(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let client = client.clone();
    match verb {
        "create" => {
            verb!(args, [workspace: Workspace, hook: CreateHook] of(&client, workspace).create(&hook))
        }
        "get" => verb!(args, [workspace: Workspace, hook: HookId] of(&client, workspace).get(hook)),
        "update" => {
            verb!(args, [workspace: Workspace, hook: HookId, change: UpdateHook] of(&client, workspace).update(hook, &change))
        }
        "delete" => verb!(args, [workspace: Workspace, hook: HookId] of(&client, workspace).delete(hook)),
        "rotate" => {
            verb!(args, [workspace: Workspace, hook: HookId, overlap_hours: Option<u32>] of(&client, workspace).rotate(hook, overlap_hours))
        }
        "test" => verb!(args, [workspace: Workspace, hook: HookId] of(&client, workspace).test(hook)),
        "delivery" => {
            verb!(args, [workspace: Workspace, hook: HookId, delivery: DeliveryId] of(&client, workspace).delivery(hook, delivery))
        }
        "redeliver_one" => {
            verb!(args, [workspace: Workspace, hook: HookId, delivery: DeliveryId] of(&client, workspace).redeliver_one(hook, delivery))
        }
        "redeliver" => {
            verb!(args, [workspace: Workspace, hook: HookId, what: Redeliver] of(&client, workspace).redeliver(hook, &what))
        }
        _ => Err(unknown(args.py(), verb)),
    }
}

/// Which events are wanted, as Python says it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EventsSaid {
    workspace: Workspace,
    /// A place in the log.
    after: Option<u64>,
    /// Only what comes from now on.
    from_now: bool,
    types: Vec<String>,
    path: Option<Path>,
    actor: Option<PrincipalId>,
}

impl EventsSaid {
    fn after(&self) -> Option<After> {
        if self.from_now { Some(After::Now) } else { self.after.map(After::Seq) }
    }

    fn filter(&self) -> EventFilter {
        EventFilter { types: self.types.clone(), path: self.path.clone(), actor: self.actor }
    }
}

fn events(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Pending> {
    let events = client.events();
    match verb {
        "wait" => {
            let (said, at_most): (EventsSaid, f64) = read(args)?;
            let at_most = seconds(args.py(), at_most)?;
            Ok(value(async move { events.wait(said.workspace, said.after(), &said.filter(), at_most).await }))
        }
        _ => Err(unknown(args.py(), verb)),
    }
}

/// Begins a listing.
pub(super) fn list(client: &Client, verb: &str, args: &Bound<'_, PyAny>) -> PyResult<Stream> {
    let files = client.files();
    match verb {
        "files.list" => listing!(args, [path: Path, workspace: Workspace, depth: Option<u32>] {
            files.list(Place { workspace, path }, depth.map_or(Depth::All, Depth::Levels))
        }),
        "files.trashed" => listing!(args, [workspace: Workspace] files.trashed(workspace)),
        "files.versions" => listing!(args, [node: NodeId] files.versions(node)),
        "files.find" => listing!(
            args,
            [workspace: Workspace, metadata: Metadata, labels: Labels, name: Option<String>, under: Option<Path>] {
                files.find(workspace, &NodeQuery { metadata, labels, name, under })
            }
        ),
        "workspaces.list" => listing!(args, [] client.workspaces().list()),
        "notes.list" => listing!(args, [node: NodeId] client.notes().list(node)),
        "uploads.list" => listing!(args, [] files.open_uploads()),
        "jobs.list" => listing!(args, [workspace: Workspace, state: Option<JobState>, kind: Option<String>] {
            client.jobs().list(&JobFilter { workspace, state, kind })
        }),
        "hooks.list" => listing!(args, [workspace: Workspace] of(client, workspace).list()),
        "hooks.deliveries" => {
            listing!(args, [workspace: Workspace, hook: HookId, state: Option<DeliveryState>] {
                of(client, workspace).deliveries(hook, state)
            })
        }
        "locks.list" => listing!(args, [mine: bool, owner: Option<PrincipalId>, workspace: Workspace] {
            let owner = if mine { LockOwner::Me } else { owner.map_or(LockOwner::Anybody, LockOwner::Principal) };
            client.locks().list(owner, workspace)
        }),
        "events.list" => {
            let (said,): (EventsSaid,) = read(args)?;
            Ok(Stream::items(client.events().list(said.workspace, said.after(), &said.filter())))
        }
        "events.follow" => {
            let (said,): (EventsSaid,) = read(args)?;
            Ok(Stream::items(client.events().follow(said.workspace, said.after(), &said.filter())))
        }
        _ => access::list(client, verb, args),
    }
}
