//! Revocations: keys that were cut off before their time, one by one or by a rule.

mod snapshot;

use crate::{
    key::{Claims, Party},
    label::Label,
    namespace::{Namespace, Namespaces},
    signing::Kid,
    time::UnixTime,
};

pub use snapshot::Revocations;

/// What is known about the revocation of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// It is not revoked.
    None,
    /// Nobody who would know was asked.
    NotChecked,
    /// It is revoked.
    Revoked(Revoked),
}

/// That a key was cut off, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// When.
    pub at: UnixTime,
    /// Why.
    pub cause: Cause,
}

/// Why a key was cut off.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Cause {
    /// Somebody revoked it, perhaps saying why.
    Operator(Option<Label>),
    /// Somebody revoked all keys of a kind, perhaps saying why.
    Rule(Kind, Option<Label>),
    /// It could not be handed out when it was made.
    Undelivered,
}

/// One decision that cuts off many keys: those of a kind that were issued up to a moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Which keys.
    pub kind: Kind,
    /// The last second of which they may be.
    pub until: UnixTime,
    /// When it was decided.
    pub at: UnixTime,
    /// Why, if somebody said.
    pub reason: Option<Label>,
}

/// A kind of keys: those to which every part applies that is there; without any, every key.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Kind {
    /// They belong to this owner.
    pub owner: Option<Party>,
    /// They name this namespace; `*` names none.
    pub namespace: Option<Namespace>,
    /// This server key signed them.
    pub kid: Option<Kid>,
}

impl Cause {
    /// What somebody said about it.
    pub fn reason(&self) -> Option<&Label> {
        match self {
            Cause::Operator(reason) | Cause::Rule(_, reason) => reason.as_ref(),
            Cause::Undelivered => None,
        }
    }
}

impl Rule {
    /// Whether it cuts off a key that this server key signed.
    pub fn covers(&self, kid: Kid, claims: &Claims) -> bool {
        claims.iat <= self.until && self.kind.has(kid, claims.sub.as_ref(), &claims.namespace)
    }

    /// What it says of a key that it covers.
    pub fn revoked(self) -> Revoked {
        Revoked { at: self.at, cause: Cause::Rule(self.kind, self.reason) }
    }
}

impl Kind {
    /// How this is told to people: `every key of ci-bot that names team-alpha`.
    pub fn told(&self) -> String {
        let part = |words, part: Option<String>| part.map(|part| format!(" {words} {part}"));
        let parts = [
            part("of", self.owner.as_ref().map(ToString::to_string)),
            part("that names", self.namespace.as_ref().map(ToString::to_string)),
            part("signed by server key", self.kid.map(|kid| kid.to_string())),
        ];
        parts.into_iter().flatten().fold("every key".to_owned(), |told, part| told + &part)
    }

    /// Whether keys that this server key signed, of this owner and for these namespaces, are of
    /// this kind, whenever they were issued.
    pub fn has(&self, kid: Kid, owner: Option<&Party>, namespaces: &Namespaces) -> bool {
        let names = |wanted| match namespaces {
            Namespaces::All => false,
            Namespaces::Named(names) => names.contains(wanted),
        };
        self.kid.is_none_or(|wanted| wanted == kid)
            && self.owner.as_ref().is_none_or(|wanted| owner == Some(wanted))
            && self.namespace.as_ref().is_none_or(names)
    }
}
