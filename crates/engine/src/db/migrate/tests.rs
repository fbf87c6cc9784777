use longshore_core::{ManualClock, Timestamp};

use crate::db::{Database, Db};
use crate::error::Result;
use crate::feed::Feeds;

async fn open(folder: &tempfile::TempDir) -> Result<Db> {
    let database = Database::Sqlite(folder.path().join("longshore.db"));
    Ok(Db::open(&database, &ManualClock::new(Timestamp::from_micros(0)), Feeds::new(1, 1)).await?.0)
}

/// Opens a database twice, with a change to its history between.
async fn reopen_after(sql: &'static str) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await?;
    db.write(move |tx| Box::pin(async move { tx.execute(sql, &[]).await })).await?;
    db.close().await;
    open(&folder).await?.close().await;
    Ok(())
}

#[tokio::test]
async fn a_schema_that_is_known_is_left_alone() {
    reopen_after("UPDATE schema_history SET at = 1").await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let refused =
        reopen_after("INSERT INTO schema_history (number, name, digest, at) VALUES (999, 'x', 'x', 0)");
    assert!(refused.await.unwrap_err().detail().contains("newer"));
}

#[tokio::test]
async fn another_schema_is_refused() {
    let refused = reopen_after("UPDATE schema_history SET digest = 'x' WHERE number = 1");
    assert!(refused.await.unwrap_err().detail().contains("not the one known here"));
}
