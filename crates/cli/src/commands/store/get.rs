//! `longshore store get`: a file of a store onto this machine.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use longshore_store::{ReadOptions, Store};

use super::{Make, Options, Place, until_interrupted};
use crate::failure::{Exit, Failure};
use crate::output::{Output, size};

/// Read a file of a store into a file of this machine
///
/// It appears as a whole or not at all. A local file that is there already is a failure, unless --force lets it be replaced.
/// `longshore store cp -r` copies folders.
#[derive(Args)]
pub(crate) struct Get {
    /// The file
    url: String,
    /// The local file it becomes, or the folder it goes into; - for standard output [default: its name, here]
    #[arg(value_name = "DEST")]
    destination: Option<PathBuf>,
    /// Replace a local file that is there already
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    options: Options,
}

impl Get {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let place = Place::parse(&self.url, &self.options.options)?;
        let (store, name) = place.open_above(Make::Nothing)?;
        until_interrupted(&[&store], async {
            if self.destination.as_deref() == Some(Path::new("-")) {
                let mut read = store.read(&name, ReadOptions::default()).await?;
                while let Some(chunk) = read.next_chunk().await? {
                    output.raw(&chunk)?;
                }
                return Ok(Exit::Ok);
            }
            let target = self.target(&name)?;
            let bytes = self.fetch(&store, &name, &target).await?;
            output.note(&format!("{} -> {}, {}", place.shown, target.display(), size(bytes)));
            Ok(Exit::Ok)
        })
        .await
    }

    /// Returns the local file, or says what stands in the way.
    fn target(&self, name: &str) -> Result<PathBuf, Failure> {
        // A name from a store need not be one here: it is never more than a name.
        let own = Path::new(name)
            .file_name()
            .ok_or_else(|| Failure::invalid(format!("{name:?} is no name here")))?;
        let target = match &self.destination {
            None => PathBuf::from(own),
            Some(folder) if folder.is_dir() => folder.join(own),
            Some(file) => file.clone(),
        };
        if !self.force && target.symlink_metadata().is_ok() {
            return Err(exists(&target));
        }
        Ok(target)
    }

    async fn fetch(&self, store: &Store, name: &str, target: &Path) -> anyhow::Result<u64> {
        let failed = |error| Failure::local(format!("cannot write {}", target.display()), &error);
        let mut read = store.read(name, ReadOptions::default()).await?;
        let folder =
            target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".longshore-").tempfile_in(folder).map_err(failed)?;
        let mut bytes = 0;
        while let Some(chunk) = read.next_chunk().await? {
            bytes += chunk.len() as u64;
            file.write_all(&chunk).map_err(failed)?;
        }
        file.as_file().sync_all().map_err(failed)?;
        allow_reading(file.as_file()).map_err(failed)?;
        let kept = if self.force { file.persist(target) } else { file.persist_noclobber(target) };
        match kept {
            Ok(_) => Ok(bytes),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(exists(target).into())
            }
            Err(error) => Err(failed(error.error).into()),
        }
    }
}

/// Gives a temporary file, which is its owner's alone, the rights that a new file has here.
fn allow_reading(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    // There is no way to ask for the mask but to set it.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    file.set_permissions(std::fs::Permissions::from_mode(0o666 & !mask.as_raw_mode()))
}

fn exists(path: &Path) -> Failure {
    let message = format!("{} exists", path.display());
    Failure::new(Exit::Conflict, "local_exists", message).hint("--force replaces it")
}
