//! What a user of the store sees, in one binary of named trials.

#[cfg(test)]
mod blocking;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod http;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod outsider;
#[cfg(test)]
mod rate;
#[cfg(test)]
mod service_faults;
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
        trials.extend(service_faults::trials());
        trials.extend(layers::trials());
        trials.extend(cache::trials());
        trials.extend(cache::paused_trials());
        trials.extend(rate::paused_trials());
        trials.extend(blocking::trials());
        trials.extend(outsider::trials());
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a test to its end on a runtime of its own.
#[cfg(test)]
fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// Runs a test to its end on one thread, with a clock that stands while there is something to do.
#[cfg(test)]
fn block_on_paused<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

/// Makes trials of async functions that panic when they fail. One that is left out is unused, which the
/// compiler tells.
#[cfg(test)]
macro_rules! trials {
    ($module:literal: $($test:ident,)+) => {
        crate::trials!(trials, block_on, $module: $($test,)+);
    };
    ($name:ident, $run:ident, $module:literal: $($test:ident,)+) => {
        pub(crate) fn $name() -> Vec<libtest_mimic::Trial> {
            vec![$(
                libtest_mimic::Trial::test(concat!($module, "::", stringify!($test)), || {
                    crate::$run($test());
                    Ok(())
                }),
            )+]
        }
    };
}
#[cfg(test)]
use trials;

/// Makes trials of async functions that move the clock.
#[cfg(test)]
macro_rules! paused_trials {
    ($module:literal: $($test:ident,)+) => {
        crate::trials!(paused_trials, block_on_paused, $module: $($test,)+);
    };
}
#[cfg(test)]
use paused_trials;
