use super::{LONGEST, Rows, csv, json_lines};

fn read(text: &'static [u8]) -> Rows {
    csv(Box::new(text), b',', std::iter::empty()).unwrap()
}

#[test]
fn quotes_lines_and_a_byte_order_mark() {
    let text = "\u{feff}id,name\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,日本\n";
    let rows: Vec<_> = read(text.as_bytes()).map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].value("id").unwrap(), "1");
    assert_eq!(rows[0].value("name").unwrap(), "a, \"b\"\nc");
    assert_eq!(rows[0].json.get(), r#"{"id":"1","name":"a, \"b\"\nc"}"#);
    assert_eq!((rows[1].number, rows[1].value("name").unwrap().as_ref()), (2, "日本"));
    assert_eq!(rows[1].value("Name"), None);
}

#[test]
fn a_bad_row_is_one_of_its_own() {
    let rows: Vec<_> = read(b"a,b\n1\n2,\xff\n3,c\n").collect();
    assert_eq!(rows.len(), 3);
    let bad = rows[0].as_ref().unwrap_err();
    assert!(bad.number == 1 && bad.message.contains("fields"), "{bad:?}");
    assert_eq!(rows[1].as_ref().unwrap_err().number, 2);
    assert_eq!(rows[2].as_ref().unwrap().value("b").unwrap(), "c");
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let header = |text: &'static str, column: &'static str| {
        csv(Box::new(text.as_bytes()), b',', [column].into_iter()).map(drop)
    };
    header("a,b\n", "b").unwrap();
    assert!(header("a,b\n", "c").unwrap_err().hint.unwrap().contains("a, b"));
    header("a,a\n", "a").unwrap_err();
    header("", "a").unwrap_err();
}

#[test]
fn a_quote_that_nobody_closes_ends_it() {
    let mut text = b"a,b\n1,\"".to_vec();
    text.resize(usize::try_from(LONGEST).unwrap() * 2, b'x');
    let mut rows = csv(Box::new(std::io::Cursor::new(text)), b',', std::iter::empty()).unwrap();
    assert!(rows.next().unwrap().unwrap_err().message.contains("not closed"));
    assert!(rows.next().is_none());
}

#[test]
fn numbers_of_json_are_not_touched() {
    let text =
        "{\"id\": 12345678901234567890123, \"x\": null, \"t\": \"a\\u0062\", \"l\": [1, 2]}\r\n\n[]\nno\n";
    let rows: Vec<_> = json_lines(Box::new(text.as_bytes())).collect();
    assert_eq!(rows.len(), 3);
    let row = rows[0].as_ref().unwrap();
    assert_eq!(row.value("id").unwrap(), "12345678901234567890123");
    assert_eq!(row.value("x").unwrap(), "");
    assert_eq!(row.value("t").unwrap(), "ab");
    assert_eq!(row.value("l").unwrap(), "[1, 2]");
    assert!(row.json.get().contains("12345678901234567890123"));
    assert!(rows[1].is_err() && rows[2].is_err());
}
