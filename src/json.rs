//! One spelling: JSON that counts only if writing it again gives the same bytes.

use serde::{Serialize, de::DeserializeOwned};

/// Reads a value whose one spelling these bytes are.
///
/// Blanks, escapes, other orders, unknown or doubled members and other numerals all read
/// like the value and are written differently, so none of them needs a rule of its own.
pub fn exact<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value = serde_json::from_slice(bytes).ok()?;
    (write(&value).as_bytes() == bytes).then_some(value)
}

/// Writes a value in its one spelling: members in the order of the type, no blanks.
pub fn write<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our types have text keys and finite numbers")
}

/// Writes a value as [`write()`] does, to the end of a text that has room for it: what grows leaves
/// copies behind.
pub fn append<T: Serialize>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("our types have text keys and finite numbers");
}

/// Lets words stand in JSON and TOML as their text.
macro_rules! as_text {
    ($($word:ty),+) => {$(
        impl serde::Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                writer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $word {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(reader)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Serialize)]
    struct Pair {
        a: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<String>,
    }

    fn check(text: &str, counts: bool) {
        assert_eq!(exact::<Pair>(text.as_bytes()).is_some(), counts, "{text}");
    }

    #[test]
    fn a_value_has_one_spelling() {
        check(r#"{"a":1}"#, true);
        check(r#"{"a":1,"b":"x"}"#, true);
        check(r#"{"a":1,"b":null}"#, false);
        check(r#"{"a":01}"#, false);
        check(r#"{"a":1.0}"#, false);
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"{"b":"x","a":1}"#, false);
        check(r#"{"a":1,"c":1}"#, false);
        check("{\"\\u0061\":1}", false);
        check(r#"{ "a":1}"#, false);
        check("{\"a\":1}\n", false);
        check(r#"{"a":1}{"a":1}"#, false);
    }
}
