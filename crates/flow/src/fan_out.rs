//! Many of the same at once, never more than a bound, failures as values.

use futures_util::stream::{self, Stream, StreamExt};

#[cfg(test)]
mod tests;

/// Runs `verb` on every input, at most `limit` at once, and yields what they return as they finish.
///
/// Nothing is done before the stream is polled, inputs are taken only as there is room, and no outcome stops
/// the others: a `Result` is a value here. All run within the task that polls, so dropping the stream drops
/// whatever is in flight, and a slow reader slows the work instead of filling memory. A `limit` of 0 counts
/// as 1.
pub fn fan_out<I, F, W>(inputs: I, limit: usize, verb: F) -> impl Stream<Item = W::Output>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> W,
    W: Future,
{
    fan_out_stream(stream::iter(inputs), limit, verb)
}

/// Does what [`fan_out`] does, and yields in the order of the inputs.
///
/// One that takes long holds up those behind it: what is done waits for it and counts as running, so that no more than
/// `limit` outcomes are ever in memory.
pub fn fan_out_ordered<I, F, W>(inputs: I, limit: usize, verb: F) -> impl Stream<Item = W::Output>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> W,
    W: Future,
{
    stream::iter(inputs).map(verb).buffered(limit.max(1))
}

/// Does what [`fan_out`] does with inputs that come as a stream.
pub fn fan_out_stream<S, F, W>(inputs: S, limit: usize, verb: F) -> impl Stream<Item = W::Output>
where
    S: Stream,
    F: FnMut(S::Item) -> W,
    W: Future,
{
    inputs.map(verb).buffer_unordered(limit.max(1))
}
