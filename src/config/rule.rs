//! What a route asks of a key: a namespace and an operation, and where they come from.

use std::{fmt, str::FromStr};

use super::PathName;
use crate::{
    namespace::{Namespaces, NotANamespace},
    scope::{NotAScope, ScopeWord},
};

/// Which namespace a key must open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NamespaceRule {
    /// Whichever: what lies behind judges it.
    Any,
    /// These, whatever the request says.
    Fixed(Namespaces),
    /// The one that a header names.
    Header(HeaderName),
    /// The one that the key names, which names one only.
    Key,
    /// The one that a part of the path names.
    Path(PathName),
}

impl FromStr for NamespaceRule {
    type Err = NotANamespaceRule;

    fn from_str(text: &str) -> Result<Self, NotANamespaceRule> {
        match (text, text.split_once(':')) {
            ("any", _) => Ok(Self::Any),
            ("key", _) => Ok(Self::Key),
            (_, Some(("fixed", namespace))) => {
                Namespaces::word(namespace).map(Self::Fixed).map_err(NotANamespaceRule::Fixed)
            }
            (_, Some(("header", name))) => name.parse().map(Self::Header),
            (_, Some(("path", name))) => {
                name.parse().map(Self::Path).map_err(|_| NotANamespaceRule::Path)
            }
            (_, Some(_) | None) => Err(NotANamespaceRule::Shape),
        }
    }
}

impl fmt::Display for NamespaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NamespaceRule::Any => f.write_str("any"),
            NamespaceRule::Fixed(namespaces) => write!(f, "fixed:{namespaces}"),
            NamespaceRule::Header(name) => write!(f, "header:{name}"),
            NamespaceRule::Key => f.write_str("key"),
            NamespaceRule::Path(name) => write!(f, "path:{name}"),
        }
    }
}

/// The name of a header that can say a namespace: letters, digits and `-`, 1 to 64. Case makes no
/// difference to who reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderName(String);

impl HeaderName {
    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = NotANamespaceRule;

    fn from_str(text: &str) -> Result<Self, NotANamespaceRule> {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !plain || !(1..=64).contains(&text.len()) {
            return Err(NotANamespaceRule::Header);
        }
        let lower = text.to_ascii_lowercase();
        let begins = STAYS_BEGINS.iter().any(|begin| lower.starts_with(begin));
        if begins || STAYS.contains(&lower.as_str()) {
            return Err(NotANamespaceRule::OurHeader);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a key must allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ScopeRule {
    /// Whatever: what lies behind judges it.
    Any,
    /// This.
    Word(ScopeWord),
}

impl FromStr for ScopeRule {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        if text == "any" { Ok(Self::Any) } else { text.parse().map(Self::Word) }
    }
}

impl fmt::Display for ScopeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScopeRule::Any => f.write_str("any"),
            ScopeRule::Word(word) => word.fmt(f),
        }
    }
}

/// Why a text says no namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotANamespaceRule {
    /// What stands behind `fixed:` is none.
    Fixed(NotANamespace),
    /// What stands behind `header:` is no header.
    Header,
    /// That header never reaches whoever would read it.
    OurHeader,
    /// What stands behind `path:` is no name.
    Path,
    /// It says neither where from nor which.
    Shape,
}

/// Headers that never go on to whoever would read a namespace in them, or mean something else
/// there; and how the names of more of them begin.
const STAYS: [&str; 18] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-method-override",
    "x-real-ip",
    "x-rewrite-url",
];
const STAYS_BEGINS: [&str; 5] = ["proxy-", "x-forwarded", "x-http-method", "x-msb-", "x-original-"];

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(text: &str, expected: Result<(), NotANamespaceRule>) {
        let found = text.parse::<NamespaceRule>();
        assert_eq!(found.as_ref().map(|_| ()).map_err(|why| *why), expected, "{text:?}");
        if let Ok(rule) = found {
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn a_namespace_comes_from_somewhere_or_is_fixed() {
        for text in ["any", "key", "fixed:dev", "fixed:*", "header:X-Workspace-Id", "path:name"] {
            namespace(text, Ok(()));
        }
        namespace(&format!("header:{}", "a".repeat(64)), Ok(()));
        namespace(&format!("header:{}", "a".repeat(65)), Err(NotANamespaceRule::Header));
        for text in ["header:", "header:X_Y", "header:a b", "header:a:b", "header:ä"] {
            namespace(text, Err(NotANamespaceRule::Header));
        }
        for text in [
            "header:Authorization",
            "header:x-api-KEY",
            "header:X-Msb-Namespace",
            "header:Host",
            "header:X-Real-IP",
            "header:X-Original-URL",
            "header:Proxy-X",
        ] {
            namespace(text, Err(NotANamespaceRule::OurHeader));
        }
        namespace("fixed:", Err(NotANamespaceRule::Fixed(NotANamespace::Empty)));
        namespace("fixed:a b", Err(NotANamespaceRule::Fixed(NotANamespace::Character)));
        for text in ["path:", "path::a", "path:a-b"] {
            namespace(text, Err(NotANamespaceRule::Path));
        }
        for text in ["", "Any", "header", "dev", "query:x", "any:", "key:x", "*"] {
            namespace(text, Err(NotANamespaceRule::Shape));
        }
    }

    #[test]
    fn a_scope_is_one_word_or_any() {
        for text in ["any", "servers.delete", "servers.*", "*"] {
            assert_eq!(text.parse::<ScopeRule>().unwrap().to_string(), text);
        }
        assert_eq!("any".parse(), Ok(ScopeRule::Any));
        assert_eq!("a b".parse::<ScopeRule>(), Err(NotAScope::Character));
        assert_eq!("".parse::<ScopeRule>(), Err(NotAScope::Empty));
    }
}
