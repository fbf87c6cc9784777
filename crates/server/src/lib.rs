//! The front doors of Longshore, and the server that they open in.
//!
//! A handler extracts, calls one verb of the engine, and answers; what is allowed, and what a write means, is
//! the engine's business. This crate never knows SQL, and nobody but [`config`] reads the environment.
//!
//! - [`Config`] says what a server is like; [`Server`] opens one and serves; [`Worker`] runs jobs without serving.
//! - [`http`] is the HTTP API: its `mod.rs` is the table of contents.
//! - [`rights`] says what each route needs of who calls it.
//! - `oidc` finds out whom a provider of OpenID Connect vouches for.
//! - `throttle` counts who comes too often.
//! - `problem` is the one map from error codes to HTTP answers.

pub mod config;
mod connection;
mod data;
mod descriptors;
mod error;
mod folder;
pub mod http;
mod listener;
pub mod log;
mod measures;
mod oidc;
mod problem;
mod recovery;
pub mod rights;
mod server;
mod stall;
mod steady;
mod throttle;
mod tls;
mod worker;

pub use config::Config;
pub use error::{Error, Result};
pub use http::{Entrance, Limits, Source, allow_origins, openapi, router, router_behind};
pub use longshore_engine::{Error as EngineError, WayIn, ensure_sign_in};
pub use oidc::{Oidc, OidcSettings};
pub use recovery::Recovery;
pub use server::{Bound, Server};
pub use throttle::{Rate, Rates};
pub use worker::Worker;
