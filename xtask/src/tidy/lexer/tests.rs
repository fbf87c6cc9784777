use super::*;

#[test]
fn comments_and_strings_are_not_code() {
    let text = "let a = \"todo!()\"; // todo!()\n/* todo! /* nested */ todo! */ b();\n";
    let source = read(text);
    assert!(!source.code.contains("todo"), "{}", source.code);
    assert!(source.code.contains("b();"));
    assert_eq!(source.code.len(), text.len());
    assert_eq!(source.literals.len(), 1);
}

#[test]
fn raw_strings_end_at_their_own_hashes() {
    let source = read("let a = r#\"one \" two\"#; let b = br\"three\"; let r#fn = 1;\nlet c = \"four\";");
    let texts: Vec<&str> = source.literals.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["one \" two", "three", "four"]);
    assert_eq!(source.literals[2].line, 2);
}

#[test]
fn quotes_of_characters_and_lifetimes_open_no_string() {
    let source = read(r#"fn a<'a>(x: &'a str) { f('"'); g('\''); h("real") }"#);
    let texts: Vec<&str> = source.literals.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["real"]);
}

#[test]
fn escapes_do_not_end_a_string() {
    let source = read(r#"a("one \" two \\"); b("three")"#);
    assert_eq!(source.literals.len(), 2);
}

#[test]
fn items_for_tests_are_marked() {
    let source = read(
        "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { { } }\n}\nfn c() {}\n#[cfg(test)]\nmod more;\n",
    );
    assert_eq!(source.test_lines, [false, true, true, true, true, false, true, true]);
}

#[test]
fn a_path_is_found_as_whole_words_on_its_left() {
    assert_eq!(find_path("std::env::var_os(x); my_env::var(y)", "env::var").count(), 1);
}
