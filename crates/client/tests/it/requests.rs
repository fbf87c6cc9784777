//! What goes over the wire, and how answers are read.

use bytes::Bytes;
use longshore::core::wire::Page;
use longshore::{
    Code, CopyNode, Depth, ErrorCode, ErrorKind, EventFilter, Folder, IfMatch, Job, JobFilter, JobState,
    Name, Path, RestoreNode, Target, UpdateNode, UploadOptions,
};

use crate::fake::{
    Fake, NOW, Reply, Seen, job_id, json, node, node_id, problem, stored, version, workspace_id,
};

fn files(path: &str) -> String {
    format!("/v1/workspaces/{}/files/{path}", workspace_id())
}

#[tokio::test]
async fn every_request_carries_the_key_and_the_host() {
    let fake = Fake::start(|_, _| Reply::Answer(json(200, &node("/a", b"")))).await;
    fake.client().files().get(node_id()).await.unwrap();
    let seen = &fake.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Bearer lsk_test"));
    assert!(seen.header("host").unwrap().starts_with("127.0.0.1:"));
    assert!(seen.header("user-agent").unwrap().starts_with("longshore-rust/"));
    assert_eq!(seen.target, format!("/v1/files/{}", node_id()));
}

#[tokio::test]
async fn a_url_may_have_a_path_of_its_own() {
    let fake = Fake::start(|_, _| Reply::Answer(json(200, &node("/a", b"")))).await;
    let url = format!("http://{}/long/shore/", fake.address());
    let client = fake.builder().url(url).build().unwrap();
    client.files().get(node_id()).await.unwrap();
    assert!(fake.seen()[0].target.starts_with("/long/shore/v1/files/nd_"));
}

#[tokio::test]
async fn names_of_every_script_come_through_encoded_once() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let client = fake.client();
    let paths = [
        "/плани/2026 қ.csv",
        "/日本語/שלום/données.txt",
        "/a%2fb/100%/what?/#1/a&b=c+d;e",
        "/🚢/\"quoted\"/<tag>/back\\slash/{}|^`~",
        "/..../-_.~/ leading and trailing ",
    ];
    for text in paths {
        let path = Path::new(text).unwrap();
        let content = Bytes::from_static(b"x");
        client.files().upload(content, path.clone(), &UploadOptions::default()).await.unwrap();
        let target = fake.seen().pop().unwrap().target;
        let encoded = target.strip_prefix(&files("")).unwrap();
        assert!(
            encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%/".contains(&byte)),
            "{encoded}"
        );
        assert_eq!(Path::from_url(encoded).unwrap(), path);
    }
    let name = Name::new("a b&c=ü?.txt").unwrap();
    let target = Target::child(Folder::Root(Some(workspace_id())), name);
    client.files().upload(Bytes::new(), target, &UploadOptions::default()).await.unwrap();
    assert_eq!(
        fake.seen().pop().unwrap().target,
        format!("/v1/files/root/files?name=a%20b%26c%3D%C3%BC%3F.txt&workspace={}", workspace_id())
    );
}

#[tokio::test]
async fn the_current_workspace_is_asked_for_once() {
    let fake = Fake::start(|_, _| Reply::Answer(json(200, &node("/a", b"")))).await;
    let client = fake.client();
    for _ in 0..3 {
        client.clone().files().by_path(Path::new("/a").unwrap()).await.unwrap();
    }
    assert_eq!(fake.seen().len(), 4);
    client.files().by_path((workspace_id(), Path::root())).await.unwrap();
    assert_eq!(fake.asked().pop().unwrap(), format!("GET /v1/files/root?workspace={}", workspace_id()));
}

#[tokio::test]
async fn a_problem_becomes_an_error_with_all_it_says() {
    let fake = Fake::start(|_, _| {
        let mut body: serde_json::Value =
            serde_json::from_slice(problem(412, "precondition_failed", &[]).body()).unwrap();
        body["current_version"] = version().to_string().into();
        let mut answer = json(412, &body);
        answer.headers_mut().insert("x-request-id", "req-7".parse().unwrap());
        Reply::Answer(answer)
    })
    .await;
    let change = UpdateNode { name: Some(Name::new("b").unwrap()), ..UpdateNode::default() };
    let error = fake
        .client()
        .files()
        .update(node_id(), &change, Some(IfMatch::Version(version())))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition);
    assert!(error.is(Code::PreconditionFailed));
    assert_eq!(error.current_version(), Some(version()));
    assert_eq!((error.status(), error.request_id()), (Some(412), Some("req-7")));
    assert_eq!(error.to_string(), "the detail of precondition_failed");
    let seen = &fake.seen()[0];
    assert_eq!(seen.header("if-match"), Some(format!("\"{}\"", version()).as_str()));
    assert_eq!(seen.body, r#"{"name":"b"}"#);
    assert_eq!(fake.seen().len(), 1, "a refusal is not tried again");
}

#[tokio::test]
async fn every_change_of_a_file_takes_a_premise() {
    let fake = Fake::start(|_, _| Reply::Answer(json(200, &node("/a", b"")))).await;
    let client = fake.client();
    let (files, id) = (client.files(), node_id());
    let premise = || Some(IfMatch::Version(version()));
    files.update(id, &UpdateNode::default(), premise()).await.unwrap();
    files.copy(id, &CopyNode::default(), premise()).await.unwrap();
    files.trash(id, premise()).await.unwrap();
    files.restore(id, &RestoreNode::default(), premise()).await.unwrap();
    files.restore_version(id, version(), premise()).await.unwrap();
    files.delete_version(id, version(), premise()).await.unwrap();
    // This answer is none of theirs.
    files.label_version(id, version(), None, premise()).await.unwrap_err();
    files.purge(id, premise()).await.unwrap_err();
    let options = UploadOptions { if_match: premise(), ..UploadOptions::default() };
    files.upload(Bytes::new(), Target::version(id), &options).await.unwrap();
    let expected = format!("\"{}\"", version());
    assert!(fake.seen().iter().all(|seen| seen.header("if-match") == Some(&expected)), "{:?}", fake.asked());
    assert_eq!(fake.seen().len(), 9);
}

#[tokio::test]
async fn an_unknown_code_is_tolerated() {
    let fake = Fake::start(|_, _| Reply::Answer(problem(423, "moonlit", &[]))).await;
    let error = fake.client().files().trash(node_id(), None).await.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::Unknown("moonlit".to_owned())));
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(!error.may_have_happened());
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_error() {
    let fake = Fake::start(|_, _| Reply::Answer(http::Response::new("<html>".into()))).await;
    let error = fake.client().files().get(node_id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

fn page(seen: &Seen, cursors: &[(&str, Option<&str>)]) -> Reply {
    let (place, (_, next)) =
        cursors.iter().enumerate().find(|(_, (mark, _))| seen.target.contains(mark)).unwrap();
    let page = Page {
        items: vec![node(&format!("/{place}"), b""), node(&format!("/{place}b"), b"")],
        next_cursor: next.map(str::to_owned),
    };
    Reply::Answer(json(200, &page))
}

#[tokio::test]
async fn a_listing_follows_its_cursors() {
    let fake = Fake::start(|_, seen| {
        page(seen, &[("cursor=c%2F%2B1", Some("c2")), ("cursor=c2", None), ("depth=all", Some("c/+1"))])
    })
    .await;
    let place = Path::new("/a b").unwrap();
    let nodes = fake.client().files().list(place, Depth::All).collect_all().await.unwrap();
    assert_eq!(nodes.len(), 6);
    let tree = format!("GET /v1/workspaces/{}/tree/a%20b?depth=all&limit=1000", workspace_id());
    assert_eq!(fake.asked(), [tree.clone(), format!("{tree}&cursor=c%2F%2B1"), format!("{tree}&cursor=c2")]);
}

#[tokio::test]
async fn a_listing_asks_for_pages_only_as_it_is_read_and_ends_after_an_error() {
    let fake = Fake::start(|place, seen| match place {
        0 => page(seen, &[("trash", Some("more"))]),
        _ => Reply::Answer(problem(404, "node_not_found", &[])),
    })
    .await;
    let mut trash = fake.client().files().trashed(Some(workspace_id()));
    assert_eq!(fake.seen().len(), 0);
    assert!(trash.next().await.unwrap().is_ok());
    assert!(trash.next().await.unwrap().is_ok());
    assert_eq!(fake.seen().len(), 1);
    assert!(trash.next().await.unwrap().is_err());
    assert!(trash.next().await.is_none());
}

#[tokio::test]
async fn pages_that_go_round_in_a_ring_are_an_error() {
    let fake = Fake::start(|_, seen| page(seen, &[("cursor=a", Some("b")), ("trash", Some("a"))])).await;
    let error = fake.client().files().trashed(Some(workspace_id())).collect_all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(fake.seen().len() < 10);
}

#[tokio::test]
async fn events_go_on_after_the_last_place() {
    let fake = Fake::start(|place, _| {
        let next = (place == 1).then(|| "7".to_owned());
        let body = serde_json::json!({"items": [], "next_cursor": next});
        Reply::Answer(json(200, &body))
    })
    .await;
    let events = fake.client().events().list(None, Some(3.into()), &EventFilter::default());
    assert_eq!(events.collect_all().await.unwrap(), []);
    let events = format!("GET /v1/workspaces/{}/events?limit=1000&after=", workspace_id());
    assert_eq!(fake.asked(), [format!("{events}3"), format!("{events}7")]);
}

#[tokio::test]
async fn a_wait_asks_again_until_the_job_has_ended() {
    let job = |state| Job {
        id: job_id(),
        workspace_id: None,
        kind: "test.work".to_owned(),
        state,
        progress: None,
        attempts: 1,
        max_attempts: 5,
        run_at: NOW,
        cancel_requested_at: None,
        result: None,
        error: None,
        created_at: NOW,
        created_by: None,
        started_at: Some(NOW),
        finished_at: None,
    };
    let fake = Fake::start(move |number, seen| {
        let state = if number < 2 { JobState::Running } else { JobState::Failed };
        match seen.method.as_str() {
            "GET" if seen.target.contains("wait=") => Reply::Answer(json(200, &job(state))),
            "GET" => Reply::Answer(json(200, &Page { items: vec![job(state)], next_cursor: None })),
            _ => Reply::Answer(json(200, &job(JobState::Queued))),
        }
    })
    .await;
    let jobs = fake.client().jobs();
    // An end is an end, whatever it is; the wait is not cut short by the length of one request, which ends before the
    // connection counts as dead.
    assert_eq!(jobs.wait(job_id(), None).await.unwrap().state, JobState::Failed);
    let targets: Vec<_> = fake.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, vec![format!("/v1/jobs/{}?wait=2", job_id()); 3]);
    // No time at all is one look.
    jobs.wait(job_id(), Some(std::time::Duration::ZERO)).await.unwrap();
    assert_eq!(fake.seen().last().unwrap().target, format!("/v1/jobs/{}?wait=0", job_id()));
    let filter = JobFilter { state: Some(JobState::Failed), kind: Some("a&b".to_owned()), workspace: None };
    jobs.list(&filter).collect_all().await.unwrap();
    assert_eq!(fake.seen().last().unwrap().target, "/v1/jobs?state=failed&kind=a%26b&limit=1000");
    assert_eq!(jobs.retry(job_id()).await.unwrap().state, JobState::Queued);
    assert_eq!(jobs.cancel(job_id()).await.unwrap().state, JobState::Queued);
    let last = fake.seen().pop().unwrap();
    assert_eq!((last.method.as_str(), last.target), ("POST", format!("/v1/jobs/{}/cancel", job_id())));
}
