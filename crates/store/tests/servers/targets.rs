//! What the suite runs against: a store of each kind on each server.

use libtest_mimic::{Failed, Trial};
use longshore_store::testing::conformance::{Outcome, cases};
use longshore_store::{BoxFuture, Capability, CapabilitySet, Store};

use crate::tools;

/// What went wrong, of any kind.
pub(crate) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A store on a server, opened anew for each trial.
pub(crate) struct Target {
    /// What trials are named by.
    pub(crate) name: &'static str,
    /// The capabilities it has not; it must have every other one, and none of these.
    pub(crate) lacks: &'static [Capability],
    /// Cases that this very server breaks, each with how. The kind of backend keeps them elsewhere.
    pub(crate) excused: &'static [(&'static str, &'static str)],
    /// Starts the server unless it runs, and opens a store with nothing in it.
    pub(crate) open: fn() -> BoxFuture<'static, Result<Opened, AnyError>>,
}

/// A store with nothing in it.
pub(crate) struct Opened {
    /// What is closed in the end.
    pub(crate) parent: Store,
    /// What the trial gets.
    pub(crate) store: Store,
    /// Looks for what should not be left once all is closed: parts, temporary files.
    pub(crate) leftovers: BoxFuture<'static, Outcome>,
}

/// Every target of every kind.
const TARGETS: &[&[Target]] =
    &[crate::s3::TARGETS, crate::azure::TARGETS, crate::gcs::TARGETS, crate::sftp::TARGETS];

pub(crate) fn trials() -> Vec<Trial> {
    let missing = tools::missing();
    let mut trials = crate::s3::trials();
    trials.extend(crate::azure_faults::trials());
    trials.extend(crate::gcs::trials());
    for target in TARGETS.iter().copied().flatten() {
        let lacks = CapabilitySet::of(target.lacks);
        for case in cases() {
            let needed: Vec<_> = case.needs.iter().filter(|needed| lacks.contains(*needed)).collect();
            let excuse = target.excused.iter().find(|(name, _)| *name == case.name);
            let why = match (&missing, excuse) {
                (Some(missing), _) => missing.clone(),
                (None, Some((_, excuse))) => (*excuse).to_owned(),
                (None, None) if needed.is_empty() => String::new(),
                (None, None) => format!("lacks {needed:?}"),
            };
            let trial = Trial::test(format!("{}::{}", target.name, case.name), move || {
                crate::block_on(async {
                    let Opened { parent, store, leftovers } = (target.open)().await.map_err(failed)?;
                    has_exactly(&store, lacks)?;
                    let outcome = case.run(store).await;
                    parent.close().await.map_err(Failed::from)?;
                    outcome.map_err(failed)?;
                    leftovers.await.map_err(failed)
                })
            });
            trials.push(trial.with_ignored_flag(!why.is_empty()).with_kind(why));
        }
    }
    trials
}

/// Fails unless the store claims all capabilities but those.
fn has_exactly(store: &Store, lacks: CapabilitySet) -> Result<(), Failed> {
    let wrong: Vec<_> =
        Capability::ALL.iter().filter(|asked| store.supports(**asked) == lacks.contains(**asked)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("wrong about {wrong:?}").into()) }
}

pub(crate) fn failed(error: AnyError) -> Failed {
    format!("{error:?}").into()
}
