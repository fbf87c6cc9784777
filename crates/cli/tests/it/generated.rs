//! What the build and packagers make with the binary.

use crate::run::run_alone;

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(run_alone(&["completions", shell]).exits(0).text().contains("longshore"), "{shell}");
    }
}

#[test]
fn a_manual_page_for_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    run_alone(&["man", folder.path().join("man1").to_str().unwrap()]).exits(0);
    for page in ["longshore.1", "longshore-up.1", "longshore-keys-create.1"] {
        assert!(folder.path().join("man1").join(page).is_file(), "{page}");
    }
}

#[test]
fn generated_pages_are_the_same_whatever_the_terminal() {
    for page in [&["docs", "cli"][..], &["docs", "error-codes"], &["docs", "config"], &["openapi"]] {
        let made = run_alone(page).exits(0);
        assert!(made.stdout.ends_with(b"\n") && made.stdout.len() > 500, "{page:?}");
        let config = tempfile::tempdir().unwrap();
        let mut narrow = crate::run::longshore(config.path());
        narrow.env("COLUMNS", "40").env("LONGSHORE_URL", "http://other");
        assert!(crate::run::run(narrow, page).stdout == made.stdout, "{page:?}");
    }
}

#[test]
fn the_page_of_codes_has_every_code() {
    let page = run_alone(&["docs", "error-codes"]).exits(0).text();
    for code in longshore_core::Code::ALL {
        assert!(page.contains(&format!("| `{code}` |")), "{code}");
    }
}

#[test]
fn the_printed_configuration_is_one() {
    let printed = run_alone(&["serve", "--print-config"]).exits(0).text();
    assert!(printed.contains("#listen = \"127.0.0.1:7420\""), "{printed}");
    toml::from_str::<toml::Table>(&printed).unwrap();
}
