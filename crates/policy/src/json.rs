//! Reading JSON in which every member stands once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::fault::Fault;

/// Reads a document. A member that is there twice is refused: of two conditions under one operator all but the last would
/// silently be dropped, and the policy would allow more than it says.
pub(crate) fn read(text: &str) -> Result<Value, Fault> {
    let Once(value) = serde_json::from_str(text).map_err(|error| Fault::new(error.to_string()))?;
    Ok(value)
}

/// A value without members that are there twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Once)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {name} is there twice")));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Once(value)) = elements.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_as_they_stand() {
        for text in [r#"{"b":[1,-2,0.5,true,null,"é\n"],"a":{"b":{}}}"#, "[]", "5", r#""x""#] {
            assert_eq!(read(text).expect("a document"), serde_json::from_str::<Value>(text).expect("JSON"), "{text}");
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_refused_wherever_it_stands() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"b":2,"a":3}]}"#, r#"{"a":1,"\u0061":1}"#] {
            let fault = read(text).expect_err(text).to_string();
            assert!(fault.starts_with("the member a is there twice"), "{fault}");
        }
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_refused() {
        let deep = "[".repeat(10_000);
        for text in ["", "{", "{1:2}", "1 2", &deep] {
            read(text).expect_err("no document");
        }
    }
}
