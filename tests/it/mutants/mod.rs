//! Keys changed in every way we can think of. Each gets the verdict of `docs/key-format.md` and
//! no other, and whatever is read is written again as the same bytes.

mod borrowed;
mod bytes;
mod claims;
mod header;
mod order;
mod rules;
mod words;

use std::collections::BTreeMap;

use msb::{
    key::{KeyText, Malformed, Prefix, UnverifiedKey},
    keyring::{KeyRing, RingKey, Standing},
    policy::Policy,
    revocations::Revocation,
    signing::ServerKey,
    time::UnixTime,
    verify::{Refusal, Verifier},
};
use zeroize::Zeroizing;

use crate::harness::{NOW, first_seed};

/// Claims of good keys: the fewest, and then lengths that leave other bits over in base64url.
const FEWEST: &str = r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"namespace":"*"}"#;
const NAMED: &str = r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"namespace":"dev"}"#;
const LIMITED: &str =
    r#"{"jti":"40h24gs8awjptfkg","iat":1795428000,"exp":1795429000,"namespace":"dev"}"#;
/// Every claim but `aud`, which nobody here is.
const FULL: &str = concat!(
    r#"{"jti":"40h24gs8awjptfkg","iat":1795427990,"exp":1795429000,"nbf":1795428000,"#,
    r#""namespace":["dev","prod"],"scope":"disk.* sandbox.start","#,
    r#""sub":"ann@example.org","iss":"https://keys.example.org"}"#
);

/// A fixed server key, what it signed, and how many texts were judged with which verdict.
struct Mutants {
    server_key: ServerKey,
    verifier: Verifier,
    verdicts: BTreeMap<&'static str, usize>,
}

impl Mutants {
    fn new() -> Self {
        let server_key = ServerKey::from_seed(&first_seed());
        let standing = Standing::Signing { since: at(0) };
        let public = server_key.public().clone();
        let ring = KeyRing::new(vec![RingKey { public, standing }]).unwrap();
        let verifier = Verifier { ring, issuer: None, audience: None, policy: Policy::default() };
        Self { server_key, verifier, verdicts: BTreeMap::new() }
    }

    /// The header that every good key has.
    fn header(&self) -> String {
        let kid = self.server_key.public().kid();
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"msb+jwt"}}"#)
    }

    /// A key that says this, whatever it is, and is well signed.
    fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        self.sign_parts(&rules::encode(header.as_ref()), &rules::encode(claims.as_ref()))
    }

    fn sign_parts(&self, header: &str, claims: &str) -> String {
        let input = format!("{header}.{claims}");
        let signature = rules::encode(&self.server_key.sign(input.as_bytes()));
        format!("msb_{input}.{signature}")
    }

    /// A well-signed key with these claims and a good header.
    fn key(&self, claims: impl AsRef<[u8]>) -> String {
        self.sign(self.header(), claims)
    }

    /// Holds a text to this verdict.
    #[track_caller]
    fn check(&mut self, text: &str, verdict: &str) {
        assert_eq!(self.judge(text), verdict, "{text:.5000}");
    }

    /// Holds well-signed claims to this verdict.
    #[track_caller]
    fn check_claims(&mut self, claims: impl AsRef<[u8]>, verdict: &str) {
        let shown = String::from_utf8_lossy(claims.as_ref()).into_owned();
        assert_eq!(self.judge(&self.key(claims)), verdict, "{shown:.5000}");
    }

    /// Holds a well-signed header to this verdict.
    #[track_caller]
    fn check_header(&mut self, header: &str, verdict: &str) {
        assert_eq!(self.judge(&self.sign(header, FEWEST)), verdict, "{header:.5000}");
    }

    /// The verdict on a text, which must be that of the rules as well.
    #[track_caller]
    fn judge(&mut self, text: &str) -> &'static str {
        let key_text = key_text(text);
        let verdict = match parse(&key_text) {
            Ok(key) => {
                assert_eq!(rules::written(&key, text), text, "read, and written otherwise");
                self.verdict_on(key)
            }
            Err(_) => "malformed",
        };
        assert_eq!(verdict, self.by_the_rules(text), "{text:.5000}");
        *self.verdicts.entry(verdict).or_default() += 1;
        verdict
    }

    fn verdict_on(&self, key: UnverifiedKey<'_>) -> &'static str {
        let judged = self
            .verifier
            .authenticate(key)
            .and_then(|key| self.verifier.verify(key, Revocation::None, at(NOW)));
        judged.as_ref().err().map_or("valid", Refusal::verdict)
    }

    /// What section 2 says of a text: no JSON, base64 or Ed25519 verifier has a part in this.
    fn by_the_rules(&self, text: &str) -> &'static str {
        let Some(key) = rules::read(text) else { return "malformed" };
        if key.kid != self.server_key.public().kid().to_string() {
            "unknown_server_key"
        } else if key.signature != self.server_key.sign(key.signing_input.as_bytes()) {
            // Ed25519 signs in one way only, and nobody else has this server key.
            "bad_signature"
        } else if key.aud {
            "wrong_audience"
        } else if key.nbf.is_some_and(|nbf| NOW < nbf) || NOW + 60 < key.iat {
            "not_yet_valid"
        } else if key.exp.is_some_and(|exp| exp <= NOW) {
            "expired"
        } else {
            "valid"
        }
    }

    /// Tells how many mutants were judged; a generator that makes few is broken.
    #[track_caller]
    fn at_least(&self, floor: usize) {
        let judged: usize = self.verdicts.values().sum();
        eprintln!("{judged} mutants: {:?}", self.verdicts);
        assert!(judged >= floor, "only {judged} mutants");
    }
}

fn key_text(text: &str) -> KeyText {
    KeyText::new(Zeroizing::new(text.to_owned()))
}

fn parse(text: &KeyText) -> Result<UnverifiedKey<'_>, Malformed> {
    UnverifiedKey::parse(text, &Prefix::default())
}

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs).unwrap()
}

#[test]
fn good_keys_are_valid() {
    let mut mutants = Mutants::new();
    for claims in [FEWEST, NAMED, LIMITED, FULL] {
        mutants.check_claims(claims, "valid");
    }
    assert_eq!([FEWEST, NAMED, LIMITED].map(|claims| claims.len() % 3), [2, 1, 0]);
}
