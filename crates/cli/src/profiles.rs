//! The profiles: which servers the user knows, with their keys, in one file of the user's config folder.
//!
//! The file holds keys, so nobody else may read it, and it is replaced as a whole: a crash leaves the old one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Failure};

/// The profile that a server of this machine is saved in.
pub(crate) const LOCAL: &str = "local";

/// A server, and how to speak to it.
// No `Debug`: it would show the key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The workspace that is meant where none is named; a name or an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<String>,
    /// The server's data folder, for one of this machine: how its profile is found when its address changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
}

/// All that the file holds.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The profile that is used where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// Returns an environment variable that is set and not blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the command line's door to the environment")]
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn base() -> Result<impl BaseStrategy, Failure> {
    etcetera::choose_base_strategy().map_err(|_| {
        Failure::new(Exit::Unexpected, "local_io", "the home folder is not known").hint("set HOME")
    })
}

/// Returns where the profiles are kept.
pub(crate) fn file() -> Result<PathBuf, Failure> {
    let folder = match variable("LONGSHORE_CONFIG_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => base()?.config_dir().join("longshore"),
    };
    Ok(folder.join("profiles.toml"))
}

/// Returns where a server keeps its data that nobody told where.
pub(crate) fn data_folder() -> Result<PathBuf, Failure> {
    Ok(base()?.data_dir().join("longshore"))
}

/// Returns where a command keeps what is under way, for the next run to go on with.
pub(crate) fn state_folder() -> Result<PathBuf, Failure> {
    let base = base()?;
    // Systems without a place for state have one for data.
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("longshore"))
}

impl Profiles {
    /// Reads the user's profiles; none where there is no file yet.
    pub(crate) fn load() -> Result<Self, Failure> {
        Self::read(&file()?)
    }

    fn read(file: &Path) -> Result<Self, Failure> {
        match fs::read_to_string(file) {
            Ok(text) => longshore_server::config::read_toml(&text).map_err(|error| {
                let message = format!("{} cannot be understood: {error}", file.display());
                Failure::invalid(message).hint("mend it, or move it away")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::local(format!("cannot read {}", file.display()), &error)),
        }
    }

    /// Replaces the user's profiles.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let file = file()?;
        self.write(&file).map_err(|error| Failure::local(format!("cannot write {}", file.display()), &error))
    }

    fn write(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        make_private_folder(folder)?;
        let text = toml::to_string(self).map_err(io::Error::other)?;
        // A temporary file is made with mode 0600 and keeps it when it takes its place.
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(text.as_bytes())?;
        temporary.as_file().sync_all()?;
        temporary.persist(file).map_err(|error| error.error)?;
        Ok(())
    }

    /// Takes note of a server that has started on this machine, and says what that changed, for people.
    ///
    /// `key` is the first key, when the server has just made it. A profile of another server is never lost:
    /// it gets another name.
    pub(crate) fn started(&mut self, url: &str, key: Option<&str>, data: &Path) -> Vec<String> {
        let mut said = Vec::new();
        let Some(key) = key else {
            let known = self.profiles.iter_mut().find(|(_, known)| known.data.as_deref() == Some(data));
            if let Some((name, known)) = known
                && known.url != url
            {
                url.clone_into(&mut known.url);
                said.push(format!("the profile {name} now has the address {url}"));
            }
            return said;
        };
        let new = Profile {
            url: url.to_owned(),
            key: Some(key.to_owned()),
            workspace: None,
            data: Some(data.to_owned()),
        };
        if let Some(old) = self.profiles.insert(LOCAL.to_owned(), new)
            && old.data.as_deref() != Some(data)
        {
            let name = self.free_name();
            said.push(format!("the profile {LOCAL} was one for {}; that is now called {name}", old.url));
            self.profiles.insert(name, old);
        }
        match &self.current {
            Some(current) if current != LOCAL => {
                said.push(format!(
                    "the current profile is still {current}; use `--profile {LOCAL}` for this one"
                ));
            }
            _ => self.current = Some(LOCAL.to_owned()),
        }
        said
    }

    fn free_name(&self) -> String {
        (2_u32..)
            .map(|number| format!("{LOCAL}-{number}"))
            .find(|name| !self.profiles.contains_key(name))
            .unwrap_or_else(|| LOCAL.to_owned())
    }
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests;
