use longshore_core::wire::{CreateNote, Note, RestoreNode, Role, TextRange, UpdateNote};
use longshore_core::{Code, NodeId, NoteId};
use longshore_engine::{Actor, PageRequest, Preconditions, Premises, Result};

use crate::world::{World, name, refused};

fn saying(text: &str) -> CreateNote {
    CreateNote { text: text.to_owned(), ..CreateNote::default() }
}

async fn write_as(world: &World, actor: &Actor, node: NodeId, note: CreateNote) -> Result<Note> {
    world.clock.advance(std::time::Duration::from_millis(2));
    world.engine.create_note(actor, node, note, Premises::default()).await
}

async fn write(world: &World, node: NodeId, note: CreateNote) -> Result<Note> {
    write_as(world, &world.owner, node, note).await
}

async fn notes(world: &World, node: NodeId) -> Vec<Note> {
    world.engine.list_notes(&world.owner, node, PageRequest::default()).await.unwrap().items
}

pub(super) async fn notes_are_written_and_read(world: &World) {
    let file = world.put("/a/file", b"text").await;
    let first = write(world, file.id, saying("is this right? 🚢\nsecond line")).await.unwrap();
    assert_eq!((first.author, first.version_id, first.edited_at), (world.owner.principal, None, None));
    let on_version = CreateNote { version_id: file.version_id, ..saying("on the first version") };
    let second = write(world, file.id, on_version).await.unwrap();
    write(world, file.parent_id.unwrap(), saying("on the folder")).await.unwrap();
    assert_eq!(notes(world, file.id).await, [first.clone(), second.clone()]);
    let page = world.engine.list_notes(&world.owner, file.id, PageRequest::new(Some(1), None)).await.unwrap();
    let rest = PageRequest::new(Some(1), page.next_cursor);
    let rest = world.engine.list_notes(&world.owner, file.id, rest).await.unwrap();
    assert_eq!((page.items, rest.items), (vec![first.clone()], vec![second]));

    world.clock.advance(std::time::Duration::from_secs(60));
    let edit = |text: &str| {
        let wanted = UpdateNote { text: text.to_owned() };
        world.engine.update_note(&world.owner, first.id, wanted, Premises::default())
    };
    let edited = edit("it is").await.unwrap();
    assert_eq!((edited.text.as_str(), edited.created_at), ("it is", first.created_at));
    assert!(edited.edited_at > Some(first.created_at));
    let events = world.event_count().await;
    edit("it is").await.unwrap();
    assert_eq!(world.event_count().await, events, "what changes nothing is no event");
    world.engine.delete_note(&world.owner, first.id, Premises::default()).await.unwrap();
    refused(world.engine.delete_note(&world.owner, first.id, Premises::default()).await, Code::NoteNotFound);
    assert_eq!(notes(world, file.id).await.len(), 1);
    let types = world.event_types().await;
    let expected = ["note.created", "note.created", "note.created", "note.edited", "note.deleted"];
    assert_eq!(types[types.len() - 5..], expected);

    let long = "é".repeat(4_001);
    for bad in ["", " \n", "\0", &long] {
        refused(write(world, file.id, saying(bad)).await, Code::InvalidNote);
    }
    write(world, file.id, saying(&"é".repeat(4_000))).await.unwrap();
    let foreign = world.put("/b", b"b").await.version_id;
    let foreign = CreateNote { version_id: foreign, ..saying("x") };
    refused(write(world, file.id, foreign).await, Code::VersionNotFound);
    // A note's premise is of its node, and a note takes no version.
    let stale = Preconditions { if_match: None, if_none_match: true };
    refused(
        world.engine.create_note(&world.owner, file.id, saying("x"), stale.into()).await,
        Code::PreconditionFailed,
    );
    assert_eq!(world.node_at("/a/file").await.unwrap().version_id, file.version_id);
}

pub(super) async fn a_range_lies_inside_the_text(world: &World) {
    let file = world.put("/text", "añ🚢d".as_bytes()).await;
    let on = |start, end| CreateNote { range: Some(TextRange { start, end }), ..saying("here") };
    let note = write(world, file.id, on(1, 4)).await.unwrap();
    assert_eq!((note.range, note.version_id), (Some(TextRange { start: 1, end: 4 }), file.version_id));
    for (start, end) in [(0, 0), (3, 2), (0, 5), (4, 5), (0, u64::MAX)] {
        refused(write(world, file.id, on(start, end)).await, Code::InvalidNote);
    }
    // The range is of the version that it was made on, whatever comes after.
    world.put("/text", b"").await;
    refused(write(world, file.id, on(0, 1)).await, Code::InvalidNote);
    let old = CreateNote { version_id: file.version_id, ..on(0, 4) };
    write(world, file.id, old).await.unwrap();
    let binary = world.put("/binary", b"\0\x01\xff").await;
    refused(write(world, binary.id, on(0, 1)).await, Code::InvalidNote);
    // What is too large to be looked at is no text that a range could be checked against.
    for large in ["é".repeat(600_000).into_bytes(), vec![0xff; 1_200_000]] {
        let large = world.put("/large", &large).await;
        for (start, end) in [(0, 1), (0, 600_001), (1_199_999, 1_200_000)] {
            let error = write(world, large.id, on(start, end)).await.unwrap_err();
            assert_eq!(error.code(), Code::InvalidNote);
            assert!(error.detail().contains("larger than 1 MiB"), "{error}");
        }
    }
    let whole = world.put("/whole", "é".repeat(524_288).as_bytes()).await;
    write(world, whole.id, on(0, 524_288)).await.unwrap();
    refused(write(world, whole.id, on(0, 524_289)).await, Code::InvalidNote);
    refused(write(world, world.root(), on(0, 1)).await, Code::NotAFile);
}

pub(super) async fn only_the_author_and_admins_change_a_note(world: &World) {
    let file = world.put("/file", b"x").await;
    let author = world.user(Role::Editor, None).await;
    let other = world.user(Role::Editor, None).await;
    let viewer = world.user(Role::Viewer, None).await;
    let note = write_as(world, &author, file.id, saying("mine")).await.unwrap();
    refused(write_as(world, &viewer, file.id, saying("x")).await, Code::Forbidden);
    let edit = |actor, text: &str| {
        let wanted = UpdateNote { text: text.to_owned() };
        world.engine.update_note(actor, note.id, wanted, Premises::default())
    };
    refused(edit(&other, "yours").await, Code::Forbidden);
    refused(edit(&viewer, "yours").await, Code::Forbidden);
    refused(world.engine.delete_note(&other, note.id, Premises::default()).await, Code::Forbidden);
    edit(&author, "still mine").await.unwrap();
    edit(&world.owner, "moderated").await.unwrap();
    assert_eq!(notes(world, file.id).await[0].author, author.principal);

    // Who does not reach the workspace learns nothing of its notes.
    let elsewhere = world.engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    let guest = world.user(Role::Admin, Some(elsewhere.id)).await;
    refused(edit(&guest, "x").await, Code::NoteNotFound);
    refused(world.engine.delete_note(&guest, note.id, Premises::default()).await, Code::NoteNotFound);
    refused(world.engine.list_notes(&guest, file.id, PageRequest::default()).await, Code::NodeNotFound);
    refused(write_as(world, &guest, file.id, saying("x")).await, Code::NodeNotFound);
    let nobody = NoteId::new(longshore_core::Clock::now(&world.clock));
    refused(world.engine.delete_note(&world.owner, nobody, Premises::default()).await, Code::NoteNotFound);
}

pub(super) async fn notes_follow_their_node(world: &World) {
    let file = world.put("/file", b"x").await;
    let note = write(world, file.id, saying("stays")).await.unwrap();
    world.engine.trash_node(&world.owner, file.id, Premises::default()).await.unwrap();
    assert_eq!(notes(world, file.id).await, std::slice::from_ref(&note));
    refused(write(world, file.id, saying("late")).await, Code::InTrash);
    let late = UpdateNote { text: "late".to_owned() };
    let late = world.engine.update_note(&world.owner, note.id, late, Premises::default()).await;
    refused(late, Code::InTrash);
    refused(world.engine.delete_note(&world.owner, note.id, Premises::default()).await, Code::InTrash);
    assert_eq!(notes(world, file.id).await, std::slice::from_ref(&note));
    let to = RestoreNode { parent_id: None, name: Some(name("again")) };
    world.engine.restore_node(&world.owner, file.id, to, Premises::default()).await.unwrap();
    world.put("/again", b"y").await;
    assert_eq!(notes(world, file.id).await, std::slice::from_ref(&note));
    world.engine.trash_node(&world.owner, file.id, Premises::default()).await.unwrap();
    world.engine.purge_node(&world.owner, file.id, Premises::default()).await.unwrap();
    let gone = UpdateNote { text: "gone".to_owned() };
    let gone = world.engine.update_note(&world.owner, note.id, gone, Premises::default()).await;
    refused(gone, Code::NoteNotFound);
}
