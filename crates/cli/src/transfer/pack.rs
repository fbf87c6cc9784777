//! Small files put together, so that many go in one request.

use futures_util::stream::{self, Stream, StreamExt};

/// What is small: more of it in one request would save little, and hold up what fails and is sent again.
pub(crate) const SMALL: u64 = 128 * 1_024;
/// A pack is full with so many files, or so many bytes.
const FILES: usize = 128;
const BYTES: u64 = 4 * 1_024 * 1_024;

/// What goes at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pack<T> {
    /// One item, by itself.
    One(T),
    /// Small items together.
    Many(Vec<T>),
}

/// Puts the items together whose size `small` tells; the others pass at once. Nothing is held back for longer than it
/// takes to fill a pack, or for the items to end.
pub(crate) fn pack<T, S>(items: S, small: impl Fn(&T) -> Option<u64>) -> impl Stream<Item = Pack<T>>
where
    S: Stream<Item = T>,
{
    let open = (Box::pin(items.fuse()), Vec::new(), 0, small);
    stream::unfold(open, async |(mut items, mut held, mut bytes, small)| {
        loop {
            let packed = match items.next().await {
                Some(item) => match small(&item) {
                    None => Pack::One(item),
                    Some(size) => {
                        held.push(item);
                        bytes += size;
                        if held.len() < FILES && bytes < BYTES {
                            continue;
                        }
                        bytes = 0;
                        Pack::Many(std::mem::take(&mut held))
                    }
                },
                None if held.is_empty() => return None,
                None => Pack::Many(std::mem::take(&mut held)),
            };
            let packed = match packed {
                // What is alone needs no company.
                Pack::Many(mut items) if items.len() == 1 => items.pop().map(Pack::One)?,
                packed => packed,
            };
            return Some((packed, (items, held, bytes, small)));
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::{Pack, SMALL, pack};

    async fn packed(sizes: Vec<u64>) -> Vec<Pack<u64>> {
        let small = |size: &u64| (*size <= SMALL).then_some(*size);
        pack(stream::iter(sizes), small).collect().await
    }

    #[tokio::test]
    async fn small_items_go_together_and_all_go() {
        assert_eq!(packed(vec![]).await, []);
        assert_eq!(packed(vec![7]).await, [Pack::One(7)]);
        let large = SMALL + 1;
        assert_eq!(packed(vec![1, large, 2]).await, [Pack::One(large), Pack::Many(vec![1, 2])]);
        let of_count = packed(vec![0; 300]).await;
        let sizes: Vec<_> =
            of_count.iter().map(|pack| matches!(pack, Pack::Many(items) if items.len() == 128)).collect();
        assert_eq!(sizes, [true, true, false]);
        assert_eq!(packed(vec![SMALL; 33]).await.len(), 2, "full by its bytes");
    }
}
