//! Whole folders as values, to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a folder holds: bytes of files, nothing for folders.
pub(crate) type Contents = BTreeMap<String, Option<Vec<u8>>>;

pub(crate) fn contents(folder: &Path) -> Contents {
    let mut found = Contents::new();
    add(folder, "", &mut found);
    found
}

fn add(folder: &Path, above: &str, found: &mut Contents) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{above}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.insert(path.clone(), None);
            add(&entry.path(), &path, found);
        } else if kind.is_file() {
            found.insert(path, Some(fs::read(entry.path()).unwrap()));
        }
    }
}

/// Bytes that repeat nowhere near.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(length)
    .collect()
}

/// Fills a folder with what transfers find hard: scripts, empty things, depth, a large file.
pub(crate) fn fill(folder: &Path) {
    use crate::run::write;
    for name in [
        "plain.txt",
        "with space",
        "naïve café.md",
        "日本語.txt",
        "ไทย",
        "русский.csv",
        "العربية",
        "עברית",
        "한국어",
        "हिन्दी",
        "🚢🚢.txt",
        "%2f",
        "a\\b",
        "quote'\"`$",
        "?query&x=1#frag",
        ".hidden",
        "-dash",
        "...",
        "trailing ",
        "a+b=c;d,e",
    ] {
        write(folder.join("names").join(name), name);
    }
    write(folder.join("empty file"), "");
    write(folder.join("one byte"), "x");
    write(folder.join("日本/深い/one/two/three/four/five/six/seven/leaf"), "deep");
    fs::create_dir_all(folder.join("empty/folder in/folder")).unwrap();
    write(folder.join("large.bin"), bytes(3 * 1_024 * 1_024 + 7));
    for size in [4_095, 4_096, 16_384, 16_385, 65_536, 1_048_576] {
        write(folder.join(format!("sizes/{size}")), bytes(size));
    }
    for number in 0..40 {
        write(folder.join(format!("many/{number:03}.txt")), format!("number {number}\n"));
    }
}
