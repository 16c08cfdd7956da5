//! What is wrong with a word that somebody gave.

use std::fmt;

use crate::{
    key::{NotAKeyId, NotAParty, NotAPrefix, Unsealable},
    label::NotALabel,
    ledger::NotAState,
    namespace::NotANamespace,
    scope::NotAScope,
    signing::{NotAJwk, NotAKid, NotAPem, WeakKey},
    time::NotATime,
};

/// Every key has this in it: `{"alg":"EdDSA"` in base64url.
const HEADER_MARK: &str = "eyJhbGciOiJFZERTQSIs";

/// The text with whatever looks like one of our keys taken out of it.
pub fn redacted(text: &str) -> String {
    let mut rest = text;
    let mut told = String::new();
    while let Some(at) = rest.find(HEADER_MARK) {
        told.push_str(&rest[..at]);
        told.push('…');
        let part_of_a_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        rest = rest[at..].trim_start_matches(part_of_a_key);
    }
    told + rest
}

/// Says each variant of an error in its words.
macro_rules! said {
    ($($error:ty { $($variant:pat => $words:expr),+ $(,)? })+) => {$(
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $words),+ })
            }
        }
    )+};
}

said! {
    NotANamespace {
        NotANamespace::AllBesideNames => "`*` is every namespace already and stands alone",
        NotANamespace::Character => "a namespace has only letters, digits, `_` and `-`",
        NotANamespace::Empty => "a namespace is not empty",
        NotANamespace::Start => "a namespace begins with a letter or a digit",
        NotANamespace::TooLong => "a namespace has at most 63 characters",
        NotANamespace::TooMany => "a key names at most 32 namespaces",
    }
    NotAScope {
        NotAScope::Character => "a scope word has only letters, digits, `_`, `-`, `.`, `:` and `/`",
        NotAScope::Empty => "a scope word is not empty",
        NotAScope::Shape => "a scope word is words with one `.`, `:` or `/` between",
        NotAScope::Wildcard => "`*` stands alone, or at the end behind `.`, `:` or `/`",
    }
    NotALabel {
        NotALabel::Blank => "a blank stands at an end",
        NotALabel::Empty => "the text is empty",
        NotALabel::TooLong => "the text has more than 128 characters",
        NotALabel::Unseen => "a character in it cannot be seen",
    }
    NotAParty {
        NotAParty::Character => "it has only letters, digits and `@._+:/-`, and begins with a letter or a digit",
        NotAParty::Empty => "the text is empty",
        NotAParty::TooLong => "the text has more than 128 characters",
    }
    NotAState {
        NotAState => "a state is active, not_yet_valid, expired, revoked, reset, undelivered or all",
    }
    NotAKeyId { NotAKeyId => "a key id is 16 characters of 0-9 and a-z without i, l, o and u" }
    NotAKid { NotAKid => "a kid is 11 characters of base64url" }
    NotAPrefix { NotAPrefix => "a prefix is up to 15 lower-case letters and digits, then `_`" }
    WeakKey { WeakKey => "a public key that is weak or has a second spelling" }
    NotAPem {
        NotAPem::NoBlock => "does not begin with a PEM block",
        NotAPem::NotEd25519 => "is damaged, or not an Ed25519 key in PKCS#8 form",
        NotAPem::Private => "holds a private key, not a public one",
        NotAPem::Public => "holds a public key, not a private one",
        NotAPem::Weak => "holds a weak key",
    }
    NotAJwk {
        NotAJwk::NoneUsable => "has no Ed25519 signature key",
        NotAJwk::NotJson => "is not a JWK Set",
        NotAJwk::Private => "holds a private or symmetric key",
        NotAJwk::Twice => "has one kid twice",
        NotAJwk::Weak => "holds a weak or damaged key",
    }
}

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotATime::BareNumber => "a number needs a unit",
            NotATime::NoSuchMoment => "the calendar has no such moment",
            NotATime::Order => "units go from large to small, each once",
            NotATime::OutOfRange => "it lies past the year 9999, or before 1970",
            NotATime::Past { at } => return write!(f, "{at} has passed"),
            NotATime::Shape => "it is neither a span, an instant nor a date",
            NotATime::UnknownUnit => "the units are s m h d w mo y, in lower case",
            NotATime::Zero => "nothing of a unit is no time",
        })
    }
}

impl fmt::Display for Unsealable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsealable::EndsBeforeItBegins => f.write_str("the key would end before it begins"),
            Unsealable::TooLong { length } => {
                write!(f, "the key would have {length} characters, and 4096 is the most")
            }
        }
    }
}

pub(super) fn jwks_hint(why: NotAJwk) -> &'static str {
    match why {
        NotAJwk::Private => "hand out public keys only: `msb server key show --format jwks`",
        NotAJwk::NoneUsable | NotAJwk::NotJson | NotAJwk::Twice | NotAJwk::Weak => {
            "write one with `msb server key show --format jwks`"
        }
    }
}

pub(super) fn pem_hint(why: NotAPem) -> &'static str {
    match why {
        NotAPem::Private => "hand out public keys only: `msb server key show --format pem`",
        NotAPem::NoBlock | NotAPem::NotEd25519 | NotAPem::Public | NotAPem::Weak => {
            "write one with `msb server key show --format pem`"
        }
    }
}
