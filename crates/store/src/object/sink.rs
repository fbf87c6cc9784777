//! A file in the making: kept until it is one part long, then on its way in parts.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::again::again;
use super::parts::{Shared, Upload, size_of_part};
use super::service::Service;
use super::{already_exists, exists_at, refuse_taken};
use crate::backend::{BoxFuture, WriteSink};
use crate::error::Result;
use crate::info::{FileInfo, WriteOptions};
use crate::path::StorePath;

/// Chunks smaller than this are put together: each would cost more to keep than its bytes.
const SMALL: usize = 4 * 1024;
const TOGETHER: usize = 64 * 1024;

/// The bytes of the next part, as they came.
#[derive(Default)]
struct Buffer {
    chunks: Vec<Bytes>,
    small: BytesMut,
    size: usize,
}

impl Buffer {
    fn push(&mut self, chunk: Bytes) {
        self.size += chunk.len();
        if chunk.len() < SMALL {
            if self.small.capacity() - self.small.len() < chunk.len() {
                self.flush();
                self.small.reserve(TOGETHER);
            }
            self.small.extend_from_slice(&chunk);
        } else {
            self.flush();
            self.chunks.push(chunk);
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.flush();
        self.size = 0;
        std::mem::take(&mut self.chunks)
    }
}

pub(super) struct ObjectSink<S: Service> {
    shared: Arc<Shared<S>>,
    path: StorePath,
    options: WriteOptions,
    buffer: Buffer,
    size: u64,
    upload: Option<Upload<S>>,
}

impl<S: Service> ObjectSink<S> {
    pub(super) fn new(shared: Arc<Shared<S>>, path: StorePath, options: WriteOptions) -> Self {
        Self { shared, path, options, buffer: Buffer::default(), size: 0, upload: None }
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<()> {
        let first = self.shared.service.limits().part_size;
        self.size += chunk.len() as u64;
        loop {
            let number = self.upload.as_ref().map_or(0, Upload::len);
            let room = size_of_part(first, number) - self.buffer.size;
            // What just fills a part may be the end, which goes in one request.
            if chunk.len() <= room {
                self.buffer.push(chunk);
                return Ok(());
            }
            self.buffer.push(chunk.split_to(room));
            self.send_part().await?;
        }
    }

    /// Sends what is kept as the next part, when there is room for it on the way.
    async fn send_part(&mut self) -> Result<()> {
        let limits = self.shared.service.limits();
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                // Better told now than after all of it was sent.
                if !self.options.overwrite && exists_at(&self.shared.service, &self.path).await? {
                    return Err(already_exists());
                }
                self.upload.insert(Upload::begin(&self.shared, &self.path, &self.options).await?)
            }
        };
        let bytes = self.buffer.size;
        let budget = limits.part_size * limits.parts_in_flight;
        upload.wait_until(limits.parts_in_flight.saturating_sub(1), budget.saturating_sub(bytes)).await?;
        let content = self.buffer.take();
        upload.start(bytes, |shared, id, number| async move {
            again(true, || shared.service.put_part(&id, number, content.clone())).await
        });
        Ok(())
    }

    async fn end(mut self) -> Result<FileInfo> {
        let options = self.options.clone();
        let is_same_twice = options.overwrite || !refuse_taken(&self.shared.service, &self.path).await?;
        let made = if self.upload.is_some() {
            self.send_part().await?;
            match self.upload.take() {
                Some(upload) => upload.complete(options).await?,
                None => return Err(super::error::unexpected("an upload without parts")),
            }
        } else {
            let content = self.buffer.take();
            again(is_same_twice, || self.shared.service.put(&self.path, content.clone(), &options)).await?
        };
        let Self { path, size, options, .. } = self;
        Ok(FileInfo { path, size, media_type: options.media_type, metadata: options.metadata, ..made })
    }
}

impl<S: Service> WriteSink for ObjectSink<S> {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.take(chunk))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(self.end())
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.upload {
                Some(upload) => upload.abort().await,
                None => Ok(()),
            }
        })
    }
}
