//! Rows through an HTTP API: what is asked of each, and the line that becomes of it.

use std::borrow::Cow;

use bytes::Bytes;
use longshore_flow::with_timeout;
use longshore_web::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use longshore_web::{Again, Agent, Answer, Ask, Method, REFUSAL, Refused};
use serde::Serialize;
use serde_json::value::RawValue;

use super::patience::Patience;
use crate::failure::{Exit, Failure};

pub(crate) mod results;
pub(crate) mod rows;
pub(crate) mod template;

use self::rows::{BadRow, Row};
use self::template::{Template, UrlTemplate};

/// A larger answer is a failure of its row.
const LARGEST: usize = 8 * 1_024 * 1_024;

/// What is sent with a request.
pub(crate) enum Body {
    Nothing,
    /// The whole row, as JSON.
    Row,
    Template(Template),
}

/// What is asked of each row.
pub(crate) struct Question {
    pub(crate) method: Method,
    pub(crate) url: UrlTemplate,
    /// What goes to the host that was named.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// The column whose value tells a row from all others; without one it is the row's number.
    pub(crate) key: Option<String>,
}

/// Asks.
pub(crate) struct Enricher {
    pub(crate) agent: Agent,
    pub(crate) patience: Patience,
    pub(crate) question: Question,
}

/// What became of a row: a line for one of the two files.
#[derive(Debug)]
pub(crate) enum Done {
    Answered(String),
    Failed {
        line: String,
        /// Why, if the next row would fail alike.
        hopeless: Option<Box<Failure>>,
    },
    /// An earlier run has its answer.
    Skipped,
    /// The table cannot be read on from here: the line of the row, and why.
    Unread {
        line: String,
        failure: Box<Failure>,
    },
}

#[derive(Serialize)]
struct AnsweredLine<'a> {
    key: &'a str,
    row: &'a RawValue,
    status: u16,
    response: &'a RawValue,
}

#[derive(Serialize)]
struct FailedLine<'a> {
    key: &'a str,
    row: Option<&'a RawValue>,
    status: Option<u16>,
    code: &'a str,
    message: &'a str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
}

impl Question {
    /// Returns every column that is asked for.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        let body = match &self.body {
            Body::Template(template) => Some(template),
            Body::Nothing | Body::Row => None,
        };
        let columns = self.url.columns().chain(body.into_iter().flat_map(Template::columns));
        columns.chain(self.key.as_deref())
    }

    /// Returns what tells the row from all others.
    pub(crate) fn key(&self, row: &Row) -> Result<String, Refused> {
        let Some(column) = &self.key else { return Ok(row.number.to_string()) };
        let key = value(row, column)?.into_owned();
        if key.is_empty() {
            return Err(Refused::never("local_row", format!("the row has nothing in {column:?}, its key")));
        }
        Ok(key)
    }

    fn ask(&self, row: &Row) -> Result<Ask, Refused> {
        let url = self.url.fill(|column| value(row, column))?;
        let json = match &self.body {
            Body::Nothing => None,
            Body::Row => Some(row.json.get().to_owned()),
            Body::Template(template) => {
                let escaped = |column: &str| {
                    let quoted = serde_json::to_string(&value(row, column)?).unwrap_or_default();
                    Ok(Cow::Owned(quoted[1..quoted.len() - 1].to_owned()))
                };
                let json = template.fill(escaped)?;
                if let Err(error) = serde_json::from_str::<&RawValue>(&json) {
                    return Err(Refused::never("local_row", format!("the body is no JSON then: {error}")));
                }
                Some(json)
            }
        };
        let mut headers = HeaderMap::new();
        if json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (method, secrets) = (self.method.clone(), self.headers.clone());
        Ok(Ask { method, url, headers, secrets, body: json.map(Bytes::from) })
    }
}

fn value<'a>(row: &'a Row, column: &str) -> Result<Cow<'a, str>, Refused> {
    row.value(column).ok_or_else(|| Refused::never("local_row", format!("the row has no column {column:?}")))
}

impl Enricher {
    /// Asks about one row until there is an answer, or none to be had.
    pub(crate) async fn ask(&self, key: &str, row: &Row) -> Done {
        let ask = match self.question.ask(row) {
            Ok(ask) => ask,
            Err(refused) => return failed(key, Some(&row.json), &refused, 0),
        };
        let mut attempt = 1;
        loop {
            let refused = match self.attempt(&ask).await {
                Ok((status, response)) => {
                    self.patience.succeeded();
                    let line = AnsweredLine { key, row: &row.json, status, response: &response };
                    return Done::Answered(line_of(&line));
                }
                Err(refused) => refused,
            };
            let Some(pause) = self.patience.pause(attempt, &refused) else {
                return failed(key, Some(&row.json), &refused, attempt);
            };
            attempt += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, ask: &Ask) -> Result<(u16, Box<RawValue>), Refused> {
        let mut answer = self.agent.send(ask).await?;
        let limit = self.agent.settings().idle;
        let read = with_timeout("the answer", limit, collect(&mut answer)).await;
        match read.map_err(|_| Refused::timeout(limit)).flatten() {
            Ok(body) => {
                let response = response(answer.media_type(), &body);
                let status = answer.status().as_u16();
                answer.end();
                Ok((status, response))
            }
            Err(mut refused) => {
                refused.status = Some(answer.status().as_u16());
                answer.broke();
                Err(refused)
            }
        }
    }
}

/// Makes the line of a row that could not be asked about.
pub(crate) fn unasked(key: &str, row: Option<&RawValue>, refused: &Refused) -> Done {
    failed(key, row, refused, 0)
}

/// Makes the line of a row that could not be read.
pub(crate) fn unread(bad: &BadRow) -> Done {
    let done = failed(&bad.number.to_string(), None, &Refused::never("local_row", bad.message.clone()), 0);
    match done {
        Done::Failed { line, .. } if bad.is_last => {
            let message =
                format!("the table ends at row {}, which cannot be read: {}", bad.number, bad.message);
            Done::Unread { line, failure: Box::new(Failure::new(Exit::Partial, "local_row", message)) }
        }
        done => done,
    }
}

fn failed(key: &str, row: Option<&RawValue>, refused: &Refused, attempts: u32) -> Done {
    let body = (!refused.body.is_empty())
        .then(|| String::from_utf8_lossy(&refused.body[..refused.body.len().min(REFUSAL)]));
    let line = FailedLine {
        key,
        row,
        status: refused.status,
        code: refused.code,
        message: &refused.message,
        attempts,
        body,
    };
    let line = line_of(&line);
    let told =
        Refused { status: refused.status, ..Refused::new(refused.code, Again::Never, &*refused.message) };
    let failure = Failure::from(told);
    // All rows are asked of one server, with one key.
    let alike = failure.is_hopeless() || refused.code == "web_network" || refused.status == Some(401);
    Done::Failed { line, hopeless: alike.then(|| Box::new(failure)) }
}

fn line_of(line: &impl Serialize) -> String {
    // Text, numbers and JSON that was read as such: nothing that cannot be written.
    let mut line = serde_json::to_string(line).unwrap_or_default();
    line.push('\n');
    line
}

async fn collect(answer: &mut Answer) -> Result<Vec<u8>, Refused> {
    let too_large =
        || Err(Refused::never("web_too_large", format!("the answer has more than {LARGEST} bytes")));
    if answer.length().is_some_and(|length| length > LARGEST as u64) {
        return too_large();
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > LARGEST {
            return too_large();
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns an answer's body as JSON: itself where it is JSON, else as text; null for nothing.
fn response(media_type: Option<&str>, body: &[u8]) -> Box<RawValue> {
    let null = RawValue::NULL.to_owned();
    if body.trim_ascii().is_empty() {
        return null;
    }
    let text = String::from_utf8_lossy(body);
    let is_json = media_type.is_none_or(|kind| kind.split(';').next().unwrap_or_default().contains("json"));
    if is_json && let Some(json) = one_line(&text) {
        return json;
    }
    serde_json::value::to_raw_value(&text).unwrap_or(null)
}

/// Returns JSON as it came, on one line; nothing if it is none. Its numbers are not touched.
fn one_line(text: &str) -> Option<Box<RawValue>> {
    // Within strings JSON has no bare line ends, so these stand between tokens.
    let line = text.trim().replace(['\n', '\r'], " ");
    RawValue::from_string(line).ok()
}

#[cfg(test)]
mod tests;
