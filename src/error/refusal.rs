//! Why a key is turned away, for people.

use std::fmt;

use super::Exit;
use crate::{
    key::Malformed,
    namespace::Namespaces,
    policy::Breach,
    revocations::{Cause, Revoked},
    verify::Refusal,
};

/// What `verify` ends with for this verdict.
pub fn verdict_exit(refusal: &Refusal) -> Exit {
    match refusal {
        Refusal::BadSignature | Refusal::UnknownServerKey { .. } => Exit::BadSignature,
        Refusal::Expired { .. } => Exit::Expired,
        Refusal::Malformed(_) => Exit::Malformed,
        Refusal::NotYetValid { .. } => Exit::NotYetValid,
        Refusal::Policy(_) => Exit::Refused,
        Refusal::Revoked { .. }
        | Refusal::ServerKeyReset { .. }
        | Refusal::ServerKeyRetired { .. } => Exit::Revoked,
        Refusal::WrongAudience { .. }
        | Refusal::WrongIssuer { .. }
        | Refusal::WrongNamespace { .. }
        | Refusal::WrongScope { .. } => Exit::Elsewhere,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::BadSignature => f.write_str("the signature does not hold"),
            Refusal::Expired { at } => write!(f, "the key ended at {at}"),
            Refusal::Malformed(malformed) => malformed.fmt(f),
            Refusal::NotYetValid { from } => write!(f, "the key begins at {from}"),
            Refusal::Policy(breach) => breach.fmt(f),
            Refusal::Revoked { id, revoked: Revoked { at, cause } } => {
                match cause {
                    Cause::Operator(_) => write!(f, "key {id} was revoked at {at}")?,
                    Cause::Rule(kind, _) => {
                        write!(f, "key {id} was revoked at {at} with {}", kind.told())?;
                    }
                    Cause::Undelivered => {
                        write!(f, "key {id} could not be handed out at {at} and is dead")?;
                    }
                }
                cause.reason().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Refusal::ServerKeyReset { kid, at } => write!(f, "server key {kid} was reset at {at}"),
            Refusal::ServerKeyRetired { kid, at } => {
                write!(f, "server key {kid} is retired, and since {at} does not count for it")
            }
            Refusal::UnknownServerKey { kid } => write!(f, "no server key {kid} is known here"),
            Refusal::WrongAudience { expected: Some(expected) } => {
                write!(f, "the key is not meant for {expected}")
            }
            Refusal::WrongAudience { expected: None } => {
                f.write_str("the key is meant for an audience, and none is configured here")
            }
            Refusal::WrongIssuer { expected: Some(expected) } => {
                write!(f, "the key was not issued by {expected}")
            }
            Refusal::WrongIssuer { expected: None } => f.write_str("the key names an issuer"),
            Refusal::WrongNamespace { required, opens } => {
                write!(f, "the key opens {}, not {}", opens.told(), required.told())
            }
            Refusal::WrongScope { required, allows } => {
                write!(f, "the key allows {}, not {}", allows.told(), required.told())
            }
        }
    }
}

/// Both values: the key's, and the policy's.
impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Endless { most: Some(most) } => {
                write!(f, "the key does not expire, and `max_expire` is {most}")
            }
            Breach::Endless { most: None } => {
                f.write_str("the key does not expire, and `require_expire` is set")
            }
            Breach::Nameless => f.write_str("the key has no name, and `require_name` is set"),
            Breach::OpensAll => {
                f.write_str("the key opens every namespace, and `require_namespace` is set")
            }
            Breach::TooLong { exp, most, latest } => write!(
                f,
                "the key ends at {exp}, and `max_expire` is {most}: at {latest} at the latest"
            ),
            Breach::TooShort { exp, least, earliest: Some(earliest) } => write!(
                f,
                "the key ends at {exp}, and `min_expire` is {least}: at {earliest} at the earliest"
            ),
            Breach::TooShort { exp, least, earliest: None } => {
                write!(f, "the key ends at {exp}, and `min_expire` is {least}")
            }
        }
    }
}

impl Breach {
    /// What to do about a key that was made before.
    fn hint_at_use(&self) -> String {
        let issue = match self {
            Breach::Endless { most: Some(most) } | Breach::TooLong { most, .. } => {
                format!("issue one that ends sooner: `msb server keygen --expire {most}`")
            }
            Breach::Endless { most: None } => {
                "issue one that ends, with `msb server keygen --expire`".to_owned()
            }
            Breach::OpensAll => {
                "issue one that names its namespaces, with `msb server keygen -n`".to_owned()
            }
            Breach::Nameless | Breach::TooShort { .. } => {
                "issue another with `msb server keygen`".to_owned()
            }
        };
        format!("{issue}, or {}", self.change())
    }

    /// What to do where one was to be made.
    pub(super) fn hint_when_made(&self) -> String {
        let give = match self {
            Breach::Endless { most: Some(most) } | Breach::TooLong { most, .. } => {
                format!("give `--expire {most}` or less")
            }
            Breach::Endless { most: None } => "give `--expire`".to_owned(),
            Breach::Nameless => "give `--name`".to_owned(),
            Breach::OpensAll => "give `--namespace`".to_owned(),
            Breach::TooShort { least, .. } => format!("give `--expire {least}` or more"),
        };
        format!("{give}, or {}", self.change())
    }

    fn change(&self) -> String {
        let setting = match self {
            Breach::Endless { most: Some(_) } | Breach::TooLong { .. } => "max_expire",
            Breach::Endless { most: None } => "require_expire",
            Breach::Nameless => "require_name",
            Breach::OpensAll => "require_namespace",
            Breach::TooShort { .. } => "min_expire",
        };
        format!("change `{setting}` under `[policy]` in config.toml")
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Assignment => "it begins with the name of a variable",
            Malformed::Bearer => "it begins with `Bearer`",
            Malformed::Blank => "a blank or a line end stands in it",
            Malformed::Claims => "its claims are not written as a key's are",
            Malformed::Header => "its header is not a key's",
            Malformed::Parts => "it is not three parts with a point between",
            Malformed::Prefix => "it does not begin as a key does",
            Malformed::Quoted => "it begins with a quotation mark",
            Malformed::Signature => "its signature is not 64 bytes in base64url",
            Malformed::TooLong => "it has more than 4096 characters",
        })
    }
}

impl Refusal {
    /// What to do about it: the command that mends it, where there is one.
    pub fn hint(&self) -> String {
        match self {
            Refusal::BadSignature => {
                "ask whoever issued it for the key as it was printed".to_owned()
            }
            Refusal::Expired { .. }
            | Refusal::Revoked { .. }
            | Refusal::ServerKeyReset { .. }
            | Refusal::ServerKeyRetired { .. } => {
                "issue another with `msb server keygen`".to_owned()
            }
            Refusal::Malformed(malformed) => match malformed {
                Malformed::Assignment => "take off the `NAME=` in front".to_owned(),
                Malformed::Bearer => "take off `Bearer ` in front".to_owned(),
                Malformed::Blank => "take off the blanks and line ends".to_owned(),
                Malformed::Quoted => "take off the quotation marks".to_owned(),
                Malformed::Claims
                | Malformed::Header
                | Malformed::Parts
                | Malformed::Prefix
                | Malformed::Signature
                | Malformed::TooLong => "copy the whole key, and nothing but the key".to_owned(),
            },
            Refusal::NotYetValid { .. } => "wait, or look at the clocks".to_owned(),
            Refusal::Policy(breach) => breach.hint_at_use(),
            Refusal::UnknownServerKey { .. } => {
                "verify where it was issued, or with that server's `--jwks`".to_owned()
            }
            Refusal::WrongAudience { expected: None } => {
                "set `audience` in config.toml, and verify with the database: `--jwks` and \
                 `--public-key` know no audience"
                    .to_owned()
            }
            Refusal::WrongAudience { expected: Some(_) } | Refusal::WrongIssuer { .. } => {
                "look at `issuer` and `audience` in config.toml".to_owned()
            }
            Refusal::WrongNamespace { required, .. } => {
                let flags: String = match required {
                    Namespaces::All => String::new(),
                    Namespaces::Named(names) => {
                        names.iter().map(|name| format!(" -n {name}")).collect()
                    }
                };
                format!("issue one that does: `msb server keygen{flags}`")
            }
            Refusal::WrongScope { required, .. } => match required.claim() {
                Some(words) => format!(
                    "issue one that does: `msb server keygen --scope {}`",
                    words.replace(' ', " --scope ")
                ),
                None => "issue one without a scope: `msb server keygen`".to_owned(),
            },
        }
    }
}
