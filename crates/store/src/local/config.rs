//! `file:///folder?durability=full`.

use std::path::PathBuf;

use super::{Durability, LocalOptions};
use crate::config::{Config, invalid};
use crate::error::Result;

const MOST_READ_CHUNK: usize = 64 << 20;

impl LocalOptions {
    /// Takes the folder, and how it is used.
    pub(crate) fn from_config(config: &mut Config) -> Result<(PathBuf, Self)> {
        if let Some(host) = config.take_host().filter(|host| host != "localhost") {
            let message =
                format!("a folder of the host {host:?}: write file:/// and the path on this machine");
            return Err(invalid(message));
        }
        let folder = config.take_path();
        // Where a program happens to run must not decide which store it opens.
        if !folder.starts_with('/') {
            return Err(invalid("the path is not absolute: write file:///folder".to_owned()));
        }
        let levels = [("full", Durability::Full), ("file", Durability::File), ("none", Durability::None)];
        let mut options = Self::default();
        if let Some(durability) = config.take_one_of("durability", &levels)? {
            options.durability = durability;
        }
        if let Some(bytes) = config.take_size("read_chunk")? {
            let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= MOST_READ_CHUNK);
            let why = "the option \"read_chunk\" is more than 64MiB, and each open file holds such a chunk";
            options.read_chunk = fits.ok_or_else(|| invalid(why.to_owned()))?;
        }
        if let Some(age) = config.take_parsed("sweep_older_than")? {
            options.sweep_older_than = age;
        }
        if let Some(create) = config.take_parsed("create")? {
            options.create = create;
        }
        Ok((folder.into(), options))
    }
}
