//! The steps after the spelling, at their edges and in their order: of several failures the first
//! is told.

use msb::{
    key::{KeyText, Prefix, SignedKey, UnverifiedKey},
    keyring::{KeyRing, RingKey, Standing},
    policy::{Breach, Policy},
    revocations::{Cause, Revocation, Revoked},
    signing::ServerKey,
    verify::{Grant, Refusal, Step, Verifier},
};
use zeroize::Zeroizing;

use super::{FEWEST, LIMITED, Mutants, NAMED, at, key_text, parse};
use crate::harness::NOW;

const ID: &str = "40h24gs8awjptfkg";

/// A key and the circumstances in which it is judged.
#[derive(Clone)]
struct Trial {
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
    iss: Option<&'static str>,
    aud: Option<&'static str>,
    issuer: Option<&'static str>,
    audience: Option<&'static str>,
    standing: Standing,
    policy: Policy,
    revoked: bool,
    forged: bool,
    /// Another server key than ours is known.
    unknown: bool,
    /// One character more than a key has.
    misspelled: bool,
    /// What is asked for; the key is for namespace `dev` and scope `sandbox.start`.
    namespace: &'static str,
    scope: &'static str,
}

fn trial() -> Trial {
    Trial {
        iat: NOW,
        exp: None,
        nbf: None,
        iss: None,
        aud: None,
        issuer: None,
        audience: None,
        standing: Standing::Signing { since: at(0) },
        policy: Policy::default(),
        revoked: false,
        forged: false,
        unknown: false,
        misspelled: false,
        namespace: "dev",
        scope: "sandbox.start",
    }
}

impl Trial {
    fn key(&self) -> String {
        let number = |name, value: Option<i64>| {
            value.map_or(String::new(), |value| format!(r#","{name}":{value}"#))
        };
        let text = |name, value: Option<&str>| {
            value.map_or(String::new(), |value| format!(r#","{name}":"{value}""#))
        };
        let claims = format!(
            r#"{{"jti":"{ID}","iat":{}{}{},"namespace":"dev","scope":"sandbox.start"{}{}}}"#,
            self.iat,
            number("exp", self.exp),
            number("nbf", self.nbf),
            text("iss", self.iss),
            text("aud", self.aud),
        );
        let mutants = Mutants::new();
        let mut key = mutants.key(claims);
        if self.forged {
            let other = mutants.key("{}");
            let (input, signature) =
                (key.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
            key = format!("{input}.{signature}");
        }
        if self.misspelled { key + "=" } else { key }
    }

    fn judge(&self) -> Result<Grant, Refusal> {
        let server_key = if self.unknown { [1; 32] } else { crate::harness::first_seed() };
        let public = ServerKey::from_seed(&server_key).public().clone();
        let party = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let verifier = Verifier {
            ring: KeyRing::new(vec![RingKey { public, standing: self.standing }]).unwrap(),
            issuer: party(self.issuer),
            audience: party(self.audience),
            policy: self.policy,
        };
        let revocation = match self.revoked {
            true => Revocation::Revoked(revoked()),
            false => Revocation::None,
        };
        let text = KeyText::new(Zeroizing::new(self.key()));
        let key = UnverifiedKey::parse(&text, &Prefix::default())?;
        let key = verifier.verify(verifier.authenticate(key)?, revocation, at(NOW))?;
        key.enter(Some(&self.namespace.parse().unwrap()), Some(&self.scope.parse().unwrap()))
    }
}

fn at_most(span: &str) -> Policy {
    Policy { max_expire: Some(span.parse().unwrap()), ..Policy::default() }
}

fn revoked() -> Revoked {
    Revoked { at: at(NOW - 5), cause: Cause::Operator(None) }
}

#[track_caller]
fn check(trial: Trial, expected: Result<(), Refusal>) {
    let judged = trial.judge();
    if let Ok(grant) = &judged {
        assert_eq!(grant.id().to_string(), ID);
    }
    assert_eq!(judged.map(|_| ()), expected);
}

fn kid() -> msb::signing::Kid {
    Mutants::new().server_key.public().kid()
}

#[test]
fn exp_is_the_first_bad_second() {
    check(Trial { exp: Some(NOW + 1), ..trial() }, Ok(()));
    let over = |exp| Trial { iat: NOW - 100, exp: Some(exp), ..trial() };
    check(over(NOW), Err(Refusal::Expired { at: at(NOW) }));
    check(over(NOW - 1), Err(Refusal::Expired { at: at(NOW - 1) }));
    check(over(253_402_300_799), Ok(()));
}

#[test]
fn nbf_is_the_first_good_second() {
    check(Trial { nbf: Some(NOW), ..trial() }, Ok(()));
    let early = Trial { nbf: Some(NOW + 1), ..trial() };
    check(early, Err(Refusal::NotYetValid { from: at(NOW + 1) }));
}

#[test]
fn a_key_may_be_issued_up_to_60_seconds_ahead() {
    check(Trial { iat: NOW + 60, ..trial() }, Ok(()));
    check(Trial { iat: NOW + 61, ..trial() }, Err(Refusal::NotYetValid { from: at(NOW + 61) }));
    check(Trial { iat: 0, ..trial() }, Ok(()));
    // No leeway for `nbf`, whatever `iat` has.
    let both = Trial { iat: NOW + 61, nbf: Some(NOW + 1), ..trial() };
    check(both, Err(Refusal::NotYetValid { from: at(NOW + 1) }));
}

#[test]
fn a_retired_server_key_counts_for_older_keys_until_its_end() {
    let retired = |iat, retired, until| Trial {
        iat,
        standing: Standing::Retired { at: at(retired), until: at(until) },
        ..trial()
    };
    let retired_since = |since| Err(Refusal::ServerKeyRetired { kid: kid(), at: at(since) });
    check(retired(NOW - 10, NOW - 10, NOW + 1), Ok(()));
    check(retired(NOW - 10, NOW - 10, NOW), retired_since(NOW));
    check(retired(NOW - 10, NOW - 10, NOW - 1), retired_since(NOW - 1));
    check(retired(NOW - 9, NOW - 10, NOW + 1), retired_since(NOW - 10));
    check(retired(NOW + 1, NOW, NOW + 1), retired_since(NOW));
    check(retired(NOW - 11, NOW - 10, NOW + 1), Ok(()));
}

#[test]
fn a_dead_server_key_counts_for_no_key() {
    for since in [0, NOW - 1, NOW, NOW + 1] {
        let dead = Trial { iat: 0, standing: Standing::Dead { at: at(since) }, ..trial() };
        check(dead, Err(Refusal::ServerKeyReset { kid: kid(), at: at(since) }));
    }
    check(Trial { standing: Standing::Published, ..trial() }, Ok(()));
}

#[test]
fn iss_and_aud_are_the_configured_ones() {
    let audience = |aud, audience| Trial { aud, audience, ..trial() };
    let wrong = |expected: Option<&str>| {
        Err(Refusal::WrongAudience { expected: expected.map(|text| text.parse().unwrap()) })
    };
    check(audience(Some("web"), Some("web")), Ok(()));
    check(audience(Some("Web"), Some("web")), wrong(Some("web")));
    check(audience(Some("web2"), Some("web")), wrong(Some("web")));
    check(audience(None, Some("web")), wrong(Some("web")));
    check(audience(Some("web"), None), wrong(None));

    let issuer = |iss, issuer| Trial { iss, issuer, ..trial() };
    let wrong = || Err(Refusal::WrongIssuer { expected: Some("us".parse().unwrap()) });
    check(issuer(Some("us"), Some("us")), Ok(()));
    check(issuer(Some("US"), Some("us")), wrong());
    check(issuer(None, Some("us")), wrong());
    check(issuer(Some("us"), None), Ok(()));
}

#[test]
fn a_key_keeps_to_the_policy_to_the_second() {
    let lives = |secs| Trial {
        iat: NOW - 10,
        exp: Some(NOW - 10 + secs),
        policy: at_most("1h"),
        ..trial()
    };
    check(lives(3600), Ok(()));
    let (exp, latest) = (at(NOW + 3591), at(NOW + 3590));
    let breach = Breach::TooLong { exp, most: "1h".parse().unwrap(), latest };
    check(lives(3601), Err(Refusal::Policy(breach)));
    let most = Some("1h".parse().unwrap());
    let endless = Trial { policy: at_most("1h"), ..trial() };
    check(endless, Err(Refusal::Policy(Breach::Endless { most })));
    // A late begin makes a life no shorter.
    let late = Trial { iat: NOW - 10, nbf: Some(NOW), ..lives(3601) };
    check(late, Err(Refusal::Policy(breach)));
}

#[test]
fn a_key_enters_what_it_opens() {
    let asked = |namespace, scope| Trial { namespace, scope, ..trial() };
    check(asked("dev", "sandbox.start"), Ok(()));
    for other in ["prod", "Dev", "dev2", "de", "*", "dev prod"] {
        let refusal = Refusal::WrongNamespace {
            required: other.parse().unwrap(),
            opens: "dev".parse().unwrap(),
        };
        check(asked(other, "sandbox.start"), Err(refusal));
    }
    for other in ["sandbox.stop", "sandbox", "sandbox.start.now", "sandbox.*", "*", "Sandbox.start"]
    {
        let refusal = Refusal::WrongScope {
            required: Box::new(other.parse().unwrap()),
            allows: Box::new("sandbox.start".parse().unwrap()),
        };
        check(asked("dev", other), Err(refusal));
    }
}

#[test]
fn a_forged_key_is_never_called_expired() {
    let over = Trial { iat: 0, exp: Some(NOW), ..trial() };
    check(over.clone(), Err(Refusal::Expired { at: at(NOW) }));
    check(Trial { forged: true, ..over.clone() }, Err(Refusal::BadSignature));
    let unknown = Refusal::UnknownServerKey { kid: kid() };
    check(Trial { unknown: true, ..over.clone() }, Err(unknown.clone()));
    check(Trial { unknown: true, forged: true, ..over }, Err(unknown));
}

#[test]
fn an_expired_key_that_is_revoked_is_expired() {
    let revoked_trial = Trial { iat: 0, exp: Some(NOW + 1), revoked: true, ..trial() };
    let id = ID.parse().unwrap();
    check(revoked_trial.clone(), Err(Refusal::Revoked { id, revoked: revoked() }));
    let over = Trial { exp: Some(NOW), ..revoked_trial };
    check(over, Err(Refusal::Expired { at: at(NOW) }));
}

#[test]
fn an_expired_key_of_a_reset_server_key_is_revoked() {
    let standing = Standing::Dead { at: at(NOW - 5) };
    let over = Trial { iat: 0, exp: Some(NOW), revoked: true, standing, ..trial() };
    let refusal = over.judge().unwrap_err();
    assert_eq!(refusal, Refusal::ServerKeyReset { kid: kid(), at: at(NOW - 5) });
    assert_eq!(refusal.verdict(), "revoked");
}

#[test]
fn every_step_has_its_word() {
    assert_eq!(
        Step::ALL.map(Step::word).join(" "),
        "spelling server_key signature standing audience start end revocation policy namespace scope"
    );
}

#[test]
fn many_keys_are_authenticated_as_each_is_alone() {
    let [ours, other, stranger] = [1, 2, 3]
        .map(|seed| Mutants { server_key: ServerKey::from_seed(&[seed; 32]), ..Mutants::new() });
    let known = [&ours, &other].map(|signs| signs.server_key.public().clone());
    let (limited, named) = (ours.key(LIMITED), ours.key(NAMED));
    let (input, signature) =
        (limited.rsplit_once('.').unwrap().0, named.rsplit_once('.').unwrap().1);
    let forged = format!("{input}.{signature}");
    let texts =
        [ours.key(FEWEST), forged, other.key(NAMED), stranger.key(NAMED), ours.key(LIMITED)];
    let texts = texts.map(|text| key_text(&text));
    for ring in
        [KeyRing::published(known.clone()), KeyRing::published(known.map(|key| key.prepared()))]
    {
        let verifier = Verifier::offline(ring);
        let told = |judged: Result<SignedKey, Refusal>| {
            judged.map(|key| (key.kid(), key.claims().clone()))
        };
        let read = || texts.iter().map(|text| parse(text).unwrap());
        let together: Vec<_> =
            verifier.authenticate_all(read().collect()).into_iter().map(told).collect();
        let alone: Vec<_> = read().map(|key| told(verifier.authenticate(key))).collect();
        assert_eq!(together, alone);
        let verdict =
            |judged: &Result<_, Refusal>| judged.as_ref().err().map_or("valid", Refusal::verdict);
        assert_eq!(
            alone.iter().map(verdict).collect::<Vec<_>>(),
            ["valid", "bad_signature", "valid", "unknown_server_key", "valid"]
        );
    }
}

#[test]
fn of_several_failures_the_first_is_told() {
    let mut judged = 0;
    for failures in 0..1 << Step::ALL.len() {
        let fails = |step: Step| failures >> step as usize & 1 == 1;
        // What has not begun is not over.
        if fails(Step::Start) && fails(Step::End) {
            continue;
        }
        let trial = Trial {
            iat: NOW - 100,
            exp: fails(Step::End).then_some(NOW),
            nbf: fails(Step::Start).then_some(NOW + 1),
            aud: fails(Step::Audience).then_some("nobody"),
            standing: match fails(Step::Standing) {
                true => Standing::Dead { at: at(NOW - 1) },
                false => Standing::Signing { since: at(0) },
            },
            revoked: fails(Step::Revocation),
            policy: if fails(Step::Policy) { at_most("99s") } else { Policy::default() },
            forged: fails(Step::Signature),
            unknown: fails(Step::ServerKey),
            misspelled: fails(Step::Spelling),
            namespace: if fails(Step::Namespace) { "prod" } else { "dev" },
            scope: if fails(Step::Scope) { "sandbox.stop" } else { "sandbox.start" },
            ..trial()
        };
        let first = Step::ALL.into_iter().find(|step| fails(*step));
        assert_eq!(trial.judge().err().map(|refusal| refusal.step()), first, "{failures:011b}");
        judged += 1;
    }
    assert_eq!(judged, 1536);
}
