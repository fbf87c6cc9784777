//! Longshore's store.

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use longshore_store::{Config, Content, List, ReadOptions, Store, WriteOptions};

use crate::{PART, PARTS_AT_ONCE, Task, chunks};

pub(crate) struct Peer(Store);

impl Peer {
    pub(crate) fn open(task: &Task) -> Result<Self> {
        let config = match task.kind.as_str() {
            "memory" => Config::parse("memory:")?,
            // As the others: nobody flushes.
            "local" => Config::parse(&format!("file://{}", task.root))?.with_option("durability", "none"),
            "s3" => Config::parse(&format!("s3://{}", task.root))?
                .with_option("endpoint", &task.endpoint)
                .with_option("allow_http", "true")
                .with_option("access_key_id", &task.user)
                .with_option("secret_access_key", &task.secret)
                .with_option("part_size", &PART.to_string())
                .with_option("parts_in_flight", &PARTS_AT_ONCE.to_string()),
            _ => Config::parse(&format!("sftp://{}@{}{}", task.user, task.endpoint, task.root))?
                .with_option("key_file", &task.key)
                .with_option("known_hosts", &task.known_hosts),
        };
        Ok(Self(Store::open(config)?))
    }

    pub(crate) async fn read(&self, path: &str) -> Result<u64> {
        Ok(self.0.read_bytes(path).await?.len() as u64)
    }

    pub(crate) async fn stream(&self, path: &str) -> Result<u64> {
        let mut read = self.0.read(path, ReadOptions::default()).await?;
        let mut size = 0;
        while let Some(chunk) = read.next_chunk().await? {
            size += chunk.len() as u64;
        }
        Ok(size)
    }

    pub(crate) async fn write(&self, path: &str, content: Bytes) -> Result<()> {
        self.0.write(path, content, WriteOptions::OVERWRITE).await?;
        Ok(())
    }

    pub(crate) async fn put(&self, path: &str, size: u64) -> Result<()> {
        let content = Content::stream(stream::iter(chunks(size)).map(Ok));
        self.0.write(path, content, WriteOptions::OVERWRITE).await?;
        Ok(())
    }

    pub(crate) async fn list(&self, path: &str) -> Result<u64> {
        let mut listing = self.0.list_files(path, &List::CHILDREN)?;
        let mut entries = 0;
        while listing.next_entry().await?.is_some() {
            entries += 1;
        }
        Ok(entries)
    }
}
