//! What every handler can reach.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::{NodeId, WorkspaceId};
use longshore_engine::Engine;
use longshore_flow::Tasks;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::extract::{Caller, NodeRef};
use crate::config::{Config, ContentOrigin, Proxies};
use crate::measures;
use crate::oidc::Oidc;
use crate::problem::Failure;
use crate::throttle::{Rates, Throttle};

/// How many groups of batches are held in memory at once, of all requests together; each has up to 3 MiB.
const GROUPS: usize = 4;
/// How long a group waits for its place.
const GROUP_WAIT: Duration = Duration::from_secs(5);

/// How much one request may bring, and how slowly.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of a request's line and header.
    pub header_bytes: usize,
    /// The most bytes of a JSON body.
    pub json_bytes: usize,
    /// How long a body may stand still.
    pub idle: Duration,
    /// After how long without an event a stream of events gives a sign of life.
    pub heartbeat: Duration,
}

impl Limits {
    pub(crate) const fn of(config: &Config) -> Self {
        Self {
            header_bytes: config.server.max_header_bytes,
            json_bytes: config.limits.max_json_bytes,
            idle: config.server.idle_timeout(),
            heartbeat: Duration::from_secs(config.events.heartbeat_seconds),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1_024,
            json_bytes: 1_024 * 1_024,
            idle: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// What stands in front of the routes. By default nothing does.
#[derive(Clone, Debug, Default)]
pub struct Entrance {
    /// Where links give their content, and nothing else is served; none where that is the service's own origin.
    pub content_origin: Option<ContentOrigin>,
    /// Whose word on where a request comes from is taken.
    pub proxies: Proxies,
    /// How often somebody may come.
    pub rates: Rates,
    /// Providers that people may sign in by.
    pub oidc: Oidc,
}

impl Entrance {
    pub(crate) fn of(config: &Config) -> crate::Result<Self> {
        let server = &config.server;
        Ok(Self {
            content_origin: server.content_origin.clone(),
            proxies: server.proxies(),
            rates: config.rates.rates(),
            oidc: Oidc::of(config)?,
        })
    }
}

/// The state behind the routes. Clones share it.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    engine: Engine,
    limits: Limits,
    entrance: Entrance,
    throttle: Throttle,
    metrics: PrometheusHandle,
    closing: CancellationToken,
    tasks: Tasks,
    groups: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        engine: Engine,
        limits: Limits,
        entrance: Entrance,
        closing: CancellationToken,
        tasks: Tasks,
    ) -> Self {
        let (metrics, groups) = (measures::install(), Arc::new(Semaphore::new(GROUPS)));
        let throttle = Throttle::new(entrance.rates);
        Self(Arc::new(Inner { engine, limits, entrance, throttle, metrics, closing, tasks, groups }))
    }

    /// Returns the tasks of requests that go on while their answer waits for its reader.
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    /// Returns a place among the groups of batches that are held in memory, once there is one; nothing where it took too
    /// long: who lets others wait, by not reading its answers, holds up nobody for good.
    pub(crate) async fn place_for_group(&self) -> Option<OwnedSemaphorePermit> {
        timeout(GROUP_WAIT, Arc::clone(&self.0.groups).acquire_owned()).await.ok()?.ok()
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Returns where links give their content, if not here.
    pub(crate) fn content_origin(&self) -> Option<&ContentOrigin> {
        self.0.entrance.content_origin.as_ref()
    }

    /// Returns whose word on where a request comes from is taken.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.0.entrance.proxies
    }

    /// Returns the providers that people may sign in by.
    pub(crate) fn oidc(&self) -> &Oidc {
        &self.0.entrance.oidc
    }

    /// Returns what counts who comes.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// Tells whether the server is about to stop.
    pub(crate) fn is_closing(&self) -> bool {
        self.0.closing.is_cancelled()
    }

    /// Waits until the server is about to stop: what waits for something else ends then.
    pub(crate) async fn closing(&self) {
        self.0.closing.cancelled().await;
    }

    /// Returns the node that an id in a URL stands for: `root` is the root folder of `workspace`, or of the
    /// key's current one.
    pub(crate) async fn node(
        &self,
        caller: &Caller,
        node: NodeRef,
        workspace: Option<WorkspaceId>,
    ) -> Result<NodeId, Failure> {
        let engine = self.engine();
        match (node, workspace) {
            (NodeRef::Id(id), None) => Ok(id),
            (NodeRef::Id(_), Some(_)) => {
                Err(super::extract::invalid_query("`workspace` goes with `root` alone"))
            }
            (NodeRef::Root, Some(id)) => Ok(engine.workspace(caller, id).await?.root_id),
            (NodeRef::Root, None) => Ok(engine.current_workspace(caller).await?.root_id),
        }
    }
}
