//! A JSON value as a form's fields: what serde makes of it, but that a list is no object, however deep it lies.
//!
//! A derived `Deserialize` takes a list for the fields in their order, and serde_json lets it. No document of ours
//! says so, and a field added between two others would change what such a request means.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value};

/// The value.
pub(super) struct Form(pub(super) Value);

fn fields<'de>(
    object: Map<String, Value>,
) -> MapDeserializer<'de, impl Iterator<Item = (String, Form)>, Error> {
    MapDeserializer::new(object.into_iter().map(|(key, value)| (key, Form(value))))
}

impl IntoDeserializer<'_, Error> for Form {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Form {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Form));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(object) => {
                let mut fields = fields(object);
                let value = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(value)
            }
            simple => simple.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(object) if object.len() == 1 => {
                MapAccessDeserializer::new(fields(object)).deserialize_enum(name, variants, visitor)
            }
            simple => simple.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        one: Option<u64>,
        two: Option<f64>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Plain,
        Of(Inner),
        With { inner: Inner },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(transparent)]
    struct Wrapped(Inner);

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        inner: Option<Inner>,
        list: Vec<Inner>,
        kind: Option<Kind>,
        wrapped: Option<Wrapped>,
        pair: Option<(String, bool)>,
        any: Value,
    }

    fn read(value: Value) -> Result<Outer, Error> {
        Outer::deserialize(Form(value))
    }

    #[test]
    fn what_is_good_is_read_as_serde_json_reads_it() {
        for value in [
            json!({}),
            json!({"inner": null, "list": [], "kind": "plain", "any": [1, {"a": null}]}),
            json!({"inner": {"one": 7}, "list": [{}, {"two": -0.5}], "pair": ["é", true]}),
            json!({"kind": {"of": {"one": u64::MAX}}, "wrapped": {"two": 1}}),
            json!({"kind": {"with": {"inner": {}}}}),
        ] {
            let read = read(value.clone()).unwrap();
            assert_eq!(read, serde_json::from_value(value).unwrap());
        }
    }

    #[test]
    fn a_list_is_no_object_however_deep() {
        for value in [
            json!([]),
            json!([{"one": 7}, [], null, null, null, null]),
            json!({"inner": [7, null]}),
            json!({"list": [{}, [7, 0.5]]}),
            json!({"kind": {"of": [7, 0.5]}}),
            json!({"kind": {"with": {"inner": [7, 0.5]}}}),
            json!({"wrapped": [7, 0.5]}),
        ] {
            assert!(serde_json::from_value::<Outer>(value.clone()).is_ok(), "{value}");
            let error = read(value).unwrap_err().to_string();
            assert!(error.starts_with("invalid type: sequence, expected struct"), "{error}");
        }
    }

    #[test]
    fn what_is_bad_for_serde_json_is_bad_here() {
        for value in [
            json!(null),
            json!("text"),
            json!({"unknown": 1}),
            json!({"inner": {"one": -1}}),
            json!({"inner": {"one": "1"}}),
            json!({"kind": "other"}),
            json!({"kind": {"plain": null, "of": {}}}),
            json!({"kind": {}}),
            json!({"inner": []}),
            json!({"kind": {"with": [{"one": 7}]}}),
            json!({"pair": ["a", true, 1]}),
            json!({"pair": ["a"]}),
        ] {
            let theirs = serde_json::from_value::<Outer>(value.clone()).unwrap_err().to_string();
            assert!(!theirs.is_empty());
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
