//! The SDK's visitor of share links against a real server, over good lines and bad ones.

use std::fs;
use std::path::Path as File;
use std::time::Duration;

use futures_util::TryStreamExt;
use longshore::{
    Builder, Client, Code, CreateShare, Depth, DownloadOptions, DropOptions, Error, HiddenText, NewShare,
    Node, NodeKind, Path, RetryPolicy, ShareMode, Source, Target, UpdateShare, UploadOptions, Visitor,
    blocking,
};
use longshore_link::{Conditions, CutWay, Cuts, Link};

use crate::wire::Served;

const MIB: usize = 1024 * 1024;
const PASSWORD: &str = "correct horse";

/// A server, and its owner's client.
struct Scene {
    served: Served,
    client: Client,
}

fn path(text: &str) -> Path {
    Path::new(text).unwrap()
}

fn patient(attempts: u32) -> Builder {
    let retry =
        RetryPolicy { base: Duration::from_millis(1), max_attempts: attempts, ..RetryPolicy::default() };
    Client::builder().retry(retry)
}

fn names(folder: &File) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl Scene {
    async fn new() -> Self {
        let served = Served::start().await;
        let client = patient(5).url(&served.url).api_key(served.key.reveal()).build().unwrap();
        Self { served, client }
    }

    async fn file(&self, at: &str, content: &[u8]) -> Node {
        let (files, target) = (self.client.files(), Target::path(at).unwrap());
        files.upload(content.to_vec(), target, &UploadOptions::default()).await.unwrap()
    }

    async fn share(&self, node: &Node, wanted: CreateShare) -> (NewShare, String) {
        let made = self.client.shares().create(node.id, &wanted).await.unwrap();
        let url = self.client.shares().url(&made.token);
        (made, url)
    }

    async fn drop_box(&self) -> (Node, String) {
        let folder = self.client.files().mkdir(path("/box")).await.unwrap();
        let wanted = CreateShare { mode: ShareMode::Drop, ..CreateShare::default() };
        let (_, url) = self.share(&folder, wanted).await;
        (folder, url)
    }

    async fn paths(&self, folder: &str) -> Vec<String> {
        let listed = self.client.files().list(path(folder), Depth::All);
        let listed: Vec<_> = listed.try_collect().await.unwrap();
        listed.into_iter().map(|node: Node| node.path.to_string()).collect()
    }

    /// Returns a link's address where it is reached over another line.
    fn over(&self, link: &Link, url: &str) -> String {
        url.replace(&self.served.url, &format!("http://{}", link.address()))
    }
}

/// Fails where an error tells the secret of a link, or has another code.
#[track_caller]
fn is(error: &Error, code: Code, url: &str) {
    let token = url.rsplit_once('/').unwrap().1;
    let all = format!("{error} {error:?}");
    assert!(error.is(code), "{all}");
    assert!(!all.contains(&token[30..]), "{all}");
}

#[tokio::test]
async fn a_folder_is_read_by_who_has_its_link() {
    let scene = Scene::new().await;
    let (name, noise) = ("документ 日本.txt", vec![7; 3 * MIB]);
    scene.file(&format!("/d/{name}"), b"words").await;
    scene.file("/d/deep/empty", b"").await;
    scene.file("/d/deep/large", &noise).await;
    scene.file("/beside", b"not shared").await;
    let folder = scene.client.files().by_path(path("/d")).await.unwrap();
    let (_, url) = scene.share(&folder, CreateShare::default()).await;
    let visitor = Visitor::new(&url).unwrap();
    let seen = visitor.look().await.unwrap();
    assert_eq!((seen.mode, seen.has_password), (ShareMode::Read, false));
    let opened = visitor.open().await.unwrap();
    assert_eq!((opened.name.as_str(), opened.kind, opened.size), ("d", NodeKind::Folder, None));
    let listed = async |folder: &str, depth| {
        let listed: Vec<_> = visitor.list(path(folder), depth).try_collect().await.unwrap();
        listed.into_iter().map(|node| node.path.to_string()).collect::<Vec<_>>()
    };
    let named = format!("/{name}");
    assert_eq!(listed("/", Depth::Children).await, ["/deep", &named]);
    assert_eq!(listed("/", Depth::All).await, ["/deep", "/deep/empty", "/deep/large", &named]);
    assert_eq!(listed("/deep", Depth::Children).await, ["/deep/empty", "/deep/large"]);
    assert_eq!(visitor.download(path(&named)).await.unwrap(), "words");
    assert_eq!(visitor.download(path("/deep/empty")).await.unwrap(), "");
    let here = tempfile::tempdir().unwrap();
    let options = DownloadOptions::default();
    for (file, content) in [(named.as_str(), &b"words"[..]), ("/deep/empty", b""), ("/deep/large", &noise)] {
        let local = here.path().join("got");
        let done = visitor.download_to(path(file), &local, &options).await.unwrap();
        assert_eq!(done.bytes, content.len() as u64);
        assert!(fs::read(&local).unwrap() == content, "{file}");
    }
    let mut stream = visitor.stream(path("/deep/large"), &options).await.unwrap();
    let mut length = 0;
    while let Some(chunk) = stream.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, noise.len());
    let zip = here.path().join("zip");
    visitor.archive_to(Path::root(), &zip, &options).await.unwrap();
    let zip = fs::read(zip).unwrap();
    for inside in [name.as_bytes(), b"deep/empty"] {
        assert!(zip.windows(inside.len()).any(|window| window == inside));
    }
    is(&visitor.download(path("/never")).await.unwrap_err(), Code::NodeNotFound, &url);
    is(&visitor.download(path("/beside")).await.unwrap_err(), Code::NodeNotFound, &url);
    is(&visitor.download(Path::root()).await.unwrap_err(), Code::NotAFile, &url);
    is(&visitor.list(path(&named), Depth::All).collect_all().await.unwrap_err(), Code::NotAFolder, &url);
    let name = "new".parse().unwrap();
    let put = visitor.put(b"x".to_vec(), &name, &DropOptions::default()).await;
    is(&put.unwrap_err(), Code::ShareModeWrong, &url);
    assert_eq!(names(here.path()), ["got", "zip"]);
}

#[tokio::test]
async fn a_path_that_climbs_is_refused_here_and_there() {
    let scene = Scene::new().await;
    scene.file("/beside", b"not shared").await;
    scene.file("/d/a", b"a").await;
    let folder = scene.client.files().by_path(path("/d")).await.unwrap();
    let (_, url) = scene.share(&folder, CreateShare::default()).await;
    let token = url.rsplit_once('/').unwrap().1;
    let opened = scene.served.ask(&format!("POST /v1/shares/{token}/open"), "", b"{}").await;
    let grant = opened.split_once("\"grant\":\"").unwrap().1.split_once('"').unwrap().0;
    for climbing in ["/../beside", "/a/../../beside", "../beside", "/.", "//beside"] {
        assert!(Path::new(climbing).is_err(), "{climbing}");
        for verb in ["content", "archive", "tree"] {
            let what = format!("GET /v1/shares/{token}/{verb}?path={climbing}");
            let answer = scene.served.ask(&what, &format!("share-grant: {grant}\r\n"), b"").await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_file_takes_its_password() {
    let scene = Scene::new().await;
    let file = scene.file("/f.txt", b"secret words").await;
    let password = Some(HiddenText::new(PASSWORD));
    let (made, url) = scene.share(&file, CreateShare { password, ..CreateShare::default() }).await;
    let none = Visitor::new(&url).unwrap();
    assert!(none.look().await.unwrap().has_password);
    is(&none.open().await.unwrap_err(), Code::SharePasswordWrong, &url);
    let wrong = none.with_password("a wrong horse");
    let error = wrong.download(Path::root()).await.unwrap_err();
    is(&error, Code::SharePasswordWrong, &url);
    assert!(!format!("{error:?} {wrong:?}").contains("a wrong horse"));
    let visitor = none.with_password(PASSWORD);
    assert_eq!(visitor.download(Path::root()).await.unwrap(), "secret words");
    let opened = visitor.open().await.unwrap();
    assert_eq!((opened.name.as_str(), opened.kind, opened.size), ("f.txt", NodeKind::File, Some(12)));
    // Another password ends the visit, and this one begins no other.
    let change =
        UpdateShare { password: Some(Some(HiddenText::new("battery staple"))), ..UpdateShare::default() };
    scene.client.shares().update(made.share.id, &change).await.unwrap();
    is(&visitor.download(Path::root()).await.unwrap_err(), Code::SharePasswordWrong, &url);
    // Without one, the visit that has ended is followed by another by itself.
    let change = UpdateShare { password: Some(None), ..UpdateShare::default() };
    scene.client.shares().update(made.share.id, &change).await.unwrap();
    assert_eq!(visitor.download(Path::root()).await.unwrap(), "secret words");
}

#[tokio::test]
async fn a_link_that_has_ended_is_told_by_its_code() {
    let scene = Scene::new().await;
    let file = scene.file("/f.txt", b"once").await;
    let (_, url) =
        scene.share(&file, CreateShare { most_downloads: Some(1), ..CreateShare::default() }).await;
    let visitor = Visitor::new(&url).unwrap();
    // What a visit has begun it may have again.
    for _ in 0..2 {
        assert_eq!(visitor.download(Path::root()).await.unwrap(), "once");
    }
    let late = Visitor::new(&url).unwrap();
    is(&late.look().await.unwrap_err(), Code::ShareNotFound, &url);
    is(&late.download(Path::root()).await.unwrap_err(), Code::ShareNotFound, &url);

    let (made, url) = scene.share(&file, CreateShare::default()).await;
    let visitor = Visitor::new(&url).unwrap();
    visitor.open().await.unwrap();
    scene.client.shares().revoke(made.share.id).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    let local = here.path().join("f");
    let error = visitor.download_to(Path::root(), local, &DownloadOptions::default()).await.unwrap_err();
    is(&error, Code::ShareNotFound, &url);
    assert!(names(here.path()).is_empty());

    let (_, url) = scene.share(&file, CreateShare { expires_in: Some(1), ..CreateShare::default() }).await;
    let visitor = Visitor::new(&url).unwrap();
    // The server's clock is the machine's.
    let error = loop {
        match visitor.look().await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => break error,
        }
    };
    is(&error, Code::ShareNotFound, &url);
}

#[tokio::test]
async fn a_drop_box_takes_what_is_put_into_it() {
    let scene = Scene::new().await;
    let (_, url) = scene.drop_box().await;
    let visitor = Visitor::new(&url).unwrap();
    let options = DropOptions::default();
    let large = vec![9; 2 * MIB];
    let local = tempfile::NamedTempFile::new().unwrap();
    fs::write(local.path(), &large).unwrap();
    let stream = futures_util::stream::iter(["in ", "pieces"].map(|piece| Ok(piece.into())));
    let sources: [(&str, Source, usize); 4] = [
        ("empty", Vec::new().into(), 0),
        ("записка.txt", b"words".to_vec().into(), 5),
        ("large", local.path().into(), large.len()),
        ("stream", Source::stream(None, stream), 9),
    ];
    for (name, source, size) in sources {
        let done = visitor.put(source, &name.parse().unwrap(), &options).await.unwrap();
        assert_eq!(done.size, size as u64, "{name}");
    }
    assert_eq!(scene.paths("/box").await, ["/box/empty", "/box/large", "/box/stream", "/box/записка.txt"]);
    let stored = scene.client.files().by_path(path("/box/large")).await.unwrap();
    assert!(scene.client.files().download(&stored).await.unwrap() == large);
    // A name that is taken gets another, unless it is the same write under the same key.
    for _ in 0..3 {
        let visitor = visitor.with_idempotency_key("one key").unwrap();
        visitor.put(b"again".to_vec(), &"empty".parse().unwrap(), &options).await.unwrap();
    }
    assert_eq!(scene.paths("/box").await.len(), 5);
    is(&visitor.list(Path::root(), Depth::All).collect_all().await.unwrap_err(), Code::ShareModeWrong, &url);
    is(&visitor.download(path("/large")).await.unwrap_err(), Code::ShareModeWrong, &url);
}

/// Answers are lost again and again after all was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_whose_answer_was_lost_makes_one_file() {
    let scene = Scene::new().await;
    let (_, url) = scene.drop_box().await;
    let mut cut = 0;
    for seed in 0..10 {
        let cuts = Cuts { after: 0..300, way: CutWay::Down, most: 6 };
        let conditions = Conditions { seed, cuts: Some(cuts), ..Conditions::default() };
        let link = Link::start(scene.served.address, conditions).await.unwrap();
        let visitor = patient(10).visit(&scene.over(&link, &url)).unwrap();
        let name = format!("{seed}").parse().unwrap();
        let done = visitor.put(vec![seed as u8; 70_000], &name, &DropOptions::default()).await;
        assert_eq!(done.unwrap_or_else(|error| panic!("seed {seed}: {error}")).size, 70_000);
        cut += link.counts().cuts;
    }
    assert!(cut > 10, "{cut}");
    assert_eq!(scene.paths("/box").await.len(), 10, "each is there once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_breaks_off_leaves_nothing_or_goes_on() {
    let scene = Scene::new().await;
    let content: Vec<u8> = (0..5 * MIB).map(|place| (place / 7) as u8).collect();
    let file = scene.file("/f", &content).await;
    let (made, url) = scene.share(&file, CreateShare::default()).await;
    let here = tempfile::tempdir().unwrap();
    let local = here.path().join("f");
    for (attempts, is_whole) in [(1, false), (10, true)] {
        let cuts = Cuts { after: 2_000..MIB as u64, way: CutWay::Down, most: 5 };
        let conditions = Conditions { seed: 1, cuts: Some(cuts), ..Conditions::default() };
        let link = Link::start(scene.served.address, conditions).await.unwrap();
        let visitor = patient(attempts).visit(&scene.over(&link, &url)).unwrap();
        let done = visitor.download_to(Path::root(), &local, &DownloadOptions::default()).await;
        assert!(link.counts().cuts > 0);
        assert_eq!(done.is_ok(), is_whole, "{done:?}");
        if let Err(error) = done {
            assert!(error.is_network(), "{error}");
            assert_eq!(names(here.path()), [""; 0], "nothing is left");
        }
    }
    assert!(fs::read(&local).unwrap() == content);
    assert_eq!(names(here.path()), ["f"]);
    // However often it was asked for, a visit has had it once.
    let share = scene.client.shares().get(made.share.id).await.unwrap();
    assert!(share.downloads <= 2, "{share:?}");
}

#[test]
fn who_waits_visits_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (scene, read, drop) = runtime.block_on(async {
        let scene = Scene::new().await;
        let file = scene.file("/f", b"words").await;
        let (_, read) = scene.share(&file, CreateShare::default()).await;
        let (_, drop) = scene.drop_box().await;
        (scene, read, drop)
    });
    let visitor = blocking::Visitor::new(&read).unwrap();
    assert_eq!(visitor.look().unwrap().mode, ShareMode::Read);
    assert_eq!(visitor.open().unwrap().name, "f");
    assert_eq!(visitor.download(Path::root()).unwrap(), "words");
    let pieces = visitor.stream(Path::root(), &DownloadOptions::default()).unwrap();
    assert_eq!(pieces.map(|piece| piece.unwrap().len()).sum::<usize>(), 5);
    assert!(visitor.archive(Path::root()).unwrap().all(|piece| piece.is_ok()));
    let visitor = blocking::Visitor::new(&drop).unwrap();
    visitor.put(b"x".to_vec(), &"x".parse().unwrap(), &DropOptions::default()).unwrap();
    assert_eq!(runtime.block_on(scene.paths("/box")), ["/box/x"]);
    runtime.block_on(async move { std::mem::drop(scene) });
}
