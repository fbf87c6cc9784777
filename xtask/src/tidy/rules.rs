//! The house rules as data. Change the architecture here and in `ARCHITECTURE.md` in one commit.

/// What one crate of the workspace may depend on.
pub struct CrateRule {
    /// The package's name.
    pub name: &'static str,
    /// Ours that its shipped code may name.
    pub normal: &'static [&'static str],
    /// Ours that its tests may name besides those.
    pub tests: &'static [&'static str],
    /// Ours that its build script may name.
    pub build: &'static [&'static str],
    /// External crates it never names, in any kind of dependency.
    pub never: &'static [&'static str],
}

/// In a list of names: everything.
pub const ANY: &str = "*";

/// All arrows there are. A member of the workspace that is not listed fails.
pub const CRATES: &[CrateRule] = &[
    CrateRule {
        name: "longshore-core",
        normal: &[],
        tests: &[],
        build: &[],
        // Pure: no runtime, no input or output.
        never: &[
            "tokio",
            "tokio-util",
            "futures-util",
            "futures",
            "async-trait",
            "rustix",
            "walkdir",
            "tracing-subscriber",
        ],
    },
    CrateRule { name: "longshore-flow", normal: &[], tests: &[], build: &[], never: &[] },
    CrateRule { name: "longshore-heap", normal: &[], tests: &[], build: &[], never: &["tokio"] },
    // A bad network for tests and benchmarks: nothing that is shipped names it.
    CrateRule { name: "longshore-link", normal: &["longshore-flow"], tests: &[], build: &[], never: &[] },
    CrateRule { name: "longshore-trust", normal: &[], tests: &[], build: &[], never: &["tokio"] },
    CrateRule {
        name: "longshore-egress",
        // Its peers for tests own tasks.
        normal: &["longshore-flow", "longshore-trust"],
        tests: &[],
        build: &[],
        // It knows addresses and HTTP, nothing of the product: no wire type, no configuration format.
        never: &["serde", "serde_json", "tracing"],
    },
    CrateRule {
        name: "longshore-web",
        // Of core, the clock: a pause may be asked for until a date.
        normal: &["longshore-flow", "longshore-trust", "longshore-core"],
        tests: &[],
        build: &[],
        // It knows HTTP, and nothing of the product.
        never: &["serde", "serde_json"],
    },
    CrateRule {
        name: "longshore-store",
        normal: &["longshore-flow", "longshore-trust"],
        tests: &[],
        build: &[],
        never: &[],
    },
    CrateRule { name: "longshore-search", normal: &["longshore-core"], tests: &[], build: &[], never: &[] },
    CrateRule {
        name: "longshore-engine",
        normal: &[
            "longshore-egress",
            "longshore-store",
            "longshore-search",
            "longshore-flow",
            "longshore-core",
        ],
        tests: &[],
        build: &[],
        never: &[],
    },
    CrateRule {
        name: "longshore-server",
        normal: &["longshore-engine", "longshore-flow", "longshore-core"],
        // The SDK is the test client; faults come from the store's chaos wrapper, receivers from egress.
        tests: &["longshore", "longshore-store", "longshore-egress", "longshore-link"],
        build: &[],
        never: &[],
    },
    CrateRule {
        name: "longshore",
        normal: &["longshore-flow", "longshore-trust", "longshore-core"],
        tests: &["longshore-link"],
        build: &[],
        never: &[],
    },
    CrateRule {
        name: "longshore-cli",
        // `longshore store` works on any store, with no server at all; `fetch` and `enrich` dial any HTTP server.
        normal: &[
            "longshore",
            "longshore-server",
            "longshore-store",
            "longshore-web",
            "longshore-flow",
            "longshore-heap",
            "longshore-core",
        ],
        tests: &[ANY],
        build: &[],
        never: &[],
    },
    CrateRule {
        name: "longshore-python",
        normal: &["longshore", "longshore-store", "longshore-web", "longshore-flow"],
        tests: &[],
        build: &[],
        never: &[],
    },
    CrateRule { name: "xtask", normal: &[], tests: &[], build: &[], never: &[] },
    CrateRule { name: "hyper-pair", normal: &[], tests: &[], build: &[], never: &[] },
];

/// Crates that do not have the workspace's lints: those that have unsafe code, which these forbid.
pub const OWN_LINTS: &[&str] = &["longshore-heap"];

/// Features of ours that only tests may switch on.
pub const TEST_FEATURES: &[&str] = &["testing"];

/// External crates that only some of ours may name.
pub struct Door {
    pub names: &'static [&'static str],
    pub owners: &'static [&'static str],
    /// Others whose tests may.
    pub in_tests: &'static [&'static str],
    pub why: &'static str,
}

pub const DOORS: &[Door] = &[
    Door {
        names: &[
            "rusqlite",
            "libsqlite3-sys",
            "tokio-postgres",
            "deadpool-postgres",
            "tokio-postgres-rustls",
            "sqlx",
            "diesel",
        ],
        owners: &["longshore-engine"],
        in_tests: &[],
        why: "only engine::db speaks to a database",
    },
    Door {
        names: &[
            "axum",
            "axum-extra",
            "tower-http",
            "utoipa-axum",
            "rmcp",
            "rust-embed",
            "metrics-exporter-prometheus",
        ],
        owners: &["longshore-server"],
        in_tests: &["longshore", "longshore-cli"],
        why: "only the server opens front doors",
    },
    Door {
        names: &[
            "http",
            "http-body",
            "http-body-util",
            "hyper",
            "hyper-util",
            "hyper-rustls",
            "tower",
            "ureq",
        ],
        owners: &[
            "longshore-server",
            "longshore",
            "longshore-store",
            "longshore-egress",
            "longshore-web",
            "hyper-pair",
        ],
        in_tests: &["longshore-cli"],
        why: "HTTP is spoken at the edges; what is inside takes plain types",
    },
    Door {
        names: &["reqwest"],
        owners: &["longshore-web"],
        in_tests: &[],
        why: "only longshore-web speaks to servers that are not ours, by way of the user's proxy",
    },
    Door {
        names: &["rustls-native-certs", "webpki-roots"],
        owners: &["longshore-trust"],
        in_tests: &[],
        why: "whom to trust is decided in one place",
    },
    Door {
        names: &["object_store", "opendal", "aws-config", "aws-sdk-s3", "russh", "russh-sftp"],
        owners: &["longshore-store"],
        in_tests: &[],
        why: "storage libraries stay behind longshore_store::Store",
    },
    Door {
        names: &["libc"],
        owners: &["longshore-heap"],
        in_tests: &[],
        why: "unsafe code is in one crate; rustix has safe calls",
    },
    Door {
        names: &["anstream", "clap", "clap_complete", "clap_mangen", "comfy-table", "dialoguer", "indicatif"],
        owners: &["longshore-cli", "longshore-link", "hyper-pair"],
        in_tests: &[],
        why: "a library is silent; the command line talks",
    },
    Door {
        names: &["anyhow", "eyre", "color-eyre"],
        owners: &["longshore-cli", "xtask", "hyper-pair"],
        in_tests: &[ANY],
        why: "a library's errors are typed",
    },
    Door {
        names: &["tracing-subscriber"],
        owners: &["longshore-server", "longshore-cli"],
        in_tests: &[ANY],
        why: "a program decides where logs go, a library never",
    },
    Door {
        names: &["pyo3", "pyo3-async-runtimes"],
        owners: &["longshore-python"],
        in_tests: &[],
        why: "Python is one crate's matter",
    },
    Door {
        names: &["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"],
        owners: &[],
        in_tests: &[],
        why: "TLS is rustls on ring",
    },
];

/// What a source rule looks for.
pub enum Look {
    /// One of these paths in code, not in comments or strings. A match ends anywhere, so that
    /// `env::var` finds `env::var_os` too.
    Code(&'static [&'static str]),
    /// One of these on a line of code that begins with `pub`.
    PublicCode(&'static [&'static str]),
    /// One of these anywhere, comments and strings included.
    Text(&'static [&'static str]),
    /// A string literal that is a statement of SQL.
    Sql,
}

/// What source files must not hold, and where they may after all.
pub struct SourceRule {
    pub name: &'static str,
    /// Files below this path are looked at.
    pub inside: &'static str,
    pub look: Look,
    /// Paths (or beginnings of them) that may.
    pub doors: &'static [&'static str],
    /// Whether test code is looked at too.
    pub tests: bool,
    pub advice: &'static str,
}

pub const SOURCES: &[SourceRule] = &[
    SourceRule {
        name: "sql",
        inside: "crates/",
        look: Look::Sql,
        doors: &["crates/engine/src/db/", "crates/engine/src/db.rs", "crates/engine/tests/"],
        tests: true,
        advice: "move this statement into engine::db",
    },
    SourceRule {
        name: "sql",
        inside: "crates/",
        look: Look::Code(&["rusqlite::", "tokio_postgres::", "deadpool_postgres::", "sqlx::"]),
        doors: &["crates/engine/src/db/", "crates/engine/src/db.rs", "crates/engine/tests/"],
        tests: true,
        advice: "only engine::db names a database library; give it a function to call",
    },
    SourceRule {
        name: "environment",
        inside: "crates/",
        look: Look::Code(&["env::var", "env::home_dir", "env::set_var", "env::remove_var", "env::args"]),
        doors: &["crates/server/src/config", "crates/cli/", "crates/client/src/config"],
        tests: false,
        advice: "take it as a setting; the environment is read in server::config, client::config and cli",
    },
    SourceRule {
        name: "clock",
        inside: "crates/",
        look: Look::Code(&["SystemTime::now", "Timestamp::now", "Zoned::now", "Utc::now"]),
        // The store in memory stamps files as a disk would, a service may ask for a pause until a date, and what is signed says
        // when, or until when it holds; the store cannot see core.
        doors: &[
            "crates/core/src/clock",
            "crates/store/src/azure/signature",
            "crates/store/src/http/refused",
            "crates/store/src/memory",
            "crates/store/src/s3/signature",
        ],
        tests: false,
        advice: "ask a longshore_core::Clock, which tests can move",
    },
    SourceRule {
        name: "spawn",
        inside: "crates/",
        look: Look::Code(&["tokio::spawn", "task::spawn(", "task::spawn_local"]),
        doors: &["crates/flow/src/tasks"],
        tests: false,
        advice: "spawn through longshore_flow::tasks, so that the work is awaited at close",
    },
    SourceRule {
        name: "randomness",
        inside: "crates/",
        look: Look::Code(&[
            "getrandom::",
            "rand::",
            "fastrand::",
            "thread_rng",
            "Uuid::now_v7",
            "Uuid::new_v4",
        ]),
        doors: &["crates/core/src/random"],
        tests: false,
        advice: "ask longshore_core::random",
    },
    SourceRule {
        name: "mcp",
        inside: "crates/",
        look: Look::Code(&["rmcp::"]),
        doors: &["crates/server/src/mcp"],
        tests: true,
        advice: "no type of the MCP library outside server::mcp",
    },
    SourceRule {
        name: "store-api",
        inside: "crates/store/",
        look: Look::PublicCode(&["object_store::", "opendal::", "aws_sdk_s3::", "russh::"]),
        doors: &[],
        tests: false,
        advice: "the store's public API has types of its own only",
    },
    SourceRule {
        name: "unfinished",
        inside: "crates/",
        look: Look::Code(&["todo!", "unimplemented!"]),
        doors: &[],
        tests: false,
        advice: "finish it, or return an error that says what is not supported",
    },
    SourceRule {
        name: "unfinished",
        inside: "crates/",
        look: Look::Text(&["FIXME"]),
        doors: &[],
        tests: false,
        advice: "mend it, or file an issue and say here why it may stay",
    },
];

/// The server's front doors: none imports another.
pub const FRONT_DOORS: &[&str] = &["http", "tus", "mcp", "ui", "s3", "dav"];
pub const FRONT_DOORS_IN: &str = "crates/server/src/";

/// File sizes in lines.
pub const WARN_LINES: usize = 500;
pub const FAIL_LINES: usize = 800;
pub const SIZED: &[&str] = &["rs", "py", "pyi", "sh", "md", "toml", "js", "ts", "css", "html"];
/// Generated, or growing by nature.
pub const SIZE_EXEMPT: &[&str] = &[
    "CHANGELOG.md",
    "crates/python/python/longshore/models.py",
    "docs/cli.md",
    "docs/error-codes.md",
    "docs/longshore.toml",
    "docs/openapi.json",
];

/// Folders that are never looked into, wherever they are.
pub const SKIPPED_FOLDERS: &[&str] =
    &["target", "node_modules", "results", "__pycache__", ".git", ".work", ".venv", "longshore-data"];
