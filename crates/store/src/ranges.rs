//! Many ranges of one file at once.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::capability::Capability;
use crate::error::{Error, Result};
use crate::info::{ByteRange, ReadOptions};
use crate::store::Store;

/// Ranges with no more than this between them are read as one: a gap costs less than another request.
const GAP: u64 = 64 * 1024;

/// How many reads are under way at once.
const AT_ONCE: usize = 8;

impl Store {
    /// Reads ranges of one file, in the order asked for, all of the same content: where the file is replaced meanwhile, and
    /// the backend can tell ([`Capability::ConditionalRead`]), it is `PreconditionFailed`.
    ///
    /// Ranges that touch, or nearly do, are read together; each is cut to the file as [`ByteRange`] says.
    pub async fn read_ranges(&self, path: &str, ranges: &[ByteRange]) -> Result<Vec<Bytes>> {
        let info = self.file_info(path).await?;
        let wanted: Vec<_> = ranges.iter().map(|range| range.within(info.size)).collect();
        let if_match = info.etag.filter(|_| self.supports(Capability::ConditionalRead));
        let spans = merged(&wanted);
        let pieces: Vec<(u64, Bytes)> = stream::iter(spans)
            .map(|span| {
                let options =
                    ReadOptions { range: ByteRange::from(span.clone()), if_match: if_match.clone() };
                async move { Ok::<_, Error>((span.start, self.read(path, options).await?.bytes().await?)) }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(wanted.into_iter().map(|range| cut(&pieces, range.start, range.end)).collect())
    }
}

/// Returns the spans to read, apart from each other and in order.
fn merged(wanted: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = wanted.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|range| (range.start, range.end));
    let mut spans: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match spans.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP) => last.end = last.end.max(range.end),
            _ => spans.push(range),
        }
    }
    spans
}

/// Returns a range's bytes out of the piece that it lies in. A piece may be shorter than asked for only where the file
/// became so, and then the range is as well.
fn cut(pieces: &[(u64, Bytes)], start: u64, end: u64) -> Bytes {
    let piece = pieces.partition_point(|(first, _)| *first <= start).checked_sub(1);
    let Some((first, bytes)) = piece.and_then(|piece| pieces.get(piece)) else {
        return Bytes::new();
    };
    let place = |offset: u64| usize::try_from(offset - first).unwrap_or(usize::MAX).min(bytes.len());
    if start >= end { Bytes::new() } else { bytes.slice(place(start)..place(end)) }
}

#[cfg(test)]
mod tests {
    use super::{GAP, merged};

    #[test]
    fn ranges_that_nearly_touch_are_one_span() {
        let far = 10 * GAP;
        assert_eq!(merged(&[5..5, far..far + 1, 3..9, 0..4, 9 + GAP..20 + GAP]), [0..20 + GAP, far..far + 1]);
        assert_eq!(merged(&[0..1, 2 + GAP..3 + GAP]), [0..1, 2 + GAP..3 + GAP]);
        assert!(merged(&[]).is_empty());
    }
}
