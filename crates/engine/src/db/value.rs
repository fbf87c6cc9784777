//! What goes into statements and comes out of rows: four types that both engines have.

use bytes::Bytes;
use longshore_core::Timestamp;

use crate::error::{Error, Result};

/// A value of a statement or a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Bytes),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        // Sizes and counters: past 2^63 no disk reaches.
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_micros())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! from_text_form {
    ($($type:ident),+) => {$(
        impl From<longshore_core::$type> for Value {
            fn from(value: longshore_core::$type) -> Self {
                Self::Text(value.to_string())
            }
        }
    )+};
}

from_text_form!(
    DatabaseId,
    WorkspaceId,
    NodeId,
    VersionId,
    EventId,
    JobId,
    KeyId,
    LockId,
    NoteId,
    PrincipalId,
    TransferId,
    UploadId,
    WaitTicket,
    Digest,
    HookId,
    DeliveryId,
    SessionId,
    IdentityId,
    InvitationId,
    ShareId,
    VisitId,
    ResetId
);

/// A row of a query, read by the place of its columns.
#[derive(Clone, Debug)]
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    fn get(&self, place: usize) -> Result<&Value> {
        self.0.get(place).ok_or_else(|| Error::corrupt(format_args!("no column {place}")))
    }

    fn wrong<T>(place: usize, value: &Value) -> Result<T> {
        Err(Error::corrupt(format_args!("column {place} is {value:?}")))
    }

    pub(crate) fn int(&self, place: usize) -> Result<i64> {
        match self.get(place)? {
            Value::Int(value) => Ok(*value),
            other => Self::wrong(place, other),
        }
    }

    pub(crate) fn count(&self, place: usize) -> Result<u64> {
        let value = self.int(place)?;
        u64::try_from(value).or_else(|_| Self::wrong(place, &Value::Int(value)))
    }

    pub(crate) fn opt_count(&self, place: usize) -> Result<Option<u64>> {
        if *self.get(place)? == Value::Null { Ok(None) } else { self.count(place).map(Some) }
    }

    pub(crate) fn time(&self, place: usize) -> Result<Timestamp> {
        self.int(place).map(Timestamp::from_micros)
    }

    pub(crate) fn opt_time(&self, place: usize) -> Result<Option<Timestamp>> {
        if *self.get(place)? == Value::Null { Ok(None) } else { self.time(place).map(Some) }
    }

    pub(crate) fn text(&self, place: usize) -> Result<&str> {
        match self.get(place)? {
            Value::Text(value) => Ok(value),
            other => Self::wrong(place, other),
        }
    }

    pub(crate) fn opt_text(&self, place: usize) -> Result<Option<&str>> {
        match self.get(place)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            other => Self::wrong(place, other),
        }
    }

    pub(crate) fn opt_bytes(&self, place: usize) -> Result<Option<Bytes>> {
        match self.get(place)? {
            Value::Null => Ok(None),
            Value::Bytes(value) => Ok(Some(value.clone())),
            other => Self::wrong(place, other),
        }
    }

    /// Reads a column whose text form is that of `T`: an id, a digest.
    pub(crate) fn parse<T: std::str::FromStr>(&self, place: usize) -> Result<T> {
        let text = self.text(place)?;
        text.parse().or_else(|_| Self::wrong(place, &Value::from(text)))
    }

    pub(crate) fn opt_parse<T: std::str::FromStr>(&self, place: usize) -> Result<Option<T>> {
        if *self.get(place)? == Value::Null { Ok(None) } else { self.parse(place).map(Some) }
    }
}
