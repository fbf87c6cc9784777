//! Google Cloud Storage.
//!
//! `object_store` finds credentials; the requests are ours, for it knows neither an upload in parts with a condition nor every
//! name.

mod config;
mod options;
mod request;
mod service;
mod upload;

pub use self::options::{GcsCredential, GcsOptions};
use self::service::Gcs;
use crate::error::Result;
use crate::object::Objects;
use crate::store::Store;

impl Store {
    /// Opens a bucket of Google Cloud Storage. Nothing is sent before the first verb.
    ///
    /// A file of up to [`GcsOptions::part_size`] bytes goes in one request, a longer one in parts, one after the other. A move is a
    /// copy and a deletion: `AtomicMove` is lacking, `Hierarchy` too. That only one of many writers without `overwrite` wins is
    /// known of Google's own service; at another [`endpoint`](GcsOptions::endpoint) it is tried out by [`ping`](Self::ping) or the
    /// first such write, with an object below `.longshore-tmp/` that is deleted again, and not claimed before.
    pub fn gcs(options: GcsOptions) -> Result<Self> {
        Gcs::new(&options).map(|service| Self::new(Objects::new(service)))
    }
}
