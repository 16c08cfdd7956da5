//! `msb verify`: tell whether a key holds.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    console::{Console, Tone},
    keygen::namespace,
    source::{KeyArgs, Source},
    usage::{WHEN, word},
};
use crate::{
    error::{Error, Exit, verdict_exit},
    files,
    key::{Claims, KeyText, Prefix, UnverifiedKey},
    keyring::KeyRing,
    namespace::Namespaces,
    revocations::Revocation,
    scope::{Scope, ScopeWord},
    signing::{Kid, PublicKey},
    store::{Purpose, Store},
    time::{Moment, Told, UnixTime},
    verify::{Refusal, Step, Verifier},
};

/// Tell whether a key holds
#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    key: KeyArgs,
    /// It must open NS; repeatable
    #[arg(short, long, value_name = "NS", value_parser = namespace)]
    namespace: Vec<Namespaces>,
    /// It must allow S; repeatable
    #[arg(long, value_name = "S", value_parser = word::<ScopeWord>)]
    scope: Vec<ScopeWord>,
    /// Verify with the public key in F, PEM or JWK, and no database
    #[arg(long, value_name = "F", conflicts_with = "jwks")]
    public_key: Option<PathBuf>,
    /// Verify with the JWK Set in F, and no database
    #[arg(long, value_name = "F")]
    jwks: Option<PathBuf>,
    /// As if it were this moment; revocations are as of now
    #[arg(long, value_name = "WHEN", value_parser = word::<Moment>, allow_hyphen_values = true)]
    at: Option<Moment>,
    /// Tell every step
    #[arg(long)]
    explain: bool,
}

const EXAMPLES: &str = "\
Examples:
  msb verify -n project-web && echo ok
  echo \"$MSB_API_KEY\" | msb verify - --explain
  msb verify --scope sandbox.start --json
  msb verify - --jwks jwks.json";

/// What keys are held to, and where revocations are looked up.
struct Trust {
    verifier: Verifier,
    prefix: Prefix,
    store: Option<Store>,
}

/// What came of it. Nothing of the key is told unless its signature held.
struct Outcome {
    signed: Option<(Kid, Claims)>,
    refusal: Option<Refusal>,
    source: Source,
    namespaces: Option<Namespaces>,
    scope: Option<Scope>,
    offline: bool,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let now = console.world.now;
    let at = moment(args.at, now)?;
    let asked = |why| Error::usage(format!("`--namespace`: {why}"), "run `msb verify --help`");
    let namespaces = (!args.namespace.is_empty())
        .then(|| Namespaces::union(args.namespace))
        .transpose()
        .map_err(asked)?;
    let scope = (!args.scope.is_empty()).then(|| Scope::of(args.scope));
    let (text, source) = args.key.read(console)?;
    let trust = match (&args.public_key, &args.jwks) {
        (Some(path), _) => Trust::offline(public_key(path)?, &text),
        (None, Some(path)) => Trust::offline(jwks(path)?, &text),
        (None, None) => Trust::at_home(console)?,
    };
    let mut outcome = Outcome {
        signed: None,
        refusal: None,
        source,
        namespaces,
        scope,
        offline: trust.store.is_none(),
    };
    outcome.refusal = trust.judge(&text, at, &mut outcome)?.err();
    tell(&outcome, args.explain, console)?;
    Ok(outcome.refusal.as_ref().map_or(Exit::Done, verdict_exit))
}

fn moment(at: Option<Moment>, now: UnixTime) -> Result<UnixTime, Error> {
    let Some(moment) = at else { return Ok(now) };
    moment.from(now).map_err(|why| Error::usage(format!("`{moment}` for `--at`: {why}"), WHEN))
}

impl Trust {
    fn at_home(console: &Console<'_, '_>) -> Result<Self, Error> {
        let (store, verifier, config) = console.trust(Purpose::Read)?;
        Ok(Self { verifier, prefix: config.prefix, store: Some(store) })
    }

    /// Whatever prefix the key bears will do: it is no part of what is signed.
    fn offline(ring: KeyRing, text: &KeyText) -> Self {
        let verifier = Verifier { ring, issuer: None, audience: None };
        Self { verifier, prefix: Prefix::borne_by(text).unwrap_or_default(), store: None }
    }

    /// Every step in its order; the outer error is that nothing can be decided.
    fn judge(
        &self,
        text: &KeyText,
        at: UnixTime,
        outcome: &mut Outcome,
    ) -> Result<Result<(), Refusal>, Error> {
        let key = UnverifiedKey::parse(text, &self.prefix).map_err(Refusal::from);
        let key = match key.and_then(|key| self.verifier.authenticate(key)) {
            Ok(key) => key,
            Err(refusal) => return Ok(Err(refusal)),
        };
        outcome.signed = Some((key.kid(), key.claims().clone()));
        let revocation = match &self.store {
            Some(store) => store.revocation(key.claims().jti)?,
            None => Revocation::NotChecked,
        };
        let verified = self.verifier.verify(key, revocation, at);
        Ok(verified
            .and_then(|key| key.enter(outcome.namespaces.as_ref(), outcome.scope.as_ref()))
            .map(|_| ()))
    }
}

fn public_key(path: &Path) -> Result<KeyRing, Error> {
    let text = files::read(path)?;
    if text.trim_start().starts_with('{') {
        return jwks(path);
    }
    let pem = PublicKey::from_pem(&text);
    let pem = pem.map_err(|why| Error::Pem { path: path.display().to_string(), why })?;
    Ok(KeyRing::published([pem]))
}

fn jwks(path: &Path) -> Result<KeyRing, Error> {
    PublicKey::from_jwks(&files::read(path)?)
        .map(KeyRing::published)
        .map_err(|why| Error::Jwks { path: path.display().to_string(), why })
}

fn tell(outcome: &Outcome, explain: bool, console: &mut Console<'_, '_>) -> Result<(), Error> {
    if console.json() {
        return console.answer_json("msb.verify/1", &Answer::from(outcome));
    }
    let (tone, verdict) = match &outcome.refusal {
        None => (Tone::Good, "valid"),
        Some(refusal) => (Tone::Bad, refusal.verdict()),
    };
    let told = match (&outcome.refusal, &outcome.signed) {
        (Some(refusal), _) => refusal.to_string(),
        (None, Some((_, claims))) => described(claims, console.world.now),
        (None, None) => String::new(),
    };
    let unchecked =
        if outcome.offline && outcome.signed.is_some() { "; revocation: not checked" } else { "" };
    let mut text = format!(
        "{}: {told}; read from {}{unchecked}\n",
        console.paint(tone, verdict),
        outcome.source
    );
    if explain {
        for check in checks(outcome) {
            let detail = check.detail.unwrap_or_default();
            text += format!("  {:<12}{:<9}{detail}", check.check, check.result).trim_end();
            text.push('\n');
        }
    }
    console.answer(&text)?;
    match outcome.refusal.as_ref().map(Refusal::hint) {
        Some(hint) => console.hint(&hint),
        None => Ok(()),
    }
}

fn described(claims: &Claims, now: UnixTime) -> String {
    let opens = claims.namespace.told();
    let end = match claims.exp {
        Some(at) => format!("until {}", Told { at, now }),
        None => "and does not expire".to_owned(),
    };
    format!("key {} opens {opens} {end}", claims.jti)
}

#[derive(Serialize)]
struct Check {
    check: &'static str,
    result: &'static str,
    detail: Option<String>,
}

fn checks(outcome: &Outcome) -> Vec<Check> {
    Step::ALL.into_iter().map(|step| check(step, outcome)).collect()
}

fn check(step: Step, outcome: &Outcome) -> Check {
    let name = match step {
        Step::Spelling => "spelling",
        Step::ServerKey => "server_key",
        Step::Signature => "signature",
        Step::Standing => "standing",
        Step::Audience => "audience",
        Step::Start => "start",
        Step::End => "end",
        Step::Revocation => "revocation",
        Step::Namespace => "namespace",
        Step::Scope => "scope",
    };
    let failed_at = outcome.refusal.as_ref().map(|refusal| (refusal, refusal.step()));
    let skipped = |why: Option<&str>| ("skipped", why.map(str::to_owned));
    let (result, detail) = match failed_at {
        Some((refusal, failed)) if failed == step => {
            ("failed", Some(format!("{refusal}; {}", refusal.hint())))
        }
        Some((_, failed)) if failed < step => skipped(None),
        _ if step == Step::Revocation && outcome.offline => skipped(Some("not checked")),
        _ if step == Step::Namespace && outcome.namespaces.is_none() => {
            skipped(Some("none asked for"))
        }
        _ if step == Step::Scope && outcome.scope.is_none() => skipped(Some("none asked for")),
        _ => ("ok", found(step, outcome)),
    };
    Check { check: name, result, detail }
}

/// What a step that passed has found.
fn found(step: Step, outcome: &Outcome) -> Option<String> {
    let (kid, claims) = outcome.signed.as_ref()?;
    match step {
        Step::Spelling | Step::Signature | Step::Standing | Step::Revocation => None,
        Step::ServerKey => Some(kid.to_string()),
        Step::Audience => claims.aud.as_ref().map(ToString::to_string),
        Step::Start => Some(claims.nbf.unwrap_or(claims.iat).to_string()),
        Step::End => Some(claims.exp.map_or("never".to_owned(), |at| at.to_string())),
        Step::Namespace => Some(claims.namespace.to_string()),
        Step::Scope => claims.scope.claim(),
    }
}

#[derive(Serialize)]
struct Answer {
    valid: bool,
    verdict: &'static str,
    exit: u8,
    id: Option<String>,
    kid: Option<String>,
    namespaces: Option<Vec<String>>,
    scope: Option<String>,
    owner: Option<String>,
    issued_at: Option<String>,
    expires_at: Option<String>,
    source: String,
    checks: Vec<Check>,
}

impl From<&Outcome> for Answer {
    fn from(outcome: &Outcome) -> Self {
        let refusal = outcome.refusal.as_ref();
        let claims = outcome.signed.as_ref().map(|(_, claims)| claims);
        Self {
            valid: refusal.is_none(),
            verdict: refusal.map_or("valid", Refusal::verdict),
            exit: refusal.map_or(Exit::Done, verdict_exit) as u8,
            id: claims.map(|claims| claims.jti.to_string()),
            kid: outcome.signed.as_ref().map(|(kid, _)| kid.to_string()),
            namespaces: claims
                .map(|claims| claims.namespace.words().into_iter().map(str::to_owned).collect()),
            scope: claims.and_then(|claims| claims.scope.claim()),
            owner: claims.and_then(|claims| claims.sub.as_ref()).map(ToString::to_string),
            issued_at: claims.map(|claims| claims.iat.to_string()),
            expires_at: claims.and_then(|claims| claims.exp).map(|at| at.to_string()),
            source: outcome.source.to_string(),
            checks: checks(outcome),
        }
    }
}
