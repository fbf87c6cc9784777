//! A small workspace with the shape of ours, in a temporary folder, clean until a test breaks it.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use xtask::tidy::{self, Report};

/// Packages, their folders and what they name. Each has a library and a test target.
const CRATES: &[(&str, &str, &[&str])] = &[
    ("longshore-core", "crates/core", &[]),
    ("longshore-flow", "crates/flow", &[]),
    ("longshore-store", "crates/store", &["longshore-flow"]),
    (
        "longshore-engine",
        "crates/engine",
        &["longshore-core", "longshore-flow", "longshore-store", "rusqlite"],
    ),
    ("longshore-server", "crates/server", &["longshore-core", "longshore-engine", "axum", "http"]),
    ("longshore", "crates/client", &["longshore-core", "longshore-flow", "hyper"]),
    ("longshore-cli", "crates/cli", &["longshore", "longshore-core", "longshore-server", "clap"]),
    ("longshore-python", "crates/python", &["longshore", "longshore-store", "longshore-flow"]),
    ("xtask", "xtask", &["anyhow"]),
    ("hyper-pair", "bench/hyper-pair", &["hyper"]),
];

const EXTERNAL: &[&str] = &[
    "anyhow",
    "axum",
    "clap",
    "http",
    "hyper",
    "object_store",
    "openssl",
    "rmcp",
    "rusqlite",
    "tokio",
    "tokio-postgres",
    "tower",
];

pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self { folder: TempDir::new().unwrap() };
        let mut root = "[workspace]\nresolver = \"3\"\nmembers = [\n".to_owned();
        for (_, folder, _) in CRATES {
            root.push_str(&format!("  {folder:?},\n"));
        }
        root.push_str("]\n[workspace.lints]\n[workspace.dependencies]\n");
        for (name, folder, _) in CRATES {
            root.push_str(&format!("{name} = {{ path = {folder:?} }}\n"));
        }
        for name in EXTERNAL {
            root.push_str(&format!("{name} = \"1\"\n"));
        }
        fixture.write("Cargo.toml", &root);
        fixture.write("README.md", "See [the core](crates/core/src/lib.rs).\n");
        for (name, folder, needs) in CRATES {
            let mut manifest = format!(
                "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\nautotests = false\n\n\
                 [features]\ntesting = []\n\n[lints]\nworkspace = true\n\n\
                 [[test]]\nname = \"it\"\npath = \"tests/it/main.rs\"\n\n[dependencies]\n"
            );
            for need in *needs {
                manifest.push_str(&format!("{need}.workspace = true\n"));
            }
            fixture.write(&format!("{folder}/Cargo.toml"), &manifest);
            fixture.write(&format!("{folder}/src/lib.rs"), "pub fn nothing() {}\n");
            fixture.write(&format!("{folder}/tests/it/main.rs"), "mod cases;\n");
            fixture.write(&format!("{folder}/tests/it/cases.rs"), "#[test]\nfn passes() {}\n");
        }
        fixture
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let place = self.path(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    pub(crate) fn append(&self, path: &str, text: &str) {
        let old = fs::read_to_string(self.path(path)).unwrap();
        self.write(path, &format!("{old}{text}"));
    }

    pub(crate) fn replace(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(old), "{old} is not in {path}");
        self.write(path, &text.replace(old, new));
    }

    /// Writes a file directly below a crate's `src`, and names it in `lib.rs`.
    pub(crate) fn add_module(&self, path: &str, text: &str) {
        let (folder, file) = path.rsplit_once('/').unwrap();
        let name = file.strip_suffix(".rs").unwrap();
        self.append(&format!("{folder}/lib.rs"), &format!("mod {name};\n"));
        self.write(path, text);
    }

    /// Makes `from` (a package's name) name `to` in a table of its manifest.
    pub(crate) fn depend(&self, from: &str, table: &str, to: &str) {
        let (_, folder, _) = CRATES.iter().find(|(name, ..)| *name == from).unwrap();
        let manifest = format!("{folder}/Cargo.toml");
        self.append(&manifest, &format!("\n[{table}.{to}]\nworkspace = true\n"));
    }

    pub(crate) fn check(&self) -> Report {
        tidy::check(self.folder.path()).unwrap()
    }

    /// Asserts that there is one violation, of this rule, whose line holds each of `parts`.
    pub(crate) fn fails(&self, rule: &str, parts: &[&str]) {
        let report = self.check();
        assert!(!report.passes(), "tidy passed, and should have found {rule} {parts:?}");
        assert_eq!(report.violations.len(), 1, "{:#?}", report.violations);
        let violation = &report.violations[0];
        assert_eq!(violation.rule, rule, "{violation}");
        for part in parts {
            assert!(violation.to_string().contains(part), "{part} is not in: {violation}");
        }
    }

    pub(crate) fn passes(&self) {
        let report = self.check();
        assert_eq!(report.violations, []);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}
