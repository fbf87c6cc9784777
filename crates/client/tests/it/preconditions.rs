//! Many writes into a workspace whose rules ask for the version that each replaces.

use bytes::Bytes;
use http::Response;
use longshore::core::wire::{BatchResult, Problem};
use longshore::{Code, IfMatch, ManyOptions, Path, UploadItem, UploadOptions};

use crate::batches::items;
use crate::fake::{Fake, Reply, Seen, json, node, problem, version};
use crate::parts::pattern;

/// Larger than what goes in a group.
const LARGE: usize = 200_000;

fn path(name: &str) -> Path {
    Path::new(&format!("/{name}")).unwrap()
}

/// Says what is wrong with a write that states this: `old…` stands there, `lost…` did until it was looked at, and all else
/// is new.
fn refusal(path: &str, stated: Option<&str>) -> Option<Response<Bytes>> {
    let current = format!("{}", version());
    match stated.map(|stated| stated.trim_matches('"')) {
        None if path.contains("old") || path.contains("lost") => {
            Some(problem(428, "precondition_required", &[]))
        }
        Some(_) if !path.contains("old") => Some(problem(412, "precondition_failed", &[])),
        Some(stated) if stated != current => Some(problem(412, "precondition_failed", &[])),
        _ => None,
    }
}

fn line(index: usize, path: &str, content: &[u8], refused: Option<Response<Bytes>>) -> String {
    let problem: Option<Problem> = refused.map(|refused| serde_json::from_slice(refused.body()).unwrap());
    let status = problem.as_ref().map_or(201, |problem| problem.status);
    let node = problem.is_none().then(|| node(path, content));
    let index = Some(index as u64);
    serde_json::to_string(&BatchResult { index, path: None, status, node, replayed: false, problem }).unwrap()
        + "\n"
}

fn answer(seen: &Seen) -> Reply {
    if seen.target.ends_with("/batch") {
        let lines = items(seen).into_iter().enumerate().map(|(index, (item, content))| {
            let refused = refusal(&item.path, item.if_match.as_deref());
            line(index, &item.path, &content, refused)
        });
        return Reply::Answer(Response::new(lines.collect::<String>().into()));
    }
    let stands = seen.target.contains("old") || seen.target.contains("lost");
    Reply::Answer(match seen.method.as_str() {
        "GET" if stands => json(200, &node("/there", b"there")),
        "GET" => problem(404, "node_not_found", &[]),
        _ => refusal(&seen.target, seen.header("if-match"))
            .unwrap_or_else(|| json(201, &node("/stored", &seen.body))),
    })
}

fn given() -> Vec<UploadItem> {
    let small = ["old 1", "new 1", "old 2", "lost 1", "new 2"];
    let mut given: Vec<UploadItem> =
        small.iter().map(|name| (name.as_bytes().to_vec(), path(name)).into()).collect();
    given.extend(["old large", "new large"].map(|name| (pattern(LARGE), path(name)).into()));
    given
}

/// Uploads all, and returns the codes of what failed, by place.
async fn upload(fake: &Fake, given: Vec<UploadItem>, upload: UploadOptions) -> Vec<(usize, Option<Code>)> {
    let options = ManyOptions { upload, ..ManyOptions::default() };
    let mut outcomes = fake.client().files().upload_many(given, options).collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    let failed = outcomes.iter().filter_map(|outcome| {
        let error = outcome.result.as_ref().err()?;
        let codes = [Code::PreconditionRequired, Code::PreconditionFailed];
        Some((outcome.index, codes.into_iter().find(|code| error.is(*code))))
    });
    failed.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_files_states_the_version_that_it_replaces() {
    let fake = Fake::start(|_, seen| answer(seen)).await;
    let stating = UploadOptions { state_version: true, ..UploadOptions::default() };
    // One was written by somebody else between the look and the write: that is its failure, and no other's.
    let failed = upload(&fake, given(), stating.clone()).await;
    assert_eq!(failed, [(3, Some(Code::PreconditionFailed))]);
    let asked = fake.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("GET ")).count(), 7, "each is looked at once");
    assert_eq!(asked.iter().filter(|asked| asked.ends_with("/batch")).count(), 1, "{asked:?}");
    // The same is left out by the same look.
    let skipping = UploadOptions { skip_same: true, ..stating };
    let there: UploadItem = (b"there".to_vec(), path("old 3")).into();
    assert_eq!(upload(&fake, vec![there], skipping).await, []);
    assert_eq!(fake.asked().len(), asked.len() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_or_said_is_not_looked_for() {
    let fake = Fake::start(|_, seen| answer(seen)).await;
    let stating = UploadOptions { state_version: true, ..UploadOptions::default() };
    let listed = node("/old 1", b"there");
    let known = [
        UploadItem::new(b"one".to_vec(), path("old 1"), listed),
        UploadItem::new(b"two".to_vec(), path("new 1"), None),
        UploadItem {
            if_match: Some(IfMatch::Version(version())),
            ..(b"three".to_vec(), path("old 2")).into()
        },
    ];
    assert_eq!(upload(&fake, known.into(), stating).await, []);
    assert_eq!(fake.asked().len(), 1, "{:?}", fake.asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_states_nothing_is_refused_where_something_stands() {
    let fake = Fake::start(|_, seen| answer(seen)).await;
    let required = Some(Code::PreconditionRequired);
    let failed = upload(&fake, given(), UploadOptions::default()).await;
    assert_eq!(failed, [(0, required), (2, required), (3, required), (5, required)]);
}
