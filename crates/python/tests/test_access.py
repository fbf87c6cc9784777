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
            assert theirs.me().key.principal.id == agent.id
            admin.keys.revoke(made.id)
            with pytest.raises(exceptions.AuthenticationError):
                theirs.me()
