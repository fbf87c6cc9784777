//! Requests on pooled HTTP/1.1 connections, and nothing above that.
//!
//! Why not a ready-made client: on small files the client's own processor time is most of what a transfer
//! costs, and a pool that hands a connection back before its caller goes on never opens more connections
//! than requests run at once.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod connect;
pub(crate) mod event_stream;
pub(crate) mod paced;
pub(crate) mod pool;
