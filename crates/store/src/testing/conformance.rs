//! The suite every backend passes: what [`Store`] promises, case by case.
//!
//! Each case gets an empty store of its own. A backend of anybody's runs it as a test program of named trials (in `Cargo.toml`
//! `longshore-store` with the feature `testing` and `libtest-mimic` among the `dev-dependencies`, and `harness = false` for the
//! test):
//!
//! ```no_run
//! use libtest_mimic::{Arguments, Trial, run};
//! use longshore_store::Store;
//! use longshore_store::testing::conformance::cases;
//!
//! fn open_empty() -> Store {
//!     Store::memory() // `Store::new(MyBackend::open(…))`, with nothing in it
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     let sample = open_empty();
//!     let trials = cases().into_iter().map(|case| {
//!         let trial = Trial::test(case.name, move || {
//!             let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
//!             runtime.block_on(async {
//!                 let store = open_empty();
//!                 let outcome = case.run(store.clone()).await;
//!                 // What a case has given up is taken back by now; here a backend looks for what is left over.
//!                 store.close().await?;
//!                 Ok(outcome?)
//!             })
//!         });
//!         // What the backend does not claim is listed, and not run.
//!         trial.with_ignored_flag(!case.applies(&sample))
//!     });
//!     run(&Arguments::from_args(), trials.collect()).exit_code()
//! }
//! ```

mod change;
mod faults;
mod list;
mod read;
mod whole;
mod write;

use std::fmt::Debug;

use crate::backend::BoxFuture;
use crate::capability::CapabilitySet;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Store;

/// How a case ended: well, or with what the store did wrong.
pub type Outcome = std::result::Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// One promise of a store, as a test.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// A name that says what is promised.
    pub name: &'static str,
    /// What a backend must be able to do for the promise to be made.
    pub needs: CapabilitySet,
    run: fn(Store) -> BoxFuture<'static, Outcome>,
}

impl Case {
    /// Returns whether the store makes this promise.
    #[must_use]
    pub fn applies(&self, store: &Store) -> bool {
        store.capabilities().contains_all(self.needs)
    }

    /// Runs the case on an empty store.
    #[must_use]
    pub fn run(&self, store: Store) -> BoxFuture<'static, Outcome> {
        (self.run)(store)
    }
}

/// Returns every case.
#[must_use]
pub fn cases() -> Vec<Case> {
    [read::CASES, write::CASES, list::CASES, change::CASES, whole::CASES, faults::CASES].concat()
}

/// Names the cases of a module, with what each needs besides reading and writing.
macro_rules! promises {
    ($($name:ident [$($need:ident),*],)+) => {
        pub(super) const CASES: &[$crate::testing::conformance::Case] = &[$(
            $crate::testing::conformance::Case {
                name: stringify!($name),
                needs: $crate::capability::CapabilitySet::of(&[
                    $crate::capability::Capability::Read,
                    $crate::capability::Capability::Write,
                    $($crate::capability::Capability::$need,)*
                ]),
                run: |store| Box::pin($name(store)),
            },
        )+];
    };
}
use promises;

/// Fails the case unless both are equal.
#[track_caller]
fn same<T: PartialEq<U> + Debug, U: Debug>(found: T, wanted: U) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    let place = std::panic::Location::caller();
    Err(format!("{place}: found {found:?}, wanted {wanted:?}").into())
}

/// Fails the case unless the result is an error of this kind.
#[track_caller]
fn fails<T: Debug>(result: Result<T>, kind: ErrorKind) -> Outcome {
    let place = std::panic::Location::caller();
    match result {
        Err(error) if error.kind() == kind => {
            let whole = error.path().is_some() && error.backend().is_some();
            if whole {
                return Ok(());
            }
            Err(format!("{place}: an error without path or backend: {error:?}").into())
        }
        found => Err(format!("{place}: found {found:?}, wanted {kind:?}").into()),
    }
}

/// Bytes in which no two places of a chunk's distance are alike.
fn pattern(size: usize) -> bytes::Bytes {
    (0..size).map(|place| (place % 251) as u8 ^ (place / 65_536) as u8).collect()
}

/// Returns an error a source of content may have.
fn broken_source() -> Error {
    Error::new(ErrorKind::Unavailable, "the source broke off")
}
