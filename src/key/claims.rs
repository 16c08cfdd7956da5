//! What a key says about itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::KeyId;
use crate::{json, namespace::Namespaces, scope::Scope, time::UnixTime};

/// The claims of a key, in the order in which they are written (RFC 7519 section 4).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// Key id.
    pub jti: KeyId,
    /// Issued at.
    pub iat: UnixTime,
    /// The first second at which the key is dead; it lives for ever without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<UnixTime>,
    /// The first second at which the key is alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<UnixTime>,
    /// What the key opens.
    pub namespace: Namespaces,
    /// What the key allows.
    #[serde(default, skip_serializing_if = "Scope::is_every")]
    pub scope: Scope,
    /// Who the key belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<Party>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<Party>,
    /// Whom it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Party>,
}

impl Claims {
    /// Reads claims whose one spelling these bytes are.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        json::exact(bytes).filter(Self::in_order)
    }

    /// Whether the key is issued, and begins, before it ends.
    pub(super) fn in_order(&self) -> bool {
        self.exp.is_none_or(|exp| self.iat < exp && self.nbf.is_none_or(|nbf| nbf < exp))
    }
}

/// An owner, an issuer or an audience: `[A-Za-z0-9][A-Za-z0-9@._+:/-]{0,127}`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Party(String);

impl Party {
    /// The longest, in characters.
    pub const MOST: usize = 128;
}

impl FromStr for Party {
    type Err = NotAParty;

    fn from_str(text: &str) -> Result<Self, NotAParty> {
        let inner = |c: char| c.is_ascii_alphanumeric() || "@._+:/-".contains(c);
        if text.is_empty() {
            return Err(NotAParty::Empty);
        }
        if text.len() > Self::MOST {
            return Err(NotAParty::TooLong);
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(inner) {
            return Err(NotAParty::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

json::as_text!(Party);

/// Why a text names nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAParty {
    /// Something other than letters, digits and `@._+:/-`, or a mark in front.
    Character,
    /// No text.
    Empty,
    /// More than 128 characters.
    TooLong,
}
