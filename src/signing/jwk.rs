//! Public server keys as JWK and JWK Set (RFC 7517, RFC 8037).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PublicKey;

/// A member that is neither a string nor null is refused with the whole file; unknown ones are
/// ignored (RFC 7517 section 4).
#[derive(Deserialize, Serialize)]
struct Jwk {
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

impl PublicKey {
    /// Writes a JWK (RFC 8037 section 2).
    pub fn to_jwk(&self) -> String {
        crate::json::write(&Jwk::from(self))
    }

    /// Writes a JWK Set (RFC 7517 section 5), sorted by kid.
    pub fn to_jwks<'a>(keys: impl IntoIterator<Item = &'a PublicKey>) -> String {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_by_key(|key| key.kid());
        crate::json::write(&JwkSet { keys: keys.into_iter().map(Jwk::from).collect() })
    }

    /// Reads the Ed25519 signature keys of a JWK Set, or a single JWK; others are passed over
    /// (RFC 7517 section 5). Never empty, and refused whole if anything in it is secret.
    pub fn from_jwks(text: &str) -> Result<Vec<Self>, NotAJwk> {
        let document: Value = serde_json::from_str(text).map_err(|_| NotAJwk::NotJson)?;
        let entries = match document.get("keys") {
            Some(Value::Array(entries)) => entries.iter().collect(),
            Some(_) => return Err(NotAJwk::NotJson),
            None => vec![&document],
        };
        if !document.is_object() || !entries.iter().all(|entry| entry.is_object()) {
            return Err(NotAJwk::NotJson);
        }
        let secret = |entry: &Value| entry.get("d").is_some() || entry.get("k").is_some();
        if secret(&document) || entries.into_iter().any(secret) {
            return Err(NotAJwk::Private);
        }
        // Once more from the text: a `Value` forgets that a member stood there twice.
        let entries = if document.get("keys").is_some() {
            serde_json::from_str::<JwkSet>(text).map_err(|_| NotAJwk::NotJson)?.keys
        } else {
            vec![serde_json::from_str(text).map_err(|_| NotAJwk::NotJson)?]
        };
        let mut keys = Vec::<Self>::new();
        for entry in entries.iter().filter(|entry| entry.is_ours()) {
            let key = Self::try_from(entry)?;
            if keys.iter().any(|known| known.kid() == key.kid()) {
                return Err(NotAJwk::Twice);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(NotAJwk::NoneUsable) } else { Ok(keys) }
    }
}

impl Jwk {
    /// An Ed25519 key for signatures, as far as it says.
    fn is_ours(&self) -> bool {
        let absent_or = |member: &Option<String>, values: &[&str]| {
            member.as_deref().is_none_or(|value| values.contains(&value))
        };
        self.kty == "OKP"
            && self.crv.as_deref() == Some("Ed25519")
            && absent_or(&self.purpose, &["sig"])
            && absent_or(&self.alg, &["EdDSA", "Ed25519"])
    }
}

impl From<&PublicKey> for Jwk {
    fn from(key: &PublicKey) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes())),
            kid: Some(key.kid().to_string()),
            purpose: Some("sig".to_owned()),
            alg: Some("EdDSA".to_owned()),
        }
    }
}

impl TryFrom<&Jwk> for PublicKey {
    type Error = NotAJwk;

    fn try_from(jwk: &Jwk) -> Result<Self, NotAJwk> {
        let x = jwk.x.as_deref().ok_or(NotAJwk::Weak)?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(x).map_err(|_| NotAJwk::Weak)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| NotAJwk::Weak)?;
        Self::from_bytes(bytes).map_err(|_| NotAJwk::Weak)
    }
}

/// Why a file gives no JWK Set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotAJwk {
    /// No Ed25519 signature key in it.
    NoneUsable,
    /// Not a JSON object of the right shape; a member twice.
    NotJson,
    /// A private or symmetric key in it.
    Private,
    /// One kid twice.
    Twice,
    /// An `x` that is no key: a weak point, a second spelling, or not 32 bytes.
    Weak,
}
