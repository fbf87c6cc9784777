//! `longshore store mv`: a file to another place, of another store too.

use clap::Args;
use longshore_store::WriteOptions;

use super::cp::Ends;
use super::until_interrupted;
use crate::failure::Exit;
use crate::output::Output;

/// Move a file within a store, or into another
///
/// Into DEST under its own name where DEST is a folder, else to DEST itself. Within a store the storage moves it, as atomically
/// as `ping` tells. Into another it is copied and then removed, so a failure in between leaves both, never none. Folders:
/// `cp -r`, look, then `rm -r`.
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
                let options = WriteOptions { overwrite: self.ends.overwrite, ..WriteOptions::default() };
                source.transfer(&pair.from, target, &pair.to, options, |_| {}).await?;
                source.delete(&pair.from, false).await?;
            }
            output.note(&pair.said("->"));
            Ok(Exit::Ok)
        })
        .await
    }
}
