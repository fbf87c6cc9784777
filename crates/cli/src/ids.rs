//! Ids on the command line: one, or many to each of which the same is done.

use std::fmt::Display;
use std::str::FromStr;

use longshore::Code;
use longshore_core::IdError;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// Reads the id of `what`; the verb `shown_by` shows those there are.
pub(crate) fn id<T: FromStr<Err = IdError>>(text: &str, what: &str, shown_by: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| {
        Failure::of_code(Code::InvalidId, format!("{text:?} is no {what}'s id: {error}"))
            .hint(format!("`longshore {shown_by}` shows them"))
    })
}

/// Reads all before anything is done: where one is wrong, nothing is.
pub(crate) fn all<T>(texts: &[String], read: impl Fn(&str) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| read(text)).collect()
}

/// Does something to each, one after the other, and says what has become of it.
pub(crate) async fn each<T: Copy + Display + Serialize>(
    ids: Vec<T>,
    done: &str,
    output: Output,
    act: impl AsyncFn(T) -> longshore::Result<()>,
) -> anyhow::Result<()> {
    let mut list = output.list()?;
    for id in ids {
        act(id).await?;
        list.item(&id, |id| format!("{id} {done}"))?;
    }
    Ok(list.end()?)
}
