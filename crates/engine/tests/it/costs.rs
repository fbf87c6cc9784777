//! What passwords cost, when that changes.

use std::sync::Arc;

use longshore_core::wire::{HiddenText, SignIn};
use longshore_core::{Code, SystemClock};
use longshore_engine::{Browser, Database, Engine, PasswordCost, Settings, WayIn};
use longshore_store::Store;

use crate::world::refused;

const OLD: PasswordCost = PasswordCost { memory_kib: 64, passes: 1 };
const NEW: PasswordCost = PasswordCost { memory_kib: 128, passes: 2 };

async fn sign_in(engine: &Engine, password: &str) -> longshore_engine::Result<u64> {
    let before = engine.password_work();
    let wanted = SignIn { name: "root".to_owned(), password: HiddenText::new(password) };
    engine.sign_in(wanted, Browser::default()).await?;
    Ok(engine.password_work() - before)
}

#[tokio::test]
async fn a_password_is_hashed_anew_when_its_person_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let (database, store) = (Database::Sqlite(folder.path().join("longshore.db")), Store::memory());
    let open = |password_cost| {
        let settings = Settings { password_cost, ..Settings::default() };
        Engine::open(settings, &database, store.clone(), Arc::new(SystemClock))
    };
    let engine = open(OLD).await.unwrap();
    engine.initialise().await.unwrap();
    let root = engine.administrators().await.unwrap().remove(0).principal.id;
    let password = HiddenText::new("correct horse");
    let way = WayIn::Password { sign_in_name: Some("root".to_owned()), password };
    engine.recover(root, way).await.unwrap();
    assert_eq!(sign_in(&engine, "correct horse").await.unwrap(), 64);
    engine.close().await;
    let engine = open(NEW).await.unwrap();
    refused(sign_in(&engine, "another horse").await, Code::SignInFailed);
    // Two who come at once both come in, whichever hash is kept.
    let (one, two) = tokio::join!(sign_in(&engine, "correct horse"), sign_in(&engine, "correct horse"));
    one.and(two).unwrap();
    assert_eq!(sign_in(&engine, "correct horse").await.unwrap(), 256);
    engine.close().await;
}
