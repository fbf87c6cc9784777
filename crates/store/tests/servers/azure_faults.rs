//! What goes wrong on Azure, and how it is found out what an account is.

use std::any::Any;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use libtest_mimic::Trial;
use longshore_store::{
    AzureCredential, AzureOptions, BoxFuture, Capability, ErrorKind, List, PresignOptions, ReadOptions,
    Store, WriteOptions,
};

use crate::azure::{
    IN_PARTS, azurite, azurite_options, new_container, nothing_hidden, options_of, start_azurite,
};
use crate::dfs::{Answers, DfsServer, TOKEN};
use crate::giving_up::write_given_up;
use crate::targets::AnyError;
use crate::tools;

type Done = Result<(), AnyError>;
type Test = fn() -> BoxFuture<'static, Done>;

/// What is tried besides the suite.
const FURTHER: &[(&str, Test)] = &[
    ("adls-own::a_missing_filesystem_is_a_missing_path", || Box::pin(missing(lake))),
    ("adls-own::wrong_credentials_are_refused", || Box::pin(wrong_credentials(lake))),
    ("adls-own::a_server_that_dies_leaves_nothing_seen", || Box::pin(dying_lake())),
    ("adls-own::writers_given_up_at_any_point_leave_nothing", || Box::pin(given_up())),
    ("adls-own::a_rename_whose_answer_is_lost_is_known_again", || Box::pin(lost_rename())),
    ("adls-own::a_token_is_as_good_as_a_key", || Box::pin(token())),
    ("adls-own::a_file_in_the_making_is_seen_by_nobody", || Box::pin(own_files())),
    ("adls-own::old_temporary_files_are_swept_and_young_ones_spared", || Box::pin(sweep())),
    ("adls-own::empty_folders_stay", || Box::pin(empty_folders())),
    ("adls-own::a_namespace_is_asked_for_once", || Box::pin(asked_once())),
    ("adls-own::an_account_answers_where_a_filesystem_does_not", || Box::pin(account_answers())),
    ("adls-own::a_namespace_nobody_tells_is_an_error_and_asked_anew", || Box::pin(nobody_tells())),
    ("adls-own::a_namespace_that_is_said_is_not_asked_for", || Box::pin(said())),
    ("azure-azurite::a_flat_namespace_goes_over_the_blob_service", || Box::pin(flat())),
    ("azure-azurite::a_missing_container_is_a_missing_path", || Box::pin(missing(emulator))),
    ("azure-azurite::wrong_credentials_are_refused", || Box::pin(wrong_credentials(emulator))),
    ("azure-azurite::a_server_that_dies_is_unavailable", || Box::pin(dying_emulator())),
    ("azure-azurite::a_file_stored_meanwhile_is_not_replaced", || Box::pin(stored_meanwhile())),
    ("azure-azurite::a_signed_address_gives_one_file_for_a_while", || Box::pin(signed_address())),
];

pub(crate) fn trials() -> Vec<Trial> {
    let missing = tools::missing();
    let trial = |(name, test): &(&str, Test)| {
        let test = *test;
        let run = move || crate::block_on(test()).map_err(|error| format!("{error:?}").into());
        let why = missing.clone().unwrap_or_default();
        Trial::test(*name, run).with_ignored_flag(!why.is_empty()).with_kind(why)
    };
    FURTHER.iter().map(trial).collect()
}

/// A server that lives as long as this, and options for a container of it.
type Started = (Box<dyn Any + Send>, AzureOptions);
type Start = fn() -> BoxFuture<'static, Result<Started, AnyError>>;

fn lake() -> BoxFuture<'static, Result<Started, AnyError>> {
    Box::pin(async {
        let (server, options) = filesystem(true)?;
        Ok::<Started, _>((Box::new(server), options))
    })
}

fn emulator() -> BoxFuture<'static, Result<Started, AnyError>> {
    Box::pin(async {
        let server = azurite().await?;
        let options = azurite_options(&server)?;
        Ok::<Started, _>((Box::new(server), options))
    })
}

fn filesystem(hierarchical: bool) -> Result<(DfsServer, AzureOptions), AnyError> {
    let server = DfsServer::start()?;
    let name = new_container();
    server.add_filesystem(&name, hierarchical);
    let options = options_of(&server, &name);
    Ok((server, options))
}

/// Fails unless the result is an error of this kind, in which no key is told.
#[track_caller]
fn fails<T: std::fmt::Debug>(result: longshore_store::Result<T>, kind: ErrorKind) -> Done {
    let place = std::panic::Location::caller();
    match result {
        Err(error) if error.kind() == kind => {
            let told = format!("{error} {error:?}");
            if told.contains(WRONG_KEY) { Err(format!("{place}: a key is told").into()) } else { Ok(()) }
        }
        found => Err(format!("{place}: found {found:?}, wanted {kind:?}").into()),
    }
}

const WRONG_KEY: &str = "bm90IHRoZSBrZXk=";

async fn missing(start: Start) -> Done {
    let (_running, options) = start().await?;
    let store = Store::azure(AzureOptions { container: "nobody-made-me".to_owned(), ..options })?;
    fails(store.read("file", ReadOptions::default()).await, ErrorKind::NotFound)?;
    fails(store.file_info("file").await, ErrorKind::NotFound)?;
    fails(store.delete("file", false).await, ErrorKind::NotFound)?;
    store.delete("file", true).await?;
    fails(store.delete_folder("folder", true, false).await, ErrorKind::NotFound)?;
    assert!(!store.exists("file").await?);
    let mut listing = store.list_files("", &List::ALL)?;
    assert!(listing.next_entry().await?.is_none());
    fails(store.ping().await, ErrorKind::NotFound)?;
    for options in [WriteOptions::default(), WriteOptions::OVERWRITE] {
        fails(store.write("file", "x", options.clone()).await, ErrorKind::NotFound)?;
        fails(store.write("file", vec![0; IN_PARTS], options).await, ErrorKind::NotFound)?;
    }
    store.close().await?;
    Ok(())
}

async fn wrong_credentials(start: Start) -> Done {
    let (_running, options) = start().await?;
    let credential = AzureCredential::Key(WRONG_KEY.into());
    let hierarchical = Some(options.hierarchical.unwrap_or(true));
    for hierarchical in [hierarchical, options.hierarchical] {
        let store =
            Store::azure(AzureOptions { credential: credential.clone(), hierarchical, ..options.clone() })?;
        fails(store.read("file", ReadOptions::default()).await, ErrorKind::PermissionDenied)?;
        fails(store.exists("file").await, ErrorKind::PermissionDenied)?;
        fails(store.delete("file", true).await, ErrorKind::PermissionDenied)?;
        fails(store.write("file", "x", WriteOptions::OVERWRITE).await, ErrorKind::PermissionDenied)?;
        let large = store.write("file", vec![0; IN_PARTS], WriteOptions::OVERWRITE).await;
        fails(large, ErrorKind::PermissionDenied)?;
        let mut listing = store.list_files("", &List::ALL)?;
        fails(listing.next_entry().await, ErrorKind::PermissionDenied)?;
        fails(store.ping().await, ErrorKind::PermissionDenied)?;
        assert!(!format!("{store:?}").contains(WRONG_KEY));
        store.close().await?;
    }
    Ok(())
}

async fn dying_lake() -> Done {
    let (server, options) = filesystem(true)?;
    let filesystem = options.container.clone();
    let store = Store::azure(options)?;
    dies(&store, || server.stop()).await?;
    let paths = server.paths(&filesystem);
    assert!(!paths.iter().any(|path| path == "new"), "{paths:?}");
    Ok(())
}

async fn dying_emulator() -> Done {
    let server = start_azurite()?;
    let store = Store::azure(azurite_options(&server)?)?;
    dies(&store, || server.stop()).await
}

/// Ends the server in the middle of two writes.
async fn dies(store: &Store, stop: impl FnOnce()) -> Done {
    store.write("old", "old", WriteOptions::default()).await?;
    let mut writer = store.open_write("new", WriteOptions::default()).await?;
    let mut replacer = store.open_write("old", WriteOptions::OVERWRITE).await?;
    writer.write(vec![1; IN_PARTS]).await?;
    replacer.write(vec![1; IN_PARTS]).await?;
    stop();
    let written = match writer.write(vec![1; IN_PARTS]).await {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => {
            drop(writer);
            Err(error)
        }
    };
    fails(written, ErrorKind::Unavailable)?;
    fails(replacer.finish().await, ErrorKind::Unavailable)?;
    fails(store.read("old", ReadOptions::default()).await, ErrorKind::Unavailable)?;
    fails(store.ping().await, ErrorKind::Unavailable)?;
    store.close().await?;
    Ok(())
}

/// Drops a write after each of many waits, from the first request to the last.
async fn given_up() -> Done {
    let (server, options) = filesystem(true)?;
    let filesystem = options.container.clone();
    let store = Store::azure(options)?;
    store.ping().await?;
    for content in [vec![7; 10], vec![7; IN_PARTS]] {
        let content = bytes::Bytes::from(content);
        for polls in 0..30 {
            let path = format!("folder/{}-{polls}", content.len());
            write_given_up(&store, &store, &path, &content, polls).await?;
            nothing_hidden(&server.paths(&filesystem))?;
        }
    }
    Ok(())
}

async fn lost_rename() -> Done {
    let (server, options) = filesystem(true)?;
    let filesystem = options.container.clone();
    let store = Store::azure(options)?;
    for overwrite in [false, true] {
        server.lose_rename();
        let options = WriteOptions { overwrite, ..WriteOptions::default() };
        let made = store.write("file", "x", options).await?;
        assert_eq!(store.file_info("file").await?.etag, made.etag);
        server.lose_rename();
        store.move_file("file", "moved", overwrite).await?;
        assert!(!store.exists("file").await?);
        assert_eq!(store.file_info("moved").await?.etag, made.etag);
    }
    store.close().await?;
    nothing_hidden(&server.paths(&filesystem))
}

async fn token() -> Done {
    let (_server, options) = filesystem(true)?;
    let token =
        |text: &str| AzureOptions { credential: AzureCredential::Token(text.into()), ..options.clone() };
    let store = Store::azure(token(TOKEN))?;
    store.write("file", "x", WriteOptions::default()).await?;
    assert_eq!(&store.read_bytes("file").await?[..], b"x");
    fails(Store::azure(token("another"))?.ping().await, ErrorKind::PermissionDenied)
}

async fn own_files() -> Done {
    let (server, options) = filesystem(true)?;
    let filesystem = options.container.clone();
    let store = Store::azure(options)?;
    store.write("file", "x", WriteOptions::default()).await?;
    let mut writer = store.open_write("large", WriteOptions::default()).await?;
    writer.write(vec![1; IN_PARTS]).await?;
    assert!(nothing_hidden(&server.paths(&filesystem)).is_err(), "the file in the making is nowhere");
    for depth in [List::ALL, List::CHILDREN, List { max_depth: Some(3), pattern: None }] {
        let mut listing = store.list("", &depth)?;
        let mut found = Vec::new();
        while let Some(entry) = listing.next_entry().await? {
            found.push(entry.path().to_string());
        }
        assert_eq!(found, ["file"]);
    }
    fails(store.list(".longshore-tmp", &List::ALL), ErrorKind::InvalidPath)?;
    fails(store.delete_folder(".longshore-tmp", true, true).await, ErrorKind::InvalidPath)?;
    fails(store.write(".longshore-tmp/x", "x", WriteOptions::default()).await, ErrorKind::InvalidPath)?;
    fails(store.move_file("file", ".longshore-tmp", true).await, ErrorKind::InvalidPath)?;
    writer.abort().await?;
    nothing_hidden(&server.paths(&filesystem))
}

async fn sweep() -> Done {
    for by_write in [false, true] {
        let (server, options) = filesystem(true)?;
        let filesystem = options.container.clone();
        let hour = Duration::from_secs(3_600);
        // More than a page of them.
        for number in 0..250 {
            server.leave(&filesystem, &format!(".longshore-tmp/old-{number}"), 49 * hour);
        }
        server.leave(&filesystem, ".longshore-tmp/young", 47 * hour);
        // What lies elsewhere is not of the store, whatever its age.
        server.leave(&filesystem, "file", 49 * hour);
        let mut wanted = vec![".longshore-tmp", ".longshore-tmp/young", "file"];
        let store = Store::azure(options)?;
        if by_write {
            store.write("written", "x", WriteOptions::default()).await?;
            wanted.push("written");
        } else {
            store.ping().await?;
        }
        store.close().await?;
        assert_eq!(server.paths(&filesystem), wanted);
    }
    Ok(())
}

async fn empty_folders() -> Done {
    let (_server, options) = filesystem(true)?;
    let store = Store::azure(options)?;
    store.write("a/b/file", "x", WriteOptions::default()).await?;
    store.delete("a/b/file", false).await?;
    assert!(store.is_folder("a/b").await?);
    fails(store.delete("a/b", false).await, ErrorKind::InvalidPath)?;
    fails(store.delete_folder("a", false, false).await, ErrorKind::DirectoryNotEmpty)?;
    store.delete_folder("a/b", false, false).await?;
    store.delete_folder("a", false, false).await?;
    assert!(!store.exists("a").await?);
    // More than a page of deletions.
    for number in 0..250 {
        store.write(&format!("many/{number}"), "", WriteOptions::default()).await?;
    }
    store.delete_folder("many", true, false).await?;
    assert!(!store.exists("many").await?);
    Ok(())
}

async fn asked_once() -> Done {
    let (server, options) = filesystem(true)?;
    let store = Store::azure(options)?;
    assert!(!store.supports(Capability::Hierarchy), "claimed before anybody knows");
    let looks = (0..16).map(|number| {
        let store = store.clone();
        async move { store.exists(&number.to_string()).await }
    });
    futures_util::future::try_join_all(looks).await?;
    assert!(store.supports(Capability::Hierarchy) && store.supports(Capability::AtomicMove));
    store.write("file", "x", WriteOptions::default()).await?;
    assert_eq!(server.asked(), 1);
    Ok(())
}

async fn account_answers() -> Done {
    for answers in [Answers { tells: false, ..Answers::ALL }, Answers { filesystem: 403, ..Answers::ALL }] {
        let (server, options) = filesystem(true)?;
        server.set_answers(answers);
        let store = Store::azure(options)?;
        store.write("file", "x", WriteOptions::default()).await?;
        assert!(store.supports(Capability::Hierarchy));
        assert_eq!(server.asked(), 2);
    }
    Ok(())
}

async fn nobody_tells() -> Done {
    for (answers, kind) in [
        (Answers { filesystem: 403, account: 403, ..Answers::ALL }, ErrorKind::PermissionDenied),
        (Answers { filesystem: 503, account: 403, ..Answers::ALL }, ErrorKind::Unavailable),
        (Answers { tells: false, account: 403, ..Answers::ALL }, ErrorKind::PermissionDenied),
    ] {
        let (server, options) = filesystem(true)?;
        server.set_answers(answers);
        let store = Store::azure(options)?;
        let denied = store.write("file", "x", WriteOptions::default()).await;
        let told = denied.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert!(told.contains("`hierarchical`"), "{told}");
        fails(denied, kind)?;
        fails(store.exists("file").await, kind)?;
        let mut listing = store.list_files("", &List::ALL)?;
        fails(listing.next_entry().await, kind)?;
        assert_eq!(server.paths(&options_container(&store)), Vec::<String>::new());
        // Rights that were granted meanwhile count at once.
        server.set_answers(Answers::ALL);
        store.write("file", "x", WriteOptions::default()).await?;
        assert!(store.supports(Capability::Hierarchy));
    }
    Ok(())
}

/// Returns the container that a store's files have in their addresses.
fn options_container(store: &Store) -> String {
    let native = store.native_path("x").unwrap_or_default();
    native.rsplit('/').nth(1).unwrap_or_default().to_owned()
}

async fn said() -> Done {
    let (server, options) = filesystem(true)?;
    server.set_answers(Answers { filesystem: 403, account: 403, ..Answers::ALL });
    let store = Store::azure(AzureOptions { hierarchical: Some(true), ..options.clone() })?;
    assert!(store.supports(Capability::Hierarchy));
    store.write("file", "x", WriteOptions::default()).await?;
    assert_eq!(server.asked(), 0);
    let blob = Some("http://127.0.0.1:1/acme".to_owned());
    let nowhere = AzureOptions { endpoint: blob, dfs_endpoint: None, hierarchical: Some(true), ..options };
    fails(Store::azure(nowhere), ErrorKind::InvalidInput)
}

async fn flat() -> Done {
    let emulator = azurite().await?;
    let options = azurite_options(&emulator)?;
    // The emulator's own account tells it.
    let store = Store::azure(AzureOptions { hierarchical: None, ..options.clone() })?;
    assert!(!store.supports(Capability::Hierarchy));
    store.write("file", "x", WriteOptions::default()).await?;
    assert!(!store.supports(Capability::Hierarchy) && store.supports(Capability::AtomicCreate));
    let again = Store::azure(options)?;
    assert_eq!(&again.read_bytes("file").await?[..], b"x");
    Ok(())
}

async fn stored_meanwhile() -> Done {
    let store = Store::azure(azurite_options(&*azurite().await?)?)?;
    for overwrite in [false, true] {
        let path = format!("file-{overwrite}");
        let options = WriteOptions { overwrite, ..WriteOptions::default() };
        let mut writer = store.open_write(&path, options).await?;
        writer.write(vec![1; IN_PARTS]).await?;
        // Without a condition: for this emulator a file may stand as soon as a block of it arrives.
        store.write(&path, "first", WriteOptions::OVERWRITE).await?;
        let ended = tokio::time::timeout(Duration::from_secs(60), writer.finish()).await?;
        if overwrite {
            // Its blocks went when the other file was stored, or did not: it is all or nothing.
            let content = store.read_bytes(&path).await?;
            match ended {
                Ok(_) => assert!(content == vec![1; IN_PARTS]),
                ended => {
                    fails(ended, ErrorKind::Unavailable)?;
                    assert_eq!(&content[..], b"first");
                }
            }
        } else {
            fails(ended, ErrorKind::AlreadyExists)?;
            assert_eq!(&store.read_bytes(&path).await?[..], b"first");
        }
    }
    store.close().await?;
    Ok(())
}

/// Asks for an address of plain HTTP as anybody would, and returns the whole answer.
fn get(address: &str) -> Result<String, AnyError> {
    let (host, path) = address.trim_start_matches("http://").split_once('/').ok_or("no address")?;
    let mut connection = std::net::TcpStream::connect(host)?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

async fn signed_address() -> Done {
    let store = Store::azure(azurite_options(&*azurite().await?)?)?;
    store.write("a b/\u{e9}.csv", "1,2,3", WriteOptions::default()).await?;
    store.write("a b/other", "secret", WriteOptions::default()).await?;
    let options = PresignOptions {
        expires_in: Duration::from_secs(300),
        media_type: Some("text/csv; charset=utf-8".to_owned()),
        disposition: Some("attachment; filename=\"a b.csv\"; filename*=UTF-8''a%20b.csv".to_owned()),
    };
    let address = store.presign_read("a b/\u{e9}.csv", &options).await?.ok_or("no address")?;
    let answer = get(address.expose())?;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("1,2,3"), "{answer}");
    let lower = answer.to_lowercase();
    assert!(lower.contains("content-type: text/csv; charset=utf-8\r\n"), "{answer}");
    assert!(lower.contains("content-disposition: attachment; filename=\"a b.csv\"; filename"), "{answer}");
    // It is good for nothing else, and for no longer than it says.
    for wrong in [
        address.expose().replace("%C3%A9.csv", "other"),
        address.expose().replace("attachment", "inline"),
        address.expose().replace("&se=2", "&se=3"),
    ] {
        assert_ne!(wrong, address.expose());
        let answer = get(&wrong)?;
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("secret"), "{answer}");
    }
    let plain = PresignOptions { expires_in: Duration::from_secs(300), ..PresignOptions::default() };
    let address = store.presign_read("a b/other", &plain).await?.ok_or("no address")?;
    assert!(get(address.expose())?.ends_with("secret"));
    store.close().await?;
    Ok(())
}
