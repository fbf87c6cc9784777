//! Moving content: planned, hashed, verified, in constant memory.

pub(crate) mod archive;
pub(crate) mod batch;
mod content;
pub(crate) mod control;
pub(crate) mod delta;
pub(crate) mod destination;
pub(crate) mod download;
pub(crate) mod drop;
pub(crate) mod export;
pub(crate) mod line;
pub(crate) mod many;
pub(crate) mod meter;
pub(crate) mod own;
pub(crate) mod part;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod ranged;
pub(crate) mod reader;
mod single;
pub(crate) mod slots;
pub(crate) mod source;
pub(crate) mod staged;
pub(crate) mod state;
pub(crate) mod threads;
pub(crate) mod upload;
