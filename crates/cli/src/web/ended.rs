//! A request that came to nothing as the command tells of it, and what ends an attempt.

use longshore_web::Refused;

use crate::failure::{Exit, Failure};

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let exit = match refused.code {
            "web_network" | "web_timeout" | "web_throttled" | "web_failed" => Exit::Unavailable,
            "web_refused" => match refused.status {
                Some(401 | 403) => Exit::Denied,
                Some(404 | 410) => Exit::NotFound,
                _ => Exit::Invalid,
            },
            "web_url" | "web_too_large" => Exit::Invalid,
            _ => Exit::Unexpected,
        };
        Self::new(exit, refused.code, refused.message)
    }
}

/// What ends an attempt: the server's doing, or this machine's, which another attempt would not change.
#[derive(Debug)]
pub(crate) enum Ended {
    Refused(Refused),
    Failed(Failure),
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
