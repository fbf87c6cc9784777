//! Content that goes in one request, made ready for as many attempts as it can be sent in.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use longshore_core::Digest;

use crate::error::{Error, Result};
use crate::transfer::control::Control;
use crate::transfer::plan::is_whole;
use crate::transfer::progress::Report;
use crate::transfer::reader::{self, Hashed, Opened};
use crate::transfer::source::{ByteStream, Source};
use crate::transfer::threads::blocking;
use crate::transport::body::{Body, Sending};

/// Content that is ready to be sent.
pub(in crate::transfer) enum Ready {
    /// In memory, with its digest.
    Memory(Bytes, Digest),
    /// In a file, opened for the first attempt.
    File(PathBuf, Option<Opened>, u64),
    /// In a stream, until that is used up.
    Stream(Option<ByteStream>, Option<u64>),
}

impl Ready {
    pub(in crate::transfer) async fn of(source: Source) -> Result<Self> {
        match source {
            Source::Path(path) => Ok(match open(path.clone()).await? {
                Opened::Whole(bytes, digest) => Self::Memory(bytes, digest),
                Opened::Long(file, length) => Self::File(path, Some(Opened::Long(file, length)), length),
            }),
            Source::Bytes(bytes) if is_whole(bytes.len() as u64) => {
                let digest = reader::digest(&bytes);
                Ok(Self::Memory(bytes, digest))
            }
            Source::Bytes(bytes) => {
                let hashing = bytes.clone();
                let digest = blocking(move || Ok(reader::digest(&hashing))).await?;
                Ok(Self::Memory(bytes, digest))
            }
            Source::Stream { len, stream } => Ok(Self::Stream(Some(stream), len)),
        }
    }

    /// Returns the content's length, where it is known.
    pub(in crate::transfer) fn length(&self) -> Option<u64> {
        match self {
            Self::Memory(bytes, _) => Some(bytes.len() as u64),
            Self::File(_, _, length) => Some(*length),
            Self::Stream(_, length) => *length,
        }
    }

    /// Returns the content's digest, where it is known before anything is sent.
    pub(super) const fn digest(&self) -> Option<Digest> {
        match self {
            Self::Memory(_, digest) => Some(*digest),
            Self::File(..) | Self::Stream(..) => None,
        }
    }

    /// Tells whether it can be read only once.
    pub(in crate::transfer) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(..))
    }

    /// Tells whether it was read, and cannot be again.
    pub(super) const fn is_used_up(&self) -> bool {
        matches!(self, Self::Stream(None, _))
    }

    /// Makes the body of the next attempt, with its digest where it is known before it is sent.
    pub(in crate::transfer) async fn body(
        &mut self,
        control: &Control,
        report: &Report,
        sending: &mut Option<Arc<Sending>>,
    ) -> Result<(Body, Option<Digest>)> {
        let mut watch = || {
            let watched = Sending::new(report.clone());
            *sending = Some(watched.clone());
            watched
        };
        match self {
            Self::Memory(bytes, digest) if is_whole(bytes.len() as u64) => {
                Ok((Body::Whole(bytes.clone()), Some(*digest)))
            }
            Self::Memory(bytes, digest) => Ok((Body::Pieces(bytes.clone(), watch()), Some(*digest))),
            Self::File(path, opened, length) => {
                let opened = match opened.take() {
                    Some(opened) => opened,
                    None => open(path.clone()).await?,
                };
                match opened {
                    Opened::Whole(bytes, digest) => Ok((Body::Whole(bytes), Some(digest))),
                    Opened::Long(file, now) => {
                        *length = now;
                        let sending = watch();
                        let chunks = reader::read_ahead(file, now, path.clone(), sending.clone());
                        Ok((Body::Chunks(control.hold(chunks), Some(now), sending), None))
                    }
                }
            }
            Self::Stream(stream, length) => {
                let stream = stream.take().ok_or_else(|| Error::invalid("a stream can be sent only once"))?;
                let sending = watch();
                let chunks = Box::pin(Hashed::new(stream, *length, sending.clone()));
                Ok((Body::Chunks(control.hold(chunks), *length, sending), None))
            }
        }
    }
}

async fn open(path: PathBuf) -> Result<Opened> {
    blocking(move || reader::open(&path)).await
}
