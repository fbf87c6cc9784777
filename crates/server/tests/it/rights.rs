//! The walk: every route with every kind of caller, against the table of rights.

mod audit;
mod callers;
mod target;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use longshore_core::wire::{CreateKey, NewKey, Role, Verb};
use longshore_core::{Timestamp, WorkspaceId};
use longshore_engine::AuditAfter;
use longshore_server::rights::{RIGHTS, Right, Verbs};

use self::callers::{CALLERS, Caller, Outcome};
use self::target::{Target, harder, sign_in_name, target};
use crate::document::operations;
use crate::oidc::provider::Provider;
use crate::sessions::{self, SignedIn};
use crate::shares;
use crate::world::{Answer, User, World};

/// A world with a key of each kind.
pub(crate) struct Walk {
    pub(crate) world: World,
    keys: Vec<(Caller, NewKey)>,
    /// The grant of a link to the whole workspace.
    grant: String,
    /// Whether what is made lies in the folder that some keys are narrowed to.
    is_inside: AtomicBool,
    /// How many calls there were, and up to which place their traces in the audit log were looked at.
    calls: AtomicU64,
    place: Mutex<AuditAfter>,
    /// By whom people may sign in, which nobody does here.
    _provider: Provider,
}

/// The folder that some keys are narrowed to.
const FOLDER: &str = "folder";

impl Walk {
    async fn new() -> Self {
        let provider = Provider::start("a").await;
        let entrance = Provider::entrance(&[&provider], Duration::from_secs(30));
        let world = World::new().await.behind(entrance);
        let foreign = world.engine.authenticate(world.key(User::Foreign).unwrap()).await.unwrap();
        let other = world.engine.me(&foreign).await.unwrap().key.unwrap().workspace_id.unwrap();
        let (_, grant) = shares::opened(&world, world.workspace.root_id).await;
        let mut walk = Self {
            world,
            keys: Vec::new(),
            grant,
            is_inside: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            place: Mutex::new("0.0".parse().unwrap()),
            _provider: provider,
        };
        walk.make_people(other).await;
        walk.world.put(&format!("{FOLDER}/first"), "x").await;
        let here = Some(walk.world.id());
        let end = Timestamp::from_micros(1_763_613_468_000_000).plus(Duration::from_secs(60));
        for (caller, role, workspace, is_agents) in [
            (Caller::Revoked, Role::Admin, here, true),
            (Caller::Expired, Role::Admin, here, true),
            (Caller::Deactivated, Role::Admin, here, true),
            (Caller::Foreign, Role::Admin, Some(other), true),
            (Caller::Removed, Role::Admin, here, true),
            (Caller::Elsewhere, Role::Admin, here, true),
            (Caller::Reading, Role::Admin, here, true),
            (Caller::Creating, Role::Admin, here, true),
            (Caller::Managing, Role::Admin, here, true),
            (Caller::Inside, Role::Admin, here, true),
            (Caller::OwnerAsViewer, Role::Viewer, here, false),
            (Caller::Viewer, Role::Viewer, here, true),
            (Caller::Editor, Role::Editor, here, true),
            (Caller::Admin, Role::Admin, here, true),
            (Caller::Owner, Role::Owner, here, false),
            (Caller::Server, Role::Admin, None, true),
        ] {
            let expires_at = (caller == Caller::Expired).then_some(end);
            walk.make(caller, role, workspace, expires_at, is_agents).await;
        }
        walk.world.clock.advance(Duration::from_secs(61));
        let (engine, owner) = (&walk.world.engine, &walk.world.owner);
        engine.revoke_key(owner, walk.of(Caller::Revoked).key.id, None).await.unwrap();
        let gone = walk.of(Caller::Deactivated).key.principal.id;
        engine.deactivate_principal(owner, gone, None).await.unwrap();
        let removed = walk.of(Caller::Removed).key.principal.id;
        engine
            .remove_member(owner, walk.world.id(), removed, longshore_engine::Premises::default())
            .await
            .unwrap();
        walk
    }

    async fn make(
        &mut self,
        caller: Caller,
        role: Role,
        workspace_id: Option<WorkspaceId>,
        expires_at: Option<Timestamp>,
        is_agents: bool,
    ) {
        let name = format!("{caller:?}");
        let agent = is_agents.then(|| name.clone());
        let wanted = CreateKey {
            workspace_id,
            expires_at,
            agent,
            verbs: caller.verb().map(|verb| BTreeSet::from([verb])),
            folder: caller.is_of_folder().then(|| format!("/{FOLDER}")),
            addresses: (caller == Caller::Elsewhere).then(|| vec!["192.0.2.0/24".to_owned()]),
            ..CreateKey::new(name, role)
        };
        let made = self.world.engine.create_key(&self.world.owner, wanted, None).await.unwrap();
        self.keys.push((caller, made));
    }

    /// Makes who signs in: members of each role, the owner, and an admin of another workspace.
    async fn make_people(&self, other: WorkspaceId) {
        let world = &self.world;
        for caller in CALLERS {
            let (workspace, role) = match caller {
                Caller::SignedIn(Role::Owner) => {
                    sessions::set_password(world, world.owner.principal, &sign_in_name(caller)).await;
                    continue;
                }
                Caller::SignedIn(role) => (world.id(), role),
                Caller::SignedInElsewhere => (other, Role::Admin),
                _ => continue,
            };
            sessions::person(world, &sign_in_name(caller), workspace, role).await;
        }
        sessions::person(world, &sign_in_name(Caller::SignedOut), world.id(), Role::Admin).await;
    }

    fn of(&self, caller: Caller) -> &NewKey {
        &self.keys.iter().find(|(known, _)| *known == caller).unwrap().1
    }

    /// Returns the path of a new name, without the `/` before it.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.is_inside.load(Ordering::Relaxed) { format!("{FOLDER}/{name}") } else { name.to_owned() }
    }

    fn secret(&self, caller: Caller) -> Option<&str> {
        // One key, and two places that it is tried on.
        let caller = if caller == Caller::Outside { Caller::Inside } else { caller };
        self.keys.iter().find(|(known, _)| *known == caller).map(|(_, key)| key.secret.as_str())
    }

    /// Calls as the editor, by whom what the walk is about is made.
    pub(crate) async fn edit(&self, what: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.world.call_with(self.secret(Caller::Editor), what, headers, body.to_owned()).await;
        assert!(answer.status.is_success(), "{what}: {answer:?}");
        answer
    }

    /// Has somebody call; returns the answer and the request's id.
    async fn call(&self, caller: Caller, target: &Target) -> (Answer, String) {
        let request = format!("walk-{}", self.calls.fetch_add(1, Ordering::Relaxed));
        let mut headers: Vec<_> =
            target.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("x-request-id", &request));
        if caller == Caller::SharedWith {
            headers.push(("share-grant", target.grant.as_deref().unwrap_or(&self.grant)));
        }
        let mut signed_in = None;
        if caller.is_signed_in() || caller == Caller::SignedOut {
            // Anew each time: what is called may end it.
            signed_in = Some(SignedIn::new(&self.world, &sign_in_name(caller)).await);
        }
        if let Some(signed_in) = &signed_in {
            if caller == Caller::SignedOut {
                signed_in.sign_out(&self.world).await;
            }
            headers.extend(signed_in.headers());
        }
        let secret = self.secret(caller);
        let answer = self.world.call_with(secret, &target.what, &headers, target.body.clone()).await;
        (answer, request)
    }

    /// Takes out again who were no members before they accepted an invitation.
    async fn leave(&self) {
        let (engine, owner, id) = (&self.world.engine, &self.world.owner, self.world.id());
        let page = longshore_engine::PageRequest::new(Some(1_000), None);
        let strangers = [Caller::SignedInElsewhere, Caller::Server].map(|who| format!("{who:?}"));
        for member in engine.list_members(owner, id, page).await.unwrap().items {
            if strangers.contains(&member.principal.name) {
                let none = longshore_engine::Premises::default();
                engine.remove_member(owner, id, member.principal.id, none).await.unwrap();
            }
        }
    }

    /// Has everybody call a route, and compares. What refused callers call is one thing, which stays as it is.
    async fn walk(&self, route: &str, right: Right, make: impl AsyncFn() -> Target) {
        let shared = make().await;
        let mut wrong = Vec::new();
        for caller in CALLERS {
            // A note is changed by its author, who is the walk's editor, and by admins.
            let is_others = route.ends_with(" /v1/notes/{note}") && caller == Caller::SignedIn(Role::Editor);
            let expected = if is_others { Outcome::Refused(403) } else { caller.expects(route, right) };
            self.is_inside.store(caller == Caller::Inside, Ordering::Relaxed);
            let is_own = expected == Outcome::LetThrough || caller == Caller::Inside;
            let own = if is_own { Some(make().await) } else { None };
            self.is_inside.store(false, Ordering::Relaxed);
            let target = own.as_ref().unwrap_or(&shared);
            let (answer, request) = self.call(caller, target).await;
            let status = answer.status.as_u16();
            // Of several workspaces that a key reaches none is guessed.
            let guesses_none = route == "GET /v1/workspaces/current" && caller.reaches_several();
            // What the walk has is nobody's session or identity.
            let is_nobodys =
                ["DELETE /v1/sessions/{session}", "DELETE /v1/me/identities/{identity}"].contains(&route);
            let has_none = is_nobodys && caller.is_signed_in();
            let reaches_none = route == "GET /v1/workspaces/current" && caller == Caller::Removed;
            let outcome = match status {
                404 if guesses_none || reaches_none || has_none => Outcome::LetThrough,
                401 | 403 | 404 => Outcome::Refused(status),
                500.. => panic!("{route} as {caller:?}: {answer:?}"),
                _ => Outcome::LetThrough,
            };
            assert_eq!(outcome, expected, "{route} as {caller:?} ({}): {answer:?}", target.what);
            wrong.extend(self.is_in_the_audit_log(caller, (route, right), &answer, &request).await.err());
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Of each caller so many refusals are told in a minute.
        self.world.clock.advance(Duration::from_secs(61));
        if route == "POST /v1/invitations/accept" {
            self.leave().await;
        }
        // Nobody who was refused has done anything to it: it is there for who may.
        if let Some(caller) =
            CALLERS.into_iter().rev().find(|who| who.expects(route, right) == Outcome::LetThrough)
        {
            let (answer, _) = self.call(caller, &shared).await;
            assert!(![401, 403].contains(&answer.status.as_u16()), "{route}: {answer:?}");
        }
    }
}

const DROP: Verbs = Verbs::All(&[Verb::Read, Verb::Share, Verb::Create]);
const UNDO: Verbs = Verbs::Any(&[Verb::Write, Verb::Delete]);
#[test]
fn the_table_has_every_route_once() {
    let there: BTreeSet<String> =
        operations().iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let named: Vec<String> = RIGHTS.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(named.iter().cloned().collect::<BTreeSet<_>>(), there);
    assert_eq!(named.len(), there.len(), "a route is named twice");
}

#[tokio::test]
async fn each_route_lets_through_whom_the_table_says() {
    let walk = Walk::new().await;
    for (route, right) in RIGHTS {
        walk.walk(route, *right, async || target(&walk, route).await).await;
    }
}

#[tokio::test]
async fn some_forms_of_a_route_ask_for_more() {
    let walk = Walk::new().await;
    for (route, right) in [
        ("POST /v1/workspaces/{ws}/undo", Right::Whole(Role::Editor, UNDO)),
        ("DELETE /v1/files/{id}", Right::Node(Role::Admin, Verbs::All(&[Verb::Delete]))),
        ("DELETE /v1/locks/{lock}", Right::Node(Role::Admin, Verbs::All(&[Verb::Write]))),
        ("POST /v1/files/{id}/shares", Right::Node(Role::Editor, DROP)),
    ] {
        walk.walk(route, right, async || harder(&walk, route).await).await;
    }
}

/// A cookie alone authorises no write, whoever it is of: neither without the session's own token nor from another site.
#[tokio::test]
async fn no_write_is_authorised_by_a_cookie_alone() {
    let walk = Walk::new().await;
    let owner = SignedIn::new(&walk.world, &sign_in_name(Caller::SignedIn(Role::Owner))).await;
    let other = SignedIn::new(&walk.world, &sign_in_name(Caller::SignedIn(Role::Editor))).await;
    let cookie = ("cookie", owner.cookie.as_str());
    let own = ("x-csrf-token", owner.csrf_token.as_str());
    let mut walked = 0;
    for (route, right) in RIGHTS {
        // This one only looks where it is read, but takes an upload over, so it needs no token and no other site may ask it.
        let is_takeover = *route == "HEAD /v1/uploads/{upload}";
        let is_write = !route.starts_with("GET ") && !route.starts_with("HEAD ");
        if !(is_write || is_takeover) || matches!(right, Right::Open | Right::Link | Right::Visitor) {
            continue;
        }
        walked += 1;
        let target = target(&walk, route).await;
        let call = async |added: &[(&str, &str)]| {
            let named = target.headers.iter().map(|(name, value)| (*name, value.as_str()));
            let headers: Vec<_> = named.chain([cookie]).chain(added.iter().copied()).collect();
            let answer = walk.world.call_with(None, &target.what, &headers, target.body.clone()).await;
            // An answer to `HEAD` has no body that would tell the code.
            if is_takeover { answer.status.as_str().to_owned() } else { answer.outcome() }
        };
        let others = ("x-csrf-token", other.csrf_token.as_str());
        if is_write {
            assert_eq!(call(&[]).await, "403 csrf_missing", "{route}");
            assert_eq!(call(&[others]).await, "403 csrf_wrong", "{route}");
        }
        for foreign in
            [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil")]
        {
            let refused = if is_takeover { "403" } else { "403 cross_site" };
            assert_eq!(call(&[own, foreign]).await, refused, "{route}");
        }
    }
    assert!(walked > 40, "{walked}");
}
