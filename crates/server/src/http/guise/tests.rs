use super::{OCTETS, SHOWN, TEXT, disposition, passive, shown};

fn attachment(name: &str) -> String {
    disposition("attachment", name)
}

#[test]
fn a_name_survives_its_header() {
    assert_eq!(attachment("q1 report.csv"), "attachment; filename=\"q1 report.csv\"");
    assert_eq!(
        attachment("é\"\\.txt"),
        "attachment; filename=\"___.txt\"; filename*=UTF-8''%C3%A9%22%5C.txt"
    );
    assert_eq!(
        attachment("смета 第一.pdf"),
        "attachment; filename=\"_____ __.pdf\"; \
         filename*=UTF-8''%D1%81%D0%BC%D0%B5%D1%82%D0%B0%20%E7%AC%AC%E4%B8%80.pdf"
    );
    // What RFC 8187 leaves bare, and what it does not.
    assert!(attachment("é!#$&+-.^_`|~").ends_with("%C3%A9!#$&+-.^_`|~"));
    assert!(attachment("é'()*:@,;=").ends_with("%C3%A9%27%28%29%2A%3A%40%2C%3B%3D"));
    assert!(disposition("inline", "a").starts_with("inline; "));
    assert_eq!(attachment("%41"), "attachment; filename=\"_41\"; filename*=UTF-8''%2541");
}

#[test]
fn a_name_adds_nothing_to_its_header() {
    for (name, told) in [
        ("a\r\nSet-Cookie: b", "filename=\"a__Set-Cookie: b\"; filename*=UTF-8''a__Set-Cookie%3A%20b"),
        (
            "a\"; filename=\"b.exe",
            "filename=\"a_; filename=_b.exe\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.exe",
        ),
        ("a\0b\u{7f}\u{85}", "filename=\"a_b__\"; filename*=UTF-8''a_b__"),
        // Shown, this is `annexe.pdf`; it is a program.
        ("ann\u{202e}fdp.exe", "filename=\"ann_fdp.exe\"; filename*=UTF-8''ann_fdp.exe"),
        ("a\u{2066}b\u{2069}c\u{2028}", "filename=\"a_b_c_\"; filename*=UTF-8''a_b_c_"),
        // The marks of a language that is written from right to left stay.
        ("\u{5d0}\u{200f}.txt", "filename=\"__.txt\"; filename*=UTF-8''%D7%90%E2%80%8F.txt"),
    ] {
        let header = attachment(name);
        assert_eq!(header, format!("attachment; {told}"), "{name:?}");
        assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{header:?}");
    }
}

#[test]
fn what_may_be_shown_is_known_by_its_first_bytes() {
    let long = |begin: &[u8]| [begin, &[0; 300]].concat();
    let webm = long(b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm");
    for (content, expected) in [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "image/jpeg"),
        (b"GIF89a\x01\0\x01\0".to_vec(), "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), "image/webp"),
        (long(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1"), "image/avif"),
        (long(b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"), "video/mp4"),
        (webm, "video/webm"),
        (b"ID3\x03\0\0\0\0\0\0".to_vec(), "audio/mpeg"),
        (long(b"OggS\0\x02\0\0"), "audio/ogg"),
        (long(b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead"), "audio/ogg"),
        (b"hello\n".to_vec(), TEXT),
        ("\u{feff}gr\u{fc}n".as_bytes().to_vec(), TEXT),
    ] {
        assert_eq!(shown(&content, "text/x-anything"), Some(expected), "{content:?}");
    }
    // Whatever is shown is named here.
    assert!(SHOWN.iter().all(|(_, shown)| passive(shown) == *shown));
}

#[test]
fn a_page_is_not_shown_whatever_it_is_called() {
    let script = "<script>alert(1)</script>";
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for content in [
        script.as_bytes().to_vec(),
        format!("\u{feff} \n\t{script}").into_bytes(),
        format!("<!--{script}").into_bytes(),
        format!("<anything>{script}").into_bytes(),
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(),
        b"<?xml version='1.0'?><x/>".to_vec(),
        b"%PDF-1.7\n".to_vec(),
        // The eight bytes that an image of this kind leaves open.
        b"<script>WEBP".to_vec(),
        b"<b> ftypisom\0\0\0\0".to_vec(),
        [b"\xff\xfe", &utf_16(script)[..]].concat(),
        [b"\xfe\xff", &utf_16(script)[..]].concat(),
        b"\0\0\0\0".to_vec(),
        Vec::new(),
    ] {
        for named in ["image/png", "text/plain", "text/html"] {
            assert_eq!(shown(&content, named), None, "{content:?}");
        }
    }
    for named in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/pdf"] {
        assert_eq!(shown(b"hello", named), None, "{named}");
    }
}

#[test]
fn what_is_more_than_one_thing_is_sent_as_the_harmless_one() {
    let script = "<script>alert(1)</script>";
    for (begin, named, expected) in [
        ("GIF89a/*", "image/gif", Some("image/gif")),
        ("GIF89a/*", "text/html", Some("image/gif")),
        ("hello ", "text/plain", Some(TEXT)),
        // UTF-7, which some browsers once guessed.
        ("+ADw-script+AD4-", "text/plain", Some(TEXT)),
        ("hello ", "text/html", None),
        ("+ADw-script+AD4-", "text/html", None),
    ] {
        let content = format!("{begin}{script}*/=1;");
        assert_eq!(shown(content.as_bytes(), named), expected, "{content} as {named}");
    }
}

#[test]
fn a_type_that_a_browser_runs_is_not_sent() {
    for (named, sent) in [
        ("text/csv", "text/csv"),
        ("text/plain", "text/plain"),
        ("image/tiff", "image/tiff"),
        ("application/pdf", "application/pdf"),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        ("text/html", OCTETS),
        ("TEXT/HTML", OCTETS),
        ("application/xhtml+xml", OCTETS),
        ("image/svg+xml", OCTETS),
        ("text/xml", OCTETS),
        ("application/rss+xml", OCTETS),
        ("text/javascript", OCTETS),
        ("application/javascript", OCTETS),
        ("text/css", OCTETS),
        ("application/wasm", OCTETS),
        ("application/x-shockwave-flash", OCTETS),
        ("message/rfc822", OCTETS),
        ("multipart/related", OCTETS),
        ("text/x-unheard-of", OCTETS),
        ("image", OCTETS),
        ("", OCTETS),
    ] {
        assert_eq!(passive(named), sent, "{named}");
    }
}
