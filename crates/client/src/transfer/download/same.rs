//! Looking whether a local file is what would be downloaded.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use http::Method;
use longshore_core::wire::Node;
use rustix::fs::{CWD, Mode, OFlags};

use super::{Downloaded, Wanted, route, stated_digest, stated_length};
use crate::client::{Client, Lane};
use crate::error::Result;
use crate::transfer::destination::Destination;
use crate::transfer::reader::hash;
use crate::transfer::threads::blocking;
use crate::transport::body::Body;

/// Returns what stands at a destination, if that is the content already. The server is asked only where a regular file
/// stands, and that is read only where its length is right.
pub(super) async fn find(
    client: &Client,
    wanted: Wanted<'_>,
    destination: &Destination,
) -> Result<Option<Downloaded>> {
    let destination = destination.clone();
    let Some((file, length)) = blocking(move || Ok(open(&destination))).await? else {
        return Ok(None);
    };
    let route = route(client, wanted).await?;
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

/// Returns what stands at a destination, if that is the content of this node, which is believed to stand as it was listed.
pub(crate) async fn find_known(node: &Node, destination: &Destination) -> Result<Option<Downloaded>> {
    let (destination, length) = (destination.clone(), node.size);
    let hashed = blocking(move || {
        let opened = open(&destination).filter(|(_, there)| *there == length);
        Ok(opened.and_then(|(file, length)| hash(file, length)))
    });
    let Some(digest) = hashed.await?.filter(|found| Some(*found) == node.digest) else { return Ok(None) };
    let version = node.version_id;
    Ok(Some(Downloaded { bytes: length, digest, version, reused: length, skipped: true }))
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
