//! Help is an interface: a change of it shows here.

use crate::run::run_alone;

#[test]
fn the_summary() {
    insta::assert_snapshot!(run_alone(&["-h"]).exits(0).text());
}

#[test]
fn up_and_down_say_what_they_do() {
    insta::assert_snapshot!("up", run_alone(&["up", "--help"]).exits(0).text());
    insta::assert_snapshot!("down", run_alone(&["down", "--help"]).exits(0).text());
}

#[test]
fn fetch_and_enrich_say_what_they_do() {
    insta::assert_snapshot!("fetch", run_alone(&["fetch", "--help"]).exits(0).text());
    insta::assert_snapshot!("enrich", run_alone(&["enrich", "--help"]).exits(0).text());
}

#[test]
fn sync_says_what_it_does_each_way() {
    insta::assert_snapshot!("sync", run_alone(&["sync", "--help"]).exits(0).text());
    insta::assert_snapshot!("sync_up", run_alone(&["sync", "up", "--help"]).exits(0).text());
    insta::assert_snapshot!("sync_down", run_alone(&["sync", "down", "--help"]).exits(0).text());
}

#[test]
fn the_version() {
    let said = run_alone(&["--version"]).exits(0).text();
    assert_eq!(said, format!("longshore {}\n", env!("CARGO_PKG_VERSION")));
}
