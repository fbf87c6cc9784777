"""What the verbs give. Written by generate.py from the server's document: do not edit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = [
    "Comparison",
    "Delivery",
    "DeliveryAttempt",
    "Event",
    "EventPage",
    "Hook",
    "Invitation",
    "Job",
    "JobError",
    "JobProgress",
    "Key",
    "Link",
    "LockGrant",
    "LockGrants",
    "LockRenewal",
    "LookedAt",
    "Me",
    "Member",
    "NewHook",
    "NewInvitation",
    "NewKey",
    "NewReset",
    "NewTransfer",
    "Node",
    "NodeLock",
    "Note",
    "OpenUpload",
    "Principal",
    "Purged",
    "Quota",
    "Session",
    "Status",
    "TextDiff",
    "TextRange",
    "Transfer",
    "TransferManifest",
    "UndoChange",
    "UndoConflict",
    "Undone",
    "Usage",
    "Version",
    "Workspace",
    "WorkspaceSettings",
]


def _time(said: str) -> datetime:
    # Python 3.10 does not know `Z`.
    return datetime.fromisoformat(said.replace("Z", "+00:00"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """An immutable content of a file."""

    #: When the version was made.
    created_at: datetime
    #: Who made the version.
    created_by: str
    #: The content's BLAKE3 digest.
    digest: str
    #: The version's id; also the value of `ETag`.
    id: str
    #: The content's media type, as found by looking at it.
    media_type: str
    #: The file.
    node_id: str
    #: The place among the file's versions, from 1.
    number: int
    #: The content's length in bytes.
    size: int
    #: The file's fence when the version was made; along a file's versions it never falls.
    fence: int = 0
    #: What people call the version. No rule about versions removes one with a label; it goes with
    #: its file when that is purged from the trash, by `trash_days` too.
    label: str | None = None
    #: The content's SHA-256 digest, where the writer sent it.
    sha256: str | None = None
    #: The media type the writer stated, where one was stated.
    stated_media_type: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Version:
        return cls(
            created_at=_time(said["created_at"]),
            created_by=said["created_by"],
            digest=said["digest"],
            fence=said.get("fence", 0),
            id=said["id"],
            label=said.get("label"),
            media_type=said["media_type"],
            node_id=said["node_id"],
            number=said["number"],
            sha256=said.get("sha256"),
            size=said["size"],
            stated_media_type=said.get("stated_media_type"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDiff:
    """The difference of two texts, line by line."""

    #: How many lines came.
    added: int
    #: How many lines went.
    removed: int
    #: Whether `unified` was cut off at its 1 MiB; the counts are of all lines all the same.
    truncated: bool
    #: The lines that came and went, as `diff -u` writes them; empty where nothing differs.
    unified: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> TextDiff:
        return cls(
            added=said["added"],
            removed=said["removed"],
            truncated=said["truncated"],
            unified=said["unified"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Answer of `GET /v1/files/{id}/versions/{ver}/compare`: two versions side by side."""

    #: The version that was named first.
    from_: Version
    #: Whether both have the same content.
    same_content: bool
    #: The version that it is compared with.
    to: Version
    #: Why there is no `text`.
    no_text: Literal["binary", "too_large"] | None = None
    #: What became of the lines; nothing where one of the contents is no text, or is too large.
    text: TextDiff | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Comparison:
        return cls(
            from_=Version._read(said["from"]),
            no_text=said.get("no_text"),
            same_content=said["same_content"],
            text=None if said.get("text") is None else TextDiff._read(said["text"]),
            to=Version._read(said["to"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One attempt to hand a delivery over."""

    #: When it began.
    at: datetime
    #: How long it took, in milliseconds.
    duration_ms: int
    #: What went wrong; nothing where it succeeded. Never anything that the receiver wrote.
    error: str | None = None
    #: The status of the receiver's answer, where there was one.
    status: int | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> DeliveryAttempt:
        return cls(
            at=_time(said["at"]),
            duration_ms=said["duration_ms"],
            error=said.get("error"),
            status=said.get("status"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one hook's receiver."""

    #: The last twenty attempts, oldest first.
    attempts: tuple[DeliveryAttempt, ...]
    #: When it was made.
    created_at: datetime
    #: The event's id, which the receiver sees as `webhook-id`: the same in every attempt and
    #: redelivery.
    event_id: str
    #: The hook it is of.
    hook_id: str
    #: The delivery's id.
    id: str
    #: Where it stands.
    state: Literal["pending", "succeeded", "failed"]
    #: The event's type; `hook.ping` for a test.
    type: str
    #: When it succeeded or was given up.
    finished_at: datetime | None = None
    #: When the next attempt is due; while the receiver is left alone for its failures it waits for
    #: longer.
    next_at: datetime | None = None
    #: The event's place in the log; nothing for a test.
    seq: int | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Delivery:
        return cls(
            attempts=tuple(DeliveryAttempt._read(item) for item in said["attempts"]),
            created_at=_time(said["created_at"]),
            event_id=said["event_id"],
            finished_at=None if said.get("finished_at") is None else _time(said["finished_at"]),
            hook_id=said["hook_id"],
            id=said["id"],
            next_at=None if said.get("next_at") is None else _time(said["next_at"]),
            seq=said.get("seq"),
            state=said["state"],
            type=said["type"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One visible change in a workspace."""

    #: Who did it.
    actor: str
    #: When it happened.
    at: datetime
    #: What more there is to say, by type.
    data: dict[str, Any]
    #: The event's id.
    id: str
    #: The event's place in its workspace's log; rises by one.
    seq: int
    #: What happened, such as `file.created`, `version.created`, `node.moved`, `node.trashed`.
    type: str
    #: The `seq` of the first event of the same act: what is done by one request has one number.
    act: int = 0
    #: The fence of the lock that `lock_id` names; of a break, the one that it raised the node's
    #: fence to.
    fence: int | None = None
    #: The key it was done with.
    key_id: str | None = None
    #: The lock that covered the node, or the folder that it went to, if the request named it; of an
    #: event of a lock, that lock.
    lock_id: str | None = None
    #: The node it happened to.
    node_id: str | None = None
    #: The version that was current before it: the same where the content did not change, nothing
    #: where there was none.
    previous_version_id: str | None = None
    #: The request it was done in.
    request_id: str | None = None
    #: The version that was current after it; nothing for a folder, and where the node is gone.
    version_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Event:
        return cls(
            act=said.get("act", 0),
            actor=said["actor"],
            at=_time(said["at"]),
            data=said["data"],
            fence=said.get("fence"),
            id=said["id"],
            key_id=said.get("key_id"),
            lock_id=said.get("lock_id"),
            node_id=said.get("node_id"),
            previous_version_id=said.get("previous_version_id"),
            request_id=said.get("request_id"),
            seq=said["seq"],
            type=said["type"],
            version_id=said.get("version_id"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """One page of a workspace's log."""

    #: The events, oldest first.
    items: tuple[Event, ...]
    #: The place of the workspace's newest event.
    last_seq: int
    #: What to send as `after` for the next page: the last `seq` looked at, whether or not the filter
    #: let it pass. Nothing once all up to `last_seq` was looked at.
    next_cursor: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> EventPage:
        return cls(
            items=tuple(Event._read(item) for item in said["items"]),
            last_seq=said["last_seq"],
            next_cursor=said.get("next_cursor"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook: events of a workspace go to a URL."""

    #: When it was made.
    created_at: datetime
    #: Who made it.
    created_by: str
    #: What it is for.
    description: str
    #: The hook's id.
    id: str
    #: Only what happens at this path or below it is sent; `/` means everything.
    path: str
    #: The place in the log up to which events have become deliveries.
    seq: int
    #: The types of events it sends: whole, or a beginning such as `version.*`. None means all.
    types: tuple[str, ...]
    #: When it was changed last.
    updated_at: datetime
    #: Where they go.
    url: str
    #: The workspace whose events it sends.
    workspace_id: str
    #: Why it is switched off; nothing while it is on.
    disabled: Literal["asked", "gone", "failing"] | None = None
    #: Since when it is off.
    disabled_at: datetime | None = None
    #: Since when every delivery has failed; nothing while they succeed.
    failing_since: datetime | None = None
    #: Until when deliveries are signed with the secret before the last rotation too.
    old_secret_until: datetime | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Hook:
        return cls(
            created_at=_time(said["created_at"]),
            created_by=said["created_by"],
            description=said["description"],
            disabled=said.get("disabled"),
            disabled_at=None if said.get("disabled_at") is None else _time(said["disabled_at"]),
            failing_since=None if said.get("failing_since") is None else _time(said["failing_since"]),
            id=said["id"],
            old_secret_until=None if said.get("old_secret_until") is None else _time(said["old_secret_until"]),
            path=said["path"],
            seq=said["seq"],
            types=tuple(said["types"]),
            updated_at=_time(said["updated_at"]),
            url=said["url"],
            workspace_id=said["workspace_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job's last attempt failed."""

    #: The stable code.
    code: str
    #: What was wrong in this very case.
    detail: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> JobError:
        return cls(
            code=said["code"],
            detail=said["detail"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a job is."""

    #: How much is done.
    done: int
    #: What is counted, such as `files` or `bytes`.
    unit: str
    #: How much there is in all, where that is known.
    total: int | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> JobProgress:
        return cls(
            done=said["done"],
            total=said.get("total"),
            unit=said["unit"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Durable background work. It survives a crash and is run at least once."""

    #: How often it was begun.
    attempts: int
    #: When it was made.
    created_at: datetime
    #: The job's id.
    id: str
    #: What it does, such as `sweep.blobs`.
    kind: str
    #: How often it is begun at most; then it has failed.
    max_attempts: int
    #: The earliest time of its next attempt.
    run_at: datetime
    #: Where it stands.
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    #: When somebody asked for its end.
    cancel_requested_at: datetime | None = None
    #: Who made it; nothing where Longshore itself did.
    created_by: str | None = None
    #: Why its last attempt failed.
    error: JobError | None = None
    #: When it ended.
    finished_at: datetime | None = None
    #: How far it is, where it says so.
    progress: JobProgress | None = None
    #: What it gave, by kind, once it has succeeded.
    result: dict[str, Any] | None = None
    #: When its first attempt began.
    started_at: datetime | None = None
    #: The workspace it works for; nothing for a job of the server itself.
    workspace_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Job:
        return cls(
            attempts=said["attempts"],
            cancel_requested_at=None if said.get("cancel_requested_at") is None else _time(said["cancel_requested_at"]),
            created_at=_time(said["created_at"]),
            created_by=said.get("created_by"),
            error=None if said.get("error") is None else JobError._read(said["error"]),
            finished_at=None if said.get("finished_at") is None else _time(said["finished_at"]),
            id=said["id"],
            kind=said["kind"],
            max_attempts=said["max_attempts"],
            progress=None if said.get("progress") is None else JobProgress._read(said["progress"]),
            result=said.get("result"),
            run_at=_time(said["run_at"]),
            started_at=None if said.get("started_at") is None else _time(said["started_at"]),
            state=said["state"],
            workspace_id=said.get("workspace_id"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts: a person or an agent."""

    #: The principal's id.
    id: str
    #: Person or agent.
    kind: Literal["person", "agent"]
    #: The name shown to others.
    name: str
    #: Since when they may do nothing.
    deactivated_at: datetime | None = None
    #: What they may do in every workspace, of which they need not be a member; an admin also with
    #: the server itself.
    everywhere: Literal["viewer", "editor", "admin", "owner"] | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Principal:
        return cls(
            deactivated_at=None if said.get("deactivated_at") is None else _time(said["deactivated_at"]),
            everywhere=said.get("everywhere"),
            id=said["id"],
            kind=said["kind"],
            name=said["name"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key without its secret."""

    #: When it was made.
    created_at: datetime
    #: The key's id.
    id: str
    #: What the key is for.
    name: str
    #: Who acts with it.
    principal: Principal
    #: What it may do at most; its principal may have a lesser role.
    role: Literal["viewer", "editor", "admin", "owner"]
    #: The networks that it is good from; nothing where it is good from anywhere.
    addresses: tuple[str, ...] | None = None
    #: When its time is over.
    expires_at: datetime | None = None
    #: The one folder that it reaches with all in it, wherever that is moved; nothing where it
    #: reaches the whole workspace.
    folder_id: str | None = None
    #: When somebody last came with it, give or take a minute.
    last_used_at: datetime | None = None
    #: The address that they came from.
    last_used_from: str | None = None
    #: When it was revoked.
    revoked_at: datetime | None = None
    #: What it is narrowed to do; nothing where it does all that its role allows.
    verbs: tuple[Literal["read", "create", "write", "delete", "share", "manage"], ...] | None = None
    #: The one workspace it reaches; nothing where it reaches all that its principal does.
    workspace_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Key:
        return cls(
            addresses=None if said.get("addresses") is None else tuple(said["addresses"]),
            created_at=_time(said["created_at"]),
            expires_at=None if said.get("expires_at") is None else _time(said["expires_at"]),
            folder_id=said.get("folder_id"),
            id=said["id"],
            last_used_at=None if said.get("last_used_at") is None else _time(said["last_used_at"]),
            last_used_from=said.get("last_used_from"),
            name=said["name"],
            principal=Principal._read(said["principal"]),
            revoked_at=None if said.get("revoked_at") is None else _time(said["revoked_at"]),
            role=said["role"],
            verbs=None if said.get("verbs") is None else tuple(said["verbs"]),
            workspace_id=said.get("workspace_id"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link that gives one version's content to whoever has it, without a key."""

    #: When the link ends.
    expires_at: datetime
    #: Where the content is, on the server that was asked: a path from its root; a whole URL where
    #: that server has another origin for content. Whoever has it can read.
    url: str
    #: The version whose content it gives.
    version_id: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Link:
        return cls(
            expires_at=_time(said["expires_at"]),
            url=said["url"],
            version_id=said["version_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLock:
    """A lock as everybody sees it who sees its node: never its token."""

    #: When it ends unless it is renewed.
    expires_at: datetime
    #: The number of this grant: it rises with every grant and every break of the node's locks, and
    #: is never reset.
    fence: int
    #: The lock's id.
    id: str
    #: The node that is locked; of a folder, all that is below it too.
    node_id: str
    #: Who took it.
    owner: str
    #: What the owner calls itself.
    owner_label: str | None = None
    #: What the lock is for.
    purpose: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> NodeLock:
        return cls(
            expires_at=_time(said["expires_at"]),
            fence=said["fence"],
            id=said["id"],
            node_id=said["node_id"],
            owner=said["owner"],
            owner_label=said.get("owner_label"),
            purpose=said.get("purpose"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A folder or a file in a workspace."""

    #: When the node was made.
    created_at: datetime
    #: Who made the node.
    created_by: str
    #: The node's id; it stays the same when the node is renamed, moved, trashed or restored.
    id: str
    #: Folder or file.
    kind: Literal["folder", "file"]
    #: The node's metadata.
    metadata: dict[str, str]
    #: The node's name; empty for the root folder.
    name: str
    #: The node's path in its workspace.
    path: str
    #: The content's length in bytes; 0 for a folder.
    size: int
    #: When the node last changed: content, name, place, metadata, labels or trash.
    updated_at: datetime
    #: Who changed the node last.
    updated_by: str
    #: The workspace the node is in.
    workspace_id: str
    #: The content's BLAKE3 digest; nothing for a folder.
    digest: str | None = None
    #: The number of the newest grant or break of the node's locks; 0 if it was never locked.
    fence: int = 0
    #: The node's labels.
    labels: frozenset[str] = field(default_factory=frozenset)
    #: The lock on this very node, while it holds. A lock on a folder above covers the node too.
    lock: NodeLock | None = None
    #: The content's media type, as found by looking at it; nothing for a folder.
    media_type: str | None = None
    #: The folder the node is in; nothing for the root folder.
    parent_id: str | None = None
    #: When the node, or a folder above it, went to the trash.
    trashed_at: datetime | None = None
    #: The current version; nothing for a folder.
    version_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Node:
        return cls(
            created_at=_time(said["created_at"]),
            created_by=said["created_by"],
            digest=said.get("digest"),
            fence=said.get("fence", 0),
            id=said["id"],
            kind=said["kind"],
            labels=frozenset(said.get("labels", ())),
            lock=None if said.get("lock") is None else NodeLock._read(said["lock"]),
            media_type=said.get("media_type"),
            metadata=said["metadata"],
            name=said["name"],
            parent_id=said.get("parent_id"),
            path=said["path"],
            size=said["size"],
            trashed_at=None if said.get("trashed_at") is None else _time(said["trashed_at"]),
            updated_at=_time(said["updated_at"]),
            updated_by=said["updated_by"],
            version_id=said.get("version_id"),
            workspace_id=said["workspace_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockGrant:
    """A lock, told to the one who took it."""

    #: When it ends unless it is renewed.
    expires_at: datetime
    #: The number of this grant: it rises with every grant and every break of the node's locks, and
    #: is never reset.
    fence: int
    #: The lock's id.
    id: str
    #: The node that is locked; of a folder, all that is below it too.
    node_id: str
    #: Who took it.
    owner: str
    #: In how many seconds the lease ends, counted from when the answer was made.
    expires_in: int
    #: Renewing leads no further than this.
    max_until: datetime
    #: The node as it is now.
    node: Node
    #: The secret that makes its holder the owner, `lst_…`; it is in this answer and nowhere else.
    token: str
    #: How long each renewal lasts, in seconds.
    ttl_seconds: int
    #: What the owner calls itself.
    owner_label: str | None = None
    #: What the lock is for.
    purpose: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> LockGrant:
        return cls(
            expires_at=_time(said["expires_at"]),
            fence=said["fence"],
            id=said["id"],
            node_id=said["node_id"],
            owner=said["owner"],
            owner_label=said.get("owner_label"),
            purpose=said.get("purpose"),
            expires_in=said["expires_in"],
            max_until=_time(said["max_until"]),
            node=Node._read(said["node"]),
            token=said["token"],
            ttl_seconds=said["ttl_seconds"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockGrants:
    """Answer of `POST /v1/locks:batch`."""

    #: The locks, in the order that was asked for.
    locks: tuple[LockGrant, ...]

    @classmethod
    def _read(cls, said: dict[str, Any]) -> LockGrants:
        return cls(
            locks=tuple(LockGrant._read(item) for item in said["locks"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRenewal:
    """Answer of `POST /v1/locks/{id}/renew`."""

    #: When it ends unless it is renewed.
    expires_at: datetime
    #: The number of this grant: it rises with every grant and every break of the node's locks, and
    #: is never reset.
    fence: int
    #: The lock's id.
    id: str
    #: The node that is locked; of a folder, all that is below it too.
    node_id: str
    #: Who took it.
    owner: str
    #: In how many seconds the lease ends, counted from when the answer was made.
    expires_in: int
    #: Renewing leads no further than this.
    max_until: datetime
    #: How long each renewal lasts, in seconds.
    ttl_seconds: int
    #: What the owner calls itself.
    owner_label: str | None = None
    #: What the lock is for.
    purpose: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> LockRenewal:
        return cls(
            expires_at=_time(said["expires_at"]),
            fence=said["fence"],
            id=said["id"],
            node_id=said["node_id"],
            owner=said["owner"],
            owner_label=said.get("owner_label"),
            purpose=said.get("purpose"),
            expires_in=said["expires_in"],
            max_until=_time(said["max_until"]),
            ttl_seconds=said["ttl_seconds"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session: somebody signed in, in one browser."""

    #: When it began.
    created_at: datetime
    #: Whether it is the one that asks.
    current: bool
    #: When it ends in any case.
    ends_at: datetime
    #: The session's id.
    id: str
    #: When it ends unless it is used before.
    idle_ends_at: datetime
    #: When it was last used, within five minutes.
    seen_at: datetime
    #: Where it began.
    address: str | None = None
    #: What the browser called itself: at most 200 characters.
    user_agent: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Session:
        return cls(
            address=said.get("address"),
            created_at=_time(said["created_at"]),
            current=said["current"],
            ends_at=_time(said["ends_at"]),
            id=said["id"],
            idle_ends_at=_time(said["idle_ends_at"]),
            seen_at=_time(said["seen_at"]),
            user_agent=said.get("user_agent"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Answer of `GET /v1/me`: who asks, and by which key or session."""

    #: Who asks.
    principal: Principal
    #: The key that asks; nothing where a session does.
    key: Key | None = None
    #: The session that asks; nothing where a key does.
    session: Session | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Me:
        return cls(
            key=None if said.get("key") is None else Key._read(said["key"]),
            principal=Principal._read(said["principal"]),
            session=None if said.get("session") is None else Session._read(said["session"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A principal with a role in a workspace."""

    #: Since when they are a member.
    added_at: datetime
    #: Who made them one.
    added_by: str
    #: Who it is.
    principal: Principal
    #: What they may do there, as far as their key lets them.
    role: Literal["viewer", "editor", "admin", "owner"]
    #: The workspace.
    workspace_id: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Member:
        return cls(
            added_at=_time(said["added_at"]),
            added_by=said["added_by"],
            principal=Principal._read(said["principal"]),
            role=said["role"],
            workspace_id=said["workspace_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHook:
    """A hook and its secret, which is in this answer and nowhere else."""

    #: The hook.
    hook: Hook
    #: What its deliveries are signed with: `whsec_…`.
    secret: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> NewHook:
        return cls(
            hook=Hook._read(said["hook"]),
            secret=said["secret"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A new key, with the secret that is shown this once."""

    #: When it was made.
    created_at: datetime
    #: The key's id.
    id: str
    #: What the key is for.
    name: str
    #: Who acts with it.
    principal: Principal
    #: What it may do at most; its principal may have a lesser role.
    role: Literal["viewer", "editor", "admin", "owner"]
    #: Its whole text, `lsk_…`; only a hash of it is kept.
    secret: str
    #: The networks that it is good from; nothing where it is good from anywhere.
    addresses: tuple[str, ...] | None = None
    #: When its time is over.
    expires_at: datetime | None = None
    #: The one folder that it reaches with all in it, wherever that is moved; nothing where it
    #: reaches the whole workspace.
    folder_id: str | None = None
    #: When somebody last came with it, give or take a minute.
    last_used_at: datetime | None = None
    #: The address that they came from.
    last_used_from: str | None = None
    #: When it was revoked.
    revoked_at: datetime | None = None
    #: What it is narrowed to do; nothing where it does all that its role allows.
    verbs: tuple[Literal["read", "create", "write", "delete", "share", "manage"], ...] | None = None
    #: The one workspace it reaches; nothing where it reaches all that its principal does.
    workspace_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> NewKey:
        return cls(
            addresses=None if said.get("addresses") is None else tuple(said["addresses"]),
            created_at=_time(said["created_at"]),
            expires_at=None if said.get("expires_at") is None else _time(said["expires_at"]),
            folder_id=said.get("folder_id"),
            id=said["id"],
            last_used_at=None if said.get("last_used_at") is None else _time(said["last_used_at"]),
            last_used_from=said.get("last_used_from"),
            name=said["name"],
            principal=Principal._read(said["principal"]),
            revoked_at=None if said.get("revoked_at") is None else _time(said["revoked_at"]),
            role=said["role"],
            verbs=None if said.get("verbs") is None else tuple(said["verbs"]),
            workspace_id=said.get("workspace_id"),
            secret=said["secret"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRange:
    """A part of a version's text, counted in characters from its begin."""

    #: The character after the last one.
    end: int
    #: The first character, from 0.
    start: int

    @classmethod
    def _read(cls, said: dict[str, Any]) -> TextRange:
        return cls(
            end=said["end"],
            start=said["start"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A short comment on a folder or file."""

    #: Who wrote it.
    author: str
    #: When it was written.
    created_at: datetime
    #: The note's id.
    id: str
    #: The node.
    node_id: str
    #: What it says.
    text: str
    #: The workspace the node is in.
    workspace_id: str
    #: When it was last changed.
    edited_at: datetime | None = None
    #: The part of the version's text that the note is about.
    range: TextRange | None = None
    #: The version that the note is about, where it is about one. The version may be gone since.
    version_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Note:
        return cls(
            author=said["author"],
            created_at=_time(said["created_at"]),
            edited_at=None if said.get("edited_at") is None else _time(said["edited_at"]),
            id=said["id"],
            node_id=said["node_id"],
            range=None if said.get("range") is None else TextRange._read(said["range"]),
            text=said["text"],
            version_id=said.get("version_id"),
            workspace_id=said["workspace_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """A staged upload that is not finished, as `GET /v1/uploads` lists it."""

    #: When it is removed unless more bytes come.
    expires_at: datetime
    #: The upload's id.
    id: str
    #: Whether it is a part of another upload.
    is_part: bool
    #: How many bytes have come and are durable.
    offset: int
    #: How far it is.
    state: Literal["receiving", "complete", "refused", "finished"]
    #: How many bytes there will be, where that is known.
    length: int | None = None
    #: Where its file would go now; nothing for a part, or where the folder or file is gone.
    path: str | None = None
    #: The workspace that its file goes to; nothing for a part.
    workspace_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> OpenUpload:
        return cls(
            expires_at=_time(said["expires_at"]),
            id=said["id"],
            is_part=said["is_part"],
            length=said.get("length"),
            offset=said["offset"],
            path=said.get("path"),
            state=said["state"],
            workspace_id=said.get("workspace_id"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What was removed for good."""

    #: How many bytes the versions had. Copies share bytes, so less may become free.
    bytes: int
    #: How many folders and files.
    nodes: int
    #: How many versions.
    versions: int
    #: The job that removes what is too much for one request: then nothing is gone yet.
    job_id: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Purged:
        return cls(
            bytes=said["bytes"],
            job_id=said.get("job_id"),
            nodes=said["nodes"],
            versions=said["versions"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation into a workspace, without its token."""

    #: When it was made.
    created_at: datetime
    #: Who invites.
    created_by: str
    #: When its time is over.
    expires_at: datetime
    #: The invitation's id.
    id: str
    #: What who accepts may do there.
    role: Literal["viewer", "editor", "admin", "owner"]
    #: Where it stands.
    state: Literal["open", "accepted", "declined", "revoked", "expired"]
    #: The workspace.
    workspace_id: str
    #: Who has accepted it.
    accepted_by: str | None = None
    #: Whom it is for, or why.
    note: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Invitation:
        return cls(
            accepted_by=said.get("accepted_by"),
            created_at=_time(said["created_at"]),
            created_by=said["created_by"],
            expires_at=_time(said["expires_at"]),
            id=said["id"],
            note=said.get("note"),
            role=said["role"],
            state=said["state"],
            workspace_id=said["workspace_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """What who was invited sees of it before they accept."""

    #: When its time is over.
    expires_at: datetime
    #: The name of who invites.
    invited_by: str
    #: What they may do there.
    role: Literal["viewer", "editor", "admin", "owner"]
    #: The workspace's name.
    workspace: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> LookedAt:
        return cls(
            expires_at=_time(said["expires_at"]),
            invited_by=said["invited_by"],
            role=said["role"],
            workspace=said["workspace"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInvitation:
    """A new invitation, with the token that is shown this once."""

    #: When it was made.
    created_at: datetime
    #: Who invites.
    created_by: str
    #: When its time is over.
    expires_at: datetime
    #: The invitation's id.
    id: str
    #: What who accepts may do there.
    role: Literal["viewer", "editor", "admin", "owner"]
    #: Where it stands.
    state: Literal["open", "accepted", "declined", "revoked", "expired"]
    #: The workspace.
    workspace_id: str
    #: Its token, `lsi_…`; only a hash of it is kept.
    token: str
    #: Who has accepted it.
    accepted_by: str | None = None
    #: Whom it is for, or why.
    note: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> NewInvitation:
        return cls(
            accepted_by=said.get("accepted_by"),
            created_at=_time(said["created_at"]),
            created_by=said["created_by"],
            expires_at=_time(said["expires_at"]),
            id=said["id"],
            note=said.get("note"),
            role=said["role"],
            state=said["state"],
            workspace_id=said["workspace_id"],
            token=said["token"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReset:
    """What lets a person set a new password, once; it is shown this once."""

    #: When its time is over.
    expires_at: datetime
    #: The token, `lsr_…`; only a hash of it is kept.
    token: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> NewReset:
        return cls(
            expires_at=_time(said["expires_at"]),
            token=said["token"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransfer:
    """An offer with its token, which is shown this once."""

    #: When it ends by itself.
    expires_at: datetime
    #: The owner who gives it away.
    giver: str
    #: The offer's id.
    id: str
    #: When it was made.
    offered_at: datetime
    #: Who made the offer: the owner, or an admin of the server.
    offered_by: str
    #: How it stands.
    state: Literal["open", "accepted", "declined", "revoked", "expired"]
    #: The workspace.
    workspace_id: str
    #: The claim token, `lsc_…`: whoever has it may become the owner.
    token: str
    #: When it was accepted, declined or revoked.
    ended_at: datetime | None = None
    #: By whom.
    ended_by: str | None = None
    #: What was said with it.
    note: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> NewTransfer:
        return cls(
            ended_at=None if said.get("ended_at") is None else _time(said["ended_at"]),
            ended_by=said.get("ended_by"),
            expires_at=_time(said["expires_at"]),
            giver=said["giver"],
            id=said["id"],
            note=said.get("note"),
            offered_at=_time(said["offered_at"]),
            offered_by=said["offered_by"],
            state=said["state"],
            workspace_id=said["workspace_id"],
            token=said["token"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An offer to hand a workspace over, without its token."""

    #: When it ends by itself.
    expires_at: datetime
    #: The owner who gives it away.
    giver: str
    #: The offer's id.
    id: str
    #: When it was made.
    offered_at: datetime
    #: Who made the offer: the owner, or an admin of the server.
    offered_by: str
    #: How it stands.
    state: Literal["open", "accepted", "declined", "revoked", "expired"]
    #: The workspace.
    workspace_id: str
    #: When it was accepted, declined or revoked.
    ended_at: datetime | None = None
    #: By whom.
    ended_by: str | None = None
    #: What was said with it.
    note: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Transfer:
        return cls(
            ended_at=None if said.get("ended_at") is None else _time(said["ended_at"]),
            ended_by=said.get("ended_by"),
            expires_at=_time(said["expires_at"]),
            giver=said["giver"],
            id=said["id"],
            note=said.get("note"),
            offered_at=_time(said["offered_at"]),
            offered_by=said["offered_by"],
            state=said["state"],
            workspace_id=said["workspace_id"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much a workspace keeps."""

    #: The bytes of all versions, old and current, live and in the trash. Versions that share bytes
    #: count in full.
    bytes: int = 0
    #: The files, live and in the trash.
    files: int = 0
    #: The bytes that are set aside for uploads which are not finished: as many as each has
    #: announced, or has so far where it has announced none.
    staged_bytes: int = 0

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Usage:
        return cls(
            bytes=said.get("bytes", 0),
            files=said.get("files", 0),
            staged_bytes=said.get("staged_bytes", 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferManifest:
    """What is handed over with a workspace. What is counted here is counted up to 100,000."""

    #: Webhooks.
    hooks: int
    #: Keys that are narrowed to the workspace and not revoked.
    keys: int
    #: Locks that hold.
    locks: int
    #: Members, the owner among them.
    members: int
    #: Its owner, who stays as an admin until removed.
    owner: Principal
    #: The offer.
    transfer: Transfer
    #: Its files and bytes, exactly.
    usage: Usage
    #: Versions of files, old and current, live and in the trash.
    versions: int
    #: The workspace's name.
    workspace_name: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> TransferManifest:
        return cls(
            hooks=said["hooks"],
            keys=said["keys"],
            locks=said["locks"],
            members=said["members"],
            owner=Principal._read(said["owner"]),
            transfer=Transfer._read(said["transfer"]),
            usage=Usage._read(said["usage"]),
            versions=said["versions"],
            workspace_name=said["workspace_name"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Answer of `GET /v1/status`: what a person asks first of a server."""

    #: The database: `sqlite` or `postgresql`.
    database: str
    #: When the server started.
    started_at: datetime
    #: The blob store: `local` or `memory`.
    store: str
    #: The server's version.
    version: str

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Status:
        return cls(
            database=said["database"],
            started_at=_time(said["started_at"]),
            store=said["store"],
            version=said["version"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoChange:
    """A node that an undo changes."""

    #: Folder or file.
    kind: Literal["folder", "file"]
    #: The node.
    node_id: str
    #: Where it is before the undo.
    path: str
    #: What is done to it.
    steps: tuple[Literal["trash", "restore", "move", "content", "metadata", "labels"], ...]
    #: Where it is after the undo, in the trash or not.
    to_path: str
    #: The `seq` of the event before which the node stands again.
    undoes: int
    #: The version that is current before the undo, where the content changes.
    from_version: str | None = None
    #: The version whose content comes back.
    to_version: str | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> UndoChange:
        return cls(
            from_version=said.get("from_version"),
            kind=said["kind"],
            node_id=said["node_id"],
            path=said["path"],
            steps=tuple(said["steps"]),
            to_path=said["to_path"],
            to_version=said.get("to_version"),
            undoes=said["undoes"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoConflict:
    """A node that stands in the way of an undo."""

    #: The node.
    node_id: str
    #: Where it is.
    path: str
    #: Why it stands in the way.
    reason: Literal["changed", "name_taken", "in_trash", "into_itself", "path_too_long", "node_purged", "version_purged"]
    #: Who did that.
    actor: str | None = None
    #: The event that put it in the way, where there is one.
    seq: int | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> UndoConflict:
        return cls(
            actor=said.get("actor"),
            node_id=said["node_id"],
            path=said["path"],
            reason=said["reason"],
            seq=said.get("seq"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """Answer of `POST /v1/workspaces/{ws}/undo`."""

    #: The acts that are undone, oldest first; at most the first 1,000 of them.
    acts: tuple[int, ...]
    #: The nodes that change.
    changes: tuple[UndoChange, ...]
    #: What stands in the way: of a preview alone, as an undo with conflicts is refused with
    #: `undo_conflict`.
    conflicts: tuple[UndoConflict, ...]
    #: The new act, which can be undone in its turn; nothing for a preview, or where nothing had to
    #: change.
    act: int | None = None
    #: The `seq` of the newest event that was looked at: with it as `until_seq`, an undo takes back
    #: no later act.
    last_seq: int = 0

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Undone:
        return cls(
            act=said.get("act"),
            acts=tuple(said["acts"]),
            changes=tuple(UndoChange._read(item) for item in said["changes"]),
            conflicts=tuple(UndoConflict._read(item) for item in said["conflicts"]),
            last_seq=said.get("last_seq", 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much a workspace may keep; `null` for no limit."""

    #: The most bytes of all versions that are kept, together with what is staged for open uploads.
    bytes: int | None = None
    #: The most files.
    files: int | None = None
    #: The most bytes of a version that is made from now on.
    largest_file: int | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Quota:
        return cls(
            bytes=said.get("bytes"),
            files=said.get("files"),
            largest_file=said.get("largest_file"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """The rules of a workspace."""

    #: For how many days events are kept; `null` for ever. The newest event is always kept, and so is
    #: what a webhook that is on has not read yet.
    events_days: int | None = None
    #: Whether a change of a file that is there needs `If-Match`: without it, 428.
    require_preconditions: bool = False
    #: For how many days the trash keeps what is put there, with all its versions; `null` for ever.
    trash_days: int | None = None
    #: For how many days every version is kept after another took its place; `null` does not look at
    #: that.
    versions_days: int | None = None
    #: How many of a file's newest versions are kept; `null` does not count them. An old version is
    #: removed once no rule keeps it. Without this and `versions_days` all are kept. The current
    #: version and those with a label are always kept, as long as their file is.
    versions_kept: int | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> WorkspaceSettings:
        return cls(
            events_days=said.get("events_days"),
            require_preconditions=said.get("require_preconditions", False),
            trash_days=said.get("trash_days"),
            versions_days=said.get("versions_days"),
            versions_kept=said.get("versions_kept"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A tree of nodes with its own event log."""

    #: When the workspace was made.
    created_at: datetime
    #: Who made the workspace.
    created_by: str
    #: The workspace's id.
    id: str
    #: The workspace's name, which no other workspace of the server has.
    name: str
    #: The root folder.
    root_id: str
    #: The place of the newest event.
    seq: int
    #: How much it may keep.
    quota: Quota | None = None
    #: The workspace's own rules.
    settings: WorkspaceSettings | None = None
    #: How much it keeps.
    usage: Usage | None = None

    @classmethod
    def _read(cls, said: dict[str, Any]) -> Workspace:
        return cls(
            created_at=_time(said["created_at"]),
            created_by=said["created_by"],
            id=said["id"],
            name=said["name"],
            quota=None if said.get("quota") is None else Quota._read(said["quota"]),
            root_id=said["root_id"],
            seq=said["seq"],
            settings=None if said.get("settings") is None else WorkspaceSettings._read(said["settings"]),
            usage=None if said.get("usage") is None else Usage._read(said["usage"]),
        )
