//! JSON bodies: one object, all of whose fields must be known, and none of which comes twice.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::BytesMut;
use longshore_core::{Code, NodeId};
use longshore_engine::Premises;
use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::app::App;
use super::context::Context;
use super::extract::{Caller, next_piece};
use super::form::Form;
use super::premise;
use crate::problem::Failure;

/// The most bytes of a body that nobody vouches for: a name, a password, a token.
const STRANGERS_BYTES: usize = 16 * 1_024;
/// How long such a body may take in all, however often a byte of it comes.
const STRANGERS_TIME: Duration = Duration::from_secs(30);

/// A body of a known form that orders a write, with the premises of the request.
#[derive(Debug)]
pub(super) struct Order<T> {
    pub(super) wanted: T,
    pub(super) premises: Premises,
}

impl<T: DeserializeOwned> FromRequest<App> for Order<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (object, premises) = read_order(request, app).await?;
        Ok(Self { wanted: of_form(object)?, premises })
    }
}

/// The same for a body whose `parent_id` may be `root`: the root folder of the workspace that the node is in.
#[derive(Debug)]
pub(super) struct Placing(Map<String, Value>, Premises);

impl Placing {
    pub(super) async fn of<T: DeserializeOwned>(
        mut self,
        app: &App,
        caller: &Caller,
        node: NodeId,
    ) -> Result<(T, Premises), Failure> {
        if self.0.get("parent_id").is_some_and(|parent| parent == "root") {
            match app.engine().node(caller, node).await {
                Ok(node) => {
                    let root = app.engine().workspace(caller, node.workspace_id).await?.root_id;
                    self.0.insert("parent_id".to_owned(), Value::from(root.to_string()));
                }
                // Of a node that is gone the engine tells what was answered before, and nothing else: it matters no
                // more which folder this was.
                Err(error) if error.code() == Code::NodeNotFound => drop(self.0.remove("parent_id")),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((of_form(self.0)?, self.1))
    }
}

impl FromRequest<App> for Placing {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (object, premises) = read_order(request, app).await?;
        Ok(Self(object, premises))
    }
}

/// Reads a body and the premises of its request, of which the body is a part.
async fn read_order(request: Request, app: &App) -> Result<(Map<String, Value>, Premises), Failure> {
    let (head, body) = request.into_parts();
    let mut premises = premise::Premises::of(&head)?.0;
    let (object, text) = read(Request::from_parts(head, body), app).await?;
    if let Some(idempotency) = &mut premises.idempotency {
        idempotency.mix(&text);
    }
    Ok((object, premises))
}

fn invalid(error: impl fmt::Display) -> Failure {
    Failure::new(Code::InvalidBody, error.to_string())
}

pub(super) fn of_form<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Failure> {
    T::deserialize(Form(Value::Object(object))).map_err(invalid)
}

/// Reads a body that is an object. A list is none, though serde would take one for a form's fields in order.
async fn read(request: Request, app: &App) -> Result<(Map<String, Value>, BytesMut), Failure> {
    let (limits, context) = (app.limits(), request.extensions().get::<Context>());
    // Whoever has shown a key or a session has by now: bodies are read last.
    let is_known = context.is_some_and(Context::is_known);
    let body = request.into_body();
    let text = if is_known {
        read_all(body, limits.json_bytes, limits.idle).await?
    } else {
        let reading = read_all(body, STRANGERS_BYTES.min(limits.json_bytes), limits.idle);
        let detail = format!("the body did not come within {} s", STRANGERS_TIME.as_secs());
        let late = |_| Failure::new(Code::RequestTimeout, detail);
        tokio::time::timeout(STRANGERS_TIME, reading).await.map_err(late)??
    };
    if text.is_empty() {
        // Where every field may be left out, so may the body.
        return Ok((Map::new(), text));
    }
    Ok((object(&text)?, text))
}

async fn read_all(mut body: Body, most: usize, idle: Duration) -> Result<BytesMut, Failure> {
    let mut text = BytesMut::new();
    while let Some(piece) = next_piece(&mut body, idle).await? {
        if text.len() + piece.len() > most {
            return Err(Failure::new(
                Code::BodyTooLarge,
                format!("a JSON body has at most {most} bytes here"),
            ));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// Reads a text that is an object.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_slice(text) {
        Ok(Strict(Value::Object(object))) => Ok(object),
        Ok(_) => Err(invalid("the body is a JSON object")),
        Err(error) => Err(invalid(error)),
    }
}

/// A JSON value in which no key comes twice: of two values one would be lost, and nobody can tell which was meant.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = fields.next_entry::<String, Strict>()? {
            if object.contains_key(&key) {
                return Err(de::Error::custom(format_args!("`{key}` comes twice")));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests;
