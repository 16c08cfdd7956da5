//! What a key says about itself.

use std::{fmt, str::FromStr};

use serde::Serialize;
use smol_str::SmolStr;

use super::KeyId;
use crate::{
    json,
    namespace::{Names, Namespaces},
    scope::Scope,
    time::UnixTime,
};

/// The claims of a key, in the order in which they are written (RFC 7519 section 4).
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
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
    #[serde(skip_serializing_if = "Scope::is_every")]
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
    /// Reads claims whose one spelling these bytes are: what serde would write of them again.
    ///
    /// Nothing is skipped and nothing unescaped, so whatever else means the same (blanks, escapes,
    /// other orders, unknown or doubled members, other numerals) is not read.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Cursor(str::from_utf8(bytes).ok()?);
        let claims = Self {
            jti: rest.take("{\"jti\":").and_then(|()| rest.word())?,
            iat: rest.take(",\"iat\":").and_then(|()| rest.time())?,
            exp: rest.member(",\"exp\":", Cursor::time)?,
            nbf: rest.member(",\"nbf\":", Cursor::time)?,
            namespace: rest.take(",\"namespace\":").and_then(|()| rest.namespaces())?,
            scope: rest.member(",\"scope\":", Cursor::scope)?.unwrap_or_default(),
            sub: rest.member(",\"sub\":", Cursor::word)?,
            iss: rest.member(",\"iss\":", Cursor::word)?,
            aud: rest.member(",\"aud\":", Cursor::word)?,
        };
        (rest.0 == "}" && claims.in_order()).then_some(claims)
    }

    /// Whether the key is issued, and begins, before it ends.
    pub(super) fn in_order(&self) -> bool {
        self.exp.is_none_or(|exp| self.iat < exp && self.nbf.is_none_or(|nbf| nbf < exp))
    }
}

/// What is still to be read.
struct Cursor<'b>(&'b str);

impl<'b> Cursor<'b> {
    /// Goes past this, which must come next.
    fn take(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A member that need not be there; the outer none is that it cannot be read.
    fn member<T>(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.take(name) {
            Some(()) => value(self).map(Some),
            None => Some(None),
        }
    }

    /// A string. Escapes are left as they are, and no word has a `\\` in it.
    fn string(&mut self) -> Option<&'b str> {
        let (text, rest) = self.0.strip_prefix('"')?.split_once('"')?;
        self.0 = rest;
        Some(text)
    }

    fn word<T: FromStr>(&mut self) -> Option<T> {
        self.string()?.parse().ok()
    }

    /// A number of seconds: digits, without zeros in front.
    fn time(&mut self) -> Option<UnixTime> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        let plain = digits == "0" || !digits.starts_with('0');
        digits.parse().ok().filter(|_| plain).and_then(UnixTime::from_secs)
    }

    fn scope(&mut self) -> Option<Scope> {
        Scope::exact(self.string()?)
    }

    /// One word, or several names in an array, every one after the one before it.
    fn namespaces(&mut self) -> Option<Namespaces> {
        if self.take("[").is_none() {
            return Namespaces::word(self.string()?).ok();
        }
        let mut names = Names::new();
        loop {
            let name = self.word()?;
            if names.last().is_some_and(|last| *last >= name) {
                return None;
            }
            names.push(name);
            if self.take(",").is_none() {
                break;
            }
        }
        self.take("]")?;
        (2..=Namespaces::MOST).contains(&names.len()).then_some(Namespaces::Named(names))
    }
}

/// An owner, an issuer or an audience: `[A-Za-z0-9][A-Za-z0-9@._+:/-]{0,127}`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Party(SmolStr);

impl Party {
    /// The longest, in characters.
    pub const MOST: usize = 128;
}

impl FromStr for Party {
    type Err = NotAParty;

    fn from_str(text: &str) -> Result<Self, NotAParty> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let inner =
            |byte| plain(byte) || matches!(byte, b'@' | b'.' | b'_' | b'+' | b':' | b'/' | b'-');
        if text.is_empty() {
            return Err(NotAParty::Empty);
        }
        if text.len() > Self::MOST {
            return Err(NotAParty::TooLong);
        }
        if !plain(text.as_bytes()[0]) || !text.bytes().all(inner) {
            return Err(NotAParty::Character);
        }
        Ok(Self(text.into()))
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
