use crate::fixture::Fixture;

/// The code in `path` breaks one rule; the same code is fine in `door`.
fn guarded(rule: &str, path: &str, door: &str, code: &str) {
    let fixture = Fixture::new();
    fixture.add_module(path, code);
    fixture.fails(rule, &[&format!("{path}:2: ")]);

    let fixture = Fixture::new();
    fixture.add_module(door, code);
    fixture.passes();
}

#[test]
fn sql_is_written_in_the_database_module() {
    for statement in [
        "\"SELECT id FROM nodes\"",
        "\"\\n   INSERT INTO nodes VALUES ($1)\"",
        "r#\"UPDATE nodes SET name = $1\"#",
        "\"DELETE FROM nodes\"",
        "\"CREATE TABLE nodes (id TEXT)\"",
        "\"WITH RECURSIVE below AS (SELECT 1)\"",
        "\"PRAGMA journal_mode = WAL\"",
    ] {
        let code = format!("//! Queries.\npub const QUERY: &str = {statement};\n");
        guarded("sql", "crates/engine/src/nodes.rs", "crates/engine/src/db.rs", &code);
        guarded("sql", "crates/server/src/http.rs", "crates/engine/src/db.rs", &code);
    }
}

#[test]
fn words_that_only_look_like_sql_are_left_alone() {
    let fixture = Fixture::new();
    let code = "// SELECT id FROM nodes\npub const WORDS: [&str; 5] =\n    [\"SELECT\", \"DELETE\", \
                \"Select a file\", \"UPDATE the node\", \"DELETE /v1/files/{id}\"];\n";
    fixture.add_module("crates/server/src/http.rs", code);
    fixture.passes();
}

#[test]
fn database_libraries_are_named_in_the_database_module() {
    let code = "//! Rows.\npub type Row = rusqlite::Row<'static>;\n";
    guarded("sql", "crates/engine/src/nodes.rs", "crates/engine/src/db.rs", code);
}

#[test]
fn the_environment_is_read_at_its_doors() {
    let code = "//! Settings.\npub fn home() -> Option<std::ffi::OsString> { std::env::var_os(\"HOME\") }\n";
    for door in ["crates/server/src/config.rs", "crates/client/src/config.rs", "crates/cli/src/args.rs"] {
        guarded("environment", "crates/store/src/local.rs", door, code);
    }
}

#[test]
fn clock_tasks_and_randomness_have_one_door_each() {
    let engine = "crates/engine/src/work.rs";
    let now = "//! Work.\npub fn a() { let _ = std::time::SystemTime::now(); }\n";
    guarded("clock", engine, "crates/core/src/clock.rs", now);
    let spawn = "//! Work.\npub fn a() { tokio::spawn(async {}); }\n";
    guarded("spawn", engine, "crates/flow/src/tasks.rs", spawn);
    let random = "//! Work.\npub fn a(b: &mut [u8]) { getrandom::fill(b); }\n";
    guarded("randomness", engine, "crates/core/src/random.rs", random);
}

#[test]
fn front_doors_do_not_import_each_other() {
    let code = "//! A door.\nuse crate::http::Page;\n";
    guarded("front-door", "crates/server/src/tus.rs", "crates/server/src/app.rs", code);
    let fixture = Fixture::new();
    fixture.add_module("crates/server/src/tus.rs", "use crate::https::Page;\n");
    fixture.passes();
}

#[test]
fn libraries_behind_the_store_and_mcp_do_not_show() {
    let code = "//! A backend.\npub fn get(path: &object_store::path::Path) {}\n";
    let private = "//! A backend.\nfn get(path: &object_store::path::Path) {}\n";
    let fixture = Fixture::new();
    fixture.add_module("crates/store/src/s3.rs", code);
    fixture.fails("store-api", &["crates/store/src/s3.rs:2"]);
    let fixture = Fixture::new();
    fixture.add_module("crates/store/src/s3.rs", private);
    fixture.passes();

    let code = "//! Tools.\npub type Tool = rmcp::model::Tool;\n";
    guarded("mcp", "crates/server/src/http.rs", "crates/server/src/mcp.rs", code);
}

#[test]
fn unfinished_code_does_not_ship() {
    for code in ["fn a() { todo!() }", "fn a() { unimplemented!(\"later\") }", "// FIXME: later"] {
        let fixture = Fixture::new();
        fixture.add_module("crates/flow/src/retry.rs", &format!("//! Retry.\n{code}\n"));
        fixture.fails("unfinished", &["crates/flow/src/retry.rs:2"]);
    }
}

#[test]
fn test_code_may_do_what_shipped_code_may_not() {
    let body = "fn a() { let _ = std::env::var(\"A\"); tokio::spawn(async {}); todo!() }\n";
    let fixture = Fixture::new();
    fixture.append("crates/flow/tests/it/cases.rs", body);
    fixture.append("crates/flow/src/lib.rs", "#[cfg(test)]\nmod tests;\n");
    fixture.write("crates/flow/src/tests.rs", body);
    fixture.append("crates/core/src/lib.rs", &format!("#[cfg(test)]\nmod tests {{\n{body}}}\n"));
    fixture.passes();
}

#[test]
fn comments_and_strings_are_not_code() {
    let fixture = Fixture::new();
    let code = "//! Never calls tokio::spawn.\npub const A: &str = \"std::env::var\"; /* todo!() */\n";
    fixture.add_module("crates/flow/src/retry.rs", code);
    fixture.passes();
}
