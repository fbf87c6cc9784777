use longshore_web::Url;

use super::{LONGEST, numbered, of_answer, of_url, safe};

#[test]
fn names_of_every_script_stay_as_they_are() {
    for name in [
        "report.pdf",
        "отчёт.txt",
        "报告 2026.csv",
        "تقرير.doc",
        "e\u{301}.txt",
        "🗂️.zip",
        "a  b",
        "x.tar.gz",
    ] {
        assert_eq!(safe(name), name);
    }
}

#[test]
fn a_hostile_name_becomes_one_harmless_name() {
    for (name, safe_name) in [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.exe", "x.exe"),
        ("C:\\Windows\\evil", "evil"),
        ("/", "download"),
        ("", "download"),
        ("..", "download"),
        (".", "download"),
        ("...", "download"),
        (" . . ", "download"),
        (".bashrc", "_bashrc"),
        ("a\0b\n\r\u{1b}[31m.txt", "ab[31m.txt"),
        ("gpj.\u{202e}exe", "gpj.exe"),
        ("a\u{200b}\u{feff}b", "ab"),
        ("trailing. . ", "trailing"),
        ("a:b|c?d*e<f>g\"h", "a_b_c_d_e_f_g_h"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
        ("COM¹", "_COM¹"),
        ("NUL .txt", "_NUL .txt"),
        ("COMA", "COMA"),
        ("COM10", "COM10"),
    ] {
        assert_eq!(safe(name), safe_name, "{name:?}");
    }
}

#[test]
fn a_long_name_keeps_its_extension() {
    let cut = safe(&format!("{}.jpeg", "x".repeat(300)));
    assert!(cut.len() == LONGEST && cut.ends_with("x.jpeg"), "{cut}");
    let cut = safe(&format!("{}.jpeg", "日".repeat(300)));
    assert!(cut.len() <= LONGEST && cut.ends_with("日.jpeg"), "{cut}");
    let cut = safe(&format!("a.{}", "x".repeat(300)));
    assert_eq!(cut.len(), LONGEST);
    let second = numbered(&safe(&format!("{}.jpeg", "日".repeat(300))), 12);
    assert!(second.len() <= LONGEST && second.ends_with("日 (12).jpeg"), "{second}");
    assert_eq!(numbered("a.txt", 2), "a (2).txt");
    assert_eq!(numbered("a", 2), "a (2)");
}

#[test]
fn the_field_goes_before_the_url() {
    let url = Url::parse("http://host/dir/fro%6D%20url.txt?x=/y.z#a").unwrap();
    assert_eq!(of_url(&url), "from url.txt");
    for (field, name) in [
        (&b"attachment; filename=plain.txt"[..], "plain.txt"),
        (b"attachment; filename=\"with; semi = colon.txt\"; size=3", "with; semi = colon.txt"),
        (b"attachment; filename=\"a \\\"b\\\".txt\"", "a _b_.txt"),
        (b"attachment; filename=\"C:\\dir\\x.txt\"", "x.txt"),
        (b"ATTACHMENT; FILENAME = \"x\" ", "x"),
        (b"attachment; filename=\"EURO.txt\"; filename*=UTF-8''%e2%82%ac%20rates.txt", "€ rates.txt"),
        (b"attachment; filename*=iso-8859-1'en'%A3.txt; filename=x", "£.txt"),
        (b"attachment; filename*=UTF-8''%ff; filename=fallback.txt", "fallback.txt"),
        (b"attachment; filename*=koi8-r''%c1; filename=fallback.txt", "fallback.txt"),
        (b"attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        (b"attachment; filename=\"na\xc3\xafve.txt\"", "naïve.txt"),
        (b"attachment; filename=\"na\xefve.txt\"", "naïve.txt"),
        (b"attachment; foo; filename=\"unterminated", "unterminated"),
        (b"inline", "from url.txt"),
        (b"attachment; filename=\"\"", "from url.txt"),
        (b"attachment; filename", "from url.txt"),
        (b"", "from url.txt"),
    ] {
        assert_eq!(of_answer(Some(field), &url), name, "{}", String::from_utf8_lossy(field));
    }
    let bare = Url::parse("http://host/").unwrap();
    assert_eq!(of_answer(None, &bare), "download");
    let dots = Url::parse("http://host/a/..%2f..%5cx").unwrap();
    assert_eq!(of_url(&dots), "x");
}
