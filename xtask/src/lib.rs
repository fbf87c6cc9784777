//! The project's house-keeping, as a library so that its own tests can call it.
//!
//! Nothing here ships, and no crate of the product may depend on it.

pub mod ci;
mod fuzz;
pub mod generated;
pub mod package;
pub mod python;
pub mod tidy;
