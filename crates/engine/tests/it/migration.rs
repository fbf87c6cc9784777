//! What the database of an older Longshore becomes.

use std::sync::Arc;

use longshore_core::wire::{CreateKey, Member, Role, Usage};
use longshore_core::{Code, KeyId};
use longshore_engine::{Actor, Database, Engine, Made, NewUpload, PageRequest, Premises, Settings};

use crate::world::{World, name, refused};
use crate::{block_on, postgres};

/// Takes the step back that made members of those who had keys, and those after it, and makes two keys such as there were then.
const BEFORE_MEMBERS: &str = "
    DROP TABLE audit;
    ALTER TABLE instance DROP COLUMN audit_base;
    DROP TABLE share_downloads;
    DROP TABLE share_visits;
    DROP TABLE shares;
    DROP TABLE invitations;
    DROP TABLE password_resets;
    DROP TABLE sessions;
    DROP TABLE passwords;
    ALTER TABLE keys DROP COLUMN verbs;
    ALTER TABLE keys DROP COLUMN folder_id;
    ALTER TABLE keys DROP COLUMN addresses;
    ALTER TABLE keys DROP COLUMN last_used_at;
    ALTER TABLE keys DROP COLUMN last_used_from;
    DROP TABLE access_changes;
    ALTER TABLE events DROP COLUMN parent_id;
    ALTER TABLE events DROP COLUMN parent_before;
    ALTER TABLE workspaces DROP COLUMN quota_bytes;
    ALTER TABLE workspaces DROP COLUMN quota_files;
    ALTER TABLE workspaces DROP COLUMN quota_largest_file;
    ALTER TABLE workspaces DROP COLUMN bytes;
    ALTER TABLE workspaces DROP COLUMN files;
    ALTER TABLE workspaces DROP COLUMN staged_bytes;
    ALTER TABLE uploads DROP COLUMN set_aside;
    ALTER TABLE uploads DROP COLUMN set_aside_in;
    DROP TABLE identities;
    DROP TABLE transfers;
    DROP TABLE crossings;
    DROP TABLE crossing_contents;
    DROP TABLE crossing_lines;
    DROP TABLE members;
    DROP INDEX locks_of_principal;
    ALTER TABLE principals DROP COLUMN everywhere;
    ALTER TABLE principals DROP COLUMN deactivated_at;
    ALTER TABLE idempotency DROP COLUMN workspace_id;
    DELETE FROM schema_history WHERE number >= 16;
    UPDATE keys SET role = 'admin' WHERE role = 'owner';
    UPDATE keys SET principal_id = (SELECT principal_id FROM keys WHERE name = 'narrow') WHERE name = 'revoked';";

struct Keys<'w> {
    world: &'w World,
    made: Vec<(&'static str, KeyId, String)>,
}

impl Keys<'_> {
    async fn make(&mut self, key: &'static str, is_agents: bool, wanted: CreateKey) {
        let agent = is_agents.then(|| key.to_owned());
        let wanted = CreateKey { name: key.to_owned(), agent, ..wanted };
        let made = self.world.engine.create_key(&self.world.owner, wanted, None).await.unwrap();
        self.made.push((key, made.key.id, made.secret));
    }
}

/// Makes keys of all kinds, has the database be as it was before there were members, and opens it again.
async fn each_key_does_what_it_did(world: World, database: Database, undo: impl AsyncFnOnce()) {
    let other = world.engine.create_workspace(&world.owner, name("other"), None).await.unwrap().id;
    let of = |role, workspace_id| CreateKey { workspace_id, ..CreateKey::new("", role) };
    let mut keys = Keys { world: &world, made: Vec::new() };
    keys.make("wide", true, of(Role::Editor, None)).await;
    keys.make("narrow", true, of(Role::Editor, Some(other))).await;
    keys.make("revoked", true, of(Role::Admin, None)).await;
    keys.make("own", false, of(Role::Viewer, Some(other))).await;
    keys.make("maker", true, of(Role::Admin, None)).await;
    let made = keys.made;
    let (_, revoked, _) = made[2];
    world.engine.revoke_key(&world.owner, revoked, None).await.unwrap();
    let maker = world.engine.authenticate(&made[4].2).await.unwrap();
    let third = world.engine.create_workspace(&maker, name("third"), None).await.unwrap().id;
    world.put("/a", b"one").await;
    world.put("/a", b"three").await;
    let gone = world.put("/b", b"seven").await;
    world.engine.trash_node(&world.owner, gone.id, Premises::default()).await.unwrap();
    let id = world.engine.upload_id();
    let file = Made::File(world.at("/c"), Box::default());
    let upload = NewUpload { id, made: file, length: Some(100), metadata: String::new() };
    world.engine.create_upload(&world.owner, upload).await.unwrap();
    world.engine.close().await;
    undo().await;

    let clock = Arc::new(world.clock.clone());
    let engine = Engine::open(Settings::default(), &database, world.store.clone(), clock).await.unwrap();
    let roles = |actor: &Actor| [world.id(), other, third].map(|place| actor.role_in(place));
    let (admin, editor, viewer) = (Some(Role::Admin), Some(Role::Editor), Some(Role::Viewer));
    let first = engine.authenticate(&world.first_key).await.unwrap();
    assert_eq!(roles(&first), [admin; 3], "the first key");
    for (key, _, secret) in &made {
        let actor = engine.authenticate(secret).await;
        let expected = match *key {
            "wide" => [editor; 3],
            "narrow" => [None, editor, None],
            "own" => [None, viewer, None],
            "maker" => [admin; 3],
            _ => {
                refused(actor, Code::KeyRevoked);
                continue;
            }
        };
        assert_eq!(roles(&actor.unwrap()), expected, "{key}");
    }
    let members = async |workspace| {
        let page = engine.list_members(&first, workspace, PageRequest::default()).await.unwrap();
        let named = |member: Member| (member.principal.name, member.role);
        let mut members: Vec<_> = page.items.into_iter().map(named).collect();
        members.sort();
        members
    };
    // What a revoked key could do makes nobody a member, and gives nobody a role everywhere.
    let owner = ("owner".to_owned(), Role::Owner);
    assert_eq!(members(world.id()).await, std::slice::from_ref(&owner));
    assert_eq!(members(other).await, [("narrow".to_owned(), Role::Editor), owner]);
    assert_eq!(members(third).await, [("maker".to_owned(), Role::Owner)]);
    // What was there before anybody counted is counted.
    let usage = engine.workspace(&first, world.id()).await.unwrap().usage;
    assert_eq!(usage, Usage { bytes: 13, files: 2, staged_bytes: 100 });
    assert_eq!(engine.workspace(&first, other).await.unwrap().usage, Usage::default());
    engine.create_workspace(&first, name("fourth"), None).await.unwrap();
    engine.close().await;
}

#[test]
fn each_key_does_after_the_step_to_members_what_it_did_before_on_sqlite() {
    block_on(async {
        let world = World::on_sqlite().await;
        let file = world.database_file().unwrap();
        let undo = {
            let file = file.clone();
            async move || rusqlite::Connection::open(file).unwrap().execute_batch(BEFORE_MEMBERS).unwrap()
        };
        each_key_does_what_it_did(world, Database::Sqlite(file), undo).await;
    });
}

#[test]
fn each_key_does_after_the_step_to_members_what_it_did_before_on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let url = server.database();
        let world = World::on_postgres_at(url.clone()).await;
        let database = Database::Postgres { url: url.clone(), connections: 8 };
        let undo = async || {
            let (client, connection) =
                tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
            tokio::select! {
                done = client.batch_execute(BEFORE_MEMBERS) => done.unwrap(),
                end = connection => panic!("the connection ended: {end:?}"),
            }
        };
        each_key_does_what_it_did(world, database, undo).await;
    });
}
