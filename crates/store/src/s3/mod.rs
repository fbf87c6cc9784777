//! S3 and what speaks like it.
//!
//! `object_store` finds credentials and signs addresses; the requests are ours, for it knows neither every key nor every condition:
//! keys with control characters, folder markers, `CompleteMultipartUpload` and copies that replace nothing.
//! `probe` finds out whether the service keeps conditions, which many that call themselves S3 do not.

mod claim;
mod config;
mod document;
mod options;
mod probe;
mod request;
mod service;
mod signature;

pub use self::options::{S3Credentials, S3Options};
use self::service::S3;
use crate::error::Result;
use crate::object::Objects;
use crate::store::Store;

impl Store {
    /// Opens a bucket of S3, or of a service that speaks like it. Nothing is sent before the first verb.
    ///
    /// A file of up to [`S3Options::part_size`] bytes goes in one request, a longer one in parts. A copy of more than 5 GiB is put
    /// together from parts by the service. A move is a copy and a deletion: `AtomicMove` is lacking, `Hierarchy` too. `Durable`
    /// is claimed, because the service is what acknowledges.
    ///
    /// # Creating
    /// That only one of many writers without `overwrite` wins is a promise of the service
    /// ([`Capability::AtomicCreate`](crate::Capability)), which many do not keep: they answer 200 and replace. So it is tried out
    /// once, by [`ping`](Self::ping) or the first write without `overwrite`, with a small object below `.longshore-tmp/` that is
    /// deleted again: both with a request and with an upload in parts. Until then the capability is not claimed, and after that
    /// only if the service kept the condition. Where it does not, such writes look first, which is no protection from others who
    /// write the same file at the same time. A probe that failed is tried again next time, one that was denied after ten minutes.
    ///
    /// Nobody can try out whether a service keeps the condition of an upload in parts when many are completed at once, and not all
    /// do. So at any other `endpoint` than that of AWS who completes one claims its key first, with a small object below
    /// `.longshore-tmp/` as well.
    pub fn s3(options: S3Options) -> Result<Self> {
        Ok(Self::new(Objects::new(S3::new(options)?)))
    }
}
