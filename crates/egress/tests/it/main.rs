//! The guard against what it exists for (row 23 of the bugs of peers). Named after the places where others got it wrong: CVE-2026-27826,
//! CVE-2026-33480 (`::ffff:`), names that change between look and dial, redirects to a metadata service.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; helpers are no test functions to clippy"
)]

mod addresses;
mod answers;
mod environment;
mod names;
mod property;
mod redirects;
mod tls;
mod urls;
