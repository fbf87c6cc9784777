//! Uploads that stay at the server: what is kept there after a failure, and what is not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use longshore::core::chunks::{self, Chunker};
use longshore::{
    Code, Control, Delta, ErrorKind, Node, OnConflict, Progress, ProgressSink, Target, UploadOptions,
};
use tokio::sync::Notify;

use crate::fake::{Fake, Reply, Seen, begun, digest, json, node, node_id, problem, shown};
use crate::parts::{MIB, pattern};

/// What a server has of uploads that end in parts, as far as it holds to what it is told.
#[derive(Clone, Default)]
struct Uploads(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    begun: usize,
    /// By their routes: what has come, and how much there will be.
    uploads: BTreeMap<String, (BytesMut, usize)>,
    /// By the keys that they were begun under.
    keys: BTreeMap<String, String>,
    /// What was made of those that are whole.
    nodes: BTreeMap<String, Node>,
}

fn answer(status: u16, headers: &[(&str, String)]) -> Response<Bytes> {
    let answer = Response::builder().status(status);
    headers
        .iter()
        .fold(answer, |answer, (name, value)| answer.header(*name, value))
        .body(Bytes::new())
        .unwrap()
}

fn gone() -> Response<Bytes> {
    answer(404, &[])
}

impl Uploads {
    fn reply(&self, seen: &Seen) -> Reply {
        Reply::Answer(self.answer(seen))
    }

    fn answer(&self, seen: &Seen) -> Response<Bytes> {
        let mut state = self.0.lock().unwrap();
        match seen.method.as_str() {
            "POST" => state.begin(seen),
            "GET" => match state.nodes.get(&seen.target) {
                Some(node) => shown(200, node),
                None => gone(),
            },
            "HEAD" => match state.uploads.get(&seen.target) {
                Some((come, _)) => answer(200, &[("upload-offset", come.len().to_string())]),
                None => gone(),
            },
            "DELETE" => {
                state.uploads.remove(&seen.target);
                answer(204, &[])
            }
            "PATCH" => state.append(seen, usize::MAX),
            other => panic!("{other} {}", seen.target),
        }
    }

    /// Takes at most so many of a request's bytes.
    fn append(&self, seen: &Seen, most: usize) -> Response<Bytes> {
        self.0.lock().unwrap().append(seen, most)
    }

    /// Says what an upload became.
    fn became(&self, upload: &str, node: Node) {
        self.0.lock().unwrap().nodes.insert(upload.to_owned(), node);
    }

    /// Tells whether there are so many uploads, and all their bytes.
    fn are_whole(&self, count: usize) -> bool {
        let state = self.0.lock().unwrap();
        state.uploads.len() == count && state.uploads.values().all(|(come, length)| come.len() == *length)
    }

    /// Returns how many uploads there are.
    fn count(&self) -> usize {
        self.0.lock().unwrap().uploads.len()
    }
}

impl State {
    fn begin(&mut self, seen: &Seen) -> Response<Bytes> {
        self.begun += 1;
        let upload = format!("/v1/uploads/upl_{}", self.begun);
        if let Some(parts) = seen.header("upload-concat").and_then(|said| said.strip_prefix("final;")) {
            let mut whole = BytesMut::new();
            for part in parts.split(' ') {
                let Some((come, _)) = self.uploads.remove(part) else {
                    return problem(404, "upload_not_found", &[]);
                };
                whole.extend_from_slice(&come);
            }
            self.nodes.insert(upload.clone(), node("/stored", &whole));
            return begun(&upload, whole.len(), None);
        }
        let length = match seen.header("upload-length") {
            Some(said) => said.parse().unwrap(),
            None => {
                assert_eq!(seen.header("upload-defer-length"), Some("1"));
                usize::MAX
            }
        };
        if let Some(key) = seen.header("idempotency-key")
            && let Some(upload) = self.keys.insert(key.to_owned(), upload.clone())
        {
            self.keys.insert(key.to_owned(), upload.clone());
            return match self.uploads.get(&upload) {
                Some((come, _)) => begun(&upload, come.len(), None),
                None => gone(),
            };
        }
        let come = BytesMut::from(&*seen.body);
        let offset = come.len();
        let node = (offset == length).then(|| node("/stored", &come));
        self.nodes.extend(node.clone().map(|node| (upload.clone(), node)));
        self.uploads.insert(upload.clone(), (come, length));
        if seen.whole { begun(&upload, offset, node.as_ref()) } else { gone() }
    }

    fn append(&mut self, seen: &Seen, most: usize) -> Response<Bytes> {
        let Some((come, length)) = self.uploads.get_mut(&seen.target) else { return gone() };
        assert_eq!(seen.header("upload-offset"), Some(come.len().to_string().as_str()));
        come.extend_from_slice(&seen.body[..seen.body.len().min(most)]);
        assert!(come.len() <= *length);
        if come.len() == *length {
            // Of a part nobody asks.
            self.nodes.entry(seen.target.clone()).or_insert_with(|| node("/stored", come));
        }
        answer(204, &[("upload-offset", come.len().to_string())])
    }
}

fn is_join(seen: &Seen) -> bool {
    seen.header("upload-concat").is_some_and(|said| said.starts_with("final;"))
}

fn target() -> Target {
    Target::path("/stored").unwrap()
}

fn write(folder: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join("source");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns how many bytes of content a server was sent.
fn sent(fake: &Fake) -> usize {
    fake.seen().iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.body.len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_stays_for_the_next_run_where_that_may_do_better() {
    let refusals = [
        (423, "locked"),
        (412, "precondition_failed"),
        (409, "upload_taken_over"),
        (500, "internal"),
        (401, "key_invalid"),
        (403, "forbidden"),
    ];
    for (status, code) in refusals {
        let (uploads, joins) = (Uploads::default(), AtomicUsize::new(0));
        let shared = uploads.clone();
        let fake = Fake::start(move |_, seen| match seen {
            seen if is_join(seen) && joins.fetch_add(1, Ordering::SeqCst) == 0 => {
                Reply::Answer(problem(status, code, &[]))
            }
            _ => shared.reply(seen),
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let bytes = pattern(33 * MIB);
        let path = write(folder.path(), &bytes);
        let resume = Some(folder.path().join("state"));
        let options = UploadOptions { resume, ..UploadOptions::default() };
        let files = fake.client().files();
        let error = files.upload(path.as_path(), target(), &options).await.unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert_eq!((uploads.count(), sent(&fake)), (4, bytes.len()), "{code}");
        let node = files.upload(path.as_path(), target(), &options).await.unwrap();
        assert_eq!(node.digest, Some(digest(&bytes)));
        assert_eq!(sent(&fake), bytes.len(), "nothing is sent again after {code}");
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_run_can_use_goes() {
    for (code, status) in [("digest_mismatch", 422), ("body_too_large", 413), ("invalid_metadata", 422)] {
        let uploads = Uploads::default();
        let shared = uploads.clone();
        let fake = Fake::start(move |_, seen| match seen {
            seen if is_join(seen) => Reply::Answer(problem(status, code, &[])),
            _ => shared.reply(seen),
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), &pattern(9 * MIB));
        let resume = Some(folder.path().join("state"));
        let options = UploadOptions { resume, ..UploadOptions::default() };
        fake.client().files().upload(path.as_path(), target(), &options).await.unwrap_err();
        assert_eq!(uploads.count(), 0, "{code}");
        assert_eq!(std::fs::read_dir(folder.path().join("state")).unwrap().count(), 0, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_upload_that_nobody_resumes_leaves_nothing_at_the_server() {
    let (uploads, control) = (Uploads::default(), Control::new());
    let (shared, hand) = (uploads.clone(), control.clone());
    let fake = Fake::start(move |_, seen| {
        let mut reply = shared.reply(seen);
        if seen.method == "PATCH" {
            reply = Reply::Hang;
        }
        // All four parts are there, and what was only to be refused early is gone.
        if shared.0.lock().unwrap().begun == 5 && shared.are_whole(4) {
            hand.cancel();
        }
        reply
    })
    .await;
    let options = UploadOptions { control: Some(control), ..UploadOptions::default() };
    let bytes = pattern(33 * MIB);
    let error = fake.client().files().upload(bytes, target(), &options).await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(uploads.count(), 0);
    assert!(fake.asked().iter().filter(|asked| asked.starts_with("DELETE")).count() >= 4);
}

#[tokio::test]
async fn an_upload_that_others_take_over_again_and_again_ends_as_long_as_it_grows() {
    let uploads = Uploads::default();
    let shared = uploads.clone();
    let fake = Fake::start(move |_, seen| match seen.method.as_str() {
        "PATCH" if seen.body.len() > MIB => {
            shared.append(seen, MIB);
            Reply::Answer(problem(409, "upload_taken_over", &[]))
        }
        _ => shared.reply(seen),
    })
    .await;
    let bytes = pattern(9 * MIB);
    let node =
        fake.client().files().upload(bytes.clone(), target(), &UploadOptions::default()).await.unwrap();
    assert_eq!(node.digest, Some(digest(&bytes)));
    // One that does not grow is given up.
    let shared = Uploads::default();
    let fake = Fake::start(move |_, seen| match seen.method.as_str() {
        "PATCH" => Reply::Answer(problem(409, "upload_taken_over", &[])),
        _ => shared.reply(seen),
    })
    .await;
    let error = fake.client().files().upload(bytes, target(), &UploadOptions::default()).await.unwrap_err();
    assert!(error.is(Code::UploadTakenOver), "{error}");
}

#[tokio::test]
async fn a_new_version_of_a_known_file_meets_no_conflict_however_long_it_is() {
    let fake = Fake::start(|_, seen| panic!("{}", seen.target)).await;
    for on_conflict in [OnConflict::Error, OnConflict::Rename] {
        for length in [5, 2 * MIB, 9 * MIB] {
            let options = UploadOptions { on_conflict, ..UploadOptions::default() };
            let target = Target::version(node_id());
            let error = fake.client().files().upload(pattern(length), target, &options).await.unwrap_err();
            assert!(error.kind() == ErrorKind::Invalid && error.message().contains("on_conflict"), "{error}");
        }
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn what_came_of_one_request_is_not_sent_again() {
    // Whether some of it, all of it or nothing had come when the connection broke.
    for come in [0, MIB, 3 * MIB] {
        let uploads = Uploads::default();
        let shared = uploads.clone();
        let fake = Fake::start(move |_, seen| {
            if seen.method != "POST" || seen.body.is_empty() {
                return shared.reply(seen);
            }
            let torn = Seen { body: seen.body.slice(..come), ..seen.clone() };
            shared.answer(&torn);
            Reply::Close
        })
        .await;
        let bytes = pattern(3 * MIB);
        let meter = longshore::Meter::new();
        let options = UploadOptions { progress: Some(meter.sink()), ..UploadOptions::default() };
        let node = fake.client().files().upload(bytes.clone(), target(), &options).await.unwrap();
        assert_eq!(node.digest, Some(digest(&bytes)));
        let asked: Vec<_> = fake.seen().into_iter().filter(|seen| seen.target.contains("uploads")).collect();
        let keys: Vec<_> = asked.iter().filter_map(|seen| seen.header("idempotency-key")).collect();
        assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
        assert_eq!(sent(&fake), bytes.len() - come);
        let read = meter.read();
        assert_eq!((read.started, read.done, read.bytes), (1, 1, bytes.len() as u64), "{read:?}");
    }
}

#[tokio::test]
async fn one_request_is_all_where_nothing_breaks() {
    let uploads = Uploads::default();
    let shared = uploads.clone();
    let fake = Fake::start(move |_, seen| shared.reply(seen)).await;
    for length in [MIB + 1, 8 * MIB - 1] {
        let node =
            fake.client().files().upload(pattern(length), target(), &UploadOptions::default()).await.unwrap();
        assert_eq!(node.size, length as u64);
    }
    assert_eq!(fake.asked(), ["POST /v1/uploads", "POST /v1/uploads"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cancelled_before_it_is_known_where_it_is_is_found_and_removed() {
    let (uploads, control) = (Uploads::default(), Control::new());
    let (shared, hand) = (uploads.clone(), control.clone());
    let fake = Fake::start(move |_, seen| {
        let reply = shared.reply(seen);
        if seen.body.is_empty() {
            return reply;
        }
        hand.cancel();
        Reply::Hang
    })
    .await;
    let options = UploadOptions { control: Some(control), ..UploadOptions::default() };
    let error = fake.client().files().upload(pattern(2 * MIB), target(), &options).await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(fake.asked(), ["POST /v1/uploads", "POST /v1/uploads", "DELETE /v1/uploads/upl_1"]);
    assert_eq!(uploads.count(), 0);
}

/// Waits until the fake server has nothing left; what a drop has removed goes in the background.
async fn is_emptied(uploads: &Uploads) {
    let emptied = async {
        while uploads.count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), emptied).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_dropped_is_removed_from_the_server() {
    // Small enough for one upload, and large enough for parts; the answer is lost to the beginning, or to the bytes.
    for (length, method) in [(2 * MIB, "POST"), (33 * MIB, "POST"), (33 * MIB, "PATCH")] {
        let (uploads, dropping) = (Uploads::default(), Arc::new(Notify::new()));
        let (shared, drop_now) = (uploads.clone(), Arc::clone(&dropping));
        let hung = AtomicUsize::new(0);
        let fake = Fake::start(move |_, seen| {
            let reply = shared.reply(seen);
            // What is dropped hangs; what removes it is answered.
            if seen.method == method && hung.fetch_add(1, Ordering::Relaxed) == 0 {
                drop_now.notify_one();
                return Reply::Hang;
            }
            reply
        })
        .await;
        let (files, options) = (fake.client().files(), UploadOptions::default());
        tokio::select! {
            ended = files.upload(pattern(length), target(), &options) => panic!("{ended:?}"),
            () = dropping.notified() => {}
        }
        is_emptied(&uploads).await;
    }
}

#[tokio::test]
async fn what_came_of_a_file_that_is_refused_at_its_end_is_removed() {
    let uploads = Uploads::default();
    let shared = uploads.clone();
    let fake = Fake::start(move |_, seen| {
        if seen.method != "POST" {
            return shared.reply(seen);
        }
        shared.answer(&Seen { body: seen.body.slice(..MIB), ..seen.clone() });
        Reply::Answer(problem(412, "precondition_failed", &[("location", "/v1/uploads/upl_1")]))
    })
    .await;
    let options = UploadOptions::default();
    let error = fake.client().files().upload(pattern(2 * MIB), target(), &options).await.unwrap_err();
    assert!(error.is(Code::PreconditionFailed), "{error}");
    assert_eq!(fake.asked(), ["POST /v1/uploads", "DELETE /v1/uploads/upl_1"]);
    assert_eq!(uploads.count(), 0);
}

/// Returns the list of a content's chunks.
fn list(content: &[u8]) -> Bytes {
    let mut list = format!("{}\n", chunks::ALGORITHM).into_bytes();
    let mut chunker = Chunker::default();
    chunker.update(content, |chunk| list.extend(chunk.to_bytes()));
    chunker.finish(|chunk| list.extend(chunk.to_bytes()));
    list.into()
}

/// Starts a server that has an old version, and takes a delta to it for the new one; or says of it what `refusal` does.
async fn composing(uploads: &Uploads, old: Bytes, new: Bytes, refusal: Option<(u16, &'static str)>) -> Fake {
    let uploads = uploads.clone();
    Fake::start(move |_, seen| match seen.method.as_str() {
        "GET" if seen.target.ends_with("/chunks") => Reply::Answer(Response::new(list(&old))),
        "GET" if !seen.target.contains("/uploads/") => Reply::Answer(json(200, &node("/stored", &old))),
        "PATCH" if seen.header("longshore-base").is_some() => {
            if let Some((status, code)) = refusal {
                return Reply::Answer(problem(status, code, &[]));
            }
            if !seen.whole {
                return Reply::Close;
            }
            uploads.became(&seen.target, node("/stored", &new));
            Reply::Answer(answer(204, &[("upload-offset", new.len().to_string())]))
        }
        _ => uploads.reply(seen),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_written_to_in_what_is_shared_makes_no_version() {
    let old = pattern(6 * MIB);
    let mut new = old.to_vec();
    new[MIB..MIB + 100].fill(9);
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &new);
    for changes in [false, true] {
        let uploads = Uploads::default();
        let fake = composing(&uploads, old.clone(), new.clone().into(), None).await;
        let written = path.clone();
        // What is shared is known by now, and is not read again.
        let sink = ProgressSink::new(move |progress| {
            if let Progress::Reused { .. } = progress
                && changes
            {
                let file = std::fs::File::options().write(true).open(&written).unwrap();
                std::os::unix::fs::FileExt::write_all_at(&file, &[8; 100], 5 * MIB as u64).unwrap();
            }
        });
        let options =
            UploadOptions { delta: Delta::Always, progress: Some(sink), ..UploadOptions::default() };
        let made = fake.client().files().upload(path.as_path(), target(), &options).await;
        let patched = fake.seen().iter().filter(|seen| seen.method == "PATCH" && seen.whole).count();
        if changes {
            let error = made.unwrap_err();
            assert!(error.is(Code::LengthMismatch) && error.message().contains("changed"), "{error}");
            assert_eq!((patched, uploads.count()), (0, 0));
        } else {
            assert_eq!((made.unwrap().digest, patched), (Some(digest(&new)), 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_that_is_refused_counts_once() {
    let old = pattern(9 * MIB);
    let mut new = old.to_vec();
    new[MIB..MIB + 100].fill(9);
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &new);
    let uploads = Uploads::default();
    let fake = composing(&uploads, old, new.clone().into(), Some((422, "invalid_delta"))).await;
    let meter = longshore::Meter::new();
    let options =
        UploadOptions { delta: Delta::Always, progress: Some(meter.sink()), ..UploadOptions::default() };
    let made = fake.client().files().upload(path.as_path(), target(), &options).await.unwrap();
    assert_eq!(made.digest, Some(digest(&new)));
    let read = meter.read();
    assert_eq!((read.started, read.done, read.bytes), (1, 1, new.len() as u64), "{read:?}");
    assert_eq!(uploads.count(), 0);
}
