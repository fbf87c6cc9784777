//! Webhooks: who may have them, what they send, and what they keep to themselves.

use std::time::Duration;

use longshore_core::webhook::{Headers, Secret, Verifier, VerifyError};
use longshore_core::wire::{
    CreateHook, Delivery, DeliveryState, Hook, HookDisabled, NewHook, Redeliver, Role, RotateHook,
    UpdateHook, WebhookBody,
};
use longshore_core::{Clock, Code, DeliveryId, HookId};
use longshore_egress::testing::{Peer, content, header};
use longshore_engine::{EventQuery, Idempotency, PageRequest, Premises, WorkerSettings};

use crate::workers::{PATIENCE, Worker, settings};
use crate::world::{World, name, path, refused};

pub(super) const TAKEN: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// The workers of a server: those of jobs and those of deliveries.
pub(super) struct Workers(Worker, Worker);

impl Workers {
    pub(super) fn start(world: &World) -> Self {
        let engine = &world.engine;
        // It is the test that makes the clock leap: no worker is taken for dead for it.
        let few = WorkerSettings { lease: Duration::from_hours(1_000), ..settings() };
        let many = WorkerSettings { concurrency: 8, ..few };
        Self(
            Worker::start(engine, engine.job_kinds(), few),
            Worker::start(engine, engine.delivery_kinds(), many),
        )
    }

    pub(super) async fn stop(self) {
        tokio::join!(self.0.stop(), self.1.stop());
    }
}

pub(super) fn to(peer: &Peer) -> CreateHook {
    CreateHook { url: peer.url("/hook?token=geheim"), types: Vec::new(), path: None, description: None }
}

pub(super) async fn hook(world: &World, wanted: CreateHook) -> NewHook {
    world.engine.create_hook(&world.owner, world.id(), wanted, Premises::default()).await.unwrap()
}

pub(super) async fn deliveries(world: &World, hook: HookId, state: Option<DeliveryState>) -> Vec<Delivery> {
    let page = PageRequest::new(Some(1_000), None);
    world.engine.list_deliveries(&world.owner, world.id(), hook, state, page).await.unwrap().items
}

/// Waits until a hook has so many deliveries in a state.
pub(super) async fn until(world: &World, hook: HookId, state: DeliveryState, count: usize) -> Vec<Delivery> {
    let start = std::time::Instant::now();
    loop {
        let found = deliveries(world, hook, Some(state)).await;
        if found.len() >= count {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{} of {count} are {state:?}", found.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn stands(world: &World, hook: HookId) -> Hook {
    world.engine.hook(&world.owner, world.id(), hook).await.unwrap()
}

pub(super) async fn update(world: &World, hook: HookId, wanted: UpdateHook) -> Hook {
    world.engine.update_hook(&world.owner, world.id(), hook, wanted, Premises::default()).await.unwrap()
}

/// Checks a request's signature with one secret, as of now.
fn verify(world: &World, request: &str, secret: &str) -> Result<(), VerifyError> {
    let of = |name| header(request, name).unwrap_or_default();
    let headers = Headers {
        id: of("webhook-id"),
        timestamp: of("webhook-timestamp"),
        signature: of("webhook-signature"),
    };
    let secret: Secret = secret.parse().unwrap();
    Verifier::new([secret]).verify_at(&headers, content(request).as_bytes(), world.clock.now())
}

pub(super) fn body(request: &str) -> WebhookBody {
    serde_json::from_str(content(request)).unwrap()
}

pub(super) async fn an_event_reaches_its_receiver_signed(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    world.put("/before", b"x").await;
    let NewHook { hook, secret } = hook(world, to(&peer)).await;
    let workers = Workers::start(world);
    let node = world.put("/a/b.txt", b"hello").await;
    let requests = peer.until(2).await;
    let events = world.events(EventQuery { after: Some(hook.seq.into()), ..EventQuery::default() }).await;
    assert_eq!(requests.len(), events.len());
    for request in &requests {
        assert!(request.starts_with("POST /hook?token=geheim HTTP/1.1\r\n"), "{request}");
        assert_eq!(header(request, "content-type"), Some("application/json"));
        verify(world, request, &secret).unwrap();
        assert_eq!(
            verify(world, &request.replace("\"data\"", "\"date\""), &secret),
            Err(VerifyError::NoMatch)
        );
        let body = body(request);
        let event = body.data.event.unwrap();
        assert_eq!(header(request, "webhook-id"), Some(event.id.to_string().as_str()));
        assert_eq!((body.r#type.as_str(), body.timestamp), (event.r#type.as_str(), event.at));
        assert_eq!((body.data.workspace_id, body.data.hook_id), (world.id(), hook.id));
        assert!(events.contains(&event), "{event:?}");
    }
    let ids: Vec<_> = requests.iter().filter_map(|it| body(it).data.event.unwrap().node_id).collect();
    assert!(ids.contains(&node.id));
    let done = until(world, hook.id, DeliveryState::Succeeded, 2).await;
    assert!(done.iter().all(|it| it.attempts.len() == 1 && it.attempts[0].status == Some(204)), "{done:?}");
    assert!(done.iter().all(|it| it.finished_at.is_some() && it.next_at.is_none()));
    let one = world.engine.delivery(&world.owner, world.id(), hook.id, done[0].id).await.unwrap();
    assert_eq!(one, done[0]);
    assert_eq!(stands(world, hook.id).await.seq, events.last().unwrap().seq);
    workers.stop().await;
}

pub(super) async fn a_filter_lets_through_what_it_says(world: &World) {
    let (peer, narrow) = (Peer::answering(TAKEN).await, Peer::answering(TAKEN).await);
    let kinds = ["node.trashed".to_owned(), "version.*".to_owned()];
    let by_type = hook(world, CreateHook { types: kinds.into(), ..to(&peer) }).await.hook;
    let by_path = hook(world, CreateHook { path: Some(path("/in")), ..to(&narrow) }).await.hook;
    let workers = Workers::start(world);
    let file = world.put("/in/a", b"1").await;
    world.put("/in-between", b"1").await;
    world.put("/out", b"1").await;
    let moved = longshore_core::wire::UpdateNode { parent_id: Some(world.root()), ..Default::default() };
    let moved = world.engine.update_node(&world.owner, file.id, moved, Premises::default()).await.unwrap();
    world.engine.trash_node(&world.owner, moved.id, Premises::default()).await.unwrap();
    let end = world.event_types().await.len() as u64;
    let start = std::time::Instant::now();
    while stands(world, by_type.id).await.seq < end || stands(world, by_path.id).await.seq < end {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let types = async |hook| {
        let mut found: Vec<_> = deliveries(world, hook, None).await.into_iter().map(|it| it.r#type).collect();
        // Those of one millisecond stand in any order.
        found.sort();
        found
    };
    let by_type = types(by_type.id).await;
    assert!(by_type.iter().all(|it| it == "node.trashed" || it.starts_with("version.")), "{by_type:?}");
    assert_eq!(by_type.iter().filter(|it| *it == "node.trashed").count(), 1);
    // The folder, the file in it, and the file on its way out; not the one with a name like it.
    assert_eq!(types(by_path.id).await, ["file.created", "folder.created", "node.moved"]);
    workers.stop().await;
}

/// Row 14, CVE-2026-40937 (RustFS): any user edits the targets that events are sent to.
pub(super) async fn row_14_nobody_touches_hooks_of_another_workspace(world: &World) {
    let engine = &world.engine;
    let peer = Peer::answering(TAKEN).await;
    let mine = hook(world, to(&peer)).await.hook;
    let other = engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    let (now, none) = (world.clock.now(), Premises::default);
    let delivery = engine.test_hook(&world.owner, world.id(), mine.id, none()).await.unwrap().id;
    let foreign = world.user(Role::Admin, Some(other.id)).await;
    let viewer_there = world.user(Role::Viewer, Some(other.id)).await;
    let editor = world.user(Role::Editor, Some(world.id())).await;
    // Who reaches the workspace but is no admin; who does not reach it, admin or not; a hook sought elsewhere.
    let cases = [
        (&editor, world.id(), Code::Forbidden),
        (&foreign, world.id(), Code::WorkspaceNotFound),
        (&viewer_there, world.id(), Code::WorkspaceNotFound),
        (&foreign, other.id, Code::HookNotFound),
        (&world.owner, other.id, Code::HookNotFound),
    ];
    for (actor, workspace, code) in cases {
        let id = mine.id;
        if code != Code::HookNotFound {
            refused(engine.create_hook(actor, workspace, to(&peer), none()).await, code);
            refused(engine.list_hooks(actor, workspace, PageRequest::default()).await, code);
        }
        refused(engine.hook(actor, workspace, id).await, code);
        refused(engine.update_hook(actor, workspace, id, UpdateHook::default(), none()).await, code);
        refused(engine.delete_hook(actor, workspace, id, none()).await, code);
        refused(engine.rotate_hook(actor, workspace, id, RotateHook::default(), none()).await, code);
        refused(engine.test_hook(actor, workspace, id, none()).await, code);
        let all = PageRequest::default();
        refused(engine.list_deliveries(actor, workspace, id, None, all).await, code);
        refused(engine.delivery(actor, workspace, id, delivery).await, code);
        refused(engine.redeliver_one(actor, workspace, id, delivery, none()).await, code);
        let failed = Redeliver { failed: true, ..Redeliver::default() };
        refused(engine.redeliver(actor, workspace, id, failed, none()).await, code);
    }
    let theirs = engine.list_hooks(&foreign, other.id, PageRequest::default()).await.unwrap();
    assert!(theirs.items.is_empty());
    // Nothing happened to it.
    assert_eq!(stands(world, mine.id).await, mine);
    let nobody = HookId::new(now);
    refused(engine.hook(&world.owner, world.id(), nobody).await, Code::HookNotFound);
    let nothing = DeliveryId::new(now);
    refused(engine.delivery(&world.owner, world.id(), mine.id, nothing).await, Code::DeliveryNotFound);
    let second = hook(world, to(&peer)).await.hook;
    refused(engine.delivery(&world.owner, world.id(), second.id, delivery).await, Code::DeliveryNotFound);
}

pub(super) async fn what_may_not_be_dialled_is_refused_when_it_is_set(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let mine = hook(world, to(&peer)).await.hook;
    let before = world.event_types().await;
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://[::ffff:192.168.0.1]/",
        "https://0xa9fea9fe/",
        "https://user:word@example.com/",
        "ftp://example.com/",
        "nonsense",
        "",
    ] {
        let wanted = CreateHook { url: url.to_owned(), ..to(&peer) };
        let made = world.engine.create_hook(&world.owner, world.id(), wanted, Premises::default()).await;
        refused(made, Code::UrlRefused);
        let wanted = UpdateHook { url: Some(url.to_owned()), ..UpdateHook::default() };
        let none = Premises::default();
        let changed = world.engine.update_hook(&world.owner, world.id(), mine.id, wanted, none).await;
        refused(changed, Code::UrlRefused);
    }
    assert_eq!(world.event_types().await, before);
    assert_eq!(stands(world, mine.id).await, mine);
}

pub(super) async fn rotation_signs_with_both_secrets_for_a_while(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let NewHook { hook, secret: first } = hook(world, to(&peer)).await;
    let rotate = async |hours| {
        let wanted = RotateHook { overlap_hours: hours };
        world.engine.rotate_hook(&world.owner, world.id(), hook.id, wanted, Premises::default()).await
    };
    let NewHook { hook: rotated, secret: second } = rotate(None).await.unwrap();
    assert_ne!(first, second);
    let until = world.clock.now().plus(Duration::from_hours(24));
    assert_eq!(rotated.old_secret_until, Some(until));
    let workers = Workers::start(world);
    // The rotation's own event is the first delivery.
    let requests = peer.until(1).await;
    let signatures = header(&requests[0], "webhook-signature").unwrap();
    assert_eq!(signatures.split(' ').count(), 2, "{signatures}");
    verify(world, &requests[0], &first).unwrap();
    verify(world, &requests[0], &second).unwrap();
    // A third secret would take the first from who has not changed over yet.
    refused(rotate(None).await, Code::RotationUnderWay);
    refused(rotate(Some(1)).await, Code::RotationUnderWay);

    world.clock.advance(Duration::from_hours(24));
    world.put("/a", b"a").await;
    let requests = peer.until(2).await;
    assert_eq!(header(&requests[1], "webhook-signature").unwrap().split(' ').count(), 1);
    verify(world, &requests[1], &second).unwrap();
    assert_eq!(verify(world, &requests[1], &first), Err(VerifyError::NoMatch));

    // Without an overlap the old ones end at once, be one under way.
    let third = rotate(None).await.unwrap().secret;
    let fourth = rotate(Some(0)).await.unwrap().secret;
    let last = peer.until(4).await.pop().unwrap();
    for old in [second, third] {
        assert_eq!(verify(world, &last, &old), Err(VerifyError::NoMatch));
    }
    verify(world, &last, &fourth).unwrap();
    refused(rotate(Some(169)).await, Code::InvalidBody);
    workers.stop().await;
}

pub(super) async fn a_secret_is_in_the_answer_that_made_it_and_nowhere_else(world: &World) {
    let peer = Peer::answering("HTTP/1.1 500 Oh\r\n\r\n").await;
    let idempotency = || {
        let mut key = Idempotency::new("once").unwrap();
        key.mix(b"the same request");
        Premises { idempotency: Some(key), ..Premises::default() }
    };
    let create = async || world.engine.create_hook(&world.owner, world.id(), to(&peer), idempotency()).await;
    let made = create().await.unwrap();
    // A lost answer is asked for again, and is the same.
    let again = create().await.unwrap();
    assert_eq!((again.hook.id, &again.secret), (made.hook.id, &made.secret));
    let rotated = world
        .engine
        .rotate_hook(&world.owner, world.id(), made.hook.id, RotateHook::default(), Premises::default())
        .await
        .unwrap();
    let workers = Workers::start(world);
    peer.until(1).await;
    workers.stop().await;
    let hooks = world.engine.list_hooks(&world.owner, world.id(), PageRequest::default()).await.unwrap();
    let events = world.events(EventQuery::default()).await;
    let seen = [
        serde_json::to_string(&hooks).unwrap(),
        serde_json::to_string(&events).unwrap(),
        serde_json::to_string(&deliveries(world, made.hook.id, None).await).unwrap(),
        peer.requests().concat(),
        format!("{made:?} {rotated:?} {hooks:?}"),
    ]
    .concat();
    for secret in [made.secret, rotated.secret] {
        assert!(!seen.contains(&secret["whsec_".len()..]), "a secret was told");
    }
    // Nor what may be secret in the URL itself, but to who reads the hook.
    let events = serde_json::to_string(&events).unwrap();
    assert!(events.contains(&peer.address.to_string()) && !events.contains("geheim"), "{events}");
}

pub(super) async fn a_hook_that_is_off_sends_nothing(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let id = hook(world, to(&peer)).await.hook.id;
    let off = UpdateHook { enabled: Some(false), ..UpdateHook::default() };
    let on = UpdateHook { enabled: Some(true), ..UpdateHook::default() };
    let hook = update(world, id, off.clone()).await;
    assert_eq!((hook.disabled, hook.disabled_at), (Some(HookDisabled::Asked), Some(world.clock.now())));
    // Once more changes nothing.
    let events = world.event_types().await;
    assert_eq!(update(world, id, off).await, hook);
    assert_eq!(world.event_types().await, events);
    assert_eq!(events.last().unwrap(), "hook.disabled");
    world.put("/missed", b"x").await;
    let workers = Workers::start(world);
    let none = Premises::default;
    refused(world.engine.test_hook(&world.owner, world.id(), id, none()).await, Code::HookDisabled);
    let since = Redeliver { since_seq: Some(0), ..Redeliver::default() };
    let again = world.engine.redeliver(&world.owner, world.id(), id, since, none()).await;
    refused(again, Code::HookDisabled);

    let hook = update(world, id, on).await;
    assert_eq!((hook.disabled, hook.disabled_at), (None, None));
    world.put("/seen", b"x").await;
    let requests = peer.until(1).await;
    assert_eq!(body(&requests[0]).data.event.unwrap().data["path"], "/seen");
    assert_eq!(deliveries(world, id, None).await.len(), 1);
    // What was missed is there for the asking.
    let since = Redeliver { since_seq: Some(0), ..Redeliver::default() };
    let job = world.engine.redeliver(&world.owner, world.id(), id, since, none()).await.unwrap();
    let job = crate::workers::ended(&world.engine, &world.owner, job.id).await;
    let all = world.event_types().await.len();
    assert_eq!(job.result, Some(serde_json::json!({ "deliveries": all })));
    let requests = peer.until(all + 1).await;
    assert!(requests.iter().any(|it| it.contains("/missed")));
    workers.stop().await;
}

pub(super) async fn a_deleted_hook_goes_with_all_it_left(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let (id, kept) = (hook(world, to(&peer)).await.hook.id, hook(world, to(&peer)).await.hook.id);
    world.put("/a", b"x").await;
    let workers = Workers::start(world);
    until(world, id, DeliveryState::Succeeded, 1).await;
    let none = Premises::default;
    world.engine.delete_hook(&world.owner, world.id(), id, none()).await.unwrap();
    refused(world.engine.hook(&world.owner, world.id(), id).await, Code::HookNotFound);
    refused(world.engine.delete_hook(&world.owner, world.id(), id, none()).await, Code::HookNotFound);
    let listed = world.engine.list_hooks(&world.owner, world.id(), PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.iter().map(|hook| hook.id).collect::<Vec<_>>(), [kept]);
    assert_eq!(world.event_types().await.last().unwrap(), "hook.deleted");
    // A month later nothing is left of either's deliveries, nor of the jobs that made them.
    until(world, kept, DeliveryState::Succeeded, 2).await;
    world.clock.advance(Duration::from_hours(31 * 24));
    let start = std::time::Instant::now();
    while !deliveries(world, kept, None).await.is_empty() {
        assert!(start.elapsed() < PATIENCE, "old deliveries stay");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    workers.stop().await;
}

pub(super) async fn what_is_said_of_a_hook_is_checked(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let create =
        async |wanted| world.engine.create_hook(&world.owner, world.id(), wanted, Premises::default()).await;
    let bad_type = CreateHook { types: vec!["Version Created".to_owned()], ..to(&peer) };
    refused(create(bad_type).await, Code::InvalidBody);
    for text in ["x".repeat(1_001), "a\u{1b}[31m".to_owned()] {
        refused(create(CreateHook { description: Some(text), ..to(&peer) }).await, Code::InvalidBody);
    }
    let wanted = CreateHook {
        types: vec!["version.*".to_owned()],
        path: Some(path("/reports")),
        description: Some("für alle".to_owned()),
        ..to(&peer)
    };
    let hook = create(wanted).await.unwrap().hook;
    assert_eq!(
        (hook.types.len(), hook.path.clone(), hook.description.as_str()),
        (1, path("/reports"), "für alle")
    );
    let changed = UpdateHook {
        url: Some(peer.url("/other")),
        types: Some(Vec::new()),
        path: Some(path("/")),
        description: Some(String::new()),
        enabled: None,
    };
    let changed = update(world, hook.id, changed).await;
    assert_eq!((changed.url, changed.types.len(), changed.description.as_str()), (peer.url("/other"), 0, ""));
    assert!(changed.path.is_root());
    for _ in 1..100 {
        create(to(&peer)).await.unwrap();
    }
    refused(create(to(&peer)).await, Code::TooManyHooks);
    let page = PageRequest::new(Some(60), None);
    let first = world.engine.list_hooks(&world.owner, world.id(), page).await.unwrap();
    let rest = PageRequest::new(Some(60), first.next_cursor);
    let rest = world.engine.list_hooks(&world.owner, world.id(), rest).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next_cursor), (60, 40, None));
}

pub(super) async fn a_test_is_sent_at_once(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    // Whatever the filter says.
    let wanted = CreateHook { types: vec!["nothing.like_it".to_owned()], ..to(&peer) };
    let NewHook { hook, secret } = hook(world, wanted).await;
    let workers = Workers::start(world);
    let none = Premises::default();
    let delivery = world.engine.test_hook(&world.owner, world.id(), hook.id, none).await.unwrap();
    assert_eq!(
        (delivery.r#type.as_str(), delivery.seq, delivery.state),
        ("hook.ping", None, DeliveryState::Pending)
    );
    let requests = peer.until(1).await;
    verify(world, &requests[0], &secret).unwrap();
    let body = body(&requests[0]);
    assert_eq!((body.r#type.as_str(), body.data.event), ("hook.ping", None));
    assert_eq!(header(&requests[0], "webhook-id"), Some(delivery.event_id.to_string().as_str()));
    until(world, hook.id, DeliveryState::Succeeded, 1).await;
    workers.stop().await;
}

/// The receiver compares the second with its own clock; the engine's stands still after a small step back.
pub(super) async fn a_delivery_is_signed_for_the_second_by_the_machines_clock(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let NewHook { hook, secret } = hook(world, to(&peer)).await;
    world.clock.set(world.clock.now().minus(Duration::from_mins(20)));
    let workers = Workers::start(world);
    world.engine.test_hook(&world.owner, world.id(), hook.id, Premises::default()).await.unwrap();
    let requests = peer.until(1).await;
    verify(world, &requests[0], &secret).unwrap();
    workers.stop().await;
}

/// A lost answer is asked for again, and is the same, whatever may be dialled by then.
pub(super) async fn a_repeat_is_answered_before_its_url_is_looked_at(world: &World) {
    let peer = Peer::answering(TAKEN).await;
    let engine = &world.engine;
    let key = |text| Premises { idempotency: Some(Idempotency::new(text).unwrap()), ..Premises::default() };
    let create = async |url: &str| {
        let wanted = CreateHook { url: url.to_owned(), ..to(&peer) };
        engine.create_hook(&world.owner, world.id(), wanted, key("create")).await
    };
    let made = create(&peer.url("/")).await.unwrap();
    // As if the guard had changed its mind: the key alone says that it is a repeat here.
    assert_eq!(create("https://10.0.0.1/").await.unwrap().secret, made.secret);
    let change = async |url: &str| {
        let wanted = UpdateHook { url: Some(url.to_owned()), ..UpdateHook::default() };
        engine.update_hook(&world.owner, world.id(), made.hook.id, wanted, key("update")).await
    };
    let changed = change(&peer.url("/other")).await.unwrap();
    assert_eq!(change("https://10.0.0.1/").await.unwrap(), changed);
    assert_eq!(stands(world, made.hook.id).await.url, peer.url("/other"));
}
