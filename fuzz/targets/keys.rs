//! Keys, lock tokens and ids: what is taken is its own text, and nothing else is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::key::ApiKey;
use longshore_core::{LockToken, NodeId, Timestamp};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<ApiKey>() {
        assert_eq!(key.reveal(), text);
        assert!(!format!("{key:?}").contains(&text[35..]));
    }
    if let Ok(token) = text.parse::<LockToken>() {
        assert_eq!(token.reveal(), text);
    }
    if let Ok(id) = text.parse::<NodeId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse::<Timestamp>().expect("its own text"), time);
    }
});
