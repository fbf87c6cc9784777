//! Two nodes over one database: what ends on one of them ends on the other in the same moment, for reads too.

use std::sync::Arc;

use longshore_core::Code;
use longshore_core::wire::{CreateKey, Role, RotateKey};
use longshore_engine::{Database, Engine, Premises, Settings};

use crate::world::{World, refused};
use crate::{block_on, postgres};

#[test]
fn who_may_do_what_is_known_at_once_on_every_node_on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let address = server.database();
        let world = World::on_postgres_at(address.clone()).await;
        let database = Database::Postgres { url: address, connections: 8 };
        let clock = Arc::new(world.clock.clone());
        let other = Engine::open(Settings::default(), &database, world.store.clone(), clock).await.unwrap();
        let (one, owner) = (&world.engine, &world.owner);
        let file = world.put("/a", b"x").await;
        let made = async |role| {
            let wanted = CreateKey {
                workspace_id: Some(world.id()),
                agent: Some("agent".to_owned()),
                ..CreateKey::new("k", role)
            };
            one.create_key(owner, wanted, None).await.unwrap()
        };

        let revoked = made(Role::Editor).await;
        // Remembered there, and asked for by many at once.
        let actor = other.authenticate(&revoked.secret).await.unwrap();
        other.node(&actor, file.id).await.unwrap();
        one.revoke_key(owner, revoked.key.id, None).await.unwrap();
        let asked = std::iter::repeat_with(|| other.authenticate(&revoked.secret)).take(50);
        for refusal in futures_util::future::join_all(asked).await {
            refused(refusal, Code::KeyRevoked);
        }

        let rotated = made(Role::Editor).await;
        other.authenticate(&rotated.secret).await.unwrap();
        let new = one.rotate_key(owner, rotated.key.id, RotateKey::default(), None).await.unwrap();
        refused(other.authenticate(&rotated.secret).await, Code::KeyRevoked);
        other.authenticate(&new.secret).await.unwrap();

        let member = made(Role::Editor).await;
        let agent = member.key.principal.id;
        other.authenticate(&member.secret).await.unwrap();
        one.set_member(owner, world.id(), agent, Role::Viewer, Premises::default()).await.unwrap();
        let actor = other.authenticate(&member.secret).await.unwrap();
        assert_eq!(actor.role_in(world.id()), Some(Role::Viewer));
        one.remove_member(owner, world.id(), agent, Premises::default()).await.unwrap();
        let actor = other.authenticate(&member.secret).await.unwrap();
        refused(other.node(&actor, file.id).await, Code::NodeNotFound);

        one.deactivate_principal(owner, agent, None).await.unwrap();
        refused(other.authenticate(&member.secret).await, Code::PrincipalDeactivated);
        one.reactivate_principal(owner, agent, None).await.unwrap();
        other.authenticate(&member.secret).await.unwrap();

        // What a node noted of uses is written when it closes.
        other.close().await;
        let keys = one.list_keys(owner, longshore_engine::PageRequest::default()).await.unwrap().items;
        assert!(keys.iter().find(|key| key.id == new.key.id).unwrap().last_used_at.is_some());
        world.engine.close().await;
    });
}

#[test]
fn a_question_is_never_answered_from_before_it_was_put() {
    block_on(async {
        let world = World::on_sqlite().await;
        let (engine, owner) = (&world.engine, &world.owner);
        for _ in 0..20 {
            let made = engine.create_key(owner, CreateKey::new("k", Role::Viewer), None).await.unwrap();
            engine.authenticate(&made.secret).await.unwrap();
            // Questions are under way, some of which are dropped, when the key is revoked.
            let waiting: Vec<_> = std::iter::repeat_with(|| {
                let (engine, secret) = (engine.clone(), made.secret.clone());
                async move { engine.authenticate(&secret).await.map(drop) }
            })
            .take(16)
            .collect();
            let some = futures_util::future::select_all(waiting.into_iter().map(Box::pin));
            let (_, revoked) = tokio::join!(some, engine.revoke_key(owner, made.key.id, None));
            revoked.unwrap();
            refused(engine.authenticate(&made.secret).await, Code::KeyRevoked);
        }
        world.engine.close().await;
    });
}
