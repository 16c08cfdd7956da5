//! `msb inspect`: what a key claims, under the heading UNVERIFIED.

use serde::Serialize;

use super::{
    console::{Console, Tone},
    row,
    source::{KeyArgs, Source},
};
use crate::{
    error::{Error, Exit},
    key::{Claims, Prefix, UnverifiedKey},
    time::Told,
    verify::Refusal,
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    key: KeyArgs,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let (text, source) = args.key.read(console)?;
    let prefix = Prefix::borne_by(&text).unwrap_or_default();
    let key = UnverifiedKey::parse(&text, &prefix)
        .map_err(|why| Error::Refused(Refusal::Malformed(why)))?;
    let (kid, claims) = (key.kid().to_string(), key.claims_unverified());
    if console.json() {
        console.answer_json("msb.inspect/1", &Answer::of(kid, claims, &source))?;
        return Ok(Exit::Done);
    }
    let heading = console.paint(Tone::Mind, "UNVERIFIED");
    let told = |at| Told { at, now: console.world.now }.to_string();
    let body = row::lines([
        ("id", Some(claims.jti.to_string())),
        ("server key", Some(kid)),
        ("namespaces", Some(claims.namespace.to_string())),
        ("scope", claims.scope.claim()),
        ("owner", row::text(&claims.sub)),
        ("issuer", row::text(&claims.iss)),
        ("audience", row::text(&claims.aud)),
        ("issued", Some(told(claims.iat))),
        ("begins", claims.nbf.map(told)),
        ("ends", Some(claims.exp.map_or("never".to_owned(), told))),
    ]);
    console.answer(&format!("{heading}: this is what the key claims, true or not\n{body}"))?;
    console.remark(&[format!("read from {source}; `msb verify` tells whether it holds")])?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Answer {
    verified: bool,
    id: String,
    kid: String,
    namespaces: Vec<String>,
    scope: Option<String>,
    owner: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    issued_at: String,
    not_before: Option<String>,
    expires_at: Option<String>,
    source: String,
}

impl Answer {
    fn of(kid: String, claims: &Claims, source: &Source) -> Self {
        Self {
            verified: false,
            id: claims.jti.to_string(),
            kid,
            namespaces: claims.namespace.words(),
            scope: claims.scope.claim(),
            owner: row::text(&claims.sub),
            issuer: row::text(&claims.iss),
            audience: row::text(&claims.aud),
            issued_at: claims.iat.to_string(),
            not_before: row::text(&claims.nbf),
            expires_at: row::text(&claims.exp),
            source: source.to_string(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  msb inspect
  echo \"$MSB_API_KEY\" | msb inspect -";
