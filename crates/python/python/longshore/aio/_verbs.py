"""Workspaces, events, jobs, notes and webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore import models
from longshore._said import NodeRef, given, ref
from longshore.aio._run import run
from longshore.aio._streams import AsyncListing

if TYPE_CHECKING:
    from longshore.aio._client import AsyncClient

__all__ = ["AsyncEvents", "AsyncHooks", "AsyncJobs", "AsyncNotes", "AsyncWorkspaces", "Verbs"]


class Verbs:
    """What all verbs stand on."""

    def __init__(self, client: AsyncClient) -> None:
        """Belong to a client."""
        self._client = client

    async def _call(self, verb: str, *args: Any) -> Any:
        return await run(self._client._core.call(verb, *args))

    def _list(self, verb: str, *args: Any) -> Any:
        return self._client._core.list(verb, *args)


class AsyncWorkspaces(Verbs):
    """Workspaces."""

    async def get_current(self) -> models.Workspace:
        """Return the key's own, or only, workspace."""
        return models.Workspace._read(await self._call("workspaces.current"))

    current = get_current

    async def get(self, workspace_id: str) -> models.Workspace:
        """Return a workspace."""
        return models.Workspace._read(await self._call("workspaces.get", workspace_id))

    async def create(self, name: str) -> models.Workspace:
        """Make a workspace."""
        return models.Workspace._read(await self._call("workspaces.create", name))

    async def update(
        self, workspace_id: str, *, name: str | None = None, settings: Mapping[str, Any] | None = None
    ) -> models.Workspace:
        """Rename a workspace, or change some of its settings."""
        change = given(name=name, settings=None if settings is None else dict(settings))
        return models.Workspace._read(await self._call("workspaces.update", workspace_id, change))

    async def set_quota(self, workspace_id: str, **limits: int | None) -> models.Workspace:
        """Say how much a workspace may keep: `bytes`, `files`, `largest_file` in bytes; what is left out stays.

        `None` takes a limit away. It takes an admin of the server.
        """
        return models.Workspace._read(await self._call("workspaces.set_quota", workspace_id, limits))

    def list(self) -> AsyncListing[models.Workspace]:
        """List the workspaces that the key reaches."""
        return AsyncListing(self._list("workspaces.list"), models.Workspace._read)


class AsyncEvents(Verbs):
    """The log of a workspace: all that has changed, and by whom."""

    def list(
        self,
        *,
        after: int | None = None,
        types: Sequence[str] = (),
        path: str | None = None,
        actor: str | None = None,
        workspace_id: str | None = None,
    ) -> AsyncListing[models.Event]:
        """List the events there are, oldest first, after a place in the log (`seq`)."""
        said = given(after=after, types=list(types), path=path, actor=actor, workspace=workspace_id)
        return AsyncListing(self._list("events.list", said), models.Event._read)

    def follow(
        self,
        *,
        after: int | None = None,
        from_now: bool = False,
        types: Sequence[str] = (),
        path: str | None = None,
        actor: str | None = None,
        workspace_id: str | None = None,
    ) -> AsyncListing[models.Event]:
        """Give the events that there are and then those that come, without an end; `file.*` is a type too."""
        said = given(
            after=after,
            from_now=from_now or None,
            types=list(types),
            path=path,
            actor=actor,
            workspace=workspace_id,
        )
        return AsyncListing(self._list("events.follow", said), models.Event._read)

    async def wait(
        self,
        timeout: float,
        *,
        after: int | None = None,
        types: Sequence[str] = (),
        path: str | None = None,
        actor: str | None = None,
        workspace_id: str | None = None,
    ) -> models.EventPage:
        """Return the next events, having waited up to `timeout` seconds for the first of them."""
        said = given(after=after, types=list(types), path=path, actor=actor, workspace=workspace_id)
        return models.EventPage._read(await self._call("events.wait", said, timeout))


class AsyncJobs(Verbs):
    """Durable background work."""

    async def get(self, job_id: str) -> models.Job:
        """Return a job as it stands."""
        return models.Job._read(await self._call("jobs.get", job_id))

    async def wait(self, job_id: str, timeout: float | None = None) -> models.Job:
        """Return a job once it is over, or after `timeout` seconds as it stands then."""
        return models.Job._read(await self._call("jobs.wait", job_id, timeout))

    async def cancel(self, job_id: str) -> models.Job:
        """Ask that a job stops."""
        return models.Job._read(await self._call("jobs.cancel", job_id))

    async def retry(self, job_id: str) -> models.Job:
        """Have a job that failed run again."""
        return models.Job._read(await self._call("jobs.retry", job_id))

    def list(
        self, *, state: str | None = None, kind: str | None = None, workspace_id: str | None = None
    ) -> AsyncListing[models.Job]:
        """List jobs, newest first."""
        return AsyncListing(self._list("jobs.list", workspace_id, state, kind), models.Job._read)


class AsyncNotes(Verbs):
    """Notes on files and folders."""

    async def create(self, file_id: NodeRef, text: str, **said: Any) -> models.Note:
        """Write a note."""
        return models.Note._read(await self._call("notes.create", ref(file_id), given(text=text, **said)))

    async def update(self, note_id: str, text: str) -> models.Note:
        """Write a note anew."""
        return models.Note._read(await self._call("notes.update", note_id, text))

    async def delete(self, note_id: str) -> None:
        """Remove a note."""
        await self._call("notes.delete", note_id)

    def list(self, file_id: NodeRef) -> AsyncListing[models.Note]:
        """List the notes of a node."""
        return AsyncListing(self._list("notes.list", ref(file_id)), models.Note._read)


class AsyncHooks(Verbs):
    """Webhooks: events to URLs, signed. `longshore.webhooks.verify` is for who receives them."""

    async def create(self, url: str, *, workspace_id: str | None = None, **said: Any) -> models.NewHook:
        """Make a hook; its secret is in the answer, and nowhere else ever again."""
        return models.NewHook._read(await self._call("hooks.create", workspace_id, given(url=url, **said)))

    async def get(self, hook_id: str, *, workspace_id: str | None = None) -> models.Hook:
        """Return a hook."""
        return models.Hook._read(await self._call("hooks.get", workspace_id, hook_id))

    async def update(self, hook_id: str, *, workspace_id: str | None = None, **change: Any) -> models.Hook:
        """Change a hook."""
        return models.Hook._read(await self._call("hooks.update", workspace_id, hook_id, change))

    async def delete(self, hook_id: str, *, workspace_id: str | None = None) -> None:
        """Remove a hook."""
        await self._call("hooks.delete", workspace_id, hook_id)

    async def rotate(
        self, hook_id: str, overlap_hours: int | None = None, *, workspace_id: str | None = None
    ) -> models.NewHook:
        """Give a hook a new secret; the old one signs too for so many hours."""
        return models.NewHook._read(await self._call("hooks.rotate", workspace_id, hook_id, overlap_hours))

    async def test(self, hook_id: str, *, workspace_id: str | None = None) -> models.Delivery:
        """Deliver an event that is only a test."""
        return models.Delivery._read(await self._call("hooks.test", workspace_id, hook_id))

    def list(self, *, workspace_id: str | None = None) -> AsyncListing[models.Hook]:
        """List the hooks of a workspace."""
        return AsyncListing(self._list("hooks.list", workspace_id), models.Hook._read)

    def deliveries(
        self, hook_id: str, *, state: str | None = None, workspace_id: str | None = None
    ) -> AsyncListing[models.Delivery]:
        """List a hook's deliveries, newest first."""
        return AsyncListing(
            self._list("hooks.deliveries", workspace_id, hook_id, state), models.Delivery._read
        )

    async def delivery(
        self, hook_id: str, delivery_id: str, *, workspace_id: str | None = None
    ) -> models.Delivery:
        """Return one delivery with its attempts."""
        return models.Delivery._read(await self._call("hooks.delivery", workspace_id, hook_id, delivery_id))

    async def redeliver(
        self, hook_id: str, delivery_id: str | None = None, *, workspace_id: str | None = None, **what: Any
    ) -> models.Delivery | models.Job:
        """Deliver one again, or, by a job, all that the filter in `what` names."""
        if delivery_id is not None:
            said = await self._call("hooks.redeliver_one", workspace_id, hook_id, delivery_id)
            return models.Delivery._read(said)
        return models.Job._read(await self._call("hooks.redeliver", workspace_id, hook_id, given(**what)))
