//! Texts with `{column}` in them.
//!
//! A `{` with a quote, a brace or a line's end before its `}`, or with nothing in between, is just text: so JSON needs no
//! escapes.

use std::borrow::Cow;

use longshore_core::path::encode_segment;
use longshore_web::{Refused, Url, shown};

use crate::failure::Failure;
use crate::web::url;

/// A text with columns in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            plain.push_str(before);
            let end = from[1..].find(['{', '}', '"', '\n']).map(|place| place + 1);
            match end.filter(|end| from[*end..].starts_with('}') && !from[1..*end].trim().is_empty()) {
                Some(end) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Column(from[1..end].to_owned()));
                    rest = &from[end + 1..];
                }
                None => {
                    plain.push('{');
                    rest = &from[1..];
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Column(column) => Some(column.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Puts values in the columns' places.
    pub(crate) fn fill<'a, E>(&self, value: impl Fn(&str) -> Result<Cow<'a, str>, E>) -> Result<String, E> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Column(column) => text.push_str(&value(column)?),
            }
        }
        Ok(text)
    }

    fn sample(&self, value: &'static str) -> String {
        let filled: Result<_, std::convert::Infallible> = self.fill(|_| Ok(Cow::Borrowed(value)));
        match filled {
            Ok(text) => text,
            Err(never) => match never {},
        }
    }

    /// Checks that the text is JSON once its columns have values.
    pub(crate) fn check_json(&self) -> Result<(), Failure> {
        match serde_json::from_str::<serde::de::IgnoredAny>(&self.sample("0")) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::invalid(format!("the body is no JSON: {error}"))),
        }
    }
}

/// The template of a URL, whose host no row can choose.
#[derive(Clone, Debug)]
pub(crate) struct UrlTemplate(Template);

impl UrlTemplate {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let template = Template::parse(text);
        let (one, other) = (url(&template.sample("x"))?, url(&template.sample("yy"))?);
        let whom = |url: &Url| (url.origin(), url.username().to_owned(), url.password().map(str::to_owned));
        if whom(&one) != whom(&other) {
            let message = format!("a column chooses the host in {}", shown(&one));
            return Err(Failure::invalid(message).hint("columns may stand in the path and the query"));
        }
        if climbs(&template.sample("x")) {
            return Err(Failure::invalid("the path of the URL has a segment of dots"));
        }
        Ok(Self(template))
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.columns()
    }

    /// Puts values in the columns' places, percent-encoded: a value is never more than one segment of a path or one
    /// value of a query.
    pub(crate) fn fill<'a>(
        &self,
        value: impl Fn(&str) -> Result<Cow<'a, str>, Refused>,
    ) -> Result<Url, Refused> {
        let encoded = |column: &str| {
            let value = value(column)?;
            Ok(Cow::Owned(encode_segment(&value)))
        };
        let text = self.0.fill(encoded)?;
        if climbs(&text) {
            let message = "a value makes a path segment of dots, which would lead elsewhere";
            return Err(Refused::never("local_row", message));
        }
        let mut url = Url::parse(&text)
            .map_err(|error| Refused::never("local_row", format!("the row makes no URL: {error}")))?;
        url.set_fragment(None);
        Ok(url)
    }
}

/// Tells whether the path of a URL has a segment that readers of URLs take for "here" or "above".
fn climbs(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.split('/').any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".."
    })
}

#[cfg(test)]
mod tests;
