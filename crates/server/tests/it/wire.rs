//! A real server on a real socket, and a client that writes its requests by hand.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use longshore_core::key::ApiKey;
use longshore_flow::Tasks;
use longshore_server::{Config, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The file by which a store knows the database that its blobs belong to.
pub(crate) const MARK: &str = "longshore.database";

/// Longer than any answer takes, shorter than a person's patience.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) key: ApiKey,
    pub(crate) folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: Tasks,
}

pub(crate) fn config(folder: &Path) -> Config {
    let mut config = Config::load(None).unwrap();
    config.data.dir = folder.join("data");
    config.server.listen = "127.0.0.1:0".parse().unwrap();
    config.server.idle_timeout_seconds = 2;
    config.server.header_timeout_seconds = 1;
    config.server.max_header_bytes = 16_384;
    config.server.shutdown_grace_seconds = 5;
    config
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config, folder.path());
        let (server, key) = Server::open(config).await.unwrap();
        let bound = server.bind().await.unwrap();
        let (address, url) = (bound.local_addr(), bound.url());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = Tasks::new();
        running.spawn(async move {
            let until = async {
                stopped.await.ok();
            };
            bound.serve(until).await.unwrap();
        });
        Self { address, url, key: key.unwrap(), folder, stop: Some(stop), running }
    }

    /// Tells the server to stop.
    pub(crate) fn tell_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(&self) {
        timeout(SOON, self.running.close()).await.expect("the server ends");
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Returns a request's head with its key: `what` is a method and a URL.
    pub(crate) fn head(&self, what: &str, headers: &str) -> String {
        format!("{what} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}\r\n", self.key.reveal())
    }

    pub(crate) async fn workspace(&self) -> String {
        let answer = self.ask("GET /v1/workspaces/current", "connection: close\r\n", b"").await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let workspace: serde_json::Value = serde_json::from_str(body).unwrap();
        workspace["id"].as_str().unwrap().to_owned()
    }

    /// Sends a request on a connection of its own and reads until the server closes it.
    pub(crate) async fn ask(&self, what: &str, headers: &str, body: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(self.head(what, headers).as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        read_all(&mut stream).await
    }

    /// Returns the files below a folder of the data folder, but for the store's mark.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("data").join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name() != MARK {
                    found.push(entry.path().display().to_string());
                }
            }
        }
        found
    }
}

/// Reads until the other side ends.
pub(crate) async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an end").expect("no broken connection");
    String::from_utf8(bytes).unwrap()
}

/// Reads until `end` has come.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while !text.contains(end) {
        let read = timeout(SOON, stream.read(&mut buffer)).await.expect("bytes").unwrap();
        assert_ne!(read, 0, "the server ended after {text:?}");
        text.push_str(str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}
