//! Moving content: planned, hashed, verified, in constant memory.

pub(crate) mod archive;
pub(crate) mod destination;
pub(crate) mod download;
pub(crate) mod many;
pub(crate) mod part;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod reader;
pub(crate) mod source;
pub(crate) mod upload;
