//! Whether an account's namespace is hierarchical: asked, never guessed.

use http::Method;

use super::endpoint::{Ask, Endpoint, Failure};
use crate::error::{Error, ErrorKind, Result};
use crate::object::answer::text;

/// Asks the filesystem, which whoever may use it may ask, and then the account.
///
/// Where neither answers this fails, and names the option that answers instead: what is taken for flat and is not would lose
/// folders.
pub(super) async fn is_hierarchical(
    dfs: Option<&Endpoint>,
    blob: &Endpoint,
    container: &str,
) -> Result<bool> {
    let mut first = None;
    if let Some(dfs) = dfs {
        let ask = Ask { query: &[("resource", "filesystem")], ..Ask::default() };
        match ask_for(dfs, Method::HEAD, container, ask, "x-ms-namespace-enabled").await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(failure) => first = Some(failure),
        }
    }
    let ask = Ask { query: &[("restype", "account"), ("comp", "properties")], ..Ask::default() };
    let second = match ask_for(blob, Method::GET, "", ask, "x-ms-is-hns-enabled").await {
        Ok(Some(answer)) => return Ok(answer),
        Ok(None) => None,
        Err(failure) => Some(failure),
    };
    let why = first.or(second).map(Error::from);
    let kind = why.as_ref().map_or(ErrorKind::Internal, Error::kind);
    let said = why.as_ref().map_or("the service does not say", Error::message);
    let message = format!(
        "it cannot be found out whether the namespace is hierarchical ({said}); the option `hierarchical` says so"
    );
    let error = Error::new(kind, message);
    let pause = why.as_ref().and_then(Error::retry_after);
    let error = if let Some(pause) = pause { error.with_retry_after(pause) } else { error };
    Err(match why {
        Some(why) => error.with_source(why),
        None => error,
    })
}

async fn ask_for(
    endpoint: &Endpoint,
    method: Method,
    path: &str,
    ask: Ask<'_>,
    name: &str,
) -> std::result::Result<Option<bool>, Failure> {
    let response = endpoint.send(method, path, ask).await?;
    Ok(match text(response.headers(), name) {
        Some(answer) if answer.eq_ignore_ascii_case("true") => Some(true),
        Some(answer) if answer.eq_ignore_ascii_case("false") => Some(false),
        Some(_) | None => None,
    })
}
