//! What is said of files: labels of versions, notes, metadata, labels; and what is removed for good.

use longshore_core::wire::{Comparison, Node, Note, Page, Purged, Version, Workspace, WorkspaceSettings};

use crate::world::{User, World};

#[tokio::test]
async fn versions_are_labelled_compared_and_deleted() {
    let world = World::new().await;
    let old = world.put("a.txt", "one\n").await;
    let new = world.put("a.txt", "two\n").await;
    let versions = format!("/v1/files/{}/versions", old.id);
    let (old, new) = (old.version_id.unwrap(), new.version_id.unwrap());
    let labelled = world.edit(&format!("PATCH {versions}/{old}"), r#"{"label":"sent"}"#).await;
    assert_eq!(labelled.read::<Version>().label.as_deref(), Some("sent"));
    let again: Version = world.get(&format!("{versions}/{old}")).await.read();
    assert_eq!(again.label.as_deref(), Some("sent"));
    for (body, outcome) in [
        ("{}", "400 invalid_body"),
        (r#"{"label":""}"#, "400 invalid_label"),
        (r#"{"label":"a\u0007"}"#, "400 invalid_label"),
        (r#"{"label":null}"#, "200"),
    ] {
        let answer = world.edit(&format!("PATCH {versions}/{old}"), body).await;
        assert_eq!(answer.outcome(), outcome, "{body}");
    }
    let compared: Comparison = world.get(&format!("{versions}/{old}/compare?with={new}")).await.read();
    let text = compared.text.unwrap();
    assert!(text.unified.contains("-one\n+two\n"), "{}", text.unified);
    assert_eq!(world.get(&format!("{versions}/{old}/compare")).await.outcome(), "400 invalid_query");
    let delete = |version| format!("DELETE {versions}/{version}");
    assert_eq!(world.call(User::Admin, &delete(new), &[], "").await.outcome(), "409 version_in_use");
    assert_eq!(world.edit(&delete(old), "").await.outcome(), "403 forbidden");
    assert_eq!(world.call(User::Admin, &delete(old), &[], "").await.outcome(), "204");
    assert_eq!(world.call(User::Admin, &delete(old), &[], "").await.outcome(), "404 version_not_found");
}

#[tokio::test]
async fn what_is_in_the_trash_is_purged() {
    let world = World::new().await;
    let (one, two) = (world.put("d/one", "1").await, world.put("two", "22").await);
    let purge = format!("DELETE /v1/files/{}?purge=true", one.id);
    assert_eq!(world.call(User::Admin, &purge, &[], "").await.outcome(), "409 not_in_trash");
    for node in [one.id, two.id] {
        assert_eq!(world.edit(&format!("DELETE /v1/files/{node}?purge=false"), "").await.status, 200);
    }
    assert_eq!(world.edit(&purge, "").await.outcome(), "403 forbidden");
    let once = [("idempotency-key", "purge-1")];
    let gone = world.call(User::Admin, &purge, &once, "").await;
    let expected = Purged { nodes: 1, versions: 1, bytes: 1, job_id: None };
    assert_eq!((gone.status.as_u16(), gone.read::<Purged>()), (200, expected));
    assert_eq!(world.call(User::Admin, &purge, &[], "").await.outcome(), "404 node_not_found");
    let empty = format!("DELETE /v1/workspaces/{}/trash", world.id());
    let gone: Purged = world.call(User::Admin, &empty, &[], "").await.read();
    assert_eq!((gone.nodes, gone.bytes), (1, 2));
    let wrong = format!("DELETE /v1/files/{}?purge=yes", one.id);
    assert_eq!(world.call(User::Admin, &wrong, &[], "").await.outcome(), "400 invalid_query");
}

#[tokio::test]
async fn notes_are_written_changed_and_removed() {
    let world = World::new().await;
    let file = world.put("a.txt", "some text").await;
    let notes = format!("/v1/files/{}/notes", file.id);
    let body = r#"{"text":"check this","range":{"start":5,"end":9}}"#;
    let made = world.edit(&format!("POST {notes}"), body).await;
    assert_eq!(made.status, 201);
    let note: Note = made.read();
    assert_eq!(note.version_id, file.version_id);
    let outside = r#"{"text":"x","range":{"start":5,"end":10}}"#;
    assert_eq!(world.edit(&format!("POST {notes}"), outside).await.outcome(), "400 invalid_note");
    let unknown = r#"{"text":"x","range":{"start":5,"end":9,"page":1}}"#;
    assert_eq!(world.edit(&format!("POST {notes}"), unknown).await.outcome(), "400 invalid_body");
    let url = format!("/v1/notes/{}", note.id);
    let changed = world.edit(&format!("PATCH {url}"), r#"{"text":"checked"}"#).await;
    assert_eq!(changed.read::<Note>().text, "checked");
    let listed: Page<Note> = world.get(&format!("{notes}?limit=1")).await.read();
    assert_eq!(listed.items[0].text, "checked");
    assert_eq!(
        world.call(User::Foreign, &format!("DELETE {url}"), &[], "").await.outcome(),
        "404 note_not_found"
    );
    assert_eq!(world.call(User::Viewer, &format!("DELETE {url}"), &[], "").await.outcome(), "403 forbidden");
    assert_eq!(world.edit(&format!("DELETE {url}"), "").await.outcome(), "204");
    assert_eq!(world.edit("DELETE /v1/notes/nonsense", "").await.outcome(), "400 invalid_id");
}

#[tokio::test]
async fn nodes_are_found_by_what_is_said_of_them() {
    let world = World::new().await;
    let file = world.put("dir/Report.csv", "a").await;
    world.put("dir/other.csv", "b").await;
    let body = r#"{"metadata_patch":{"a key":"b & c"},"add_labels":["urgent","q1"]}"#;
    let node = world.edit(&format!("PATCH /v1/files/{}", file.id), body).await.node();
    assert_eq!((node.metadata["a key"].as_str(), node.labels.len()), ("b & c", 2));
    let find = async |query: &str| {
        let answer = world.get(&format!("/v1/workspaces/{}/nodes?{query}", world.id())).await;
        match answer.outcome() {
            outcome if outcome != "200" => outcome,
            _ => {
                let page: Page<Node> = answer.read();
                page.items.iter().map(|node| node.path.to_string()).collect::<Vec<_>>().join(" ")
            }
        }
    };
    for (query, found) in [
        ("metadata.a%20key=b%20%26%20c", "/dir/Report.csv"),
        ("metadata.a+key=b+%26+c&label=urgent&label=q1", "/dir/Report.csv"),
        ("label=urgent&label=none", ""),
        ("name=REPORT", "/dir/Report.csv"),
        ("name=csv&under=/dir", "/dir/Report.csv /dir/other.csv"),
        ("name=csv&name=x", "400 invalid_query"),
        ("metadata.k=1&metadata.k=2", "400 invalid_query"),
        ("metadata=1", "400 invalid_query"),
        ("under=dir", "400 invalid_path"),
        ("under=/none", "404 node_not_found"),
        ("limit=0", "400 invalid_query"),
        ("limit=1001", "400 invalid_query"),
        ("label=%ff", "400 invalid_query"),
        ("label=%00", ""),
        ("cursor=x", "400 invalid_cursor"),
    ] {
        assert_eq!(find(query).await, found, "{query}");
    }
}

#[tokio::test]
async fn the_rules_of_a_workspace_are_shown_and_set() {
    let world = World::new().await;
    let url = format!("/v1/workspaces/{}", world.id());
    let before: Workspace = world.get(&url).await.read();
    assert_eq!((before.settings.trash_days, before.settings.versions_kept), (Some(30), None));
    let set = async |settings: &str| {
        let body = format!(r#"{{"settings":{settings}}}"#);
        world.call(User::Admin, &format!("PATCH {url}"), &[], body).await
    };
    let rules = r#"{"versions_kept":5,"versions_days":10,"trash_days":null}"#;
    let after: Workspace = set(rules).await.read();
    assert_eq!((after.settings.versions_kept, after.settings.trash_days), (Some(5), None));
    // What is left out stays, and `null` takes a limit away.
    let later: Workspace = set(r#"{"versions_kept":null}"#).await.read();
    assert_eq!(later.settings, WorkspaceSettings { versions_kept: None, ..after.settings });
    for bad in
        [r#"{"versions_kept":0}"#, r#"{"versions_kept":-1}"#, r#"{"trash_days":99999}"#, r#"{"typo":1}"#]
    {
        assert_eq!(set(bad).await.outcome(), "400 invalid_body", "{bad}");
    }
}
