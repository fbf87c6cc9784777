//! The chunks of a content, listed: by them who has another version finds what the two share.
//!
//! The list is made anew for each who asks: the content never changes, so keeping it beside the blob would only save the
//! reading.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use longshore_core::Code;
use longshore_core::chunks::{ALGORITHM, Chunker, LEAST_CONTENT};

use crate::download::{Content, ContentStream};
use crate::error::{Error, Result};

/// How much content is cut at once: less costs more changes of threads than cutting.
const CUT: usize = 4 * 1024 * 1024;

/// A content that is being cut.
struct Cutting {
    content: ContentStream,
    chunker: Chunker,
    /// How many bytes are still to come.
    left: u64,
}

impl Content {
    /// Lists the chunks of the content as it is read, in the form of [`longshore_core::chunks::MEDIA_TYPE`].
    pub async fn chunks(&self) -> Result<ContentStream> {
        let size = self.version().size;
        if size < LEAST_CONTENT {
            let detail = format!("{size} bytes are fewer than {LEAST_CONTENT}: send the new version whole");
            return Err(Error::new(Code::NotChunked, detail));
        }
        let cutting = Cutting { content: self.read(0..size).await?, chunker: Chunker::default(), left: size };
        let rule = stream::once(async { Ok(Bytes::from(format!("{ALGORITHM}\n"))) });
        let chunks = stream::try_unfold(Some(cutting), |cutting| async {
            match cutting {
                Some(cutting) => cutting.list().await.map(Some),
                None => Ok(None),
            }
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
