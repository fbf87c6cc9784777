//! The SDK against a real server, over connections that break once the server has answered: what it sends again
//! has happened once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::{
    Client, CopyNode, CreateHook, CreateKey, CreateNote, Folder, JobState, ManyOptions, Name, Node,
    OnConflict, Path, Redeliver, RestoreNode, RetryPolicy, Role, Target, UndoActs, UpdateHook, UpdateNode,
    UploadOptions, WorkspaceId,
};
use longshore_flow::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, RwLock};

use crate::wire::Served;

/// Stands between client and server, and breaks connections in place of answers.
struct Cutter {
    url: String,
    cuts: Arc<Cuts>,
    tasks: Tasks,
}

#[derive(Default)]
struct Cuts {
    /// How many answers are still to be lost.
    left: AtomicUsize,
    /// Told of each answer that is lost.
    lost: Notify,
    /// Who has this alone keeps new connections from coming about.
    open: RwLock<()>,
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Cutter {
    async fn start(server: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (cuts, tasks) = (Arc::<Cuts>::default(), Tasks::new());
        let (counted, inner) = (cuts.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cuts = counted.clone();
                inner.spawn(async move {
                    drop(cuts.open.read().await);
                    if let Ok(upstream) = TcpStream::connect(server).await {
                        pass(client, upstream, &cuts).await;
                    }
                });
            }
        });
        Self { url, cuts, tasks }
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, cuts: &Cuts) {
    let (mut up, mut down) = (vec![0; 64 * 1_024], vec![0; 64 * 1_024]);
    loop {
        let passed = tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(0) | Err(_) => return,
                Ok(bytes) => server.write_all(&up[..bytes]).await,
            },
            read = server.read(&mut down) => match read {
                Ok(0) | Err(_) => return,
                Ok(bytes) => {
                    // An answer comes after its commit: this one is lost, and what it tells has happened.
                    let less = |left: usize| left.checked_sub(1);
                    if cuts.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
                        cuts.lost.notify_waiters();
                        return;
                    }
                    client.write_all(&down[..bytes]).await
                }
            },
        };
        if passed.is_err() {
            return;
        }
    }
}

struct Setting {
    _served: Served,
    cutter: Cutter,
    client: Client,
    workspace: WorkspaceId,
    /// Somebody whose connections do not break.
    other: Client,
}

impl Setting {
    async fn new() -> Self {
        // A job stays where it is.
        let served = Served::start_with(|config, _| config.jobs.enabled = false).await;
        let cutter = Cutter::start(served.address).await;
        let retry = RetryPolicy { base: Duration::from_millis(5), ..RetryPolicy::default() };
        let client = Client::builder().url(cutter.url.as_str()).api_key(served.key.reveal()).retry(retry);
        let client = client.build().unwrap();
        // The current workspace is asked for once, and that answer is not the one to be lost.
        client.files().mkdir(Path::new("/made").unwrap()).await.unwrap();
        let workspace = client.workspaces().current().await.unwrap().id;
        let other = Client::builder().url(served.url.as_str()).api_key(served.key.reveal()).build().unwrap();
        Self { client, other, cutter, workspace, _served: served }
    }

    async fn seq(&self) -> u64 {
        self.client.workspaces().get(self.workspace).await.unwrap().seq
    }

    /// Does something whose first two answers are lost, and returns how many events it made.
    async fn cut<T>(&self, doing: impl Future<Output = longshore::Result<T>>) -> (T, u64) {
        let before = self.seq().await;
        self.cutter.cuts.left.store(2, Ordering::SeqCst);
        let done = doing.await.unwrap();
        assert_eq!(self.cutter.cuts.left.load(Ordering::SeqCst), 0, "no answer was lost");
        (done, self.seq().await - before)
    }

    /// Does something whose first answer is lost, and does `meanwhile` before it can be sent again.
    fn lose<'a, T: 'a>(
        &'a self,
        doing: impl Future<Output = longshore::Result<T>> + 'a,
        meanwhile: impl AsyncFnOnce(&Client) + 'a,
    ) -> Pin<Box<dyn Future<Output = T> + 'a>> {
        Box::pin(async move {
            // Leaves a connection to send it on.
            self.seq().await;
            let cuts = &self.cutter.cuts;
            let closed = cuts.open.write().await;
            cuts.left.store(1, Ordering::SeqCst);
            let lost = cuts.lost.notified();
            let meanwhile = async {
                lost.await;
                meanwhile(&self.other).await;
                drop(closed);
            };
            tokio::join!(doing, meanwhile).0.unwrap()
        })
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn renamed(text: &str) -> UpdateNode {
    UpdateNode { name: Some(name(text)), ..UpdateNode::default() }
}

#[tokio::test]
async fn what_is_sent_again_after_a_lost_answer_happens_once() {
    let setting = Setting::new().await;
    let (files, workspaces) = (setting.client.files(), setting.client.workspaces());
    let options = UploadOptions::default();
    let (file, events) = setting
        .cut(Box::pin(files.upload(
            bytes::Bytes::from_static(b"1"),
            Target::path("/file").unwrap(),
            &options,
        )))
        .await;
    assert_eq!(events, 1);
    assert_eq!(setting.cut(files.create_folder(Folder::Root(None), name("f"))).await.1, 1);
    assert_eq!(setting.cut(files.update(file.id, &renamed("g"), None)).await.1, 1);
    let copy = CopyNode { name: Some(name("copy")), ..CopyNode::default() };
    assert_eq!(setting.cut(files.copy(file.id, &copy, None)).await.1, 1);
    assert_eq!(setting.cut(files.restore_version(file.id, file.version_id.unwrap(), None)).await.1, 1);
    assert_eq!(setting.cut(files.trash(file.id, None)).await.1, 1);
    let (restored, events) = setting.cut(files.restore(file.id, &RestoreNode::default(), None)).await;
    assert_eq!((events, restored.name.as_str()), (1, "g"));
    let last = UndoActs { act: Some(setting.seq().await), ..UndoActs::default() };
    assert_eq!(setting.cut(setting.client.undo(None, &last)).await.1, 1);

    let (made, _) = setting.cut(workspaces.create(name("second"))).await;
    assert_eq!(workspaces.list().collect_all().await.unwrap().len(), 2);
    setting.cut(workspaces.rename(made.id, name("2nd"))).await;
    assert_eq!(workspaces.get(made.id).await.unwrap().seq, 2);
    let key = CreateKey::new("robot", Role::Viewer);
    let (key, _) = setting.cut(setting.client.keys().create(&key)).await;
    // The secret of the answer that was lost is the one of the answer that came.
    let reader = Client::builder().url(setting.cutter.url.as_str()).api_key(key.secret).build().unwrap();
    assert_eq!(reader.me().await.unwrap().key.unwrap().id, key.key.id);
    assert_eq!(setting.client.keys().list().collect_all().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_upload_that_must_create_or_takes_another_name_is_safe_to_repeat() {
    let setting = Setting::new().await;
    let files = setting.client.files();
    let target = || Target::path("/file").unwrap();
    let create = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    let large = bytes::Bytes::from(vec![7; 600_000]);
    let (file, events) = setting.cut(Box::pin(files.upload(large.clone(), target(), &create))).await;
    assert_eq!((events, file.size), (1, 600_000));
    // Without a lost answer the same is refused: it is another upload.
    assert!(files.upload(large.clone(), target(), &create).await.is_err());
    let rename = UploadOptions { on_conflict: OnConflict::Rename, ..UploadOptions::default() };
    let (second, events) = setting.cut(Box::pin(files.upload(large, target(), &rename))).await;
    assert_eq!((events, second.name.as_str()), (1, "file (2)"));
}

async fn put(client: &Client, path: &str, content: &'static str) -> Node {
    let options = UploadOptions::default();
    client
        .files()
        .upload(bytes::Bytes::from_static(content.as_bytes()), Target::path(path).unwrap(), &options)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_repeat_leaves_alone_what_others_did_meanwhile() {
    let setting = Setting::new().await;
    let files = setting.client.files();
    let (mine, theirs) = (put(&setting.other, "/mine", "1").await, put(&setting.other, "/theirs", "1").await);
    files.trash(mine.id, None).await.unwrap();
    let purged = setting
        .lose(files.empty_trash(None), async |other| {
            other.files().trash(theirs.id, None).await.unwrap();
        })
        .await;
    assert_eq!(purged.nodes, 1, "what the first time removed is the answer");
    let trash = files.trashed(None).collect_all().await.unwrap();
    assert_eq!(trash.iter().map(|node| node.id).collect::<Vec<_>>(), [theirs.id], "nobody saw it go there");
    let purged = setting.lose(files.purge(theirs.id, None), async |_| {}).await;
    assert_eq!(purged.nodes, 1);

    let file = put(&setting.other, "/file", "1").await;
    let first = file.version_id.unwrap();
    let label = |text: &str| Some(text.to_owned());
    setting
        .lose(files.label_version(file.id, first, label("mine"), None), async |other| {
            other.files().label_version(file.id, first, label("theirs"), None).await.unwrap();
        })
        .await;
    assert_eq!(files.version(file.id, first).await.unwrap().label, label("theirs"));
    put(&setting.other, "/file", "2").await;
    setting.lose(files.delete_version(file.id, first, None), async |_| {}).await;

    let folder = || Path::new("/folder").unwrap();
    let made = setting
        .lose(files.mkdir(folder()), async |other| {
            let found = other.files().by_path(folder()).await.unwrap();
            other.files().update(found.id, &renamed("elsewhere"), None).await.unwrap();
        })
        .await;
    assert!(files.by_path(folder()).await.is_err(), "{} is elsewhere, and no other was made", made.id);

    let notes = setting.client.notes();
    let text = || CreateNote { text: "so".to_owned(), version_id: None, range: None };
    let note = setting.lose(notes.create(file.id, &text()), async |_| {}).await;
    assert_eq!(notes.list(file.id).collect_all().await.unwrap().len(), 1);
    setting
        .lose(notes.update(note.id, "mine"), async |other| {
            other.notes().update(note.id, "theirs").await.unwrap();
        })
        .await;
    assert_eq!(notes.list(file.id).collect_all().await.unwrap()[0].text, "theirs");
    setting.lose(notes.delete(note.id), async |_| {}).await;
}

#[tokio::test]
async fn a_repeat_leaves_alone_what_others_did_to_hooks_and_jobs_meanwhile() {
    let setting = Setting::new().await;
    let (hooks, jobs) = (setting.client.hooks(), setting.client.jobs());
    let url = "https://93.184.216.34/hook".to_owned();
    let wanted = CreateHook { url, types: Vec::new(), path: None, description: None };
    let hook = setting.lose(hooks.create(&wanted), async |_| {}).await.hook.id;
    assert_eq!(hooks.list().collect_all().await.unwrap().len(), 1);
    let called = |text: &str| UpdateHook { description: Some(text.to_owned()), ..UpdateHook::default() };
    setting
        .lose(hooks.update(hook, &called("mine")), async |other| {
            other.hooks().update(hook, &called("theirs")).await.unwrap();
        })
        .await;
    assert_eq!(hooks.get(hook).await.unwrap().description, "theirs");
    let rotated = setting.lose(hooks.rotate(hook, None), async |_| {}).await;
    assert!(rotated.hook.old_secret_until.is_some());
    let test = setting.lose(hooks.test(hook), async |_| {}).await;
    assert_eq!(hooks.deliveries(hook, None).collect_all().await.unwrap().len(), 1);
    setting.lose(hooks.redeliver_one(hook, test.id), async |_| {}).await;

    let job = setting
        .lose(hooks.redeliver(hook, &Redeliver { since_seq: Some(0), ..Redeliver::default() }), async |_| {})
        .await
        .id;
    setting
        .lose(jobs.cancel(job), async |other| {
            other.jobs().retry(job).await.unwrap();
        })
        .await;
    assert_eq!(jobs.get(job).await.unwrap().state, JobState::Queued, "it was cancelled once");
    jobs.cancel(job).await.unwrap();
    setting
        .lose(jobs.retry(job), async |other| {
            other.jobs().cancel(job).await.unwrap();
        })
        .await;
    assert_eq!(jobs.get(job).await.unwrap().state, JobState::Cancelled, "it was queued again once");
    setting.lose(hooks.delete(hook), async |_| {}).await;
}

#[tokio::test]
async fn a_program_that_died_before_it_heard_sends_its_write_again() {
    let setting = Setting::new().await;
    let key = "import 7";
    let create = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    let upload = async |client: &Client, content: &'static str| {
        let own = client.with_idempotency_key(key).unwrap();
        own.files()
            .upload(bytes::Bytes::from_static(content.as_bytes()), Target::path("/file").unwrap(), &create)
            .await
    };
    let first = upload(&setting.other, "1").await.unwrap();
    let again = upload(&setting.client, "1").await.unwrap();
    assert_eq!((again.id, again.version_id), (first.id, first.version_id));
    // The key never stands for another write.
    let other = upload(&setting.client, "2").await.unwrap_err();
    assert!(other.is(longshore::Code::IdempotencyMismatch), "{other}");
    let own = setting.client.with_idempotency_key(key).unwrap();
    assert!(own.files().trash(first.id, None).await.unwrap_err().is(longshore::Code::IdempotencyMismatch));
    assert!(setting.client.files().get(first.id).await.unwrap().trashed_at.is_none());
}

#[tokio::test]
async fn what_a_batch_sends_again_happens_once() {
    let setting = Setting::new().await;
    let files = |folder: &str| -> Vec<_> {
        let path = |number: usize| Path::new(&format!("/{folder}/{number}")).unwrap();
        (0..600).map(|number| (bytes::Bytes::from(vec![number as u8; number]), path(number))).collect()
    };
    // The answer breaks at its first piece, and at one in the middle of it.
    for (round, (folder, cuts)) in [("one", 1), ("two", 3)].into_iter().enumerate() {
        let before = setting.seq().await;
        setting.cutter.cuts.left.store(cuts, Ordering::SeqCst);
        let outcomes = setting.client.files().upload_many(files(folder), ManyOptions::default());
        let outcomes = outcomes.collect_all().await;
        assert_eq!(outcomes.len(), 600);
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "round {round}");
        assert_eq!(setting.cutter.cuts.left.load(Ordering::SeqCst), 0, "no answer was lost");
        assert_eq!(setting.seq().await - before, 601, "a folder, and each file once");
    }
}
