"""Who may do what: members, people and agents, and their keys."""

from __future__ import annotations

import longshore
import pytest
from conftest import Server
from longshore import exceptions


def test_an_agent_is_a_member_until_it_is_taken_out(server: Server) -> None:
    with longshore.Client(server.key, server.url) as admin:
        workspace = admin.workspaces.get_current().id
        agent = admin.principals.create("agent", "robot")
        assert (agent.kind, agent.name, agent.deactivated_at) == ("agent", "robot", None)
        given = admin.members.set(agent.id, "editor")
        assert (given.role, given.principal.id) == ("editor", agent.id)
        roles = {one.principal.id: one.role for one in admin.members.list()}
        assert roles.pop(agent.id) == "editor"
        assert "owner" in roles.values()
        admin.members.set(agent.id, "viewer")
        assert admin.members.get(agent.id, workspace_id=workspace).role == "viewer"
        admin.members.remove(agent.id)
        with pytest.raises(exceptions.NotFoundError):
            admin.members.get(agent.id)
        with pytest.raises(exceptions.LongshoreError, match="owner"):
            admin.members.set(agent.id, "owner")


def test_who_is_deactivated_asks_for_nothing_more(server: Server) -> None:
    with longshore.Client(server.key, server.url) as admin:
        workspace = admin.workspaces.get_current().id
        made = admin.keys.create(name="k", role="editor", workspace_id=workspace, agent="soon gone")
        agent = made.principal
        assert agent.id in [one.id for one in admin.principals.list()]
        assert admin.principals.rename(agent.id, "gone").name == "gone"
        with longshore.Client(made.secret, server.url, max_attempts=1) as theirs:
            assert theirs.workspaces.get_current().id == workspace
            with pytest.raises(exceptions.PermissionDeniedError):
                theirs.principals.create("agent", "another")
            assert admin.principals.deactivate(agent.id).deactivated_at is not None
            with pytest.raises(exceptions.AuthenticationError):
                theirs.me()
            assert admin.principals.reactivate(agent.id).deactivated_at is None
            assert theirs.me().principal.id == agent.id
            admin.keys.revoke(made.id)
            with pytest.raises(exceptions.AuthenticationError):
                theirs.me()


def test_a_key_is_narrowed_and_rotated(server: Server) -> None:
    with longshore.Client(server.key, server.url) as admin:
        folder = admin.files.mkdir("/narrow").id
        workspace = admin.workspaces.get_current().id
        made = admin.keys.create(
            name="k", role="editor", workspace_id=workspace, agent="n", verbs=["create"], folder=folder
        )
        assert (made.verbs, made.folder_id) == (("create",), folder)
        with longshore.Client(made.secret, server.url, max_attempts=1) as theirs:
            made_file = theirs.files.upload(data=b"x", destination="/narrow/file")
            with pytest.raises(exceptions.PermissionDeniedError):
                theirs.files.download(made_file.id)
            with pytest.raises(exceptions.NotFoundError):
                theirs.files.upload(data=b"x", destination="/beside")
        admin.keys.revoke(made.id)
        other = admin.keys.create(name="k", role="viewer", workspace_id=workspace)
        new = admin.keys.rotate(other.id)
        with longshore.Client(other.secret, server.url, max_attempts=1) as old:
            with pytest.raises(exceptions.AuthenticationError):
                old.me()
        admin.keys.revoke(new.id)


def test_who_is_invited_joins_and_a_quota_holds(server: Server) -> None:
    with longshore.Client(server.key, server.url) as admin:
        workspace = admin.workspaces.get_current()
        invited = admin.invitations.create("viewer", note="for a test")
        assert admin.invitations.look(invited.token).role == "viewer"
        admin.invitations.revoke(invited.id)
        with pytest.raises(exceptions.LongshoreError):
            admin.invitations.accept(invited.token)
        assert "revoked" in [one.state for one in admin.invitations.list()]
        try:
            admin.workspaces.set_quota(workspace.id, largest_file=10)
            with pytest.raises(exceptions.QuotaExceededError):
                admin.files.upload(data=b"x" * 11, destination="/too-large")
        finally:
            quota = admin.workspaces.set_quota(workspace.id, largest_file=None).quota
            assert quota is None or quota.largest_file is None
        offer = admin.transfers.offer(expires_in=60)
        assert admin.transfers.look(offer.token).transfer.id == offer.id
        with pytest.raises(exceptions.ConflictError):
            admin.transfers.accept(offer.token)
        admin.transfers.revoke()
        assert admin.transfers.get().state == "revoked"
