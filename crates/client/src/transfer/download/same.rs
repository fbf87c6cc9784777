//! Looking whether a local file is what would be downloaded.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use blake3::Hasher;
use http::Method;
use longshore_core::Digest;
use rustix::fs::{CWD, Mode, OFlags};

use super::file::blocking;
use super::{Downloaded, route, stated_digest, stated_length};
use crate::api::files::Content;
use crate::client::{Client, Lane};
use crate::error::Result;
use crate::transfer::destination::Destination;
use crate::transfer::reader::finish;
use crate::transport::body::Body;

/// How much of a file is read at once.
const BITE: usize = 256 * 1024;

/// Returns what stands at a destination, if that is the content already. The server is asked only where a regular file
/// stands, and that is read only where its length is right.
pub(super) async fn find(
    client: &Client,
    content: &Content,
    destination: &Destination,
) -> Result<Option<Downloaded>> {
    let destination = destination.clone();
    let Some((file, length)) = blocking(move || Ok(open(&destination))).await? else {
        return Ok(None);
    };
    let route = route(client, content).await?;
    let request = client.request(Method::HEAD, &route, Body::Empty)?;
    let answer = client.send(request, None, Lane::Common).await?;
    let (stated, digest) = (stated_length(&answer), stated_digest(&answer)?);
    let version = answer.header("etag").and_then(|tag| tag.trim_matches('"').parse().ok());
    // Some servers leave the length of an empty answer out.
    let Some(digest) = digest.filter(|_| stated.is_none_or(|stated| stated == length)) else {
        return Ok(None);
    };
    let found = blocking(move || Ok(hash(file, length))).await?;
    Ok((found == Some(digest)).then_some(Downloaded {
        bytes: length,
        digest,
        version,
        reused: length,
        skipped: true,
    }))
}

/// Opens a regular file and returns its length; nothing for all else.
fn open(destination: &Destination) -> Option<(File, u64)> {
    let (folder, path) = match destination {
        Destination::Path(path) => (CWD, path.as_path()),
        Destination::In { folder, name } => (folder.as_fd(), Path::new(name)),
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((file, metadata.len()))
}

/// Hashes a file of this length; nothing if it cannot be read, or has another by now.
fn hash(mut file: File, length: u64) -> Option<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BITE];
    loop {
        let read = file.read(&mut buffer).ok()?;
        if read == 0 {
            return (hasher.count() == length).then(|| finish(&hasher));
        }
        hasher.update(&buffer[..read]);
    }
}
