//! What a key says, twice: out of a tree of JSON that is written again by hand, and out of types
//! that serde reads and writes.

use serde::{Deserialize, Serialize};

use crate::{
    base64,
    json::{self, Json},
    words,
};

/// A key, as its design has it.
#[derive(Debug, PartialEq)]
pub struct Key {
    pub kid: String,
    pub claims: Claims,
    pub signed: String,
    pub signature: Vec<u8>,
}

/// What it claims; members in their order.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub jti: String,
    pub iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    pub namespace: Names,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

/// `*` or one name, or several.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Names {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Reads a key part by part, each by trees.
pub fn key(text: &str, prefix: &str) -> Option<Key> {
    let jws = text.strip_prefix(prefix).filter(|_| text.len() <= 4096)?;
    let parts: Vec<_> = jws.split('.').collect();
    let [header, claims, signature] = parts[..] else { return None };
    let kid = kid_by_tree(&base64::url(header.as_bytes())?)?;
    let claims = claims_by_tree(&base64::url(claims.as_bytes())?)?;
    let signed = jws[..jws.len() - signature.len() - 1].to_owned();
    let signature = base64::url(signature.as_bytes()).filter(|bytes| bytes.len() == 64)?;
    Some(Key { kid, claims, signed, signature })
}

fn kid_by_tree(header: &[u8]) -> Option<String> {
    let kid = json::read(header)?.get("kid")?.text()?.to_owned();
    let written = format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"msb+jwt"}}"#);
    (words::is_kid(&kid) && written.as_bytes() == header).then_some(kid)
}

fn claims_by_tree(bytes: &[u8]) -> Option<Claims> {
    let tree = json::read(bytes)?;
    let text = |name: &str| match tree.get(name) {
        None => Some(None),
        Some(value) => value.text().map(|text| Some(text.to_owned())),
    };
    let number = |name: &str| match tree.get(name) {
        None => Some(None),
        Some(Json::Number(digits)) => words::instant(digits).map(Some),
        Some(_) => None,
    };
    let claims = Claims {
        jti: text("jti")??,
        iat: number("iat")??,
        exp: number("exp")?,
        nbf: number("nbf")?,
        namespace: match tree.get("namespace")? {
            Json::Text(name) => Names::One(name.clone()),
            Json::Array(names) => {
                let names = names.iter().map(|name| name.text().map(str::to_owned));
                Names::Several(names.collect::<Option<_>>()?)
            }
            _ => return None,
        },
        scope: text("scope")?,
        sub: text("sub")?,
        iss: text("iss")?,
        aud: text("aud")?,
    };
    (claims.hold() && claims.written() == bytes).then_some(claims)
}

/// Whether serde, with types of its own, finds that a header and claims are in their one spelling.
pub fn by_types(header: &[u8], claims: &[u8]) -> Option<(String, Claims)> {
    let Header { alg, kid, typ } = spelled(header)?;
    let claims: Claims = spelled(claims)?;
    let ours = alg == "EdDSA" && typ == "msb+jwt" && words::is_kid(&kid) && claims.hold();
    ours.then_some((kid, claims))
}

fn spelled<T: for<'de> Deserialize<'de> + Serialize>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    (serde_json::to_vec(&value).ok()? == bytes).then_some(value)
}

impl Claims {
    /// Whether each of them is what it may be.
    fn hold(&self) -> bool {
        let sorted = |words: &[&str]| words.windows(2).all(|pair| pair[0] < pair[1]);
        let namespace = match &self.namespace {
            Names::One(name) => name == "*" || words::is_namespace(name),
            Names::Several(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                (2..=32).contains(&names.len())
                    && sorted(&names)
                    && names.iter().all(|name| words::is_namespace(name))
            }
        };
        let scope = self.scope.as_ref().is_none_or(|scope| {
            let words: Vec<_> = scope.split(' ').collect();
            sorted(&words) && words.iter().all(|word| words::is_scope_word(word))
        });
        let times = [Some(self.iat), self.exp, self.nbf];
        let times = times.iter().flatten().all(|time| (0..=253_402_300_799).contains(time));
        let order = self.exp.is_none_or(|exp| self.iat < exp && self.nbf.is_none_or(|at| at < exp));
        let parties = [&self.sub, &self.iss, &self.aud];
        let parties = parties.into_iter().flatten().all(|party| words::is_party(party));
        words::is_key_id(&self.jti) && namespace && scope && times && order && parties
    }

    /// As it is written, by hand: none of these words has anything to escape.
    fn written(&self) -> Vec<u8> {
        let text = |name: &str, value: &Option<String>| {
            value.as_ref().map_or(String::new(), |value| format!(",\"{name}\":\"{value}\""))
        };
        let number = |name: &str, value: Option<i64>| {
            value.map_or(String::new(), |value| format!(",\"{name}\":{value}"))
        };
        let namespace = match &self.namespace {
            Names::One(name) => format!("\"{name}\""),
            Names::Several(names) => format!("[\"{}\"]", names.join("\",\"")),
        };
        let Self { jti, iat, .. } = self;
        let (exp, nbf) = (number("exp", self.exp), number("nbf", self.nbf));
        let (scope, sub) = (text("scope", &self.scope), text("sub", &self.sub));
        let (iss, aud) = (text("iss", &self.iss), text("aud", &self.aud));
        let written = format!(
            "{{\"jti\":\"{jti}\",\"iat\":{iat}{exp}{nbf},\"namespace\":{namespace}\
             {scope}{sub}{iss}{aud}}}"
        );
        written.into_bytes()
    }
}

/// What msb found, in these words.
impl From<&msb::key::Claims> for Claims {
    fn from(claims: &msb::key::Claims) -> Self {
        let mut names = claims.namespace.words();
        let one = names.len() == 1;
        let text = |party: &Option<msb::key::Party>| party.as_ref().map(ToString::to_string);
        Self {
            jti: claims.jti.to_string(),
            iat: claims.iat.secs(),
            exp: claims.exp.map(msb::time::UnixTime::secs),
            nbf: claims.nbf.map(msb::time::UnixTime::secs),
            namespace: if one { Names::One(names.remove(0)) } else { Names::Several(names) },
            scope: claims.scope.claim(),
            sub: text(&claims.sub),
            iss: text(&claims.iss),
            aud: text(&claims.aud),
        }
    }
}
