//! Making keys.

use longshore_core::key::ApiKey;
use longshore_core::wire::{CreateKey, Key, NewKey, NodeKind, Principal, PrincipalKind, Role};
use longshore_core::{Code, Name, NodeId, PrincipalId, Timestamp, WorkspaceId, WorkspacePath};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::{Actor, Right};
use crate::audit::Entry;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::narrowing::{Narrowing, Need};
use crate::nodes::{at_path, live_node, root, visible_node};
use crate::{members, principals};

/// How the folder that a key is narrowed to is named when the key is made.
#[derive(Clone, Debug)]
enum Folder {
    Id(NodeId),
    Path(WorkspacePath),
}

impl Folder {
    fn parse(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::Path(text.parse()?));
        }
        let id = text.parse();
        id.map(Self::Id).map_err(|error| Error::new(Code::InvalidId, format!("`folder`: {error}")))
    }

    /// Finds the folder, which the key's maker must reach.
    async fn find(self, act: &mut Act<'_>) -> Result<NodeId> {
        let root = root(act).await?.id;
        let actor = act.log.actor();
        let (row, place) = match self {
            Self::Id(id) => live_node(act.tx, actor, id).await?,
            Self::Path(path) => at_path(act.tx, actor, root, path).await?,
        };
        if row.workspace != act.log.workspace() {
            let detail = format!("no folder {} in this workspace", row.id);
            return Err(Error::new(Code::NodeNotFound, detail));
        }
        if row.kind != NodeKind::Folder {
            return Err(Error::new(Code::NotAFolder, format!("{} is a file", place.path)));
        }
        Ok(row.id)
    }
}

/// Who is to act with a key, as far as that was looked at.
enum Holder {
    /// Who makes it.
    Maker,
    /// An agent who is there.
    Known(Principal),
    /// A new agent of this name.
    New(String),
}

impl Holder {
    /// Finds the agent who is to have a key: where the maker is no admin of the server, among the workspace's members.
    async fn find(
        tx: &mut Tx,
        actor: &Actor,
        wanted: &CreateKey,
        workspace: Option<WorkspaceId>,
    ) -> Result<Self> {
        let id = match (&wanted.agent, wanted.agent_id) {
            (Some(name), _) => return Ok(Self::New(name.clone())),
            (None, None) => return Ok(Self::Maker),
            (None, Some(id)) => id,
        };
        let is_servers = actor.role_everywhere() >= Some(Role::Admin);
        if let Some(workspace) = workspace.filter(|_| !is_servers) {
            db::members::get(tx, workspace, id).await?.ok_or_else(|| members::not_found(id))?;
        }
        let agent = db::access::principal(tx, id).await?.ok_or_else(|| principals::not_found(id))?;
        if agent.kind != PrincipalKind::Agent {
            let detail = "`agent_id` is an agent's: people make their own keys";
            return Err(Error::new(Code::InvalidBody, detail));
        }
        Ok(Self::Known(agent))
    }
}

/// Where a key is to reach, and what it is narrowed to there.
struct Reach {
    workspace: Option<WorkspaceId>,
    narrowing: Narrowing,
}

/// Returns what a key is to be narrowed to, its folder aside; refuses more than its maker's own key is good for.
fn narrowed(actor: &Actor, wanted: &CreateKey) -> Result<Narrowing> {
    let own = actor.narrowing();
    Ok(Narrowing {
        verbs: own.verbs_within(wanted.verbs.clone())?,
        folder: None,
        networks: own.networks_within(wanted.addresses.as_deref())?,
        ends_at: own.end_within(wanted.expires_at)?,
    })
}

/// Returns what the audit log says of a key that was made.
pub(super) fn entry(kind: &'static str, actor: &Actor, key: &Key, now: Timestamp) -> Entry {
    let entry = Entry::done(kind, actor, now).within(key.workspace_id).about(key.id);
    let entry = entry.with("principal_id", json!(key.principal.id)).with("role", json!(key.role));
    match &key.verbs {
        Some(verbs) => entry.with("verbs", json!(verbs)),
        None => entry,
    }
}

/// Writes a new key, and returns it with its secret.
pub(super) async fn insert(tx: &mut Tx, key: Key, secret: &ApiKey) -> Result<NewKey> {
    db::access::insert_key(tx, &key, secret.hash()).await?;
    Ok(NewKey { key, secret: secret.reveal().to_owned() })
}

/// Makes a key, and the agent who is to act with it where a new one is asked for.
async fn insert_new_key(
    tx: &mut Tx,
    maker: &Actor,
    wanted: CreateKey,
    holder: Holder,
    Reach { workspace, narrowing }: Reach,
    now: Timestamp,
) -> Result<NewKey> {
    let principal = match holder {
        Holder::Maker => {
            let id = maker.principal;
            db::access::principal(tx, id).await?.ok_or_else(|| principals::not_found(id))?
        }
        Holder::Known(agent) => agent,
        Holder::New(name) => {
            // Who is a member of one workspace has nothing elsewhere.
            let everywhere = workspace.is_none().then_some(wanted.role);
            let id = PrincipalId::new(now);
            let agent = Principal { id, kind: PrincipalKind::Agent, name, everywhere, deactivated_at: None };
            db::access::insert_principal(tx, &agent, now).await?;
            agent
        }
    };
    let secret = ApiKey::generate(now);
    let networks = narrowing.networks.as_ref();
    let key = Key {
        id: secret.id(),
        name: wanted.name,
        principal,
        role: wanted.role,
        workspace_id: workspace,
        folder_id: narrowing.folder,
        addresses: networks.map(|networks| networks.iter().map(ToString::to_string).collect()),
        verbs: narrowing.verbs,
        created_at: now,
        expires_at: narrowing.ends_at,
        revoked_at: None,
        last_used_at: None,
        last_used_from: None,
    };
    tx.note(entry("key.created", maker, &key, now));
    insert(tx, key, &secret).await
}

/// Refuses a key with a role that its maker has not where it reaches.
fn ensure_not_above(own: Option<Role>, role: Role) -> Result<()> {
    if Some(role) <= own {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, format!("nobody makes a key with a role above their own: {role}")))
}

/// Refuses an order that is wrong whoever gives it.
fn check(wanted: &CreateKey, now: Timestamp) -> Result<()> {
    // Rules for names keep control characters out of terminals and logs here too.
    Name::new(wanted.name.as_str())?;
    if let Some(agent) = &wanted.agent {
        Name::new(agent.as_str())?;
        if wanted.agent_id.is_some() {
            return Err(Error::new(Code::InvalidBody, "`agent` and `agent_id` do not go together"));
        }
    }
    if (wanted.agent.is_some() || wanted.agent_id.is_some()) && wanted.role == Role::Owner {
        let detail = "an agent is not made an owner: its key is an admin's at most";
        return Err(Error::new(Code::OwnerRefused, detail));
    }
    if wanted.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::new(Code::InvalidBody, "expires_at lies in the past"));
    }
    Ok(())
}

impl Engine {
    /// Makes a key for oneself, for an agent, or for a new agent; its secret is in the answer and nowhere else.
    ///
    /// A new agent's key of one workspace makes it a member there, with the key's role. Where none is named it has that role
    /// everywhere, and it takes an admin of the server to make it.
    pub async fn create_key(
        &self,
        actor: &Actor,
        wanted: CreateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        let folder = wanted.folder.as_deref().map(Folder::parse).transpose()?;
        let workspace = match (wanted.workspace_id.or(actor.only()), &folder) {
            (None, Some(Folder::Path(_))) => {
                let detail = "a `folder` that is named by its path is one of a workspace: name that too";
                return Err(Error::new(Code::InvalidBody, detail));
            }
            (None, Some(Folder::Id(id))) => Some(self.workspace_of_node(actor, *id).await?),
            (workspace, _) => workspace,
        };
        let is_agents = wanted.agent.is_some() || wanted.agent_id.is_some();
        let right = match workspace {
            Some(workspace) => Right::In(workspace, Need::MANAGE),
            None if is_agents => Right::Everywhere(Need::MANAGE),
            None => Right::Somewhere(Need::MANAGE),
        };
        actor.may(right)?;
        check(&wanted, self.now())?;
        narrowed(actor, &wanted)?;
        match workspace {
            Some(workspace) => self.create_key_within(actor, workspace, (wanted, folder), idempotency).await,
            None => self.create_wide_key(actor, right, wanted, idempotency).await,
        }
    }

    /// Returns the workspace of a node that is reached.
    pub(crate) async fn workspace_of_node(&self, actor: &Actor, node: NodeId) -> Result<WorkspaceId> {
        let actor = actor.clone();
        let found = self.db().read(move |tx| {
            let actor = actor.clone();
            Box::pin(async move { Ok(visible_node(tx, &actor, node).await?.workspace) })
        });
        found.await
    }

    async fn create_key_within(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: (CreateKey, Option<Folder>),
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        let premises = Premises { idempotency, ..Premises::default() };
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, wanted, move |act, (wanted, folder)| {
            Box::pin(async move {
                ensure_not_above(act.actor().role_in(workspace), wanted.role)?;
                let mut narrowing = narrowed(act.actor(), &wanted)?;
                if let Some(folder) = folder {
                    narrowing.folder = Some(folder.find(act).await?);
                }
                let workspace = Some(workspace);
                let (now, role) = (act.now(), wanted.role);
                let holder = Holder::find(act.tx, act.log.actor(), &wanted, workspace).await?;
                let is_new = matches!(holder, Holder::New(_));
                let reach = Reach { workspace, narrowing };
                let made = insert_new_key(act.tx, act.log.actor(), wanted, holder, reach, now).await?;
                if is_new {
                    members::add(act, &made.key.principal, role).await?;
                }
                Ok(made)
            })
        })
        .await
    }

    /// Makes a key that reaches all that its principal does.
    async fn create_wide_key(
        &self,
        actor: &Actor,
        right: Right,
        wanted: CreateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        let (clock, actor) = (self.clock(), actor.clone());
        let made = self.db().write(move |tx| {
            let (clock, wanted) = (clock.clone(), wanted.clone());
            let (actor, idempotency) = (actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = clock.now();
                once(tx, idempotency, (&actor, right), clock.as_ref(), async |tx, actor| {
                    let own = match right {
                        Right::Everywhere(_) => actor.role_everywhere(),
                        _ => actor.role_somewhere(),
                    };
                    ensure_not_above(own, wanted.role)?;
                    let reach = Reach { workspace: None, narrowing: narrowed(actor, &wanted)? };
                    let holder = Holder::find(tx, actor, &wanted, None).await?;
                    insert_new_key(tx, actor, wanted, holder, reach, now).await
                })
                .await
            })
        });
        made.await
    }
}
