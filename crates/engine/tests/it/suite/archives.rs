use futures_util::StreamExt;
use longshore_core::Code;
use longshore_core::wire::{CreateLink, Disposition, Role};
use longshore_engine::{ArchiveItem, LinkToken, Premises};

use crate::world::{World, collect, path, refused};

fn holds(zip: &[u8], text: &str) -> bool {
    zip.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Writes so many small files.
async fn fill(world: &World, folder: &str, count: usize) {
    let puts = futures_util::stream::iter(0..count).map(async |place| {
        world.put(&format!("{folder}/file{place:03}"), format!("content{place:03}").as_bytes()).await;
    });
    puts.buffer_unordered(8).collect::<()>().await;
}

/// What was looked at whole is given whole; what comes later is given as it stands when its turn comes.
pub(super) async fn an_archive_is_of_one_moment_or_of_the_walk(world: &World) {
    let small = world.put("/s/a", b"first").await;
    let archive = world.engine.archive(&world.owner, small.parent_id.unwrap()).await.unwrap();
    assert_eq!(archive.name(), "s.zip");
    let length = archive.length().unwrap();
    world.engine.trash_node(&world.owner, small.id, Premises::default()).await.unwrap();
    let zip = collect(archive.into_bytes()).await.unwrap();
    assert_eq!(zip.len() as u64, length);
    assert!(holds(&zip, "first"));

    fill(world, "/d", 400).await;
    let folder = world.node_at("/d").await.unwrap().id;
    let archive = world.engine.archive(&world.owner, folder).await.unwrap();
    assert_eq!(archive.length(), None);
    let trashed = world.node_at("/d/file390").await.unwrap();
    world.engine.trash_node(&world.owner, trashed.id, Premises::default()).await.unwrap();
    let pruned = world.node_at("/d/file391").await.unwrap();
    world.put("/d/file391", b"changed").await;
    let (id, version) = (pruned.id, pruned.version_id.unwrap());
    world.engine.delete_version(&world.owner, id, version, Premises::default()).await.unwrap();
    world.put("/d/file392", b"newer").await;
    let zip = collect(archive.into_bytes()).await.unwrap();
    assert!(!holds(&zip, "file390") && !holds(&zip, "content390"));
    assert!(holds(&zip, "file391") && holds(&zip, "changed"));
    assert!(holds(&zip, "content392") && !holds(&zip, "newer"), "the version that the walk met");
    // A folder that goes in the middle breaks its archive off.
    let archive = world.engine.archive(&world.owner, folder).await.unwrap();
    assert_eq!(archive.length(), None);
    fill(world, "/e", 600).await;
    let other = world.node_at("/e").await.unwrap().id;
    let broken = world.engine.archive(&world.owner, other).await.unwrap();
    world.engine.trash_node(&world.owner, other, Premises::default()).await.unwrap();
    refused(collect(broken.into_bytes()).await, Code::InTrash);
    collect(archive.into_bytes()).await.unwrap();
}

/// Of two files that are written in turns, no archive has the one before the other.
pub(super) async fn a_small_selection_is_of_one_moment(world: &World) {
    const ROUNDS: usize = 40;
    let number = |zip: &[u8], text: &str| {
        let text = text.as_bytes();
        let at = zip.windows(text.len()).position(|window| window == text).unwrap() + text.len();
        str::from_utf8(&zip[at..at + 5]).unwrap().parse::<usize>().unwrap()
    };
    let write = async |round: usize| {
        world.put("/a", format!("first{round:05}").as_bytes()).await;
        world.put("/b", format!("other{round:05}").as_bytes()).await;
    };
    write(0).await;
    let writing = async {
        for round in 1..ROUNDS {
            write(round).await;
        }
    };
    let reading = async {
        loop {
            let items = vec![ArchiveItem::Path(path("/a")), ArchiveItem::Path(path("/b"))];
            let archive = world.engine.archive_selection(&world.owner, world.id(), items).await.unwrap();
            assert!(archive.length().is_some());
            let zip = collect(archive.into_bytes()).await.unwrap();
            let (first, other) = (number(&zip, "first"), number(&zip, "other"));
            assert!(first == other || first == other + 1, "{first} beside {other}");
            if other == ROUNDS - 1 {
                break;
            }
        }
    };
    tokio::join!(writing, reading);
}

/// Where the root is asked for beside what lies in it, no two entries have the same name.
pub(super) async fn what_lies_in_a_root_is_not_given_twice(world: &World) {
    let file = world.put("/a", b"first").await;
    world.put("/d/b", b"second").await;
    let whole = world.engine.archive(&world.owner, world.root()).await.unwrap();
    let whole = collect(whole.into_bytes()).await.unwrap();
    let items = vec![
        ArchiveItem::Node(file.id),
        ArchiveItem::Node(world.root()),
        ArchiveItem::Path(path("/d")),
        ArchiveItem::Node(world.root()),
    ];
    let archive = world.engine.archive_selection(&world.owner, world.id(), items).await.unwrap();
    assert!(collect(archive.into_bytes()).await.unwrap() == whole);
}

/// The first two ask for the secret at once, and there is one.
pub(super) async fn links_share_a_secret(world: &World) {
    let file = world.put("/a", b"content").await;
    let reader = world.user(Role::Viewer, Some(world.id())).await;
    let make = || {
        let wanted = CreateLink { disposition: Disposition::Inline, ..CreateLink::default() };
        world.engine.create_link(&reader, file.id, wanted, Premises::default())
    };
    let (one, two) = tokio::join!(make(), make());
    for link in [one.unwrap(), two.unwrap()] {
        assert!(!format!("{link:?}").contains(link.token.reveal()));
        let (content, disposition) = world.engine.open_link(&link.token).await.unwrap();
        assert_eq!((content.version().id, disposition), (link.version_id, Disposition::Inline));
        assert_eq!(collect(content.read(0..7).await.unwrap()).await.unwrap(), b"content");
    }
    refused(world.engine.open_link(&LinkToken::new("lsl_none".to_owned())).await, Code::LinkNotFound);
}
