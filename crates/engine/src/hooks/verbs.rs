//! What an admin does with the hooks of a workspace.

use std::time::Duration;

use longshore_core::webhook::Secret;
use longshore_core::wire::{
    CreateHook, Delivery, DeliveryState, Hook, HookDisabled, NewHook, Page, RotateHook, UpdateHook,
};
use longshore_core::{Code, DeliveryId, EventId, HookId, WorkspaceId, WorkspacePath};
use longshore_egress::ErrorKind as Refusal;
use serde_json::json;

use super::deliver::{self, URGENT};
use super::{body, dispatch, filter};
use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::audit::Entry;
use crate::db::Tx;
use crate::db::deliveries::{self, NewDelivery};
use crate::db::events::Change;
use crate::db::hooks::{self as rows, HookRow};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;

/// The most hooks of a workspace: each event may become a delivery of every one.
const MOST_HOOKS: u32 = 100;
/// The longest description in bytes.
const LONGEST_DESCRIPTION: usize = 1_000;
/// For how many hours the old secret signs too, where nothing is said, and at most.
const OVERLAP: u32 = 24;
const LONGEST_OVERLAP: u32 = 168;

pub(super) fn not_found(id: HookId) -> Error {
    Error::new(Code::HookNotFound, format!("no hook {id}"))
}

fn no_delivery(id: DeliveryId) -> Error {
    Error::new(Code::DeliveryNotFound, format!("no delivery {id}"))
}

/// Returns a hook of this workspace; another one's is as if it were not there.
pub(super) async fn hook_of(tx: &mut Tx, workspace: WorkspaceId, id: HookId) -> Result<HookRow> {
    let found = rows::get(tx, id).await?.filter(|row| row.hook.workspace_id == workspace);
    found.ok_or_else(|| not_found(id))
}

/// Returns a delivery of this hook of this workspace, with its attempts.
async fn delivery_of(tx: &mut Tx, workspace: WorkspaceId, hook: HookId, id: DeliveryId) -> Result<Delivery> {
    hook_of(tx, workspace, hook).await?;
    let found = deliveries::get(tx, id).await?.filter(|row| row.delivery.hook_id == hook);
    let mut delivery = found.ok_or_else(|| no_delivery(id))?.delivery;
    delivery.attempts = deliveries::attempts(tx, id).await?;
    Ok(delivery)
}

fn check_description(text: &str) -> Result<()> {
    if text.len() > LONGEST_DESCRIPTION || text.chars().any(char::is_control) {
        let detail =
            format!("`description` has at most {LONGEST_DESCRIPTION} bytes and no control characters");
        return Err(Error::new(Code::InvalidBody, detail));
    }
    Ok(())
}

/// What an event may say of a URL: its path and query may be a secret of their own.
fn origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find(['/', '?', '#']).map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

pub(super) fn about(kind: &'static str, hook: &Hook) -> Change {
    Change::of_workspace(kind).with("hook_id", json!(hook.id)).with("url", json!(origin(&hook.url)))
}

impl Engine {
    /// Asks the guard whether a URL may be dialled, and returns it normalised.
    async fn checked_url(&self, url: &str) -> Result<String> {
        match self.guard().check(url).await {
            Ok(target) => Ok(target.as_str().to_owned()),
            Err(error) if matches!(error.kind(), Refusal::BlockedUrl | Refusal::BlockedAddress) => {
                Err(Error::new(Code::UrlRefused, error.to_string()))
            }
            Err(error) => Err(Error::caused(Code::Internal, "the URL could not be checked", error)),
        }
    }

    /// Lets an admin of the workspace pass. Who does not reach it learns nothing, not even what an admin may.
    pub(super) async fn admits(&self, actor: &Actor, workspace: WorkspaceId) -> Result<()> {
        self.workspace(actor, workspace).await?;
        actor.needs(workspace, Need::MANAGE)
    }

    pub(super) fn hook_ask<'a>(actor: &'a Actor, workspace: WorkspaceId, premises: Premises) -> Ask<'a> {
        Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises }
    }

    /// Makes a hook; its secret is in the answer and nowhere else.
    pub async fn create_hook(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: CreateHook,
        premises: Premises,
    ) -> Result<NewHook> {
        self.admits(actor, workspace).await?;
        if let Some(answer) = self.answered(actor, &premises, Need::MANAGE).await? {
            return Ok(answer);
        }
        filter::check_types(&wanted.types)?;
        check_description(wanted.description.as_deref().unwrap_or_default())?;
        let wanted = CreateHook { url: self.checked_url(&wanted.url).await?, ..wanted };
        self.act(Self::hook_ask(actor, workspace, premises), wanted, move |act, wanted| {
            Box::pin(async move {
                if rows::list(act.tx, workspace, "", MOST_HOOKS).await?.len() >= MOST_HOOKS as usize {
                    let detail = format!("a workspace has at most {MOST_HOOKS} hooks");
                    return Err(Error::new(Code::TooManyHooks, detail));
                }
                let (now, secret) = (act.now(), Secret::generate());
                let mut hook = Hook {
                    id: HookId::new(now),
                    workspace_id: workspace,
                    url: wanted.url,
                    types: wanted.types,
                    path: wanted.path.unwrap_or(WorkspacePath::root()),
                    description: wanted.description.unwrap_or_default(),
                    disabled: None,
                    disabled_at: None,
                    failing_since: None,
                    seq: 0,
                    old_secret_until: None,
                    created_at: now,
                    created_by: act.actor().principal,
                    updated_at: now,
                };
                // Its own beginning is no news to it.
                hook.seq = act.record(about("hook.created", &hook)).await?;
                rows::insert(act.tx, &hook, &secret).await?;
                Ok(NewHook { hook, secret: secret.reveal() })
            })
        })
        .await
    }

    /// Lists the hooks of a workspace, oldest first.
    pub async fn list_hooks(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Hook>> {
        self.admits(actor, workspace).await?;
        let (limit, after) = (page.limit(), self.after(&page)?);
        let found = self.db().read(move |tx| {
            let after = after.clone();
            Box::pin(async move { rows::list(tx, workspace, &after, limit).await })
        });
        let items = found.await?.into_iter().map(|row| row.hook).collect();
        self.page_by(&page, items, |hook: &Hook| hook.id.to_string())
    }

    /// Returns a hook.
    pub async fn hook(&self, actor: &Actor, workspace: WorkspaceId, id: HookId) -> Result<Hook> {
        self.admits(actor, workspace).await?;
        let found = self.db().read(move |tx| Box::pin(async move { hook_of(tx, workspace, id).await }));
        Ok(found.await?.hook)
    }

    /// Changes a hook, or switches it on or off.
    pub async fn update_hook(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        id: HookId,
        wanted: UpdateHook,
        premises: Premises,
    ) -> Result<Hook> {
        self.admits(actor, workspace).await?;
        if let Some(answer) = self.answered(actor, &premises, Need::MANAGE).await? {
            return Ok(answer);
        }
        filter::check_types(wanted.types.as_deref().unwrap_or_default())?;
        check_description(wanted.description.as_deref().unwrap_or_default())?;
        let url = match &wanted.url {
            Some(url) => Some(self.checked_url(url).await?),
            None => None,
        };
        let wanted = UpdateHook { url, ..wanted };
        self.act(Self::hook_ask(actor, workspace, premises), wanted, move |act, wanted| {
            Box::pin(async move {
                let before = hook_of(act.tx, workspace, id).await?.hook;
                let mut hook = before.clone();
                hook.url = wanted.url.unwrap_or(hook.url);
                hook.types = wanted.types.unwrap_or(hook.types);
                hook.path = wanted.path.unwrap_or(hook.path);
                hook.description = wanted.description.unwrap_or(hook.description);
                if hook != before {
                    hook.updated_at = act.now();
                    rows::save(act.tx, &hook).await?;
                    if hook.url != before.url {
                        // Another receiver: what the first one failed at is not held against it.
                        rows::begin_anew(act.tx, id).await?;
                        deliver::end_rest(act.tx, id).await?;
                    }
                    act.record(about("hook.updated", &hook)).await?;
                }
                match wanted.enabled {
                    Some(true) if hook.disabled.is_some() => enable(act, &hook).await?,
                    Some(false) if hook.disabled.is_none() => {
                        disable(act, &hook, HookDisabled::Asked).await?;
                    }
                    _ => {}
                }
                Ok(hook_of(act.tx, workspace, id).await?.hook)
            })
        })
        .await
    }

    /// Removes a hook with all its deliveries.
    pub async fn delete_hook(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        id: HookId,
        premises: Premises,
    ) -> Result<()> {
        self.admits(actor, workspace).await?;
        self.act(Self::hook_ask(actor, workspace, premises), (), move |act, ()| {
            Box::pin(async move {
                let hook = hook_of(act.tx, workspace, id).await?.hook;
                act.record(about("hook.deleted", &hook)).await?;
                rows::delete(act.tx, workspace, id, act.now()).await?;
                deliver::end_rest(act.tx, id).await
            })
        })
        .await
    }

    /// Gives a hook a new secret; for a while deliveries carry a signature of the old one too. In that while there is
    /// no other rotation but one without an overlap: a third secret would end the first one's time early.
    pub async fn rotate_hook(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        id: HookId,
        wanted: RotateHook,
        premises: Premises,
    ) -> Result<NewHook> {
        self.admits(actor, workspace).await?;
        let hours = wanted.overlap_hours.unwrap_or(OVERLAP);
        if hours > LONGEST_OVERLAP {
            return Err(Error::new(
                Code::InvalidBody,
                format!("`overlap_hours` is at most {LONGEST_OVERLAP}"),
            ));
        }
        self.act(Self::hook_ask(actor, workspace, premises), hours, move |act, hours| {
            Box::pin(async move {
                let hook = hook_of(act.tx, workspace, id).await?.hook;
                let (now, secret) = (act.now(), Secret::generate());
                if let Some(until) = hook.old_secret_until.filter(|until| *until > now && hours > 0) {
                    let detail = format!(
                        "until {until} the secret before the last rotation signs too: rotate after that, or with \
                         `overlap_hours` 0, which ends both old secrets at once"
                    );
                    return Err(Error::new(Code::RotationUnderWay, detail));
                }
                let old_until = (hours > 0).then(|| now.plus(Duration::from_hours(hours.into())));
                rows::rotate(act.tx, id, &secret, old_until, now).await?;
                let hook = hook_of(act.tx, workspace, id).await?.hook;
                let change =
                    about("hook.rotated", &hook).with("old_secret_until", json!(hook.old_secret_until));
                act.record(change).await?;
                Ok(NewHook { hook, secret: secret.reveal() })
            })
        })
        .await
    }

    /// Sends a test to a hook's receiver, as soon as a worker can.
    pub async fn test_hook(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        id: HookId,
        premises: Premises,
    ) -> Result<Delivery> {
        self.admits(actor, workspace).await?;
        self.act(Self::hook_ask(actor, workspace, premises), (), move |act, ()| {
            Box::pin(async move {
                let hook = hook_of(act.tx, workspace, id).await?.hook;
                ensure_on(&hook)?;
                let now = act.now();
                let new = NewDelivery {
                    id: DeliveryId::new(now),
                    hook: id,
                    event: EventId::new(now),
                    kind: body::PING.to_owned(),
                    seq: None,
                    body: body::of_ping(workspace, id, now)?,
                    now,
                };
                let entry = Entry::done("hook.tested", act.log.actor(), now).within(workspace);
                act.tx.note(entry.about(id).with("delivery_id", json!(new.id)));
                dispatch::insert(act.tx, &new, now).await?;
                delivery_of(act.tx, workspace, id, new.id).await
            })
        })
        .await
    }

    /// Lists a hook's deliveries with their attempts, newest first.
    pub async fn list_deliveries(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        hook: HookId,
        state: Option<DeliveryState>,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        self.admits(actor, workspace).await?;
        let (limit, before) = (page.limit(), self.after(&page)?);
        let items = self.db().read(move |tx| {
            let before = before.clone();
            Box::pin(async move {
                hook_of(tx, workspace, hook).await?;
                let mut items = Vec::new();
                for row in deliveries::list(tx, hook, state, &before, limit).await? {
                    let attempts = deliveries::attempts(tx, row.delivery.id).await?;
                    items.push(Delivery { attempts, ..row.delivery });
                }
                Ok(items)
            })
        });
        self.page_by(&page, items.await?, |delivery: &Delivery| delivery.id.to_string())
    }

    /// Returns a delivery with its attempts.
    pub async fn delivery(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        hook: HookId,
        id: DeliveryId,
    ) -> Result<Delivery> {
        self.admits(actor, workspace).await?;
        self.db().read(move |tx| Box::pin(async move { delivery_of(tx, workspace, hook, id).await })).await
    }

    /// Sends one delivery again, as soon as a worker can, whatever became of it before.
    pub async fn redeliver_one(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        hook: HookId,
        id: DeliveryId,
        premises: Premises,
    ) -> Result<Delivery> {
        self.admits(actor, workspace).await?;
        self.act(Self::hook_ask(actor, workspace, premises), (), move |act, ()| {
            Box::pin(async move {
                ensure_on(&hook_of(act.tx, workspace, hook).await?.hook)?;
                delivery_of(act.tx, workspace, hook, id).await?;
                let now = act.now();
                let entry = Entry::done("hook.redelivered", act.log.actor(), now).within(workspace);
                act.tx.note(entry.about(hook).with("delivery_id", json!(id)));
                dispatch::again(act.tx, hook, id, &URGENT, now).await?;
                delivery_of(act.tx, workspace, hook, id).await
            })
        })
        .await
    }
}

/// A hook that is off sends nothing: its deliveries would only be given up.
pub(super) fn ensure_on(hook: &Hook) -> Result<()> {
    match hook.disabled {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::HookDisabled, format!("{} is switched off", hook.id))),
    }
}

async fn enable(act: &mut Act<'_>, hook: &Hook) -> Result<()> {
    // What happened while it was off is asked for by `redeliver`, or not at all.
    let seq = act.record(about("hook.enabled", hook)).await?;
    rows::enable(act.tx, hook.workspace_id, hook.id, seq, act.now()).await?;
    deliver::end_rest(act.tx, hook.id).await
}

async fn disable(act: &mut Act<'_>, hook: &Hook, why: HookDisabled) -> Result<()> {
    rows::disable(act.tx, (hook.workspace_id, hook.id), why, None, act.now()).await?;
    act.record(about("hook.disabled", hook).with("reason", json!(why))).await?;
    // What waits is given up, and not only when its receiver has rested.
    deliver::end_rest(act.tx, hook.id).await
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_event_says_of_a_url_only_where_it_leads() {
        assert_eq!(origin("https://example.com/hook?token=geheim"), "https://example.com");
        assert_eq!(origin("https://example.com:8443?token=geheim"), "https://example.com:8443");
        assert_eq!(origin("https://[2606:4700::1]/x"), "https://[2606:4700::1]");
        assert_eq!(origin("https://example.com"), "https://example.com");
    }
}
