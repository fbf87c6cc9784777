//! Names and paths, as JSON and as URLs have them: what is taken comes back, stays inside, and means one thing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use longshore_core::{Name, WorkspacePath};

fn holds(path: &WorkspacePath) {
    let text = path.to_string();
    assert!(text.starts_with('/') && !text.contains("//") && !text.contains('\0'), "{text:?}");
    assert!(text.split('/').all(|name| name != "." && name != ".."), "{text:?}");
    assert_eq!(&WorkspacePath::new(&text).expect("its own text"), path);
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(name) = Name::new(text) {
        assert_eq!(name.as_str(), text);
        assert!(name.as_str().len() <= 255);
        holds(&WorkspacePath::new(&format!("/{text}")).expect("a name alone is a path"));
        assert!(Name::new(name.numbered(7).as_str()).is_ok());
    }
    if let Ok(path) = WorkspacePath::new(text) {
        holds(&path);
    }
    if let Ok(path) = WorkspacePath::from_url(text) {
        holds(&path);
    }
});
