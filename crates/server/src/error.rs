//! Why a server cannot be configured, opened or bound.

use std::error::Error as StdError;
use std::fmt::{self, Display};

/// The result of opening a server.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no server: what was tried, and what stood in the way. It is for the operator who starts one,
/// so its text tells all that is known.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Makes an error of what was tried, what went wrong, and all that lies behind it.
    pub(crate) fn caused(tried: impl Display, error: impl StdError) -> Self {
        Self(format!("{tried}: {}", chain(&error)))
    }
}

/// Returns what went wrong, and all that lies behind it. Many errors of libraries say next to nothing by
/// themselves: what the database answered is one deeper.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        // Many errors tell their cause already.
        let text = deeper.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(text.trim_end());
        }
        cause = deeper.source();
    }
    message
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;
    use std::fmt;

    use super::{Error, chain};

    /// An error of a text, and what lies behind it.
    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Self>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Layer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref().map(|source| source as _)
        }
    }

    #[test]
    fn the_deepest_cause_is_told_and_none_twice() {
        let deepest = Layer("ERROR: relation \"nodes\" does not exist", None);
        let error =
            Layer("the database: db error", Some(Box::new(Layer("db error", Some(Box::new(deepest))))));
        let told = "the database: db error: ERROR: relation \"nodes\" does not exist";
        assert_eq!(chain(&error), told);
        assert_eq!(Error::caused("cannot start", error).to_string(), format!("cannot start: {told}"));
    }
}
