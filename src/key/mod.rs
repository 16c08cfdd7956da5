//! Keys: what one says and how it is written. Whether it holds is asked in `verify`.
//!
//! A key is a prefix and a compact JWS (RFC 7515 section 7.1), and it is well formed if and only
//! if writing it again from what was read gives the same bytes.

mod claims;
mod id;

use std::{collections::BTreeMap, fmt, str::FromStr};

use base64::{Engine, engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use zeroize::{Zeroize, Zeroizing};

pub use claims::{Claims, NotAParty, Party};
pub use id::{KeyId, NotAKeyId};

use crate::{
    json,
    signing::{BadSignature, Kid, PublicKey, ServerKey, Signed},
};

/// The text of a key: a secret, whoever has it may use it. Wiped from memory when dropped.
#[derive(Clone)]
pub struct KeyText(Zeroizing<String>);

impl KeyText {
    /// The longest key, in characters, its prefix included.
    pub const MOST: usize = 4096;

    /// Any text that is meant to be a key.
    pub fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// SHA-256 of the JWS behind a prefix, as the ledger has it: tells a key again without keeping
    /// it. None if no key with that prefix has this text.
    pub fn sha256(&self, prefix: &Prefix) -> Option<[u8; 32]> {
        if self.0.len() > Self::MOST {
            return None;
        }
        self.0.strip_prefix(prefix.as_str()).map(|jws| Sha256::digest(jws).into())
    }

    /// The plain text. Whoever calls this hands the key out or reads it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for KeyText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// What stands in front of a key, so that people and scanners know one: `[a-z][a-z0-9]{0,14}_`.
///
/// It is no part of the key's identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix(SmolStr);

impl Prefix {
    /// The prefix that a text bears, whatever it is.
    pub fn borne_by(text: &KeyText) -> Option<Self> {
        Self::in_front_of(text.expose())
    }

    fn in_front_of(text: &str) -> Option<Self> {
        let end = text.find('_')? + 1;
        text[..end].parse().ok()
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("msb_".into())
    }
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let word = text.strip_suffix('_').ok_or(NotAPrefix)?;
        let plain = word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if plain && word.len() <= 15 { Ok(Self(text.into())) } else { Err(NotAPrefix) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A well-formed key of which nothing is known yet: its claims may be anybody's invention.
pub struct UnverifiedKey<'t> {
    kid: Kid,
    claims: Claims,
    signing_input: &'t str,
    signature: Zeroizing<[u8; 64]>,
}

impl<'t> UnverifiedKey<'t> {
    /// Reads a key, which must have its one spelling.
    pub fn parse(text: &'t KeyText, prefix: &Prefix) -> Result<Self, Malformed> {
        if text.0.len() > KeyText::MOST {
            return Err(Malformed::TooLong);
        }
        Self::parse_text(text.expose(), Some(prefix))
    }

    /// Reads a key that is a line among many: to wipe the line is left to whoever holds it. Without
    /// a prefix to bear, whatever it bears will do.
    pub fn parse_line(line: &'t [u8], prefix: Option<&Prefix>) -> Result<Self, Malformed> {
        if line.len() > KeyText::MOST {
            return Err(Malformed::TooLong);
        }
        if let Ok(text) = str::from_utf8(line) {
            return Self::parse_text(text, prefix);
        }
        // What is not text is no key; why is told of the text that is nearest. It may be a good key
        // but for a byte: it is wiped, and has room at once for all that it can come to.
        let mut text = Zeroizing::new(String::with_capacity(3 * line.len()));
        for chunk in line.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let read = UnverifiedKey::parse_text(&text, prefix);
        Err(read.expect_err("no key has a replacement character"))
    }

    /// Reads a text that is no longer than a key may be.
    fn parse_text(text: &'t str, prefix: Option<&Prefix>) -> Result<Self, Malformed> {
        let prefix = match prefix {
            Some(prefix) => prefix.clone(),
            None => Prefix::in_front_of(text).unwrap_or_default(),
        };
        let jws =
            text.strip_prefix(prefix.as_str()).ok_or_else(|| Malformed::what_is_in_front(text))?;
        // A blank is in no key: it is looked for only where something is wrong.
        Self::read(jws).map_err(|why| match jws.contains(char::is_whitespace) {
            true => Malformed::Blank,
            false => why,
        })
    }

    fn read(jws: &'t str) -> Result<Self, Malformed> {
        let (signing_input, signature) = jws.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, claims) = signing_input.split_once('.').ok_or(Malformed::Parts)?;
        if claims.contains('.') {
            return Err(Malformed::Parts);
        }
        let kid = read_header(header).ok_or(Malformed::Header)?;
        // What a key says is no secret. Its signature is wiped where it comes to lie; a move on the
        // stack may leave a copy.
        // What nearly all keys say has room in a tenth of what there could be to clear.
        let claims = match claims.len() <= MOST_CLAIMS / 3 * 4 {
            true => decode(claims, &mut [0; MOST_CLAIMS]).and_then(Claims::read),
            false => decode(claims, &mut [0; KeyText::MOST / 4 * 3]).and_then(Claims::read),
        };
        let mut bytes = Zeroizing::new([0; 64]);
        Ok(Self {
            kid,
            claims: claims.ok_or(Malformed::Claims)?,
            signing_input,
            signature: match decode(signature, &mut *bytes).map(<[u8]>::len) {
                Some(64) => bytes,
                Some(_) | None => return Err(Malformed::Signature),
            },
        })
    }

    /// Which server key is said to have signed it: says where to look, and is not believed.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// The claims, once the signature of `server_key` has been found to hold.
    pub fn signed_by(self, server_key: &PublicKey) -> Result<SignedKey, BadSignature> {
        let Signed { message, signature } = self.signed();
        server_key.verify(message, signature)?;
        Ok(SignedKey { kid: server_key.kid(), claims: self.claims })
    }

    /// The same of many keys at once, which costs less for each; `server_key` tells whose signature
    /// a key must have by its kid. The answers are in the order of the keys.
    pub fn all_signed_by<'p, E: From<BadSignature>>(
        mut keys: Vec<Self>,
        server_key: impl Fn(Kid) -> Result<&'p PublicKey, E>,
    ) -> Vec<Result<SignedKey, E>> {
        let mut by_kid: BTreeMap<Kid, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            by_kid.entry(key.kid).or_default().push(place);
        }
        let mut holds = vec![false; keys.len()];
        for (kid, places) in by_kid {
            let Ok(server_key) = server_key(kid) else { continue };
            let signed: Vec<_> = places.iter().map(|place| keys[*place].signed()).collect();
            for (place, verdict) in places.into_iter().zip(server_key.verify_all(&signed)) {
                holds[place] = verdict;
            }
        }
        // Here, where they lie: what is moved out below leaves a copy behind.
        keys.iter_mut().for_each(|key| key.signature.zeroize());
        let answer = |(key, holds): (Self, bool)| {
            let kid = server_key(key.kid)?.kid();
            let signed = holds.then_some(SignedKey { kid, claims: key.claims });
            signed.ok_or_else(|| BadSignature.into())
        };
        keys.into_iter().zip(holds).map(answer).collect()
    }

    fn signed(&self) -> Signed<'_> {
        Signed { message: self.signing_input.as_bytes(), signature: &self.signature }
    }

    /// What the key claims, true or not: for telling a person, never for deciding.
    pub fn claims_unverified(&self) -> &Claims {
        &self.claims
    }
}

impl fmt::Debug for UnverifiedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedKey(…)")
    }
}

/// A key whose signature holds. It may still be revoked, over, or meant for somebody else.
#[derive(Clone, Debug)]
pub struct SignedKey {
    kid: Kid,
    claims: Claims,
}

impl SignedKey {
    /// Which server key signed it.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// What it says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// A key just written.
pub struct SealedKey {
    /// What is handed out.
    pub text: KeyText,
    /// SHA-256 of the JWS, for the ledger: tells a key again without keeping it.
    pub sha256: [u8; 32],
    /// The same key, as it will be read.
    pub key: SignedKey,
}

/// Writes and signs a key (RFC 7515 section 5.1).
pub fn seal(
    claims: Claims,
    server_key: &ServerKey,
    prefix: &Prefix,
) -> Result<SealedKey, Unsealable> {
    let written = Written::new(claims, server_key.public().kid(), prefix)?;
    let signature = server_key.sign(written.signing_input());
    written.seal(&signature)
}

/// The same of many keys at once, which costs less for each.
pub fn seal_all(
    claims: impl IntoIterator<Item = Claims>,
    server_key: &ServerKey,
    prefix: &Prefix,
) -> Result<Vec<SealedKey>, Unsealable> {
    let kid = server_key.public().kid();
    let written = claims.into_iter().map(|claims| Written::new(claims, kid, prefix));
    let written = written.collect::<Result<Vec<_>, _>>()?;
    let signing_inputs: Vec<_> = written.iter().map(Written::signing_input).collect();
    let signatures = server_key.sign_all(&signing_inputs);
    written
        .into_iter()
        .zip(&signatures)
        .map(|(written, signature)| written.seal(signature))
        .collect()
}

/// A key that lacks its signature.
struct Written {
    kid: Kid,
    claims: Claims,
    text: Zeroizing<String>,
    /// Where the JWS begins, behind the prefix.
    jws: usize,
}

impl Written {
    fn new(claims: Claims, kid: Kid, prefix: &Prefix) -> Result<Self, Unsealable> {
        if !claims.in_order() {
            return Err(Unsealable::EndsBeforeItBegins);
        }
        let (jws, said) = (prefix.as_str().len(), json::write(&claims));
        // Room for all of it at once: a growing buffer would leave copies behind.
        let header = BEFORE_KID.len() + (1 + Kid::LENGTH) / 3 * 4 + AFTER_KID.len();
        let length = jws + header + (said.len() + 64).div_ceil(3) * 4 + 4;
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(prefix.as_str());
        text.push_str(BEFORE_KID);
        BASE64_URL_SAFE_NO_PAD.encode_string(format!("\"{kid}"), &mut text);
        text.push_str(AFTER_KID);
        text.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(said, &mut text);
        Ok(Self { kid, claims, text, jws })
    }

    fn signing_input(&self) -> &[u8] {
        &self.text.as_bytes()[self.jws..]
    }

    fn seal(self, signature: &[u8; 64]) -> Result<SealedKey, Unsealable> {
        let Self { kid, claims, mut text, jws } = self;
        text.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        if text.len() > KeyText::MOST {
            return Err(Unsealable::TooLong { length: text.len() });
        }
        let sha256 = Sha256::digest(&text.as_bytes()[jws..]).into();
        Ok(SealedKey { text: KeyText(text), sha256, key: SignedKey { kid, claims } })
    }
}

/// Base64url in its one spelling: no padding, no trailing bits (RFC 4648 section 3.5). It is read into
/// the front of `room`; none if there is not enough of it.
fn decode<'r>(text: &str, room: &'r mut [u8]) -> Option<&'r [u8]> {
    let length = BASE64URL.decode_slice(text, room).ok()?;
    Some(&room[..length])
}

/// What decodes: by vectors where the processor has them, in a third of the time.
#[cfg(target_arch = "x86_64")]
static BASE64URL: std::sync::LazyLock<engine::Simd> =
    std::sync::LazyLock::new(|| engine::Simd::url_safe(engine::general_purpose::NO_PAD));
#[cfg(not(target_arch = "x86_64"))]
static BASE64URL: engine::GeneralPurpose = BASE64_URL_SAFE_NO_PAD;

/// Whom a header names, if it is in all else that of every key.
fn read_header(header: &str) -> Option<Kid> {
    let kid = header.strip_prefix(BEFORE_KID)?.strip_suffix(AFTER_KID)?;
    let mut room = [0; 1 + Kid::LENGTH];
    str::from_utf8(decode(kid, &mut room)?).ok()?.strip_prefix('"')?.parse().ok()
}

/// Why a text is no well-formed key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// `NAME=` in front of it.
    Assignment,
    /// `Bearer` in front of it.
    Bearer,
    /// A blank or a line end in it, or around it.
    Blank,
    /// The claims are not the one spelling of what a key can say.
    Claims,
    /// The header is not ours.
    Header,
    /// Not three parts with a point between.
    Parts,
    /// Another prefix, or none.
    Prefix,
    /// Quotation marks around it.
    Quoted,
    /// The signature is not the one spelling of 64 bytes.
    Signature,
    /// More than 4096 characters.
    TooLong,
}

impl Malformed {
    fn what_is_in_front(text: &str) -> Self {
        let bearer = text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("bearer"));
        let name = text.split_once('=').map(|(name, _)| name).unwrap_or_default();
        if bearer {
            Self::Bearer
        } else if name.ends_with("API_KEY") {
            Self::Assignment
        } else if text.starts_with(['"', '\'']) {
            Self::Quoted
        } else if text.trim() != text {
            Self::Blank
        } else {
            Self::Prefix
        }
    }
}

/// A text that is no prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAPrefix;

/// Why claims make no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unsealable {
    /// `exp` is not after `iat` and `nbf`.
    EndsBeforeItBegins,
    /// The key would be longer than 4096 characters.
    TooLong {
        /// How long it would be.
        length: usize,
    },
}

/// The JOSE header of every key (RFC 7515 section 4; `typ` as in RFC 8725 section 3.11), around a
/// quotation mark and the name of its server key: `{"alg":"EdDSA","kid":` and `","typ":"msb+jwt"}`
/// are whole groups of three bytes, and are always written so.
const BEFORE_KID: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6";
const AFTER_KID: &str = "IiwidHlwIjoibXNiK2p3dCJ9";

/// As many bytes of claims have room for as nearly every key has.
const MOST_CLAIMS: usize = 384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{namespace::Namespaces, time::UnixTime};

    /// Claims with a scope of so many characters.
    fn claims(scope: usize) -> Claims {
        Claims {
            jti: "0123456789abcdef".parse().unwrap(),
            iat: UnixTime::from_secs(1_800_000_000).unwrap(),
            exp: None,
            nbf: None,
            namespace: Namespaces::All,
            scope: "a".repeat(scope).parse().unwrap_or_default(),
            sub: None,
            iss: None,
            aud: None,
        }
    }

    fn sealed(scope: usize) -> Result<SealedKey, Unsealable> {
        seal(claims(scope), &ServerKey::from_seed(&[1; 32]), &Prefix::default())
    }

    #[test]
    fn whoever_looks_at_a_key_sees_nothing_of_it() {
        let text = sealed(0).unwrap().text;
        assert_eq!(format!("{text:?}"), "KeyText(…)");
        let key = UnverifiedKey::parse(&text, &Prefix::default()).unwrap();
        assert_eq!(format!("{key:?}"), "UnverifiedKey(…)");
    }

    #[test]
    fn a_key_has_its_room_from_the_beginning_and_is_read_as_it_was_written() {
        for scope in [0, 1, 2, 3, 300, 312, 313, 314, 315, 316, 2882] {
            let text = sealed(scope).unwrap().text;
            let room = text.0.capacity();
            assert!(room <= text.0.len() + 8, "{room} for {}", text.0.len());
            let key = UnverifiedKey::parse(&text, &Prefix::default()).unwrap();
            assert_eq!(key.claims, claims(scope));
        }
    }

    #[test]
    fn no_key_is_longer_than_a_key_may_be() {
        assert_eq!(sealed(2882).unwrap().text.0.len(), KeyText::MOST);
        assert_eq!(sealed(2883).err(), Some(Unsealable::TooLong { length: 4098 }));
    }

    #[test]
    fn many_keys_are_sealed_as_each_is_alone() {
        let (server_key, prefix) = (ServerKey::from_seed(&[1; 32]), Prefix::default());
        let scopes = [0, 300, 1];
        let together = seal_all(scopes.map(claims), &server_key, &prefix).unwrap();
        assert_eq!(together.len(), scopes.len());
        for (sealed_key, scope) in together.iter().zip(scopes) {
            let alone = sealed(scope).unwrap();
            assert_eq!(sealed_key.text.expose(), alone.text.expose());
            assert_eq!(sealed_key.sha256, alone.sha256);
            assert_eq!(sealed_key.text.sha256(&prefix), Some(alone.sha256));
            assert_eq!(sealed_key.key.claims(), &claims(scope));
        }
        let over = Claims { exp: Some(claims(0).iat), ..claims(0) };
        let refused = seal_all([claims(0), over], &server_key, &prefix).err();
        assert_eq!(refused, Some(Unsealable::EndsBeforeItBegins));
    }

    #[test]
    fn what_is_too_long_for_a_key_has_no_hash() {
        let hashed = |length| {
            let text = KeyText::from(format!("{:x<length$}", "msb_"));
            text.sha256(&Prefix::default()).is_some()
        };
        assert_eq!([4, 4096, 4097].map(hashed), [true, true, false]);
    }

    /// What is read of a text, and of the same bytes as a line.
    #[track_caller]
    fn reads(text: &str, expected: Result<(), Malformed>) {
        let prefix = Prefix::default();
        let key_text = KeyText::from(text.to_owned());
        let said = |read: Result<UnverifiedKey<'_>, Malformed>| read.map(|key| key.claims);
        let read = said(UnverifiedKey::parse(&key_text, &prefix));
        assert_eq!(read.clone().map(|_| ()), expected, "{text}");
        assert_eq!(said(UnverifiedKey::parse_line(text.as_bytes(), Some(&prefix))), read, "{text}");
    }

    #[test]
    fn a_line_is_read_as_a_text_is() {
        let good = sealed(9).unwrap().text;
        let good = good.expose();
        reads(good, Ok(()));
        reads(&format!("{good} "), Err(Malformed::Blank));
        reads(&format!("{:x<4096}", "msb_"), Err(Malformed::Parts));
        reads(&format!("{:x<4097}", "msb_"), Err(Malformed::TooLong));
        let line = |line: &[u8], prefix: Option<&str>| {
            let prefix = prefix.map(|prefix| prefix.parse().unwrap());
            UnverifiedKey::parse_line(line, prefix.as_ref()).map(|_| ())
        };
        let behind = [good.as_bytes(), b"\xff"].concat();
        assert_eq!(line(&behind, Some("msb_")), Err(Malformed::Signature));
        let in_front = [&b"\xff"[..], good.as_bytes()].concat();
        assert_eq!(line(&in_front, Some("msb_")), Err(Malformed::Prefix));
        let other = good.replacen("msb_", "ci_", 1);
        assert_eq!(line(other.as_bytes(), Some("msb_")), Err(Malformed::Prefix));
        assert_eq!(line(other.as_bytes(), Some("ci_")), Ok(()));
        assert_eq!(line(other.as_bytes(), None), Ok(()));
        assert_eq!(line(b"no key", None), Err(Malformed::Prefix));
    }

    #[test]
    fn what_stands_in_front_of_a_key_is_told() {
        for text in ["Bearer msb_x", "bearer", "BEARER msb_x"] {
            reads(text, Err(Malformed::Bearer));
        }
        reads("MSB_API_KEY=msb_x", Err(Malformed::Assignment));
        reads("MSB_API=msb_x", Err(Malformed::Prefix));
        for text in ["\"msb_x\"", "'msb_x'"] {
            reads(text, Err(Malformed::Quoted));
        }
        for text in [" msb_x", "x ", "msb_a b"] {
            reads(text, Err(Malformed::Blank));
        }
        for text in ["", "x", "ci_x"] {
            reads(text, Err(Malformed::Prefix));
        }
    }

    #[test]
    fn a_text_bears_the_prefix_that_it_has() {
        let borne = |text: &str| {
            let prefix = Prefix::borne_by(&KeyText::from(text.to_owned()));
            prefix.map(|prefix| prefix.to_string())
        };
        let texts = ["msb_x", "a1_b_c", "x", "_x", "Ab_x", ""];
        let expected = [Some("msb_"), Some("a1_"), None, None, None, None];
        assert_eq!(texts.map(borne), expected.map(|prefix| prefix.map(str::to_owned)));
    }
}
