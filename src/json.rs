//! JSON in its one spelling.

use serde::Serialize;

/// Writes a value in its one spelling: members in the order of the type, no blanks.
pub fn write<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our types have text keys and finite numbers")
}

/// Writes a value as [`write()`] does, to the end of a text that has room for it: what grows leaves
/// copies behind.
pub fn append<T: Serialize>(text: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(text, value).expect("our types have text keys and finite numbers");
}

/// Lets words stand in JSON as their text.
macro_rules! as_text {
    ($($word:ty),+) => {$(
        impl serde::Serialize for $word {
            fn serialize<S: serde::Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
                writer.collect_str(self)
            }
        }
    )+};
}

pub(crate) use as_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_what_is_written() {
        let mut text = b"x ".to_vec();
        append(&mut text, &["a\"", "b"]);
        assert_eq!(text, br#"x ["a\"","b"]"#);
        assert_eq!(write(&["a\"", "b"]), r#"["a\"","b"]"#);
    }
}
