//! Namespaces: the tenants or projects that a key opens.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;

/// The name of one namespace: `[A-Za-z0-9][A-Za-z0-9_-]{0,62}`, compared byte for byte.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Namespace(SmolStr);

impl FromStr for Namespace {
    type Err = NotANamespace;

    fn from_str(text: &str) -> Result<Self, NotANamespace> {
        if text.is_empty() {
            return Err(NotANamespace::Empty);
        }
        if text.len() > 63 {
            return Err(NotANamespace::TooLong);
        }
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !text.bytes().all(inner) {
            return Err(NotANamespace::Character);
        }
        if text.starts_with(['_', '-']) { Err(NotANamespace::Start) } else { Ok(Self(text.into())) }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::json::as_text!(Namespace);

/// Which namespaces a key opens, or a caller asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Namespaces {
    /// Every namespace; written `*`.
    All,
    /// These only: 1 to 32, sorted, each once.
    Named(Names),
}

/// Names of namespaces; most keys have one, which lies in it without an allocation.
pub type Names = SmallVec<[Namespace; 1]>;

impl Namespaces {
    /// The most namespaces that one key can name.
    pub const MOST: usize = 32;

    /// One word as people give it: `*` or a name.
    pub fn word(text: &str) -> Result<Self, NotANamespace> {
        match text {
            "*" => Ok(Self::All),
            name => Ok(Self::Named(smallvec![name.parse()?])),
        }
    }

    /// All of these together; every namespace when there is none to name.
    pub fn union(parts: Vec<Self>) -> Result<Self, NotANamespace> {
        let mut names = Names::new();
        let count = parts.len();
        for part in parts {
            match part {
                Self::All if count > 1 => return Err(NotANamespace::AllBesideNames),
                Self::All => return Ok(Self::All),
                Self::Named(more) => names.extend(more),
            }
        }
        names.sort();
        names.dedup();
        match names.len() {
            0 => Ok(Self::All),
            1..=Self::MOST => Ok(Self::Named(names)),
            _ => Err(NotANamespace::TooMany),
        }
    }

    /// Whether whoever holds these may act in all of `asked`. A name never opens `*`.
    pub fn cover(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::All, _) => true,
            (Self::Named(_), Self::All) => false,
            (Self::Named(held), Self::Named(asked)) => asked.iter().all(|name| held.contains(name)),
        }
    }

    /// How this is told to people: the names, or `every namespace`.
    pub fn told(&self) -> String {
        match self {
            Self::All => "every namespace".to_owned(),
            Self::Named(_) => self.to_string(),
        }
    }

    /// The words in which this is written: `*`, or the names.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::All => vec!["*".to_owned()],
            Self::Named(names) => names.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The words with one space between.
impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Named(names) = self else { return f.write_str("*") };
        for (n, name) in names.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { " " })?;
            f.write_str(&name.0)?;
        }
        Ok(())
    }
}

impl FromStr for Namespaces {
    type Err = NotANamespace;

    fn from_str(text: &str) -> Result<Self, NotANamespace> {
        Self::union(text.split(' ').map(Self::word).collect::<Result<_, _>>()?)
    }
}

/// The claim: a string for `*` or one name, an array for several.
impl Serialize for Namespaces {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(names) if names.len() > 1 => names.as_slice().serialize(writer),
            Self::All | Self::Named(_) => writer.collect_str(self),
        }
    }
}

/// Why a text names no namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotANamespace {
    /// `*` beside names.
    AllBesideNames,
    /// Something other than a letter, a digit, `_` or `-`.
    Character,
    /// No text.
    Empty,
    /// `_` or `-` in front.
    Start,
    /// More than 63 characters.
    TooLong,
    /// More than 32 names.
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), NotANamespace>) {
        assert_eq!(text.parse::<Namespace>().map(|_| ()), expected, "{text:?}");
    }

    fn named(words: &[&str]) -> Result<Namespaces, NotANamespace> {
        Namespaces::union(words.iter().map(|word| Namespaces::word(word).unwrap()).collect())
    }

    #[test]
    fn a_name_is_letters_digits_and_two_marks() {
        check("a", Ok(()));
        check("Z", Ok(()));
        check("0-_", Ok(()));
        check(&"a".repeat(63), Ok(()));
        check(&"a".repeat(64), Err(NotANamespace::TooLong));
        check("", Err(NotANamespace::Empty));
        check("-a", Err(NotANamespace::Start));
        check("_a", Err(NotANamespace::Start));
        for text in
            ["..", "a.b", "a/b", "a b", " a", "a\n", "a\0", "*x", "x*", "é", "а", "a,b", "%64"]
        {
            check(text, Err(NotANamespace::Character));
        }
    }

    #[test]
    fn every_namespace_stands_alone() {
        assert_eq!(named(&["*"]), Ok(Namespaces::All));
        assert_eq!(named(&[]), Ok(Namespaces::All));
        assert_eq!(named(&["*", "a"]), Err(NotANamespace::AllBesideNames));
        assert_eq!(named(&["a", "*"]), Err(NotANamespace::AllBesideNames));
        assert_eq!(named(&["b", "a", "b"]).unwrap().words(), ["a", "b"]);
    }

    #[test]
    fn a_key_names_at_most_32() {
        let names: Vec<_> = (0..33).map(|index| format!("n{index}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert!(named(&names[..32]).is_ok());
        assert_eq!(named(&names), Err(NotANamespace::TooMany));
    }

    #[test]
    fn a_name_never_opens_every_namespace() {
        let opens = |held: &[&str], asked: &[&str], expected| {
            let (held, asked) = (named(held).unwrap(), named(asked).unwrap());
            assert_eq!(held.cover(&asked), expected, "{held} {asked}");
        };
        opens(&["*"], &["*"], true);
        opens(&["*"], &["dev"], true);
        opens(&["dev"], &["dev"], true);
        opens(&["dev"], &["*"], false);
        opens(&["dev"], &["Dev"], false);
        opens(&["dev"], &["de"], false);
        opens(&["de"], &["dev"], false);
        opens(&["a", "b"], &["b", "a"], true);
        opens(&["a", "b"], &["b", "c"], false);
    }
}
