//! The audit log: what is done and what is refused, who reads it, and how long it is kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{
    AuditEntry, AuditOutcome, CreateLink, CreatePrincipal, HiddenText, PrincipalKind, Role, SignIn,
};
use longshore_core::{Code, WorkspacePath};
use longshore_engine::{
    Actor, AuditAfter, AuditQuery, Browser, Idempotency, Origin, Preconditions, Premises, UploadOptions,
};

use crate::world::{World, name, refused};

fn origin(id: &str) -> Arc<Origin> {
    Arc::new(Origin {
        request_id: Some(id.to_owned()),
        address: Some(IpAddr::from([192, 0, 2, 7])),
        route: Some("PUT /somewhere".to_owned()),
    })
}

/// Reads all that an actor may see of the log, page by page.
pub(crate) async fn all(world: &World, actor: &Actor, mut query: AuditQuery) -> Vec<AuditEntry> {
    let mut found = Vec::new();
    loop {
        let page = world.engine.audit(actor, query.clone()).await.unwrap();
        found.extend(page.items);
        query.after = Some(page.reached.parse().unwrap());
        if page.next_cursor.is_none() {
            return found;
        }
    }
}

async fn after(world: &World, place: AuditAfter) -> Vec<AuditEntry> {
    all(world, &world.owner, AuditQuery { after: Some(place), ..AuditQuery::default() }).await
}

async fn now(world: &World) -> AuditAfter {
    let query = AuditQuery { after: Some(AuditAfter::Now), ..AuditQuery::default() };
    world.engine.audit(&world.owner, query).await.unwrap().reached.parse().unwrap()
}

fn kinds(entries: &[AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.kind.as_str()).collect()
}

/// Has an actor be refused, as a front door does that answers with the error.
async fn try_to_manage(world: &World, actor: &Actor, origin: &Arc<Origin>) -> longshore_engine::Error {
    let none = Premises::default();
    let refused = world.engine.set_member(actor, world.id(), actor.principal, Role::Admin, none);
    let refused = refused.await.unwrap_err();
    world.engine.note_refusal(&refused, Some(actor), origin);
    refused
}

pub(super) async fn each_act_is_there_with_who_and_from_where(world: &World) {
    let (engine, place) = (&world.engine, now(world).await);
    let actor = world.owner.clone().in_request(origin("one"));
    let options = UploadOptions::default();
    let node = world.put_as(&actor, world.at("/a/b.txt"), b"text", options).await.unwrap().node;
    let made = after(world, place).await;
    assert_eq!(kinds(&made), ["folder.created", "file.created"]);
    let file = &made[1];
    assert_eq!((file.outcome, file.code.as_deref()), (AuditOutcome::Done, None));
    assert_eq!((file.workspace_id, file.principal_id), (Some(world.id()), Some(world.owner.principal)));
    assert_eq!((file.key_id, file.session_id), (world.owner.key(), None));
    assert_eq!((file.request_id.as_deref(), file.address.as_deref()), (Some("one"), Some("192.0.2.7")));
    assert_eq!(
        (file.route.as_deref(), file.object.as_deref()),
        (Some("PUT /somewhere"), Some(&*node.id.to_string()))
    );
    assert_eq!(file.facts, serde_json::json!({ "path": "/a/b.txt", "seq": 3 }));
    // What has no event: outside of workspaces, and what is made for others.
    let place = now(world).await;
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: "Ada".to_owned() };
    let ada = engine.create_principal(&actor, wanted, None).await.unwrap();
    let reset = engine.create_reset(&actor, ada.id, None).await.unwrap();
    engine.deactivate_principal(&actor, ada.id, None).await.unwrap();
    engine.reactivate_principal(&actor, ada.id, None).await.unwrap();
    engine.create_link(&actor, node.id, CreateLink::default(), Premises::default()).await.unwrap();
    let key = world.user(Role::Viewer, Some(world.id())).await.key().unwrap();
    engine.revoke_key(&actor, key, None).await.unwrap();
    let made = after(world, place).await;
    let expected = [
        "principal.created",
        "password.reset_offered",
        "principal.deactivated",
        "principal.reactivated",
        "link.created",
        "key.created",
        "member.added",
        "key.revoked",
    ];
    assert_eq!(kinds(&made), expected);
    assert_eq!(made[7].object.as_deref(), Some(&*key.to_string()));
    let text = serde_json::to_string(&made).unwrap();
    assert!(!text.contains(reset.token.reveal()));
}

pub(super) async fn what_was_not_done_leaves_no_entry(world: &World) {
    let place = now(world).await;
    let taken = UploadOptions {
        premises: Preconditions { if_none_match: true, ..Preconditions::default() }.into(),
        ..UploadOptions::default()
    };
    world.put_with("/a", b"one", taken.clone()).await.unwrap();
    refused(world.put_with("/a", b"two", taken).await, Code::PreconditionFailed);
    let again = || UploadOptions {
        premises: Premises { idempotency: Some(Idempotency::new("again").unwrap()), ..Premises::default() },
        ..UploadOptions::default()
    };
    world.put_with("/b", b"one", again()).await.unwrap();
    world.put_with("/b", b"one", again()).await.unwrap();
    assert_eq!(kinds(&after(world, place).await), ["file.created", "file.created"]);
}

pub(super) async fn an_act_of_many_is_an_entry_that_counts_them(world: &World) {
    for number in 0..30 {
        world.put(&format!("/many/{number}"), b"x").await;
    }
    let folder = world.node_at("/many").await.unwrap();
    world.engine.trash_node(&world.owner, folder.id, Premises::default()).await.unwrap();
    let place = now(world).await;
    let events = world.event_count().await;
    world.engine.purge_node(&world.owner, folder.id, Premises::default()).await.unwrap();
    let events = world.event_count().await - events;
    let purged = after(world, place).await;
    let said: u64 = purged.iter().map(|entry| 1 + entry.facts["more"].as_u64().unwrap_or(0)).sum();
    assert_eq!(said, events, "{purged:?}");
    assert!(purged.len() <= 3, "{purged:?}");
}

pub(super) async fn a_batch_has_an_entry_for_each_file_and_none_for_what_is_refused(world: &World) {
    let batch = world.engine.begin_batch(&world.owner, world.id(), Vec::new()).unwrap();
    world.put("/there", b"x").await;
    let place = now(world).await;
    let writes = (0..100).map(|number| {
        let (path, preconditions) = match number {
            50 => ("/there".to_owned(), Preconditions { if_none_match: true, ..Preconditions::default() }),
            _ => (format!("/file {number}"), Preconditions::default()),
        };
        longshore_engine::BatchWrite {
            path: path.parse::<WorkspacePath>().unwrap(),
            content: bytes::Bytes::from_static(b"text"),
            options: UploadOptions { premises: preconditions.into(), ..UploadOptions::default() },
        }
    });
    let ready = batch.prepare(writes.collect()).await;
    let done = batch.commit(ready).await;
    assert_eq!(done.iter().filter(|outcome| outcome.is_ok()).count(), 99);
    let made = after(world, place).await;
    assert_eq!(made.len(), 99);
    assert!(made.iter().all(|entry| entry.kind == "file.created" && entry.facts["more"].is_null()));
}

pub(super) async fn a_refusal_is_there_with_who_was_refused(world: &World) {
    let (engine, place) = (&world.engine, now(world).await);
    let viewer = world.user(Role::Viewer, Some(world.id())).await;
    let other = engine.create_workspace(&world.owner, name("elsewhere"), None).await.unwrap().id;
    let foreign = world.user(Role::Admin, Some(other)).await;
    try_to_manage(world, &viewer, &origin("forbidden")).await;
    try_to_manage(world, &foreign, &origin("unseen")).await;
    // A file of which nobody may know is refused as one that is not there; one that is not there is no refusal.
    let file = world.put("/secret", b"x").await;
    for (id, request) in [(file.id, "hidden"), (longshore_core::NodeId::new(engine.now()), "nothing")] {
        let error = engine.node(&foreign, id).await.unwrap_err();
        assert_eq!(error.code(), Code::NodeNotFound);
        engine.note_refusal(&error, Some(&foreign), &origin(request));
    }
    let stranger = engine.authenticate(&format!("{}x", world.first_key)).await.unwrap_err();
    engine.note_refusal(&stranger, None, &origin("stranger"));
    engine.write_refusals().await.unwrap();
    let query =
        AuditQuery { after: Some(place), outcome: Some(AuditOutcome::Refused), ..AuditQuery::default() };
    let found = all(world, &world.owner, query).await;
    let told: Vec<_> = found
        .iter()
        .map(|entry| {
            (entry.request_id.as_deref().unwrap(), entry.code.as_deref().unwrap(), entry.principal_id)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("forbidden", "forbidden", Some(viewer.principal)),
            ("unseen", "workspace_not_found", Some(foreign.principal)),
            ("hidden", "node_not_found", Some(foreign.principal)),
            ("stranger", "key_malformed", None),
        ]
    );
    assert!(found[..3].iter().all(|entry| entry.workspace_id == Some(world.id()) && entry.key_id.is_some()));
    assert_eq!(kinds(&found), ["refused", "refused", "refused", "key.refused"]);
}

pub(super) async fn who_could_not_sign_in_is_named_only_where_there_is_such_a_one(world: &World) {
    let (engine, place) = (&world.engine, now(world).await);
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: "Ada".to_owned() };
    let ada = engine.create_principal(&world.owner, wanted, None).await.unwrap();
    let reset = engine.create_reset(&world.owner, ada.id, None).await.unwrap();
    let wanted = longshore_core::wire::ResetPassword {
        token: reset.token,
        sign_in_name: Some("ada".to_owned()),
        password: HiddenText::new("correct horse battery"),
    };
    engine.reset_password(wanted, Some(origin("reset"))).await.unwrap();
    for (name, password) in [("ada", "wrong horse battery"), ("my own pass phrase", "ada")] {
        let wanted = SignIn { name: name.to_owned(), password: HiddenText::new(password) };
        let error = engine.sign_in(wanted, Browser::default()).await.unwrap_err();
        engine.note_refusal(&error, None, &origin(name));
    }
    let wanted = SignIn { name: "ada".to_owned(), password: HiddenText::new("correct horse battery") };
    let browser = Browser::default().in_request(origin("in"));
    let (signed_in, _) = engine.sign_in(wanted, browser).await.unwrap();
    engine.write_refusals().await.unwrap();
    let found = after(world, place).await;
    let mut told: Vec<_> = found.iter().map(|entry| (entry.kind.as_str(), entry.principal_id)).collect();
    told.drain(..2);
    assert_eq!(
        told,
        [
            ("password.reset", Some(ada.id)),
            ("session.began", Some(ada.id)),
            ("sign_in.failed", Some(ada.id)),
            ("sign_in.failed", None),
        ]
    );
    assert_eq!(found[3].session_id, Some(signed_in.session.id));
    let text = serde_json::to_string(&found).unwrap();
    for secret in ["wrong horse", "correct horse", "\"facts\":{\"name\""] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// The flood's own windows are tried beside them; here, what comes of one in the log.
pub(super) async fn a_flood_of_one_key_is_bounded_and_said(world: &World) {
    let place = now(world).await;
    let viewer = world.user(Role::Viewer, Some(world.id())).await;
    let error = try_to_manage(world, &viewer, &origin("0")).await;
    for number in 1..5_000 {
        world.engine.note_refusal(&error, Some(&viewer), &origin(&number.to_string()));
    }
    assert!(world.engine.write_refusals().await.unwrap(), "there is more to say");
    world.clock.advance(Duration::from_secs(60));
    world.engine.write_refusals().await.unwrap();
    let query =
        AuditQuery { after: Some(place), outcome: Some(AuditOutcome::Refused), ..AuditQuery::default() };
    let found = all(world, &world.owner, query).await;
    let (last, whole) = found.split_last().unwrap();
    assert_eq!(whole.len(), 60);
    assert_eq!(last.facts["more"], 4_940);
    assert_eq!((last.key_id, last.workspace_id), (viewer.key(), Some(world.id())));
    assert_eq!((last.address.as_deref(), last.request_id.as_deref()), (Some("192.0.2.7"), None));
}

pub(super) async fn a_flood_of_strangers_is_a_row(world: &World) {
    let place = now(world).await;
    let error = world.engine.authenticate("lsk_nonsense").await.unwrap_err();
    for number in 0..20_000_u32 {
        let address = Some(IpAddr::from(number.to_be_bytes()));
        let origin = Arc::new(Origin { address, ..Origin::default() });
        world.engine.note_refusal(&error, None, &origin);
    }
    world.clock.advance(Duration::from_secs(60));
    world.engine.write_refusals().await.unwrap();
    let found = after(world, place).await;
    assert_eq!(found.len(), 101);
    let said: Vec<_> = found.iter().filter_map(|entry| entry.facts["more"].as_u64()).collect();
    assert_eq!(said, [19_900]);
    assert!(found[100].address.is_none() || found.iter().any(|entry| entry.address.is_none()));
}

pub(super) async fn admins_read_what_is_theirs(world: &World) {
    let engine = &world.engine;
    let other = engine.create_workspace(&world.owner, name("elsewhere"), None).await.unwrap().id;
    let own_admin = world.user(Role::Admin, Some(world.id())).await;
    let servers = world.user(Role::Admin, None).await;
    let foreign = world.user(Role::Admin, Some(other)).await;
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: "Ada".to_owned() };
    engine.create_principal(&world.owner, wanted, None).await.unwrap();
    world.put("/a", b"x").await;
    try_to_manage(world, &foreign, &origin("unseen")).await;
    engine.write_refusals().await.unwrap();
    let everything = all(world, &servers, AuditQuery::default()).await;
    assert!(everything.iter().any(|entry| entry.workspace_id.is_none()));
    let own = all(world, &own_admin, AuditQuery::default()).await;
    let here: Vec<_> =
        everything.iter().filter(|entry| entry.workspace_id == Some(world.id())).cloned().collect();
    assert_eq!(own, here);
    assert!(own.iter().any(|entry| entry.request_id.as_deref() == Some("unseen")), "who came from elsewhere");
    let by_name = AuditQuery { workspace: Some(world.id()), ..AuditQuery::default() };
    assert_eq!(all(world, &servers, by_name.clone()).await, here);
    assert_eq!(all(world, &own_admin, by_name.clone()).await, here);
    refused(engine.audit(&foreign, by_name.clone()).await, Code::WorkspaceNotFound);
    for role in [Role::Viewer, Role::Editor] {
        let lesser = world.user(role, Some(world.id())).await;
        refused(engine.audit(&lesser, by_name.clone()).await, Code::Forbidden);
        refused(engine.audit(&lesser, AuditQuery::default()).await, Code::Forbidden);
    }
    // A member with a key of all workspaces sees those that they are an admin of.
    let both = world.own_key(Role::Admin, Some(other)).await;
    let seen = all(world, &both, AuditQuery::default()).await;
    assert!(!seen.is_empty() && seen.iter().all(|entry| entry.workspace_id == Some(other)));
}

pub(super) async fn pages_of_every_size_give_the_same_log(world: &World) {
    for number in 0..130 {
        world.put(&format!("/{number}"), b"x").await;
        world.clock.advance(Duration::from_hours(1));
    }
    let whole = all(world, &world.owner, AuditQuery::default()).await;
    assert!(whole.windows(2).all(|pair| pair[0].at <= pair[1].at));
    for limit in [1, 7, 100, 1_000] {
        let query = AuditQuery { limit: Some(limit), ..AuditQuery::default() };
        assert_eq!(all(world, &world.owner, query).await, whole);
    }
    // What one call looks at is less than that: a filter that lets little pass still gets through.
    let other = world.user(Role::Viewer, Some(world.id())).await.principal;
    let none = AuditQuery { principal: Some(other), ..AuditQuery::default() };
    assert_eq!(all(world, &world.owner, none.clone()).await, []);
    assert!(world.engine.audit(&world.owner, none).await.unwrap().next_cursor.is_some());
    // From a time on, and up to one.
    let middle = whole[whole.len() / 2].at;
    let since = AuditQuery { since: Some(middle), ..AuditQuery::default() };
    let until = AuditQuery { until: Some(middle), ..AuditQuery::default() };
    let late = all(world, &world.owner, since).await;
    assert!(late[0].at == middle && late.iter().all(|entry| entry.at >= middle));
    let early = all(world, &world.owner, until).await;
    let counted = late.len()
        - kinds(&late).iter().filter(|kind| **kind == "key.created" || **kind == "member.added").count();
    assert_eq!(early.len() + counted, whole.len());
    refused(
        world
            .engine
            .audit(
                &world.owner,
                AuditQuery { after: Some("999999999.1".parse().unwrap()), ..AuditQuery::default() },
            )
            .await,
        Code::EventsGone,
    );
    for bad in ["", "1", "1.", ".1", "-1.1", "1.+1", "01.1", "1.99999999999999999999", "1.1.1"] {
        assert_eq!(bad.parse::<AuditAfter>().unwrap_err().code(), Code::InvalidQuery, "{bad}");
    }
}

pub(super) async fn what_is_old_is_forgotten_and_places_go_on(world: &World) {
    world.put("/old", b"x").await;
    let place = now(world).await;
    world.clock.advance(Duration::from_hours(401 * 24));
    world.put("/new", b"x").await;
    assert!(world.engine.prune_audit(|_| {}).await.unwrap() > 0);
    assert_eq!(kinds(&all(world, &world.owner, AuditQuery::default()).await), ["file.created"]);
    assert_eq!(after(world, place).await.len(), 1);
    // Nothing is left but what is needed to go on; who has read so far misses nothing.
    world.clock.advance(Duration::from_hours(401 * 24));
    let place = now(world).await;
    world.engine.prune_audit(|_| {}).await.unwrap();
    world.put("/newest", b"x").await;
    let found = after(world, place).await;
    assert_eq!(found.iter().map(|entry| entry.facts["path"].clone()).collect::<Vec<_>>(), ["/newest"]);
}

pub(super) async fn a_purge_by_a_job_is_of_who_asked_for_it(world: &World) {
    let actor = world.owner.clone().in_request(origin("purge"));
    for number in 0..150 {
        world.put(&format!("/f/{number}"), b"x").await;
    }
    let folder = world.node_at("/f").await.unwrap().id;
    world.engine.trash_node(&world.owner, folder, Premises::default()).await.unwrap();
    let place = now(world).await;
    let purged = world.engine.purge_node(&actor, folder, Premises::default()).await.unwrap();
    assert!(purged.job_id.is_some());
    let asked = after(world, place).await;
    assert_eq!(kinds(&asked), ["purge.asked"]);
    assert_eq!(asked[0].request_id.as_deref(), Some("purge"));
}
