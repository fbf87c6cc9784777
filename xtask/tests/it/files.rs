use crate::fixture::Fixture;

#[test]
fn a_test_file_that_no_runner_names_fails() {
    let fixture = Fixture::new();
    fixture.write("crates/flow/tests/it/lost.rs", "#[test]\nfn never_runs() {}\n");
    fixture.fails("unnamed", &["crates/flow/tests/it/lost.rs:1", "tests/it/main.rs"]);

    let fixture = Fixture::new();
    fixture.write("crates/flow/tests/lost.rs", "#[test]\nfn never_runs() {}\n");
    fixture.fails("unnamed", &["crates/flow/tests/lost.rs:1", "[[test]]"]);
}

#[test]
fn a_commented_out_module_names_nothing() {
    let fixture = Fixture::new();
    fixture.write("crates/flow/tests/it/main.rs", "// mod cases;\n");
    fixture.fails("unnamed", &["crates/flow/tests/it/cases.rs:1"]);
}

#[test]
fn test_modules_beside_the_code_are_named_too() {
    let fixture = Fixture::new();
    fixture.add_module("crates/flow/src/retry.rs", "//! Retry.\n");
    fixture.write("crates/flow/src/retry/tests.rs", "#[test]\nfn never_runs() {}\n");
    fixture.fails("unnamed", &["crates/flow/src/retry/tests.rs:1"]);
    fixture.append("crates/flow/src/retry.rs", "#[cfg(test)]\nmod tests;\n");
    fixture.passes();
}

#[test]
fn modules_are_found_in_every_place_they_may_be() {
    let fixture = Fixture::new();
    fixture.append("crates/flow/src/lib.rs", "mod a;\n#[path = \"odd/name.rs\"]\nmod b;\n");
    fixture.write("crates/flow/src/a/mod.rs", "mod inner;\n");
    fixture.write("crates/flow/src/a/inner.rs", "");
    fixture.write("crates/flow/src/odd/name.rs", "");
    fixture.passes();
}

#[test]
fn long_files_warn_and_then_fail() {
    let lines = |count: usize| "// line\n".repeat(count);
    let fixture = Fixture::new();
    fixture.add_module("crates/flow/src/long.rs", &lines(499));
    fixture.passes();

    fixture.write("crates/flow/src/long.rs", &lines(799));
    let report = fixture.check();
    assert!(report.passes());
    assert_eq!(report.violations.len(), 1);
    assert!(report.violations[0].to_string().contains("long.rs:799: size: warning: 799 lines"));

    fixture.write("crates/flow/src/long.rs", &lines(800));
    fixture.fails("size", &["crates/flow/src/long.rs:800", "split"]);
}

#[test]
fn generated_files_may_be_long() {
    let fixture = Fixture::new();
    for path in ["docs/openapi.json", "docs/cli.md", "docs/error-codes.md", "Cargo.lock", "a.snap"] {
        fixture.write(path, &"line\n".repeat(1000));
    }
    fixture.passes();
}

#[test]
fn scripts_without_an_extension_have_a_size_too() {
    let fixture = Fixture::new();
    fixture.write("run", &format!("#!/bin/bash\n{}", ":\n".repeat(900)));
    fixture.fails("size", &["run:901"]);
}

#[test]
fn relative_links_lead_somewhere() {
    let fixture = Fixture::new();
    fixture.write("docs/a.md", "# A\n\nSee [the readme](../README.md#top) and [gone](gone.md).\n");
    fixture.fails("link", &["docs/a.md:3", "gone.md"]);

    let fixture = Fixture::new();
    fixture.write("docs/a.md", "[outside](../../elsewhere.md)\n");
    fixture.fails("link", &["docs/a.md:1", "leaves the repository"]);

    let fixture = Fixture::new();
    fixture.write("docs/a.md", "See [it][1].\n\n[1]: gone.md\n");
    fixture.fails("link", &["docs/a.md:3", "gone.md"]);
}

#[test]
fn links_elsewhere_and_code_are_left_alone() {
    let fixture = Fixture::new();
    let text = "[a](https://example.org/x) [b](#here) [c](mailto:a@example.org) `[d](gone.md)`\n\
                ```\n[e](gone.md)\n```\n[f](../crates/core/) [^1]\n\n[^1]: a note\n";
    fixture.write("docs/a.md", text);
    fixture.passes();
}

#[test]
fn folders_of_output_are_not_looked_into() {
    let fixture = Fixture::new();
    fixture.write("target/doc/a.md", "[gone](gone.md)\n");
    fixture.write("bench/.work/a.md", "[gone](gone.md)\n");
    fixture.passes();
}
