//! The SDK against a real server, over connections that break once the server has answered: what it sends again
//! has happened once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::{
    Client, CopyNode, CreateKey, Name, OnConflict, Path, RestoreNode, RetryPolicy, Role, Target, UndoActs,
    UpdateNode, UploadOptions, WorkspaceId,
};
use longshore_flow::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::Served;

/// Stands between client and server, and breaks connections in place of answers.
struct Cutter {
    url: String,
    /// How many answers are still to be lost.
    cuts: Arc<AtomicUsize>,
    tasks: Tasks,
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
        let (cuts, tasks) = (Arc::new(AtomicUsize::new(0)), Tasks::new());
        let (counted, inner) = (cuts.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cuts = counted.clone();
                inner.spawn(async move {
                    if let Ok(upstream) = TcpStream::connect(server).await {
                        pass(client, upstream, &cuts).await;
                    }
                });
            }
        });
        Self { url, cuts, tasks }
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, cuts: &AtomicUsize) {
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
                    let left = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                    if left.is_ok() {
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
}

impl Setting {
    async fn new() -> Self {
        let served = Served::start().await;
        let cutter = Cutter::start(served.address).await;
        let retry = RetryPolicy { base: Duration::from_millis(5), ..RetryPolicy::default() };
        let client = Client::builder().url(cutter.url.as_str()).api_key(served.key.reveal()).retry(retry);
        let client = client.build().unwrap();
        // The current workspace is asked for once, and that answer is not the one to be lost.
        client.files().mkdir(Path::new("/made").unwrap()).await.unwrap();
        let workspace = client.workspaces().current().await.unwrap().id;
        Self { client, cutter, workspace, _served: served }
    }

    async fn seq(&self) -> u64 {
        self.client.workspaces().get(self.workspace).await.unwrap().seq
    }

    /// Does something whose first two answers are lost, and returns how many events it made.
    async fn cut<T>(&self, doing: impl Future<Output = longshore::Result<T>>) -> (T, u64) {
        let before = self.seq().await;
        self.cutter.cuts.store(2, Ordering::SeqCst);
        let done = doing.await.unwrap();
        assert_eq!(self.cutter.cuts.load(Ordering::SeqCst), 0, "no answer was lost");
        (done, self.seq().await - before)
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
    assert_eq!(setting.cut(files.create_folder(longshore::Folder::Root(None), name("f"))).await.1, 1);
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
    let key = CreateKey {
        name: "robot".to_owned(),
        role: Role::Viewer,
        workspace_id: None,
        expires_at: None,
        agent: None,
    };
    let (key, _) = setting.cut(setting.client.keys().create(&key)).await;
    // The secret of the answer that was lost is the one of the answer that came.
    let reader = Client::builder().url(setting.cutter.url.as_str()).api_key(key.secret).build().unwrap();
    assert_eq!(reader.me().await.unwrap().key.id, key.key.id);
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
