//! `object_store`, as fast as its options make it: S3 payloads are not signed.

use std::sync::Arc;

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::{PART, PARTS_AT_ONCE, Task, chunks};

pub(crate) struct Peer(Arc<dyn ObjectStore>);

impl Peer {
    pub(crate) fn open(task: &Task) -> Result<Self> {
        Ok(Self(match task.kind.as_str() {
            "memory" => Arc::new(InMemory::new()),
            "local" => Arc::new(LocalFileSystem::new_with_prefix(&task.root)?),
            "s3" => Arc::new(
                AmazonS3Builder::new()
                    .with_bucket_name(&task.root)
                    .with_region("us-east-1")
                    .with_endpoint(&task.endpoint)
                    .with_allow_http(true)
                    .with_access_key_id(&task.user)
                    .with_secret_access_key(&task.secret)
                    .with_unsigned_payload(true)
                    .build()?,
            ),
            other => bail!("object_store has no {other}"),
        }))
    }

    pub(crate) async fn read(&self, path: &str) -> Result<u64> {
        Ok(self.0.get(&Path::parse(path)?).await?.bytes().await?.len() as u64)
    }

    pub(crate) async fn stream(&self, path: &str) -> Result<u64> {
        let mut chunks = self.0.get(&Path::parse(path)?).await?.into_stream();
        let mut size = 0;
        while let Some(chunk) = chunks.next().await {
            size += chunk?.len() as u64;
        }
        Ok(size)
    }

    pub(crate) async fn write(&self, path: &str, content: Bytes) -> Result<()> {
        self.0.put(&Path::parse(path)?, content.into()).await?;
        Ok(())
    }

    pub(crate) async fn put(&self, path: &str, size: u64) -> Result<()> {
        let upload = self.0.put_multipart(&Path::parse(path)?).await?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        for chunk in chunks(size) {
            writer.wait_for_capacity(PARTS_AT_ONCE).await?;
            writer.put(chunk);
        }
        writer.finish().await?;
        Ok(())
    }

    pub(crate) async fn list(&self, path: &str) -> Result<u64> {
        let mut entries = self.0.list(Some(&Path::parse(path)?));
        let mut count = 0;
        while let Some(entry) = entries.next().await {
            entry?;
            count += 1;
        }
        Ok(count)
    }
}
