//! Jobs over HTTP: what is seen of them, waiting for their end, and who runs them.

use std::time::{Duration, Instant};

use longshore_core::JobId;
use longshore_core::wire::{Job, JobState, Page};
use longshore_engine::{JobKind, Kinds, NewJob, Outcome, WorkerSettings};
use longshore_server::{Server, Worker};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::wire::{SOON, Served, config, read_all};
use crate::world::{User, World};

static WORK: JobKind = JobKind::new("test.work");

async fn enqueue(world: &World, job: NewJob) -> JobId {
    // Ids made in one millisecond have no order, and lists follow it.
    world.clock.advance(Duration::from_millis(1));
    world.engine.enqueue_job(job).await.unwrap()
}

#[tokio::test]
async fn a_job_is_seen_awaited_cancelled_and_retried() {
    let world = World::new().await;
    let here = || NewJob::new(&WORK, json!({ "secret": "of the payload" })).in_workspace(world.id());
    let system = enqueue(&world, NewJob::new(&WORK, Value::Null)).await;
    let id = enqueue(&world, here()).await;
    let url = format!("/v1/jobs/{id}");
    let answer = world.get(&url).await;
    let job: Job = answer.read();
    assert_eq!((job.id, job.state, job.workspace_id), (id, JobState::Queued, Some(world.id())));
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "a payload is not for callers");
    // The time is over before the job has ended.
    let start = Instant::now();
    let waited: Job = world.get(&format!("{url}?wait=1")).await.read();
    assert!(start.elapsed() >= Duration::from_millis(900) && waited.state == JobState::Queued);
    // Its end ends the waiting.
    let url_long = format!("{url}?wait=55");
    let waiting = world.get(&url_long);
    let cancelling = async {
        sleep(Duration::from_millis(100)).await;
        world.edit(&format!("POST {url}/cancel"), "").await
    };
    let start = Instant::now();
    let (waited, cancelled) = tokio::join!(waiting, cancelling);
    assert!(start.elapsed() < SOON);
    assert_eq!(waited.read::<Job>().state, JobState::Cancelled);
    assert_eq!(cancelled.read::<Job>().state, JobState::Cancelled);
    let retry = format!("POST {url}/retry");
    let again = [("idempotency-key", "k1")];
    for _ in 0..2 {
        let retried = world.call(User::Editor, &retry, &again, "").await;
        assert_eq!(retried.read::<Job>().state, JobState::Queued);
    }
    assert_eq!(world.edit(&retry, "").await.outcome(), "409 job_not_failed");

    let page: Page<Job> = world.get(&format!("/v1/jobs?workspace={}&state=queued", world.id())).await.read();
    assert_eq!(page.items.iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
    assert!(world.get("/v1/jobs?kind=other").await.read::<Page<Job>>().items.is_empty());
    let all = world.call(User::Admin, "GET /v1/jobs?limit=1", &[], "").await.read::<Page<Job>>();
    assert_eq!(all.items[0].id, id);
    let next = format!("GET /v1/jobs?limit=1&cursor={}", all.next_cursor.unwrap());
    assert_eq!(world.call(User::Admin, &next, &[], "").await.read::<Page<Job>>().items[0].id, system);
    // The server's own jobs are for admins of all workspaces.
    let system = format!("/v1/jobs/{system}");
    assert_eq!(world.get(&system).await.outcome(), "404 job_not_found");
    assert_eq!(world.edit(&format!("POST {system}/cancel"), "").await.outcome(), "404 job_not_found");
    assert_eq!(
        world.call(User::Foreign, &format!("GET {url}"), &[], "").await.outcome(),
        "404 job_not_found"
    );
    assert_eq!(world.call(User::Admin, &format!("GET {system}"), &[], "").await.outcome(), "200");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let id = enqueue(&world, NewJob::new(&WORK, Value::Null).in_workspace(world.id())).await;
    for (url, outcome) in [
        ("/v1/jobs?state=lost".to_owned(), "400 invalid_query"),
        ("/v1/jobs?kind=a%00b".to_owned(), "400 invalid_query"),
        ("/v1/jobs?cursor=nonsense".to_owned(), "400 invalid_cursor"),
        ("/v1/jobs?limit=0".to_owned(), "400 invalid_query"),
        ("/v1/jobs?workspace=ws_x".to_owned(), "400 invalid_query"),
        ("/v1/jobs/nonsense".to_owned(), "400 invalid_id"),
        (format!("/v1/jobs/{id}?wait=56"), "400 invalid_query"),
        (format!("/v1/jobs/{id}?wait=-1"), "400 invalid_query"),
        ("/v1/jobs/job_00000000000000000000000000?wait=9".to_owned(), "404 job_not_found"),
    ] {
        assert_eq!(world.get(&url).await.outcome(), outcome, "{url}");
    }
    let cancel = format!("POST /v1/jobs/{id}/cancel");
    let bad = world.call(User::Editor, &cancel, &[("idempotency-key", "")], "").await;
    assert_eq!(bad.outcome(), "400 invalid_header");
    assert_eq!(world.get(&format!("/v1/jobs/{id}")).await.read::<Job>().state, JobState::Queued);
}

#[tokio::test]
async fn a_failure_is_told_and_a_fault_is_not() {
    let world = World::new().await;
    let kinds = Kinds::none().with(&WORK, |job| async move {
        match job.payload::<u8>()? {
            0 => Ok(Outcome::of(json!({ "n": 1 }))),
            _ => panic!("/a/path/of/the/machine"),
        }
    });
    let one_try = WorkerSettings { poll: Duration::from_millis(10), ..WorkerSettings::default() };
    let good = enqueue(&world, NewJob::new(&WORK, json!(0)).in_workspace(world.id())).await;
    let bad = enqueue(&world, NewJob::new(&WORK, json!(1)).in_workspace(world.id())).await;
    let seen = async {
        loop {
            let job: Job = world.get(&format!("/v1/jobs/{bad}")).await.read();
            if let Some(error) = job.error {
                break error;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let (told, tell) = tokio::sync::oneshot::channel::<()>();
    let working = world.engine.run_jobs(kinds, one_try, async {
        tell.await.ok();
    });
    let (error, ()) = tokio::join!(
        async {
            let error = seen.await;
            told.send(()).unwrap();
            error
        },
        working
    );
    assert_eq!((error.code.as_str(), error.detail.as_str()), ("internal", "internal error"));
    assert_eq!(world.get(&format!("/v1/jobs/{good}")).await.read::<Job>().result, Some(json!({ "n": 1 })));
}

#[tokio::test]
async fn a_server_runs_its_own_jobs_and_counts_them() {
    let served = Served::start_with(|config, _| config.sweep.interval_seconds = 1).await;
    let end = Instant::now() + SOON * 2;
    loop {
        let listed =
            served.ask("GET /v1/jobs?kind=sweep.blobs&state=succeeded", "connection: close\r\n", b"").await;
        let counted = served.ask("GET /metrics", "connection: close\r\n", b"").await;
        let is_counted = counted.contains(r#"longshore_jobs_total{kind="sweep.blobs",result="succeeded"}"#)
            && counted.contains("longshore_jobs_due ")
            && counted.contains("longshore_jobs_oldest_due_seconds ");
        if listed.contains(r#""removed":0"#) && is_counted {
            return;
        }
        assert!(Instant::now() < end, "{listed}{counted}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn jobs_can_be_left_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start_with(|config, _| config.jobs.enabled = false).await;
    sleep(Duration::from_millis(300)).await;
    let listed = served.ask("GET /v1/jobs", "connection: close\r\n", b"").await;
    assert!(listed.contains(r#""items":[]"#), "{listed}");

    // A worker alone does them; on SQLite no server runs meanwhile.
    let worker = Worker::open(&config(folder.path())).await.unwrap();
    let engine = worker.engine().clone();
    let error = Server::open(config(folder.path())).await.err().unwrap().to_string();
    assert!(error.starts_with("another server uses the data folder"), "{error}");
    let error = Worker::open(&config(folder.path())).await.err().unwrap().to_string();
    assert!(error.contains("on SQLite a running server runs the jobs itself"), "{error}");
    // Of those that run by the clock any may be the first to end.
    let has_swept =
        || engine.job_counts().iter().any(|it| it.kind == "sweep.blobs" && it.result == "succeeded");
    worker
        .run(async {
            while !has_swept() {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    // What it made, a server goes on with.
    let (server, key) = Server::open(config(folder.path())).await.unwrap();
    assert!(key.is_some(), "a worker makes no keys");
    server.close().await;
}

#[tokio::test]
async fn who_waits_is_answered_when_the_server_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (server, key) = Server::open(config(folder.path())).await.unwrap();
    // Of a kind that this server does not know, so it waits.
    let id = server.engine().enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
    let bound = server.bind().await.unwrap();
    let address = bound.local_addr();
    let (told, tell) = tokio::sync::oneshot::channel::<()>();
    let serving = bound.serve(async {
        tell.await.ok();
    });
    let client = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let key = key.unwrap();
        let head = format!(
            "GET /v1/jobs/{id}?wait=55 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            key.reveal()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(300)).await;
        told.send(()).unwrap();
        read_all(&mut stream).await
    };
    let start = Instant::now();
    let (served, answer) = tokio::join!(serving, client);
    served.unwrap();
    assert!(start.elapsed() < SOON / 2, "the server waited for who waits");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""state":"queued""#), "{answer}");
}
