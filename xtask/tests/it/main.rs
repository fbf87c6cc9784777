//! The tests of xtask: the house rules on small workspaces made for the purpose, and on this one.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

mod arrows;
mod files;
mod fixture;
mod generated;
mod sources;
mod this_workspace;
