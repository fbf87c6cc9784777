//! `opendal`.

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::StreamExt;
use opendal::{EntryMode, Operator, services};

use crate::{PART, PARTS_AT_ONCE, Task, chunks};

pub(crate) struct Peer(Operator);

impl Peer {
    pub(crate) fn open(task: &Task) -> Result<Self> {
        Ok(Self(match task.kind.as_str() {
            "memory" => Operator::new(services::Memory::default())?,
            // Otherwise a reader could see half a file, which none of the others allows.
            "local" => Operator::new(
                services::Fs::default().root(&task.root).atomic_write_dir(&format!("{}/.tmp", task.root)),
            )?,
            "s3" => Operator::new(
                services::S3::default()
                    .bucket(&task.root)
                    .region("us-east-1")
                    .endpoint(&task.endpoint)
                    .access_key_id(&task.user)
                    .secret_access_key(&task.secret),
            )?,
            "sftp" => Operator::new(
                services::Sftp::default()
                    .endpoint(&format!("ssh://{}", task.endpoint))
                    .user(&task.user)
                    .key(&task.key)
                    .known_hosts_strategy("accept")
                    .root(&task.root),
            )?,
            other => bail!("no opendal for {other}"),
        }))
    }

    pub(crate) async fn read(&self, path: &str) -> Result<u64> {
        Ok(self.0.read(path).await?.len() as u64)
    }

    pub(crate) async fn stream(&self, path: &str) -> Result<u64> {
        let mut chunks = self.0.reader(path).await?.into_bytes_stream(..).await?;
        let mut size = 0;
        while let Some(chunk) = chunks.next().await {
            size += chunk?.len() as u64;
        }
        Ok(size)
    }

    pub(crate) async fn write(&self, path: &str, content: Bytes) -> Result<()> {
        self.0.write(path, content).await?;
        Ok(())
    }

    pub(crate) async fn put(&self, path: &str, size: u64) -> Result<()> {
        let mut writer = self.0.writer_with(path).chunk(PART).concurrent(PARTS_AT_ONCE).await?;
        for chunk in chunks(size) {
            writer.write(chunk).await?;
        }
        writer.close().await?;
        Ok(())
    }

    /// Sizes included, as the others give them.
    pub(crate) async fn list(&self, path: &str) -> Result<u64> {
        let mut entries = self.0.lister(&format!("{path}/")).await?;
        let mut count = 0;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if entry.metadata().mode() == EntryMode::FILE {
                count += 1;
            }
        }
        Ok(count)
    }
}
