//! `msb verify`: tell whether a key holds.

mod lines;

use std::path::{Path, PathBuf};

use lines::Court;
use serde::Serialize;

use super::{
    complete::Offer,
    console::{Console, Tone},
    source::{KeyArgs, Source},
    usage::{self, Typed, WHEN, typed, word},
};
use crate::{
    error::{Error, Exit, verdict_exit},
    files,
    key::{Claims, KeyText, Prefix, SignedKey, UnverifiedKey},
    keyring::KeyRing,
    namespace::Namespaces,
    revocations::Revocation,
    scope::{Scope, ScopeWord},
    signing::{Kid, PublicKey},
    store::Store,
    time::{Moment, Told, UnixTime},
    verify::{Refusal, Step, Verifier},
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    key: KeyArgs,
    /// It must open NS; repeatable
    #[arg(short, long, value_name = "NS", value_parser = usage::namespace, add = Offer::Namespaces)]
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
    #[arg(long, value_name = "WHEN", value_parser = typed::<Moment>, allow_hyphen_values = true)]
    at: Option<Typed<Moment>>,
    /// Tell every step
    #[arg(long)]
    explain: bool,
    /// Verify each line of standard input; a line `VERDICT<TAB>ID` for each
    #[arg(long, conflicts_with_all = ["key", "key_file", "explain"])]
    lines: bool,
}

/// What is asked of a key beside that it holds.
struct Asked {
    namespaces: Option<Namespaces>,
    scope: Option<Scope>,
}

/// What keys are held to.
struct Standard<R> {
    verifier: Verifier,
    /// None where whatever prefix a key bears will do: it is no part of what is signed.
    prefix: Option<Prefix>,
    /// Where revocations are looked up, if anywhere.
    revocations: Option<R>,
}

/// What came of it.
enum Outcome {
    /// The signature does not hold: nothing of the key is told.
    Unsigned(Refusal),
    /// The signature holds.
    Signed {
        kid: Kid,
        claims: Box<Claims>,
        verdict: Result<(), Refusal>,
        /// Whether there was a store to look up revocations in, and settings with a policy.
        revocation_checked: bool,
    },
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    // Asked before the key is waited for, so that a mistake is told at once.
    let at = moment(args.at.as_ref(), console.world.now)?;
    let asked = Asked {
        namespaces: if args.namespace.is_empty() {
            None
        } else {
            Some(usage::namespaces(args.namespace, "msb verify")?)
        },
        scope: (!args.scope.is_empty()).then(|| Scope::of(args.scope)),
    };
    if args.lines {
        let court = match published(args.public_key.as_deref(), args.jwks.as_deref())? {
            Some(ring) => Court::offline(ring),
            None => Court::at_home(console)?,
        };
        return lines::run(court, &asked, args.at.map(|_| at), console);
    }
    let (text, source) = args.key.read(console)?;
    let standard = match published(args.public_key.as_deref(), args.jwks.as_deref())? {
        Some(ring) => Standard::offline(ring),
        None => Standard::at_home(console)?,
    };
    let at = moment(args.at.as_ref(), console.world.now)?;
    // The store is closed before anything is told: a pipe may be slow.
    let outcome = standard.judge(&text, &asked, at)?;
    tell(&outcome, &asked, &source, args.explain, console)?;
    Ok(outcome.refusal().map_or(Exit::Done, verdict_exit))
}

fn moment(at: Option<&Typed<Moment>>, now: UnixTime) -> Result<UnixTime, Error> {
    match at {
        Some(typed) => typed.value.from(now).map_err(|why| typed.refused("--at", &why, WHEN)),
        None => Ok(now),
    }
}

impl<R> Standard<R> {
    /// Public keys alone.
    fn offline(ring: KeyRing) -> Self {
        Self { verifier: Verifier::offline(ring), prefix: None, revocations: None }
    }

    /// What comes of a key whose signature holds: steps 4 to 10.
    fn settle(
        &self,
        key: SignedKey,
        revocation: Revocation,
        asked: &Asked,
        at: UnixTime,
    ) -> Outcome {
        let (kid, claims) = (key.kid(), Box::new(key.claims().clone()));
        let revocation_checked = revocation != Revocation::NotChecked;
        let verdict = self
            .verifier
            .verify(key, revocation, at)
            .and_then(|key| key.enter(asked.namespaces.as_ref(), asked.scope.as_ref()))
            .map(|_| ());
        Outcome::Signed { kid, claims, verdict, revocation_checked }
    }
}

impl Standard<Store> {
    fn at_home(console: &Console<'_, '_>) -> Result<Self, Error> {
        let (store, verifier, config) = console.trust()?;
        Ok(Self { verifier, prefix: Some(config.prefix), revocations: Some(store) })
    }

    /// Every step in its order; an error is that nothing can be decided.
    fn judge(self, text: &KeyText, asked: &Asked, at: UnixTime) -> Result<Outcome, Error> {
        let prefix = self.prefix.clone().or_else(|| Prefix::borne_by(text)).unwrap_or_default();
        let key = UnverifiedKey::parse(text, &prefix).map_err(Refusal::from);
        let key = match key.and_then(|key| self.verifier.authenticate(key)) {
            Ok(key) => key,
            Err(refusal) => return Ok(Outcome::Unsigned(refusal)),
        };
        let revocation = match &self.revocations {
            Some(store) => store.revocation(&key)?,
            None => Revocation::NotChecked,
        };
        Ok(self.settle(key, revocation, asked, at))
    }
}

impl Outcome {
    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Outcome::Unsigned(refusal) => Some(refusal),
            Outcome::Signed { verdict, .. } => verdict.as_ref().err(),
        }
    }

    fn claims(&self) -> Option<&Claims> {
        match self {
            Outcome::Unsigned(_) => None,
            Outcome::Signed { claims, .. } => Some(claims),
        }
    }
}

/// The server keys that somebody published, where such a file is named.
fn published(pem: Option<&Path>, set: Option<&Path>) -> Result<Option<KeyRing>, Error> {
    match (pem, set) {
        (Some(path), _) => public_key(path).map(Some),
        (None, Some(path)) => jwks(path, &files::read(path)?).map(Some),
        (None, None) => Ok(None),
    }
}

fn public_key(path: &Path) -> Result<KeyRing, Error> {
    let text = files::read(path)?;
    if text.trim_start().starts_with('{') {
        return jwks(path, &text);
    }
    let pem = PublicKey::from_pem(&text);
    let pem = pem.map_err(|why| Error::Pem { path: path.display().to_string(), why })?;
    Ok(KeyRing::published([pem]))
}

fn jwks(path: &Path, text: &str) -> Result<KeyRing, Error> {
    PublicKey::from_jwks(text)
        .map(KeyRing::published)
        .map_err(|why| Error::Jwks { path: path.display().to_string(), why })
}

fn tell(
    outcome: &Outcome,
    asked: &Asked,
    source: &Source,
    explain: bool,
    console: &mut Console<'_, '_>,
) -> Result<(), Error> {
    if console.json() {
        return console.answer_json("msb.verify/1", &Answer::of(outcome, asked, source));
    }
    let (tone, verdict, told) = match outcome {
        Outcome::Signed { claims, verdict: Ok(()), .. } => {
            (Tone::Good, "valid", described(claims, console.world.now))
        }
        Outcome::Unsigned(refusal) | Outcome::Signed { verdict: Err(refusal), .. } => {
            (Tone::Bad, refusal.verdict(), refusal.to_string())
        }
    };
    let unchecked = match outcome {
        Outcome::Signed { revocation_checked: false, .. } => "; revocation: not checked",
        Outcome::Signed { .. } | Outcome::Unsigned(_) => "",
    };
    let mut text =
        format!("{}: {told}; read from {source}{unchecked}\n", console.paint(tone, verdict));
    if explain {
        for check in checks(outcome, asked) {
            let detail = check.detail.unwrap_or_default();
            text += format!("  {:<12}{:<9}{detail}", check.check, check.result).trim_end();
            text.push('\n');
        }
    }
    console.answer(&text)?;
    match outcome.refusal() {
        // Explained, it stands beside the step that failed.
        Some(refusal) if !explain => console.hint(&refusal.hint()),
        Some(_) | None => Ok(()),
    }
}

fn described(claims: &Claims, now: UnixTime) -> String {
    let end = match claims.exp {
        Some(at) => format!("until {}", Told { at, now }),
        None => "and does not expire".to_owned(),
    };
    format!("key {} opens {} {end}", claims.jti, claims.namespace.told())
}

#[derive(Serialize)]
struct Check {
    check: &'static str,
    result: &'static str,
    detail: Option<String>,
}

fn checks(outcome: &Outcome, asked: &Asked) -> Vec<Check> {
    Step::ALL.into_iter().map(|step| check(step, outcome, asked)).collect()
}

fn check(step: Step, outcome: &Outcome, asked: &Asked) -> Check {
    let (result, detail) = match outcome.refusal() {
        Some(refusal) if refusal.step() == step => {
            ("failed", Some(format!("{refusal}; {}", refusal.hint())))
        }
        Some(refusal) if refusal.step() < step => ("skipped", None),
        Some(_) | None => match not_asked(step, outcome, asked) {
            Some(why) => ("skipped", Some(why.to_owned())),
            None => ("ok", found(step, outcome)),
        },
    };
    Check { check: step.word(), result, detail }
}

/// Why a step was passed over, if it was.
fn not_asked(step: Step, outcome: &Outcome, asked: &Asked) -> Option<&'static str> {
    let unchecked = matches!(outcome, Outcome::Signed { revocation_checked: false, .. });
    match step {
        Step::Revocation | Step::Policy if unchecked => Some("not checked"),
        Step::Namespace if asked.namespaces.is_none() => Some("none asked for"),
        Step::Scope if asked.scope.is_none() => Some("none asked for"),
        Step::Spelling
        | Step::ServerKey
        | Step::Signature
        | Step::Standing
        | Step::Audience
        | Step::Start
        | Step::End
        | Step::Revocation
        | Step::Policy
        | Step::Namespace
        | Step::Scope => None,
    }
}

/// What a step that passed has found.
fn found(step: Step, outcome: &Outcome) -> Option<String> {
    let Outcome::Signed { kid, claims, .. } = outcome else { return None };
    match step {
        Step::Spelling | Step::Signature | Step::Standing | Step::Revocation | Step::Policy => None,
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

impl Answer {
    fn of(outcome: &Outcome, asked: &Asked, source: &Source) -> Self {
        let (refusal, claims) = (outcome.refusal(), outcome.claims());
        let kid = match outcome {
            Outcome::Unsigned(_) => None,
            Outcome::Signed { kid, .. } => Some(kid.to_string()),
        };
        Self {
            valid: refusal.is_none(),
            verdict: refusal.map_or("valid", Refusal::verdict),
            exit: refusal.map_or(Exit::Done, verdict_exit) as u8,
            id: claims.map(|claims| claims.jti.to_string()),
            kid,
            namespaces: claims.map(|claims| claims.namespace.words()),
            scope: claims.and_then(|claims| claims.scope.claim()),
            owner: claims.and_then(|claims| claims.sub.as_ref()).map(ToString::to_string),
            issued_at: claims.map(|claims| claims.iat.to_string()),
            expires_at: claims.and_then(|claims| claims.exp).map(|at| at.to_string()),
            source: source.to_string(),
            checks: checks(outcome, asked),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  msb verify -n project-web && echo ok
  echo \"$MSB_API_KEY\" | msb verify - --explain
  msb verify --scope sandbox.start --json
  msb verify - --jwks jwks.json
  msb verify --lines < keys.txt";
