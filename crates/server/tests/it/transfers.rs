//! Transfers over HTTP: the token is in the one answer that makes it, and in nothing else.

use longshore_core::wire::{CreateKey, Member, NewTransfer, Role, Transfer, TransferManifest, TransferState};

use crate::world::{Answer, User, World};

async fn owners(world: &World) -> String {
    let wanted = CreateKey { workspace_id: Some(world.id()), ..CreateKey::new("owner's", Role::Owner) };
    world.engine.create_key(&world.owner, wanted, None).await.unwrap().secret
}

async fn offer(world: &World, key: &str) -> NewTransfer {
    let url = format!("POST /v1/workspaces/{}/transfer", world.id());
    let answer = world.call_with(Some(key), &url, &[], r#"{"note":"yours","expires_in":60}"#).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.read()
}

async fn claim(world: &World, user: User, verb: &str, token: &str) -> Answer {
    let body = format!(r#"{{"token":"{token}"}}"#);
    world.call(user, &format!("POST /v1/transfers/{verb}"), &[], body).await
}

#[tokio::test]
async fn a_workspace_is_handed_over() {
    let world = World::new().await;
    let key = owners(&world).await;
    let ws = format!("/v1/workspaces/{}", world.id());
    assert_eq!(
        world.call(User::Admin, &format!("GET {ws}/transfer"), &[], "").await.outcome(),
        "404 transfer_not_found"
    );
    let made = offer(&world, &key).await;
    let state = world.call(User::Admin, &format!("GET {ws}/transfer"), &[], "").await;
    assert_eq!(state.read::<Transfer>(), made.transfer);
    let found: TransferManifest = claim(&world, User::Editor, "look", &made.token).await.read();
    assert_eq!((found.workspace_name.as_str(), found.members), ("default", 1));
    let done: Transfer = claim(&world, User::Editor, "accept", &made.token).await.read();
    assert_eq!(done.state, TransferState::Accepted);
    let member = format!("GET {ws}/members/{}", done.ended_by.unwrap());
    assert_eq!(world.call(User::Viewer, &member, &[], "").await.read::<Member>().role, Role::Owner);
    // From here on the giver's own key is an admin's.
    let again = world.call_with(Some(&key), &format!("POST {ws}/transfer"), &[], "{}").await;
    assert_eq!(again.outcome(), "403 forbidden");
    for verb in ["look", "accept", "decline"] {
        assert_eq!(claim(&world, User::Editor, verb, &made.token).await.outcome(), "410 transfer_ended");
    }
}

#[tokio::test]
async fn a_token_is_in_no_other_answer_event_or_error() {
    let world = World::new().await;
    let key = owners(&world).await;
    let ws = format!("/v1/workspaces/{}", world.id());
    let made = offer(&world, &key).await;
    let token = made.token.as_str();
    let secret = &token[token.len() - 40..];
    let mut answers = vec![
        claim(&world, User::Viewer, "accept", token).await,
        claim(&world, User::Foreign, "accept", token).await,
        claim(&world, User::Anonymous, "accept", token).await,
        claim(&world, User::Editor, "look", token).await,
        claim(&world, User::Editor, "look", &token[..token.len() - 1]).await,
        claim(&world, User::Editor, "look", &format!("{token}x")).await,
        claim(&world, User::Editor, "decline", token).await,
        claim(&world, User::Editor, "accept", token).await,
    ];
    for what in ["transfer", "events", "members"] {
        answers.push(world.call(User::Admin, &format!("GET {ws}/{what}"), &[], "").await);
    }
    let outcomes: Vec<_> = answers.iter().map(Answer::outcome).collect();
    assert_eq!(
        outcomes,
        [
            "403 forbidden",
            "403 forbidden",
            "401 key_missing",
            "200",
            "400 invalid_body",
            "400 invalid_body",
            "200",
            "410 transfer_ended",
            "200",
            "200",
            "200"
        ]
    );
    for answer in &answers {
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains(secret) && !text.contains("lsc_0"), "{text}");
    }
}
