//! `longshore store mv`: a file to another place, of another store too.

use clap::Args;
use longshore_store::{ErrorKind, FileInfo, WriteOptions};

use super::cp::{Ends, Pair};
use super::until_interrupted;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Move a file within a store, or into another
///
/// Into DEST under its own name where DEST is a folder, else to DEST itself. Within a store the storage moves it, as atomically
/// as `ping` tells. Into another it is copied and then removed, so a failure in between leaves both, never none; so does a
/// source that changes meanwhile. Folders: `cp -r`, look, then `rm -r`, which removes more than `cp -r` copies: see its help.
#[derive(Args)]
pub(crate) struct Mv {
    #[command(flatten)]
    ends: Ends,
}

impl Mv {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let pair = self.ends.file().await?;
        let (source, target) = (&pair.source, &pair.target);
        until_interrupted(&[source, target], async {
            if pair.is_one_store {
                source.move_file(&pair.from, &pair.to, self.ends.overwrite).await?;
            } else {
                self.across(&pair).await?;
            }
            output.note(&pair.said("->"));
            Ok(Exit::Ok)
        })
        .await
    }

    /// Moves a file into another store, which may be the same one by another name.
    async fn across(&self, pair: &Pair) -> anyhow::Result<()> {
        let (source, target) = (&pair.source, &pair.target);
        let before = source.file_info(&pair.from).await?;
        if self.ends.overwrite {
            let is_same = pair.is_one_file
                || match target.file_info(&pair.to).await {
                    Ok(there) => is_as_good_as(&before, &there),
                    Err(error) if error.kind() == ErrorKind::NotFound => false,
                    Err(error) => return Err(error.into()),
                };
            if is_same {
                let message = format!("{} and {} are the same file", pair.shown.0, pair.shown.1);
                return Err(Failure::new(Exit::Invalid, "store_same_file", message).into());
            }
        }
        let options = WriteOptions { overwrite: self.ends.overwrite, ..WriteOptions::default() };
        source.transfer(&pair.from, target, &pair.to, options, |_| {}).await?;
        // It may have been written to meanwhile: by another, or by us, where both ends were one after all.
        let after = source.file_info(&pair.from).await?;
        if is_changed(&before, &after) {
            let message = format!(
                "{} changed while it was copied to {}: it was not removed",
                pair.shown.0, pair.shown.1
            );
            return Err(Failure::new(Exit::Conflict, "store_changed", message).into());
        }
        Ok(source.delete(&pair.from, false).await?)
    }
}

/// Tells whether nothing shows that two are not one file. Two files that were written in the same second may look like one where
/// that is all that is known of them; then the move is refused, not the file lost.
fn is_as_good_as(one: &FileInfo, other: &FileInfo) -> bool {
    let are_tags_apart = matches!((&one.etag, &other.etag), (Some(one), Some(other)) if one != other);
    !are_tags_apart && one.size == other.size && one.last_modified == other.last_modified
}

fn is_changed(before: &FileInfo, after: &FileInfo) -> bool {
    (before.size, before.last_modified, &before.etag) != (after.size, after.last_modified, &after.etag)
}
