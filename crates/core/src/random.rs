//! The one door to random bytes.

/// Fills `buffer` with random bytes of the operating system.
///
/// # Panics
/// When the operating system has no source of randomness, which no part of Longshore could outlive:
/// keys, tokens and ids would be guessable.
pub fn fill(buffer: &mut [u8]) {
    #[expect(clippy::disallowed_methods, reason = "this is the door the rule speaks of")]
    let filled = getrandom::fill(buffer);
    if let Err(error) = filled {
        panic!("the operating system gave no random bytes: {error}");
    }
}

/// Returns a random number from 0 (inclusive) to 1 (exclusive), for jitter.
#[must_use]
pub fn unit() -> f64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    // 53 bits are what a double can tell apart between 0 and 1.
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}
