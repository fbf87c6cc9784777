//! What tests need of a store: the suite every backend passes, and stores that fail on demand.

pub mod chaos;
pub mod conformance;
pub mod disk;
mod giving_up;

pub use giving_up::given_up_after;
