//! Refuses JSON that gives an object's name twice. Readers would take the one or the other, so a file could show one of them
//! one model, and another a different one.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// # Errors
/// serde's, naming the first name that comes twice, or where the text is no JSON.
pub(super) fn check(json: &[u8]) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    NoDuplicates.deserialize(&mut deserializer)?;
    deserializer.end()
}

#[derive(Clone, Copy)]
struct NoDuplicates;

impl<'de> DeserializeSeed<'de> for NoDuplicates {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("the name {name:?} twice")));
            }
            seen.insert(name);
            map.next_value_seed(self)?;
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_name_may_come_once_in_each_object() {
        for good in ["{}", r#"{"a":{"a":[{"b":1},{"b":-2.5}]},"b":null}"#, "[]", r#""text""#, "true", " 7 "] {
            check(good.as_bytes()).unwrap();
        }
        let bad = [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"a":1,"c":2,"a":3}}"#,
            r#"{"b":[0,{"a":1,"a":[]}]}"#,
            // The same name, written in another way.
            r#"{"a":1,"\u0061":2}"#,
        ];
        for bad in bad {
            let error = check(bad.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(r#"the name "a" twice"#), "{error}");
        }
        for no_json in ["", "{", "{}{}", "nul", &"[".repeat(100_000)] {
            assert!(check(no_json.as_bytes()).is_err());
        }
    }
}
