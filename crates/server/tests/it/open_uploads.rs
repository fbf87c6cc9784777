//! `GET /v1/uploads`, and how many uploads there may be.

use longshore_core::wire::{OpenUpload, Page};

use crate::world::{Answer, OPEN_UPLOADS, User, World};

async fn create(world: &World, body: &'static str) -> Answer {
    let parts = [
        ("tus-resumable", "1.0.0"),
        ("upload-length", "9"),
        ("upload-concat", "partial"),
        ("content-type", "application/offset+octet-stream"),
    ];
    world.call(User::Editor, "POST /v1/uploads", &parts, body).await
}

async fn list(world: &World, user: User, query: &str) -> Page<OpenUpload> {
    let answer = world.call(user, &format!("GET /v1/uploads{query}"), &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.read()
}

#[tokio::test]
async fn unfinished_uploads_are_listed_by_page_and_are_so_many_at_most() {
    let world = World::new().await;
    for number in 0..OPEN_UPLOADS {
        assert_eq!(create(&world, "123").await.status, 201, "{number}");
    }
    for body in ["", "123"] {
        let answer = create(&world, body).await;
        assert_eq!(answer.outcome(), "429 too_many_uploads");
        assert_eq!(answer.header("location"), "");
    }
    let first = list(&world, User::Editor, "?limit=30").await;
    assert_eq!(first.items.len(), 30);
    assert!(
        first.items.iter().all(|upload| upload.is_part && upload.offset == 3 && upload.length == Some(9))
    );
    let rest = list(&world, User::Editor, &format!("?cursor={}", first.next_cursor.unwrap())).await;
    assert_eq!((rest.items.len(), rest.next_cursor), (OPEN_UPLOADS as usize - 30, None));
    assert_eq!(list(&world, User::Foreign, "").await.items, []);
    // What it lists can be removed, and then there is room.
    let remove = format!("DELETE /v1/uploads/{}", first.items[0].id);
    let removed = world.call(User::Editor, &remove, &[("tus-resumable", "1.0.0")], "").await;
    assert_eq!(removed.status, 204);
    assert_eq!(create(&world, "").await.status, 201);
    for (query, outcome) in [("?cursor=x", "400 invalid_cursor"), ("?x=1", "400 invalid_query")] {
        let answer = world.call(User::Editor, &format!("GET /v1/uploads{query}"), &[], "").await;
        assert_eq!(answer.outcome(), outcome);
    }
}
