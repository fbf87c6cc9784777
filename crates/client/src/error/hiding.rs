//! Errors of requests whose URL is a secret.

use super::Error;

impl Error {
    /// Takes a secret out of what is told of the error: it stands in the URL that was asked, which some answers repeat.
    pub(crate) fn hiding(mut self, secret: &str) -> Self {
        let inner = &mut *self.0;
        inner.location = None;
        inner.message = inner.message.replace(secret, "…");
        let says = |text: &str| text.contains(secret);
        inner.request_id.take_if(|id| says(id));
        inner.code.take_if(|code| says(code.as_str()));
        inner.source.take_if(|source| says(&format!("{source} {source:?}")));
        self
    }
}
