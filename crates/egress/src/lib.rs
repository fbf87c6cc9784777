//! The one place that dials out.
//!
//! A webhook's receiver and a file to import are addresses that somebody else chose, and the machine this runs
//! on reaches places that somebody must not: its own loopback, the private network around it, the cloud's
//! metadata service. [`Guard`] sends requests to public addresses only. A host's name is resolved once, every
//! address it has is checked, and the checked address itself is dialled, so that a name which means something
//! else a moment later gains nothing. Redirects are refused, or checked anew at each hop; no proxy is taken
//! from the environment; time and sizes have limits.
//!
//! This crate knows addresses, TLS and HTTP, and nothing of Longshore. Its public API has types of its own, so
//! that who uses it never knows an HTTP library.

#![warn(missing_docs)]

mod address;
mod body;
mod connect;
mod error;
mod guard;
mod message;
mod network;
mod resolve;
mod send;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;

pub use body::Body;
pub use error::{Error, ErrorKind, Result};
pub use guard::{Guard, Target};
pub use message::{Headers, Limits, Method, Redirects, Request, Response};
pub use network::{MalformedNetwork, Network};
pub use resolve::{Resolver, Resolving};
pub use settings::{MalformedPorts, Ports, Settings};
