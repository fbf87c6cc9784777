//! What callers say of a file, kept in one extended attribute of it: it moves with the file and is durable with it.
//!
//! The attribute holds the media type and then each key and value, with a NUL after each; none of them has one.

use std::os::fd::AsFd;
use std::os::fd::AsRawFd as _;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::errno;
use super::root::Root;
use crate::error::Result;
use crate::info::{FileInfo, Metadata, WriteOptions};

const NAME: &str = "user.longshore.described";

/// More than metadata and a media type can need: with 64 keys at most they stay below 2,500 bytes, which a block of a
/// usual file system has room for.
const MOST: usize = 4 * 1_024;

/// Tells whether the file system keeps attributes, by trying with a folder that is the store's own, or, where there is none,
/// by looking at the root.
pub(super) fn are_kept(root: &Root) -> bool {
    let Some(folder) = root.existing_temporary() else {
        return root.open_folder("").is_ok_and(|folder| {
            let got = rustix::fs::fgetxattr(folder, NAME, &mut [0_u8; MOST][..]);
            !matches!(got, Err(Errno::NOTSUP | Errno::NOSYS | Errno::PERM))
        });
    };
    let name = "user.longshore.probe";
    let set = rustix::fs::fsetxattr(folder, name, b"", XattrFlags::empty());
    // It is only a probe: left behind it does no harm.
    rustix::fs::fremovexattr(folder, name).ok();
    // A disk that is full today keeps attributes all the same.
    !matches!(set, Err(Errno::NOTSUP | Errno::NOSYS | Errno::PERM | Errno::ACCESS))
}

/// Keeps what `options` say with an open file.
pub(super) fn write(file: impl AsFd, options: &WriteOptions) -> Result<()> {
    if options.media_type.is_none() && options.metadata.is_empty() {
        return Ok(());
    }
    let mut text = options.media_type.clone().unwrap_or_default();
    text.push('\0');
    for part in options.metadata.iter().flat_map(|(key, value)| [key, value]) {
        text.push_str(part);
        text.push('\0');
    }
    rustix::fs::fsetxattr(file, NAME, text.as_bytes(), XattrFlags::empty())
        .map_err(|errno| errno::error(errno, "keeping the metadata"))
}

/// Adds what is kept with an open file, which may be open for looking at alone.
///
/// What cannot be read here, or was not written here, is no reason to refuse the file: then nothing is known.
pub(super) fn read(file: impl AsFd, info: &mut FileInfo) {
    let mut buffer = vec![0_u8; MOST];
    let mut got = rustix::fs::fgetxattr(&file, NAME, buffer.as_mut_slice());
    if got == Err(Errno::BADF) {
        // A descriptor for looking alone has attributes only by its name in `/proc`.
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        got = rustix::fs::getxattr(path, NAME, buffer.as_mut_slice());
    }
    let Ok(size) = got else { return };
    buffer.truncate(size);
    if let Some((media_type, metadata)) = String::from_utf8(buffer).ok().as_deref().and_then(parse) {
        info.media_type = media_type;
        info.metadata = metadata;
    }
}

/// Reads what [`write`] has kept.
fn parse(text: &str) -> Option<(Option<String>, Metadata)> {
    let (media_type, mut rest) = text.split_once('\0')?;
    let mut metadata = Metadata::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('\0')?;
        let (value, after) = after.split_once('\0')?;
        metadata.insert(key.to_owned(), value.to_owned());
        rest = after;
    }
    Some(((!media_type.is_empty()).then(|| media_type.to_owned()), metadata))
}
