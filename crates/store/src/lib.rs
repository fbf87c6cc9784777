//! One async [`Store`] of files, over memory and local disk.
//!
//! A store knows paths and bytes; it never knows users, workspaces or databases. Its types are its own: what
//! a backend is built on never shows. [`Store`] says what each verb promises; `testing::conformance` (feature
//! `testing`) holds every backend to it, and `testing::chaos` makes any store fail on demand.
//!
//! The local disk backend does its work on tokio's blocking threads, so its verbs need a tokio runtime.

#![warn(missing_docs)]

mod backend;
mod batch;
pub mod blocking;
mod capability;
mod digest;
mod error;
mod info;
mod layer;
mod listing;
mod local;
mod memory;
mod path;
mod ranges;
mod read;
mod secret;
mod select;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod whole;
mod write;

pub use backend::{Backend, BoxFuture, BoxStream, WriteSink};
pub use batch::{Outcome, Progress};
pub use capability::{Capability, CapabilitySet};
pub use digest::{Algorithm, Digest};
pub use error::{Error, ErrorKind, Result};
pub use info::{
    ByteRange, Entry, FileInfo, FolderInfo, FolderSummary, List, ListOptions, Metadata, ReadOptions,
    ResultSource, WriteOptions, WriteResult,
};
pub use layer::{CacheOptions, Observation, Op, RateOptions, Timeouts};
pub use listing::Listing;
pub use local::{Durability, LocalOptions};
pub use longshore_flow::RetryPolicy;
pub use path::StorePath;
pub use read::Read;
pub use secret::Secret;
pub use store::Store;
pub use write::{Content, Writer};
