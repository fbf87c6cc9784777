use crate::fixture::Fixture;

fn broken(from: &str, table: &str, to: &str, rule: &str) {
    let fixture = Fixture::new();
    fixture.depend(from, table, to);
    fixture.fails(rule, &[from, to, "Cargo.toml:"]);
}

fn allowed(from: &str, table: &str, to: &str) {
    let fixture = Fixture::new();
    fixture.depend(from, table, to);
    fixture.passes();
}

#[test]
fn a_clean_workspace_passes() {
    Fixture::new().passes();
}

#[test]
fn arrows_between_ours_hold_in_shipped_code() {
    for (from, to) in [
        ("longshore-core", "longshore-flow"),
        ("longshore-flow", "longshore-core"),
        ("longshore-store", "longshore-core"),
        ("longshore-engine", "longshore-server"),
        ("longshore-engine", "longshore"),
        ("longshore-server", "longshore"),
        ("longshore-server", "longshore-store"),
        ("longshore", "longshore-engine"),
        ("longshore", "longshore-server"),
        ("longshore", "longshore-store"),
        ("longshore-cli", "longshore-engine"),
        ("longshore-python", "longshore-engine"),
        ("longshore-python", "longshore-server"),
        ("xtask", "longshore-core"),
        ("hyper-pair", "longshore-core"),
    ] {
        broken(from, "dependencies", to, "arrow");
    }
}

#[test]
fn arrows_between_ours_hold_in_tests_and_build_scripts() {
    for (from, table, to) in [
        ("longshore", "dev-dependencies", "longshore-server"),
        ("longshore-flow", "dev-dependencies", "longshore-store"),
        ("longshore-engine", "dev-dependencies", "longshore-server"),
        ("xtask", "dev-dependencies", "longshore-core"),
        ("longshore-server", "build-dependencies", "longshore-core"),
        ("longshore-cli", "build-dependencies", "longshore-core"),
        ("longshore-python", "target.'cfg(unix)'.dependencies", "longshore-engine"),
    ] {
        broken(from, table, to, "arrow");
    }
}

#[test]
fn arrows_for_tests_only_are_allowed_there() {
    for (from, to) in [
        ("longshore-server", "longshore"),
        ("longshore-server", "longshore-store"),
        ("longshore-cli", "longshore-engine"),
        ("longshore-cli", "longshore-store"),
        ("longshore-store", "longshore-store"),
    ] {
        allowed(from, "dev-dependencies", to);
    }
}

#[test]
fn features_for_tests_stay_out_of_shipped_code() {
    let fixture = Fixture::new();
    let old = "longshore-store.workspace = true";
    let new = "longshore-store = { workspace = true, features = [\"testing\"] }";
    let manifest = "crates/python/Cargo.toml";
    fixture.replace(manifest, old, new);
    fixture.fails("arrow", &["longshore-store[testing]", "dev-dependencies"]);

    let fixture = Fixture::new();
    fixture.append("crates/server/Cargo.toml", &format!("\n[dev-dependencies]\n{new}\n"));
    fixture.passes();
}

#[test]
fn external_crates_stay_behind_their_doors() {
    for (from, to) in [
        ("longshore-core", "tokio"),
        ("longshore-core", "hyper"),
        ("longshore-core", "axum"),
        ("longshore-core", "rusqlite"),
        ("longshore-core", "http"),
        ("longshore-engine", "axum"),
        ("longshore-engine", "http"),
        ("longshore-engine", "hyper"),
        ("longshore-engine", "tower"),
        ("longshore-engine", "rmcp"),
        ("longshore-engine", "clap"),
        ("longshore-engine", "anyhow"),
        ("longshore-server", "rusqlite"),
        ("longshore-server", "tokio-postgres"),
        ("longshore-server", "object_store"),
        ("longshore", "axum"),
        ("longshore", "openssl"),
        ("longshore-cli", "tokio-postgres"),
    ] {
        broken(from, "dependencies", to, "never");
    }
}

#[test]
fn tests_have_doors_too() {
    broken("longshore-core", "dev-dependencies", "tokio", "never");
    broken("longshore-engine", "dev-dependencies", "axum", "never");
    broken("longshore-server", "dev-dependencies", "rusqlite", "never");
    broken("longshore-engine", "build-dependencies", "clap", "never");
    allowed("longshore", "dev-dependencies", "axum");
    allowed("longshore-engine", "dev-dependencies", "anyhow");
}

#[test]
fn a_crate_that_nobody_put_in_the_table_fails() {
    let fixture = Fixture::new();
    fixture.replace("crates/python/Cargo.toml", "longshore-python", "longshore-extra");
    fixture.replace("Cargo.toml", "longshore-python", "longshore-extra");
    fixture.fails("arrow", &["longshore-extra", "rules.rs"]);
}

#[test]
fn the_line_of_the_dependency_is_named() {
    let fixture = Fixture::new();
    fixture.replace("crates/engine/Cargo.toml", "rusqlite.workspace", "axum.workspace");
    let report = fixture.check();
    assert_eq!(report.violations.len(), 1);
    assert_eq!(report.violations[0].line, 21, "{}", report.violations[0]);
}

#[test]
fn versions_and_lints_come_from_the_workspace() {
    for line in ["tokio = \"1\"", "tokio = { version = \"1\", features = [\"rt\"] }"] {
        let fixture = Fixture::new();
        fixture.append("crates/flow/Cargo.toml", &format!("{line}\n"));
        fixture.fails("versions", &["crates/flow/Cargo.toml:18", ".workspace = true"]);
    }
    let fixture = Fixture::new();
    fixture.replace("crates/flow/Cargo.toml", "[lints]\nworkspace = true\n", "");
    fixture.fails("lints", &["crates/flow/Cargo.toml", "workspace = true"]);
}

#[test]
fn what_nobody_may_name_is_not_in_the_lock_file_either() {
    let fixture = Fixture::new();
    fixture.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"aws-lc-sys\"\nversion = \"0.1.0\"\n");
    fixture.fails("never", &["Cargo.lock:4", "aws-lc-sys", "cargo tree -i"]);
}
