//! Why a request came to nothing, and whether another may come to more.

use std::error::Error;
use std::io;
use std::time::Duration;

/// Whether, and when, the same may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It would end the same way.
    Never,
    /// After a pause that grows.
    Soon,
    /// The same, and the server may still be at the first attempt.
    AfterTimeout,
    /// After the pause that the server asked for.
    After(Duration),
}

/// What broke on the way, for who must know more than the code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer's certificate is not one to trust.
    Certificate,
    /// Something else of TLS.
    Tls,
    /// What came is no HTTP/1.1.
    Protocol,
    /// The connection ended, and the answer had not.
    CutOff,
    /// The system says so, by the number of its error.
    System(i32),
}

/// A request that came to nothing.
#[derive(Debug)]
pub struct Refused {
    /// A stable word for it: `web_network`, `web_timeout`, `web_tls`, `web_protocol`, `web_url`, `web_redirect`,
    /// `web_throttled`, `web_failed`, `web_refused`; or one of the caller's own.
    pub code: &'static str,
    /// What happened, without the URL.
    pub message: String,
    /// What the server answered, where it did.
    pub status: Option<u16>,
    /// Whether, and when, it may be tried again.
    pub again: Again,
    /// What broke on the way, where that is known.
    pub fault: Option<Fault>,
    /// The first of the answer's body.
    pub body: Vec<u8>,
}

impl Refused {
    /// Makes one of these facts alone.
    pub fn new(code: &'static str, again: Again, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), status: None, again, fault: None, body: Vec::new() }
    }

    /// What the server says cannot be, and would say again.
    pub fn never(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Again::Never, message)
    }

    /// Nothing came for so long.
    pub fn timeout(limit: Duration) -> Self {
        Self::new("web_timeout", Again::AfterTimeout, format!("nothing came for {limit:?}"))
    }

    /// Tells whether the peer closed the connection.
    pub(crate) fn is_hung_up(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match self.fault {
            Some(Fault::CutOff) => true,
            Some(Fault::System(number)) => {
                let kind = io::Error::from_raw_os_error(number).kind();
                matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset)
            }
            _ => false,
        }
    }

    /// Says what broke on the way. The URL is left out: it may hold a secret.
    pub(crate) fn broken(error: reqwest::Error, limit: Duration) -> Self {
        if error.is_timeout() {
            if error.is_connect() {
                return Self::new("web_timeout", Again::AfterTimeout, "no connection came about in time");
            }
            return Self::timeout(limit);
        }
        let again = if error.is_builder() { Again::Never } else { Again::Soon };
        let error = error.without_url();
        // The outermost words are the library's own; what happened is below them.
        let mut message = String::new();
        for cause in causes(&error) {
            let text = cause.to_string();
            if !text.is_empty() && !message.contains(&text) {
                message = if message.is_empty() { text } else { format!("{message}: {text}") };
            }
        }
        if message.is_empty() {
            message = error.to_string();
        }
        Self { fault: causes(&error).find_map(fault), ..Self::new("web_network", again, message) }
    }
}

/// Returns what lies under an error, from the top down.
fn causes(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

fn fault(cause: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return match error {
            error if error.is_parse() => Some(Fault::Protocol),
            error if error.is_incomplete_message() => Some(Fault::CutOff),
            _ => None,
        };
    }
    cause.downcast_ref().and_then(fault_below)
}

/// Reads an error of the system's kind; libraries put others of that kind, and of their own, inside it.
fn fault_below(error: &io::Error) -> Option<Fault> {
    if let Some(number) = error.raw_os_error() {
        return Some(Fault::System(number));
    }
    let inner = error.get_ref();
    if let Some(deeper) = inner.and_then(|inner| inner.downcast_ref()) {
        return fault_below(deeper);
    }
    if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        let is_distrust = matches!(tls, rustls::Error::InvalidCertificate(_));
        return Some(if is_distrust { Fault::Certificate } else { Fault::Tls });
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Some(Fault::CutOff),
        // So hyper says what it cannot read of a body.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Some(Fault::Protocol),
        _ => None,
    }
}
