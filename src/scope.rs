//! Scope: the operations a key allows (RFC 6749 section 3.3).

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use smallvec::SmallVec;
use smol_str::SmolStr;

/// One operation, or with `.*`, `:*` or `/*` at its end all that lie below it, or `*`.
///
/// `[A-Za-z0-9][A-Za-z0-9_-]*([.:/][A-Za-z0-9_-]+)*`, case-sensitive.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ScopeWord(SmolStr);

impl ScopeWord {
    /// Whether leave for this word is leave for `asked`.
    ///
    /// `sandbox.*` covers `sandbox.start` and `sandbox.disk.*`, not `sandboxes.start`.
    pub fn covers(&self, asked: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(below) => asked.0.starts_with(below),
            None => self == asked,
        }
    }
}

impl FromStr for ScopeWord {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        if text.is_empty() {
            return Err(NotAScope::Empty);
        }
        let named = match text.strip_suffix('*') {
            Some("") => return Ok(Self(text.into())),
            Some(below) => below.strip_suffix(['.', ':', '/']).ok_or(NotAScope::Wildcard)?,
            None => text,
        };
        let (mut star, mut foreign, mut gap) = (false, false, false);
        // A mark in front or behind has nothing on one side, as two in a row have between them.
        let mut after_mark = true;
        for byte in named.bytes() {
            let mark = matches!(byte, b'.' | b':' | b'/');
            star |= byte == b'*';
            foreign |= !(mark || byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
            gap |= mark && after_mark;
            after_mark = mark;
        }
        if star {
            Err(NotAScope::Wildcard)
        } else if foreign {
            Err(NotAScope::Character)
        } else if gap || after_mark || named.starts_with(['_', '-']) {
            Err(NotAScope::Shape)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for ScopeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which operations a key allows, or a caller asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Scope {
    /// Every operation; the claim is absent.
    #[default]
    Every,
    /// These only: never empty, sorted, each once.
    Only(Words),
}

/// Words of a scope; the few that most keys have lie in it without an allocation.
pub type Words = SmallVec<[ScopeWord; 3]>;

impl Scope {
    /// These words together; every operation when there is none.
    pub fn of(words: impl IntoIterator<Item = ScopeWord>) -> Self {
        let mut words = Words::from_iter(words);
        words.sort();
        words.dedup();
        if words.is_empty() { Self::Every } else { Self::Only(words) }
    }

    /// The scope whose one spelling a claim is: every word after the one before it.
    pub fn exact(claim: &str) -> Option<Self> {
        let mut words = Words::new();
        for word in claim.split(' ') {
            let word = word.parse().ok()?;
            if words.last().is_some_and(|last| *last >= word) {
                return None;
            }
            words.push(word);
        }
        Some(Self::Only(words))
    }

    /// Whether leave for this is leave for all of `asked`.
    pub fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Every, _) => true,
            (Self::Only(_), Self::Every) => false,
            (Self::Only(held), Self::Only(asked)) => {
                asked.iter().all(|word| held.iter().any(|leave| leave.covers(word)))
            }
        }
    }

    /// Whether this leaves every operation open.
    pub fn is_every(&self) -> bool {
        *self == Self::Every
    }

    /// How this is told to people: the words, or `every operation`.
    pub fn told(&self) -> String {
        self.claim().unwrap_or_else(|| "every operation".to_owned())
    }

    /// The claim's text: the words with one space between; none for every operation.
    pub fn claim(&self) -> Option<String> {
        match self {
            Self::Every => None,
            Self::Only(words) => {
                Some(words.iter().map(|word| word.0.as_str()).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(claim: &str) -> Result<Self, NotAScope> {
        Ok(Self::of(claim.split(' ').map(str::parse).collect::<Result<Words, _>>()?))
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        self.claim().serialize(writer)
    }
}

/// Why a text is no scope word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAScope {
    /// Something other than letters, digits, `_`, `-`, `.`, `:`, `/` and a `*` at the end.
    Character,
    /// No text.
    Empty,
    /// A part is missing between two marks, or the first character is no letter or digit.
    Shape,
    /// A `*` that is neither alone nor behind `.`, `:` or `/` at the end.
    Wildcard,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), NotAScope>) {
        assert_eq!(text.parse::<ScopeWord>().map(|_| ()), expected, "{text:?}");
    }

    fn covers(leave: &str, asked: &str, expected: bool) {
        let (leave, asked): (Scope, Scope) = (leave.parse().unwrap(), asked.parse().unwrap());
        assert_eq!(leave.covers(&asked), expected, "{leave:?} {asked:?}");
    }

    #[test]
    fn a_word_is_words_with_marks_between() {
        for text in
            ["a", "sandbox.start", "a:b/c.d", "A-_9", "sandbox.*", "a:*", "a/b/*", "*", "a._"]
        {
            check(text, Ok(()));
        }
        for text in [".a", "a.", "a..b", "a.:b", "_a", "-a", "a.b."] {
            check(text, Err(NotAScope::Shape));
        }
        for text in ["a*", "**", "a.*.b", "*.a", "a.**", "a-*"] {
            check(text, Err(NotAScope::Wildcard));
        }
        for text in ["a b", "a,b", "é", "a\n", "a+b", "a\"b"] {
            check(text, Err(NotAScope::Character));
        }
        check("", Err(NotAScope::Empty));
        check(".*", Err(NotAScope::Shape));
    }

    #[test]
    fn a_wildcard_covers_what_lies_below_it() {
        covers("sandbox.*", "sandbox.start", true);
        covers("sandbox.*", "sandbox.disk.attach", true);
        covers("sandbox.*", "sandbox.disk.*", true);
        covers("sandbox.*", "sandbox.*", true);
        covers("sandbox.*", "sandbox", false);
        covers("sandbox.*", "sandboxes.start", false);
        covers("sandbox.*", "Sandbox.start", false);
        covers("sandbox.*", "*", false);
        covers("sandbox.start", "sandbox.*", false);
        covers("a:*", "a.b", false);
        covers("*", "anything/at:all", true);
        covers("*", "*", true);
        covers("a b", "a", true);
        covers("a b", "a c", false);
    }

    #[test]
    fn a_scope_is_less_than_every_operation() {
        assert!(Scope::Every.covers(&Scope::Every));
        assert!(Scope::Every.covers(&"a".parse().unwrap()));
        assert!(!"*".parse::<Scope>().unwrap().covers(&Scope::Every));
    }

    #[test]
    fn a_claim_has_one_spelling() {
        assert_eq!("b a b".parse::<Scope>().unwrap().claim().unwrap(), "a b");
        assert_eq!(Scope::of(vec![]).claim(), None);
        assert!("".parse::<Scope>().is_err());
        assert!("a  b".parse::<Scope>().is_err());
        assert_eq!(Scope::exact("a b"), "a b".parse().ok());
        for claim in ["b a", "a a", "", "a  b", " a", "a "] {
            assert_eq!(Scope::exact(claim), None, "{claim:?}");
        }
    }
}
