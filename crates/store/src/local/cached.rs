//! What the kernel has in memory, answered on the thread that asks.
//!
//! The way to a blocking thread and back costs several times what all else does for a small file. So the kernel is asked first
//! in ways that never wait for a disk (`RESOLVE_CACHED`, `RWF_NOWAIT`), on file systems known to keep to that; whatever is not
//! to be had so, an error of any kind too, goes the long way, which decides.

use bytes::Bytes;
use futures_util::stream;
use rustix::fs::{FileType, OFlags};

use super::root::stat_open;
use super::{Shared, described, errno, info_of, read, stat_opened};
use crate::error::Result;
use crate::info::{Entry, ReadOptions};
use crate::path::StorePath;
use crate::read::Read;

/// How many bytes are copied at most on a thread that others wait for as well.
const MOST: usize = 64 * 1024;

/// Reads a small file, or a small range of one, if all of it is in memory.
pub(super) fn read(shared: &Shared, path: &StorePath, options: &ReadOptions) -> Option<Result<Read>> {
    let file = shared.root.open_cached(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let stat = stat_open(&file).ok()?;
    if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::RegularFile {
        return None;
    }
    let range = options.range.within(stat.stx_size);
    let most = MOST.min(shared.options.read_chunk);
    let size = usize::try_from(range.end - range.start).ok().filter(|size| *size <= most)?;
    let content = if size == 0 {
        Vec::new()
    } else {
        match shared.root.disk.read_cached(&file, size, range.start) {
            Ok(content) => content?,
            Err(errno) => {
                shared.root.refuse_cached(errno);
                return (!errno::is_unsupported(errno)).then(|| Err(errno::error(errno, "reading")));
            }
        }
    };
    let info = described(shared, &file, info_of(path.clone(), &stat));
    let chunk = (size > 0).then(|| Ok(Bytes::from(content)));
    Some(read::check_tag(options, &info).map(|()| Read::new(info, range, stream::iter(chunk))))
}

/// Looks at what stands at a path, if that is in memory.
pub(super) fn stat(shared: &Shared, path: &StorePath) -> Option<Result<Entry>> {
    let file = shared.root.open_cached(path, OFlags::PATH)?;
    Some(stat_opened(shared, path, &file))
}
