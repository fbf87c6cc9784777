//! One async [`Store`] of files, over memory, local disk and what else there is a backend for.
//!
//! A store knows paths and bytes; it never knows users, workspaces or databases. Its types are its own: what
//! a backend is built on never shows. [`Store`] says what each verb promises; `testing::conformance` (feature
//! `testing`) holds every backend to it, and `testing::chaos` makes any store fail on demand.
//!
//! ```
//! use std::time::Duration;
//!
//! use longshore_store::{CacheOptions, List, ReadOptions, RetryPolicy, Store, WriteOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), longshore_store::Error> {
//! let store = Store::memory()
//!     .with_retry(RetryPolicy::default())
//!     .with_cache(CacheOptions { ttl: Duration::from_secs(10), ..CacheOptions::default() });
//!
//! store.write("reports/may.csv", "day,ships\n1,4\n", WriteOptions::default()).await?;
//! let again = store.write("reports/may.csv", "", WriteOptions::default()).await;
//! assert!(again.is_err(), "a standing file is replaced only when asked");
//!
//! let reports = store.child("reports")?; // a store of that folder alone
//! assert_eq!(reports.read_text("may.csv").await?, "day,ships\n1,4\n");
//!
//! let mut chunks = reports.read("may.csv", ReadOptions::range(10..13)).await?;
//! while let Some(chunk) = chunks.next_chunk().await? {
//!     assert_eq!(&chunk[..], b"1,4");
//! }
//!
//! // A large file is written piece by piece, and is there as a whole or not at all.
//! let mut file = reports.open_write("june.csv", WriteOptions::default()).await?;
//! for day in 1..=30 {
//!     file.write(format!("{day},0\n")).await?;
//! }
//! assert!(!reports.exists("june.csv").await?);
//! file.finish().await?;
//!
//! let mut files = store.list_files("", &List::ALL.matching("*.csv"))?;
//! let mut count = 0;
//! while let Some(file) = files.next_entry().await? {
//!     count += u64::from(file.size > 0);
//! }
//! assert_eq!(count, 2);
//! # Ok(())
//! # }
//! ```
//!
//! # In front of a store
//! Each of these returns a store, over any store, and they go well together; the one that was put on last is asked first.
//! [`Store::with_retry`] (further attempts, and streams that go on where they broke off), [`Store::with_timeouts`],
//! [`Store::with_limit`] (so many steps at once), [`Store::with_rate`] (so many steps and bytes in a second),
//! [`Store::with_cache`], [`Store::observed`] (who is told of each step). A store of one folder is [`Store::child`].
//!
//! # Without async
//! [`blocking::Store`] is the same store for threads that may wait, with files as [`std::io`] reads and writes them.
//!
//! The backends on the local disk and on servers do their work on a tokio runtime, so their verbs need one;
//! [`blocking::Store`] brings it along.

#![warn(missing_docs)]

mod adls;
mod azure;
mod backend;
mod batch;
pub mod blocking;
mod capability;
mod config;
mod digest;
mod error;
mod gcs;
mod http;
mod info;
mod layer;
mod listing;
mod local;
mod memory;
mod object;
mod open;
#[cfg(feature = "opendal")]
mod opendal;
mod own_names;
mod path;
mod presign;
mod ranges;
mod read;
mod s3;
mod secret;
mod select;
mod sftp;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod whole;
mod write;
mod xml;

pub use azure::{AzureCredential, AzureOptions};
pub use backend::{Backend, BoxFuture, BoxStream, WriteSink};
pub use batch::{Outcome, Progress};
pub use capability::{Capability, CapabilitySet};
pub use config::Config;
pub use digest::{Algorithm, Digest};
pub use error::{Error, ErrorKind, Result};
pub use gcs::{GcsCredential, GcsOptions};
pub use info::{
    ByteRange, Entry, FileInfo, FolderInfo, FolderSummary, List, ListOptions, Metadata, ReadOptions,
    ResultSource, WriteOptions, WriteResult,
};
pub use layer::{CacheOptions, Observation, Op, RateOptions, Timeouts};
pub use listing::Listing;
pub use local::{Durability, LocalOptions};
pub use longshore_flow::RetryPolicy;
pub use path::StorePath;
pub use presign::PresignOptions;
pub use read::Read;
pub use s3::{S3Credentials, S3Options};
pub use secret::Secret;
pub use sftp::{HostKeys, SftpOptions};
pub use store::Store;
pub use write::{Content, Writer};
