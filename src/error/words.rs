//! What is wrong with a word that somebody gave.

use std::fmt;

use crate::{
    config::{
        NotAHost, NotAMethod, NotANetwork, NotAPattern, NotARate, NotAccess, NotAnErrorFormat,
        NotBytes, NotMethods, NotSomewhere,
    },
    key::{NotAKeyId, NotAParty, NotAPrefix, Unsealable},
    label::NotALabel,
    ledger::NotAState,
    namespace::NotANamespace,
    scope::NotAScope,
    signing::{NotAJwk, NotAKid, NotAPem, WeakKey},
    time::NotATime,
    variable::NotAVariable,
};

/// The text without whatever may be a key, or most of one: any run of a key's characters that is
/// longer than what else people type.
pub fn redacted(text: &str) -> String {
    const LONGEST: usize = 100;
    let in_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut told = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(in_key) {
        let (before, run) = rest.split_at(start);
        let (run, after) = run.split_at(run.find(|c| !in_key(c)).unwrap_or(run.len()));
        told.push_str(before);
        told.push_str(if run.len() > LONGEST { "…" } else { run });
        rest = after;
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
        NotALabel::Blank => "it begins or ends with a blank",
        NotALabel::Empty => "it is empty",
        NotALabel::TooLong => "it has more than 128 characters",
        NotALabel::Unseen => "it has a control character, or one that cannot be seen",
    }
    NotAParty {
        NotAParty::Character => "it has only letters, digits and `@._+:/-`, and begins with a letter or a digit",
        NotAParty::Empty => "it is empty",
        NotAParty::TooLong => "it has more than 128 characters",
    }
    NotAState {
        NotAState => "a state is active, not_yet_valid, expired, revoked, reset, undelivered or all",
    }
    NotAKeyId { NotAKeyId => "a key id is 16 characters of 0-9 and a-z without i, l, o and u" }
    NotAVariable {
        NotAVariable => "a variable has only letters, digits and `_`, and does not begin with a digit",
    }
    NotAKid { NotAKid => "a kid is 11 characters of base64url" }
    NotAPrefix { NotAPrefix => "a prefix is a lower-case letter, up to 14 more and digits, then `_`" }
    WeakKey { WeakKey => "a public key that is weak or has a second spelling" }
    NotAHost {
        NotAHost::Address => "it is neither an address nor a name",
        NotAHost::Brackets => "an IPv6 address stands in brackets here",
        NotAHost::Case => "a host is in lower case",
        NotAHost::Shape => "a host is letters, digits and `-` with points between, or an address",
    }
    NotAMethod { NotAMethod => "a method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS" }
    NotANetwork {
        NotANetwork::Bits => "an IPv4 network has 1 to 32 bits, an IPv6 network 1 to 128",
        NotANetwork::Everybody => "it would trust everybody",
        NotANetwork::Mapped => "an IPv4 network is written as such",
        NotANetwork::Rest => "the bits behind those that count are 0",
        NotANetwork::Shape => "a network is an address, or one with `/` and a number of bits",
    }
    NotAPattern {
        NotAPattern::Character => "it could be read two ways: a path has letters, digits and `-._~!$&'()+,=:@`",
        NotAPattern::Dots => "it could be read two ways: `.` and `..` are no part of a path",
        NotAPattern::Doubled => "it could be read two ways: something stands between two `/`",
        NotAPattern::Name => "a name in a path has only letters, digits and `_`",
        NotAPattern::OurOwn => "msb answers there itself",
        NotAPattern::Rest => "`*` stands alone at the end",
        NotAPattern::Start => "a path begins with `/`",
        NotAPattern::Twice => "it has one name twice",
    }
    NotARate {
        NotARate::Nothing => "a rate is at least 1",
        NotARate::Shape => "a rate is a number, `/` and a unit",
        NotARate::TooMuch => "a rate is at most 4294967295",
        NotARate::Unit => "the units of a rate are s m h d",
    }
    NotAccess { NotAccess => "it is `public` or `key`" }
    NotAnErrorFormat { NotAnErrorFormat => "it is `default`, `superbox` or `microsandbox`" }
    NotBytes {
        NotBytes::Nothing => "it is at least 1",
        NotBytes::Shape => "it is a number of bytes, or one with KiB, MiB or GiB behind",
        NotBytes::TooMuch => "it is at most 1GiB",
    }
    NotMethods {
        NotMethods::None => "`methods` names none",
        NotMethods::Twice => "`methods` names one twice",
    }
    NotSomewhere {
        NotSomewhere::Address => "it is an IP address",
        NotSomewhere::Socket => "it is an IP address, `:` and a port",
    }
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

/// Why readers of a `.env` file differ on where a line ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnclearLine {
    /// It ends in `\`, behind which a shell goes on.
    GoesOn,
    /// It has a carriage return that no line feed follows.
    LoneReturn,
    /// It opens a quote, and where that ends is not clear.
    OpenQuote,
}

said! {
    UnclearLine {
        UnclearLine::GoesOn => "it ends in `\\`, and a shell goes on with the next line",
        UnclearLine::LoneReturn => "it has a carriage return without a line feed behind it",
        UnclearLine::OpenQuote => "it opens a quote and does not close it",
    }
}

pub(super) fn line_hint(why: UnclearLine) -> &'static str {
    match why {
        UnclearLine::GoesOn | UnclearLine::OpenQuote => "write all of it on one line",
        UnclearLine::LoneReturn => {
            "end lines with a line feed: `tr '\\r' '\\n'` makes some of them"
        }
    }
}

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotATime::BareNumber => "a number needs a unit",
            NotATime::Future { at } => return write!(f, "{at} is still to come"),
            NotATime::NoSuchMoment => "the calendar has no such moment",
            NotATime::NotASpan => "it is no span such as 30d",
            NotATime::Order => "units go from large to small, each once",
            NotATime::OutOfRange => "it lies past the year 9999, or before 1970",
            NotATime::Past { at } => return write!(f, "{at} has passed"),
            NotATime::Shape => "it is neither a span, an instant nor a date",
            NotATime::UnknownUnit => "the units are s m h d w mo y, in lower case",
            NotATime::Zero => "a time is at least 1 of its unit",
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
