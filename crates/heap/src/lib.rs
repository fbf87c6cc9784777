//! How the heap of a program with many threads is kept small.
//!
//! This is the one crate with unsafe code, a single call of C: see docs/adr/0010.

/// Keeps the heap in two arenas, where the C library is glibc; returns whether it does.
///
/// glibc gives up to eight arenas for each core, and what one thread has freed in one of them is of no use to a thread of
/// another. A server whose buffers are made on one thread and dropped on another then holds several times what it uses. To be
/// called before there are other threads.
#[must_use]
pub fn keep_in_two_arenas() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "there is no safe call for it; docs/adr/0010")]
    // SAFETY: `mallopt` takes two numbers and holds the allocator's own lock while it changes one of its settings; no memory
    // that was or will be given out becomes another's.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2) == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    #[test]
    fn the_c_library_takes_it() {
        assert!(super::keep_in_two_arenas());
    }
}
