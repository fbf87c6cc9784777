//! Where the bytes of large files are: a folder of the local disk unless a URL names another store.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::path::{Path, PathBuf};

use longshore_engine::store;
use serde::Deserialize;

use crate::error::{Error, Result};

/// What keeps the bytes of large files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A folder of the local disk.
    Local,
    /// Memory: everything is gone when the server stops. For trying out and tests.
    Memory,
}

/// What is flushed to the disk before a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing.
    None,
    /// The content of files.
    File,
    /// Files and folders: what was acknowledged survives a loss of power.
    Full,
}

/// Where the bytes of large files are.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct StoreConfig {
    /// The URL of a store, such as `file:///srv/blobs`, in place of `kind`, `dir` and `durability`: docs/stores.md has
    /// all kinds. `${NAME}` in it is a variable of the environment.
    #[config(env = "LONGSHORE_STORE_URL")]
    pub url: Option<Secret>,
    /// Options of that URL, over those in its query: `{ region = "eu-west-1", secret_access_key = "${S3_SECRET}" }`, or
    /// in the environment `region=eu-west-1&secret_access_key=...`.
    #[config(env = "LONGSHORE_STORE_OPTIONS", default = {}, parse_env = Options::from_env)]
    pub options: Options,
    /// `local` (a folder) or `memory` (for trying out: all is lost at the end).
    #[config(env = "LONGSHORE_STORE_KIND", default = "local")]
    pub kind: StoreKind,
    /// The folder of the local store. Left out: `store` in the data folder.
    #[config(env = "LONGSHORE_STORE_DIR")]
    pub dir: Option<PathBuf>,
    /// What is flushed before a write is acknowledged: `full` (files and folders), `file` or `none`.
    #[config(env = "LONGSHORE_STORE_DURABILITY", default = "full")]
    pub durability: Durability,
}

/// A text with credentials in it, perhaps. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Options of a store, as text. `Debug` shows their names alone.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Options(BTreeMap<String, OptionText>);

/// A value of TOML that is one word: `"8MiB"`, `3`, `true`.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OptionText {
    Text(String),
    Number(i64),
    Is(bool),
    /// Anything else: refused by us, as the reader of TOML would show the line, with a secret in it perhaps.
    Other(serde::de::IgnoredAny),
}

impl Options {
    fn from_env(text: &str) -> Result<Self> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let read = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_owned(), OptionText::Text(value.to_owned())))
        };
        let options = pairs.map(read).collect::<Option<_>>().map(Self);
        options.ok_or_else(|| Error::new("options are written key=value&key=value"))
    }
}

impl Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl StoreConfig {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(format!("the configuration: {message}")));
        if self.url.is_none() {
            return match self.options.0.is_empty() {
                true => Ok(()),
                false => refuse("store.options are those of store.url, which is not there"),
            };
        }
        // A setting that would do nothing is most likely meant to do something.
        let is_default =
            self.dir.is_none() && self.kind == StoreKind::Local && self.durability == Durability::Full;
        if !is_default {
            return refuse(
                "store.kind, store.dir and store.durability do not go with store.url, which says all of it",
            );
        }
        self.opened_by().map(drop)
    }

    /// Returns what the store is opened by, where a URL names it.
    pub(crate) fn opened_by(&self) -> Result<Option<store::Config>> {
        let Some(Secret(url)) = &self.url else { return Ok(None) };
        let config = store::Config::parse(url);
        let mut config = config.map_err(|error| Error::caused("the configuration: store.url", error))?;
        for (key, value) in &self.options.0 {
            let value = match value {
                OptionText::Text(text) => text.clone(),
                OptionText::Number(number) => number.to_string(),
                OptionText::Is(is) => is.to_string(),
                OptionText::Other(_) => {
                    let why = "is a text, a whole number, true or false";
                    return Err(Error::new(format!("the configuration: store.options.{key} {why}")));
                }
            };
            config = config.with_option(key, value);
        }
        // A variable that is no text is none of those that are looked for.
        let variables = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Ok(Some(config.with_environment(variables)))
    }

    /// Returns whether the store is gone with this process.
    pub(crate) fn is_in_memory(&self) -> Result<bool> {
        Ok(match self.opened_by()? {
            Some(config) => config.scheme() == "memory",
            None => self.kind == StoreKind::Memory,
        })
    }

    /// Returns the folder of the local store, where no URL names another.
    pub(crate) fn folder(&self, data: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data.join("store"))
    }
}
