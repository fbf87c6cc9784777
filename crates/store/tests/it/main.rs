//! What a user of the store sees, in one binary of named trials.

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod http;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod suite;

fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = Vec::new();
    #[cfg(test)]
    {
        trials.extend(suite::trials());
        trials.extend(disk::trials());
        trials.extend(chaos::trials());
        trials.extend(http::trials());
        trials.extend(layers::trials());
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a test to its end on a runtime of its own.
#[cfg(test)]
fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// Makes trials of async functions that panic when they fail. One that is left out is unused, which the
/// compiler tells.
#[cfg(test)]
macro_rules! trials {
    ($module:literal: $($test:ident,)+) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$(
                libtest_mimic::Trial::test(concat!($module, "::", stringify!($test)), || {
                    crate::block_on($test());
                    Ok(())
                }),
            )+]
        }
    };
}
#[cfg(test)]
use trials;
