//! `longshore worker`: runs jobs, and serves nobody.

use clap::Args;
use longshore_server::Worker as Work;

use super::serve::{DataPlace, run_on_all_cores, start_log, until_told};
use crate::cli::Global;
use crate::failure::Exit;
use crate::output::Output;
use crate::signals::interrupted;

/// Run background jobs, without serving
///
/// A server runs its jobs itself, so this is for moving the work elsewhere (jobs.enabled = false at the servers) or
/// for adding hands. It reads the same configuration as serve. On PostgreSQL any number of workers and servers share
/// one database and one store. On SQLite one process has the database: a worker runs only while no server does.
///
/// It prints a line once it works. Ctrl-C or SIGTERM lets running jobs finish for a while, gives back the others and
/// stops; a second one stops at once.
#[derive(Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    place: DataPlace,
    /// How many jobs run at once [default: the configuration's, else 4]
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
}

impl Worker {
    pub(crate) fn run(&self, global: &Global, output: Output) -> anyhow::Result<Exit> {
        let mut config = self.place.load()?;
        if let Some(concurrency) = self.concurrency {
            config.jobs.concurrency = concurrency;
        }
        start_log(&mut config, global)?;
        run_on_all_cores(async {
            let worker = Work::open(&config).await?;
            // Who reads that it works may tell it to stop at once.
            let stop = interrupted();
            let database = worker.engine().status().database;
            output.line(&format!(
                "longshore {} works on the jobs of a {database} database; Ctrl-C stops it",
                env!("CARGO_PKG_VERSION")
            ))?;
            let note = "stopping: running jobs are finished or given back; once more to stop at once";
            until_told(stop, output, note, async |told| {
                worker.run(told).await;
                Ok(())
            })
            .await
        })
    }
}
