//! What the server counts, and the text that Prometheus reads.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use longshore_engine::{Engine, JobCount};
use metrics::{Gauge, SharedString, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

const REQUESTS: &str = "longshore_http_requests_total";
const SECONDS: &str = "longshore_http_request_seconds";
const RECEIVED: &str = "longshore_http_received_bytes_total";
const SENT: &str = "longshore_http_sent_bytes_total";
const CONNECTIONS: &str = "longshore_connections";
const UPLOADS: &str = "longshore_uploads_in_progress";
const JOBS: &str = "longshore_jobs_total";
const JOBS_DUE: &str = "longshore_jobs_due";
const JOBS_OLDEST: &str = "longshore_jobs_oldest_due_seconds";

/// From a quarter of a millisecond, which a small request takes, to a minute.
const BUCKETS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// How often samples are moved from where they are recorded to where they are read.
pub(crate) const UPKEEP: Duration = Duration::from_secs(5);

/// One recorder serves the process, however many servers it opens: the facade knows only one.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts counting, and returns where the text is read.
pub(crate) fn install() -> PrometheusHandle {
    RECORDER.get_or_init(start).clone()
}

fn start() -> PrometheusHandle {
    let builder = PrometheusBuilder::new();
    let builder = builder
        .set_buckets_for_metric(Matcher::Full(SECONDS.to_owned()), BUCKETS)
        .unwrap_or_else(|_| PrometheusBuilder::new());
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder of metrics was installed before; /metrics stays empty");
    }
    describe_counter!(REQUESTS, "Requests answered, by route, method and status.");
    describe_histogram!(SECONDS, "Time from a request's header to the last byte of its answer.");
    describe_counter!(RECEIVED, "Bytes of request bodies.");
    describe_counter!(SENT, "Bytes of answer bodies.");
    describe_gauge!(CONNECTIONS, "Open connections.");
    describe_gauge!(UPLOADS, "Uploads whose bytes are coming in.");
    describe_counter!(JOBS, "Attempts of jobs that ended in this process, by kind and result.");
    describe_gauge!(JOBS_DUE, "Jobs that are due and wait for a worker.");
    describe_gauge!(JOBS_OLDEST, "How long the oldest due job has been waiting.");
    handle
}

/// Counts an answered request.
pub(crate) fn request(
    route: &str,
    method: &Method,
    status: StatusCode,
    taken: Duration,
    received: u64,
    sent: u64,
) {
    let route = SharedString::from_owned(route.to_owned());
    let method = method_name(method);
    let status = SharedString::from_owned(status.as_str().to_owned());
    let labels = [("route", route), ("method", SharedString::const_str(method)), ("status", status)];
    counter!(REQUESTS, &labels).increment(1);
    metrics::histogram!(SECONDS, &labels).record(taken);
    counter!(RECEIVED).increment(received);
    counter!(SENT).increment(sent);
}

/// Reads how the engine's jobs stand.
pub(crate) async fn jobs(engine: &Engine) {
    for JobCount { kind, result, count } in engine.job_counts() {
        counter!(JOBS, "kind" => kind, "result" => result).absolute(count);
    }
    match engine.job_backlog().await {
        Ok(backlog) => {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
            gauge!(JOBS_DUE).set(backlog.queued as f64);
            gauge!(JOBS_OLDEST).set(backlog.oldest.as_secs_f64());
        }
        Err(error) => tracing::debug!(%error, "the backlog of jobs could not be read"),
    }
}

/// Methods that are not ours share one label, so that a stranger cannot make labels without end.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Counts something for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn connection() -> Self {
        Self::new(gauge!(CONNECTIONS))
    }

    pub(crate) fn upload() -> Self {
        Self::new(gauge!(UPLOADS))
    }

    fn new(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
