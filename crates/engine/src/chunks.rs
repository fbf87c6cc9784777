//! The chunks of a content, listed: by them who has another version finds what the two share.
//!
//! To make a list the whole content is read. It never changes, so the lists that were asked for last are kept in memory,
//! as far as there is room for them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use longshore_core::chunks::{ALGORITHM, Chunker, LEAST_CONTENT};
use longshore_core::{Code, VersionId};

use crate::download::{Content, ContentStream};
use crate::engine::Engine;
use crate::error::{Error, Result};

mod kept;

pub(crate) use kept::ChunkLists;

/// How much content is cut at once: less costs more changes of threads than cutting.
const CUT: usize = 4 * 1024 * 1024;

/// A content that is being cut.
struct Cutting {
    content: ContentStream,
    chunker: Chunker,
    /// How many bytes are still to come.
    left: u64,
}

/// A list that is being made, for who asks next. Dropping it keeps nothing.
struct Gathering {
    lists: Arc<ChunkLists>,
    version: VersionId,
    /// Nothing once it is longer than what is kept.
    list: Option<BytesMut>,
}

impl Gathering {
    fn add(&mut self, part: &[u8]) {
        let fits = |list: &BytesMut| list.len() + part.len() <= self.lists.longest();
        self.list = self.list.take().filter(fits);
        if let Some(list) = &mut self.list {
            list.extend_from_slice(part);
        }
    }

    fn keep(self) {
        if let Some(list) = self.list {
            // What it grew by is given back.
            self.lists.put(self.version, Bytes::copy_from_slice(&list));
        }
    }
}

impl Engine {
    /// Lists the chunks of a content as it is read, in the form of [`longshore_core::chunks::MEDIA_TYPE`].
    pub async fn list_chunks(&self, content: &Content) -> Result<ContentStream> {
        let (version, size) = (content.version().id, content.version().size);
        if size < LEAST_CONTENT {
            let detail = format!("{size} bytes are fewer than {LEAST_CONTENT}: send the new version whole");
            return Err(Error::new(Code::NotChunked, detail));
        }
        let rule = stream::once(async { Ok(Bytes::from(format!("{ALGORITHM}\n"))) });
        let lists = Arc::clone(self.chunk_lists());
        if let Some(list) = lists.get(version) {
            return Ok(rule.chain(stream::once(async { Ok(list) })).boxed());
        }
        let cutting =
            Cutting { content: content.read(0..size).await?, chunker: Chunker::default(), left: size };
        let gathering = Gathering { lists, version, list: Some(BytesMut::new()) };
        let chunks = stream::try_unfold(Some((cutting, gathering)), |making| async {
            let Some((cutting, mut gathering)) = making else { return Ok(None) };
            let (part, rest) = cutting.list().await?;
            gathering.add(&part);
            Ok(Some(match rest {
                Some(cutting) => (part, Some((cutting, gathering))),
                None => {
                    gathering.keep();
                    (part, None)
                }
            }))
        });
        Ok(rule.chain(chunks).boxed())
    }
}

impl Cutting {
    /// Lists the next chunks; with the last ones there is no more to cut.
    async fn list(mut self) -> Result<(Bytes, Option<Self>)> {
        let (mut bites, mut held) = (Vec::new(), 0);
        while held < CUT {
            let Some(bite) = self.content.try_next().await? else { break };
            held += bite.len();
            bites.push(bite);
        }
        self.left = self
            .left
            .checked_sub(held as u64)
            .ok_or_else(|| Error::corrupt("a content goes on past its end"))?;
        if held < CUT && self.left > 0 {
            return Err(Error::corrupt(format_args!("a content ends {} bytes before its end", self.left)));
        }
        let Self { content, mut chunker, left } = self;
        let cut = tokio::task::spawn_blocking(move || {
            let mut list = Vec::new();
            for bite in bites {
                chunker.update(&bite, |chunk| list.extend(chunk.to_bytes()));
            }
            if left > 0 {
                return (list, Some(chunker));
            }
            chunker.finish(|chunk| list.extend(chunk.to_bytes()));
            (list, None)
        });
        let (list, chunker) = cut
            .await
            .map_err(|_| Error::new(Code::ShuttingDown, "the cutting of a content was torn down"))?;
        Ok((list.into(), chunker.map(|chunker| Self { content, chunker, left })))
    }
}
