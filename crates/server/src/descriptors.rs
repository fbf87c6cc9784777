//! File descriptors: every connection takes one, every blob that is read or written takes one, and a process
//! has only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What stays free of connections: the database, the listening socket, the log, folders that are flushed.
const RESERVED: u64 = 256;

/// What a connection takes at most: its socket, and the blob that it reads or writes.
const EACH: u64 = 2;

/// Raises this process's limit of open files as far as it may, and returns how many of the `wanted` connections
/// fit below it.
///
/// The limit that a process starts with is often 1,024, for programs that cannot count further. More connections
/// than that, even silent ones, would leave nothing to open a file with.
pub(crate) fn connections(wanted: usize) -> usize {
    let limit = raise();
    let fitting = limit.map_or(wanted, |limit| wanted.min(fitting(limit)));
    if fitting < wanted {
        tracing::warn!(
            limit,
            connections = fitting,
            "the limit of open files (`ulimit -n`) is too low for server.max_connections"
        );
    }
    fitting
}

/// Returns the limit that holds now; nothing where there is none.
fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, ?current, "cannot raise the limit of open files");
            current
        }
    }
}

/// Returns how many connections fit below a limit of open files, at least one.
fn fitting(limit: u64) -> usize {
    let fitting = limit.saturating_sub(RESERVED) / EACH;
    usize::try_from(fitting).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::{connections, fitting};

    #[test]
    fn connections_leave_descriptors_for_files() {
        assert_eq!(fitting(1_024), 384);
        assert_eq!(fitting(20_000), 9_872);
        assert_eq!(fitting(u64::MAX), (u64::MAX - 256) as usize / 2);
        for limit in [256, 257, 258, 1_024, 4_096] {
            let connections = fitting(limit) as u64;
            assert!(connections >= 1 && (connections == 1 || connections * 2 + 256 <= limit), "{limit}");
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_may() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // A little lower, and so never in the way of other tests of this process.
        let Some(hard) = maximum.filter(|hard| *hard > 1) else {
            return;
        };
        setrlimit(Resource::Nofile, Rlimit { current: Some(hard - 1), maximum }).unwrap();
        assert_eq!(connections(1), 1);
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        assert_eq!(connections(usize::MAX), fitting(hard));
    }
}
