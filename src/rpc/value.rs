//! JSON that every reader reads alike (RFC 8259).

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

use super::NotCalls;

/// Reads one value and nothing behind it, which borrows what it can.
pub(super) fn read(body: &[u8]) -> Result<Value<'_>, NotCalls> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    reader.disable_recursion_limit();
    let value = Reader { levels: DEPTH }.deserialize(&mut reader).map_err(|error| {
        match error.classify() {
            serde_json::error::Category::Data => NotCalls::NotRequests,
            serde_json::error::Category::Eof
            | serde_json::error::Category::Io
            | serde_json::error::Category::Syntax => NotCalls::NotJson,
        }
    })?;
    reader.end().map_err(|_| NotCalls::NotJson)?;
    Ok(value)
}

/// A value, as far as it matters.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Value<'b> {
    Array(Vec<Value<'b>>),
    /// A number: which one, if it is a whole one.
    Number(Option<i64>),
    Object(Members<'b>),
    Text(Cow<'b, str>),
    /// A truth value or null.
    Other,
}

impl Value<'_> {
    /// What it says, if it is a text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Array(_) | Value::Number(_) | Value::Object(_) | Value::Other => None,
        }
    }
}

/// The members of an object by name, each once, and none with U+0000 in its name.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Members<'b>(Vec<(Cow<'b, str>, Value<'b>)>);

impl<'b> Members<'b> {
    fn of(mut members: Vec<(Cow<'b, str>, Value<'b>)>) -> Option<Self> {
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let once = members.is_sorted_by(|(one, _), (other, _)| one != other);
        // Some readers take a name to end there.
        let plain = members.iter().all(|(name, _)| !name.contains('\0'));
        (once && plain).then_some(Self(members))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value<'b>> {
        let found = self.0.binary_search_by(|(found, _)| (**found).cmp(name)).ok()?;
        Some(&self.0[found].1)
    }
}

/// Reads a value, and refuses a member that stands twice in one object, at every depth: which of
/// them counts is up to the reader (RFC 8259 section 4).
struct Reader {
    /// How many levels of arrays and objects may still follow.
    levels: usize,
}

impl Reader {
    fn below<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(Some(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number.try_into().ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(None))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value<'de>, A::Error> {
        let Self { levels } = self.below()?;
        let mut values = vec![];
        while let Some(value) = elements.next_element_seed(Self { levels })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let Self { levels } = self.below()?;
        let mut members = vec![];
        while let Some(Name(name)) = entries.next_key()? {
            members.push((name, entries.next_value_seed(Self { levels })?));
        }
        let members = Members::of(members)
            .ok_or_else(|| A::Error::custom("a member twice, or an odd name"))?;
        Ok(Value::Object(members))
    }
}

/// The name of a member, without a copy where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'b>(#[serde(borrow)] Cow<'b, str>);

/// How deep a body may be nested.
const DEPTH: usize = 128;

#[cfg(test)]
mod tests {
    use serde::de::Expected;

    use super::*;

    #[test]
    fn any_json_is_expected() {
        let reader = Reader { levels: DEPTH };
        assert_eq!((&reader as &dyn Expected).to_string(), "JSON");
    }

    #[test]
    fn names_are_borrowed_where_they_can_be() {
        let Ok(Value::Object(members)) = read(br#"{"a":1,"\u0062":2}"#) else {
            panic!("an object")
        };
        let borrowed = members.0.iter().map(|(name, _)| matches!(name, Cow::Borrowed(_)));
        assert_eq!(borrowed.collect::<Vec<_>>(), [true, false]);
    }
}
