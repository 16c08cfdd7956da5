//! The gate: what a request asks for, and whether its key opens it. Nothing here reads a clock or a
//! file, or knows of HTTP.

mod signatures;

use std::sync::Arc;

use crate::{
    key::{Claims, KeyId, KeyText, Prefix, SignedKey, UnverifiedKey},
    namespace::Namespaces,
    revocations::Revocations,
    scope::Scope,
    time::UnixTime,
    verify::{Grant, Refusal, VerifiedKey, Verifier},
};

pub use signatures::Signatures;

/// What a request asks for.
#[derive(Debug)]
pub struct Ask {
    /// In which namespaces.
    pub namespaces: Wanted<Namespaces>,
    /// Whether a key that opens one namespace only acts in that, where nobody said.
    pub own_namespace: bool,
    /// For which operations.
    pub scope: Wanted<Scope>,
}

/// What a request bears for a key.
#[derive(Debug)]
pub enum Credential {
    /// No key.
    Absent,
    /// What is meant to be one key.
    Key(KeyText),
    /// Several keys, or what cannot be read as one.
    Unclear,
}

/// What is asked for of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted<T> {
    /// Whatever it is, somebody behind the gate judges it.
    Any,
    /// It was asked for in a way that can be read several ways, or none.
    Unclear,
    /// Nobody said; a key that is limited in this does not pass.
    Unsaid,
    /// All of this.
    These(T),
}

/// What requests are judged by, as of one moment.
#[derive(Clone, Debug)]
pub struct Gate {
    /// What stands in front of every key.
    pub prefix: Prefix,
    /// What keys are held to.
    pub verifier: Verifier,
    /// What was cut off.
    pub revocations: Arc<Revocations>,
    /// What need not be calculated again. No verdict of another moment is in it.
    pub signatures: Arc<Signatures>,
}

impl Gate {
    /// Judges a request that bears this key.
    pub fn admit(&self, key: &KeyText, ask: &Ask, now: UnixTime) -> Result<Admission, Denial> {
        self.enter(self.check(key, now)?, ask)
    }

    /// Whether a key holds, whatever is asked for.
    pub fn check(&self, key: &KeyText, now: UnixTime) -> Result<VerifiedKey, Denial> {
        let ring = &self.verifier.ring;
        let sha256 = key.sha256(&self.prefix);
        if let Some(signed) = sha256.and_then(|sha256| self.signatures.find(&sha256, ring)) {
            return self.hold(signed, now);
        }
        let refused = |refusal| Denial::Refused { id: None, refusal };
        let key = UnverifiedKey::parse(key, &self.prefix)
            .map_err(|malformed| refused(malformed.into()))?;
        let held = self.hold(self.verifier.authenticate(key).map_err(refused)?, now)?;
        // What does not hold takes no room from what does.
        if let Some(sha256) = sha256 {
            self.signatures.remember(sha256, held.clone().into_signed(), ring);
        }
        Ok(held)
    }

    /// Whether a key that once held still does. Its signature does.
    pub fn check_again(&self, key: VerifiedKey, now: UnixTime) -> Result<VerifiedKey, Denial> {
        self.hold(key.into_signed(), now)
    }

    fn hold(&self, key: SignedKey, now: UnixTime) -> Result<VerifiedKey, Denial> {
        let id = Some(key.claims().jti);
        let revocation = self.revocations.of(&key);
        let held = self.verifier.verify(key, revocation, now);
        held.map_err(|refusal| Denial::Refused { id, refusal })
    }

    /// Judges what is asked for by whoever bears a key that holds.
    pub fn enter(&self, key: VerifiedKey, ask: &Ask) -> Result<Admission, Denial> {
        let claims = key.claims();
        let id = claims.jti;
        let namespaces = match &ask.namespaces {
            Wanted::These(namespaces) => Some(namespaces),
            Wanted::Any => None,
            Wanted::Unclear => return Err(Denial::Unclear { id: Some(id) }),
            Wanted::Unsaid => match &claims.namespace {
                Namespaces::All => None,
                Namespaces::Named(names) if ask.own_namespace && names.len() == 1 => {
                    Some(&claims.namespace)
                }
                Namespaces::Named(_) => {
                    let opens = claims.namespace.clone();
                    return Err(Denial::NamespaceUnjudged { id, opens });
                }
            },
        };
        let scope = match &ask.scope {
            Wanted::These(scope) => Some(scope),
            Wanted::Any => None,
            Wanted::Unclear => return Err(Denial::Unclear { id: Some(id) }),
            Wanted::Unsaid if claims.scope.is_every() => None,
            Wanted::Unsaid => {
                return Err(Denial::ScopeUnjudged { id, allows: claims.scope.clone() });
            }
        };
        let refused = |refusal| Denial::Refused { id: Some(id), refusal };
        let grant = key.enter(namespaces, scope).map_err(refused)?;
        let identity = Identity::of(claims, namespaces);
        let ends = key.ends(&self.verifier.ring);
        Ok(Admission { held: Some(Held { key, grant, ends }), identity })
    }
}

impl<T> Wanted<T> {
    /// Both of these: what is unclear or unsaid in one is in both.
    pub fn and(self, other: Self, union: impl FnOnce(T, T) -> Self) -> Self {
        match (self, other) {
            (Self::Unclear, _) | (_, Self::Unclear) => Self::Unclear,
            (Self::Unsaid, _) | (_, Self::Unsaid) => Self::Unsaid,
            (Self::These(these), Self::These(those)) => union(these, those),
            (Self::These(these), Self::Any) | (Self::Any, Self::These(these)) => Self::These(these),
            (Self::Any, Self::Any) => Self::Any,
        }
    }
}

/// Leave to pass, and who passes.
#[derive(Clone, Debug)]
pub struct Admission {
    held: Option<Held>,
    identity: Identity,
}

/// A key that was let in.
#[derive(Clone, Debug)]
struct Held {
    key: VerifiedKey,
    grant: Grant,
    /// When it ends by itself.
    ends: Option<UnixTime>,
}

impl Admission {
    /// Lets a request pass that bears no key: for those who develop.
    pub fn without_key(ask: &Ask) -> Result<Self, Denial> {
        let namespaces = match &ask.namespaces {
            Wanted::These(namespaces) => Some(namespaces),
            Wanted::Any | Wanted::Unsaid => None,
            Wanted::Unclear => return Err(Denial::Unclear { id: None }),
        };
        let identity =
            Identity::nobody(namespaces.map_or("*".to_owned(), ToString::to_string), "*");
        Ok(Self { held: None, identity })
    }

    /// Lets anybody pass, as nobody: where no key is asked for.
    pub fn public() -> Self {
        Self { held: None, identity: Identity::nobody(NOTHING.to_owned(), NOTHING) }
    }

    /// The key that passes; none where none is needed.
    pub fn id(&self) -> Option<KeyId> {
        self.held.as_ref().map(|held| held.grant.id())
    }

    /// When leave ends, if nothing else is decided before.
    pub fn ends(&self) -> Option<UnixTime> {
        self.held.as_ref().and_then(|held| held.ends)
    }

    /// Judges it once more, by what counts now.
    pub fn again(&mut self, gate: &Gate, now: UnixTime) -> Result<(), Denial> {
        if let Some(held) = &mut self.held {
            held.key = gate.check_again(held.key.clone(), now)?;
            held.ends = held.key.ends(&gate.verifier.ring);
        }
        Ok(())
    }

    /// Who passes, for whoever stands behind the gate.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// Who passes, in the words in which it is told; `-` where there is nothing to tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The key id.
    pub key_id: String,
    /// The namespaces that were judged; `*` for all.
    pub namespace: String,
    /// The namespaces that the key opens; `*` for all.
    pub namespaces: String,
    /// The operations that the key allows; `*` for every one.
    pub scope: String,
    /// Who the key belongs to.
    pub subject: String,
    /// When the key ends.
    pub expires: String,
}

impl Identity {
    fn of(claims: &Claims, judged: Option<&Namespaces>) -> Self {
        let namespace = match (judged, &claims.namespace) {
            (Some(judged), _) => judged.to_string(),
            (None, Namespaces::All) => "*".to_owned(),
            (None, Namespaces::Named(_)) => NOTHING.to_owned(),
        };
        let told = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
        Self {
            key_id: claims.jti.to_string(),
            namespace,
            namespaces: claims.namespace.to_string(),
            scope: claims.scope.claim().unwrap_or_else(|| "*".to_owned()),
            subject: told(claims.sub.as_ref().map(ToString::to_string)),
            expires: told(claims.exp.map(|exp| exp.to_string())),
        }
    }

    fn nobody(namespace: String, opens: &str) -> Self {
        Self {
            key_id: NOTHING.to_owned(),
            namespace,
            namespaces: opens.to_owned(),
            scope: opens.to_owned(),
            subject: NOTHING.to_owned(),
            expires: NOTHING.to_owned(),
        }
    }
}

/// Why a request does not pass.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Denial {
    /// The key is limited in namespace, and nobody judged in which one it acts.
    NamespaceUnjudged {
        /// The key.
        id: KeyId,
        /// What it opens.
        opens: Namespaces,
    },
    /// It bears no key.
    NoKey,
    /// What the operator asks of it cannot be read.
    PolicyUnclear,
    /// The key does not hold, or does not open what is asked for.
    Refused {
        /// The key, once its signature held.
        id: Option<KeyId>,
        /// Why.
        refusal: Refusal,
    },
    /// The key is limited in scope, and nobody judged what it does.
    ScopeUnjudged {
        /// The key.
        id: KeyId,
        /// What it allows.
        allows: Scope,
    },
    /// Trust was not to be had for too long: nobody knows whether a key holds.
    Undecided,
    /// It bears several keys, or names a namespace in a way that can be read several ways.
    Unclear {
        /// The key, if there was one and it held.
        id: Option<KeyId>,
    },
}

impl Denial {
    /// The key, if it bears one whose signature held.
    pub fn id(&self) -> Option<KeyId> {
        match self {
            Denial::NamespaceUnjudged { id, .. } | Denial::ScopeUnjudged { id, .. } => Some(*id),
            Denial::Refused { id, .. } | Denial::Unclear { id } => *id,
            Denial::NoKey | Denial::PolicyUnclear | Denial::Undecided => None,
        }
    }

    /// The word by which programs know it.
    pub fn reason(&self) -> &'static str {
        match self {
            Denial::NamespaceUnjudged { .. } => "namespace_unjudged",
            Denial::NoKey => "no_key",
            Denial::PolicyUnclear => "policy_unclear",
            Denial::Refused { refusal, .. } => refusal.verdict(),
            Denial::ScopeUnjudged { .. } => "scope_unjudged",
            Denial::Undecided => "undecided",
            Denial::Unclear { .. } => "unclear",
        }
    }
}

/// Told where there is nothing to tell: an absent header would let a client's own through.
const NOTHING: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        key,
        keyring::{KeyRing, RingKey, Standing},
        policy::Policy,
        revocations::{Cause, Kind, Revoked, Rule},
        signing::ServerKey,
    };

    const NOW: i64 = 1_800_000_000;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs).unwrap()
    }

    fn server_key(seed: u8) -> ServerKey {
        ServerKey::from_seed(&[seed; 32])
    }

    fn gate() -> Gate {
        let public = server_key(1).public().clone();
        let standing = Standing::Signing { since: at(NOW - 100) };
        Gate {
            prefix: Prefix::default(),
            verifier: Verifier {
                ring: KeyRing::new(vec![RingKey { public, standing }]).unwrap(),
                issuer: None,
                audience: None,
                policy: Policy::default(),
            },
            revocations: Arc::new(Revocations::new(vec![], vec![])),
            signatures: Arc::default(),
        }
    }

    fn claims(namespaces: &str, scope: &str) -> Claims {
        Claims {
            jti: "0123456789abcdef".parse().unwrap(),
            iat: at(NOW - 10),
            exp: Some(at(NOW + 10)),
            nbf: None,
            namespace: namespaces.parse().unwrap(),
            scope: if scope == "*" { Scope::Every } else { scope.parse().unwrap() },
            sub: None,
            iss: None,
            aud: None,
        }
    }

    fn sealed(claims: Claims, seed: u8) -> KeyText {
        key::seal(claims, &server_key(seed), &Prefix::default()).unwrap().text
    }

    fn namespaces(wanted: &str) -> Wanted<Namespaces> {
        match wanted {
            "any" => Wanted::Any,
            "unclear" => Wanted::Unclear,
            "unsaid" => Wanted::Unsaid,
            words => Wanted::These(words.parse().unwrap()),
        }
    }

    fn scope(wanted: &str) -> Wanted<Scope> {
        match wanted {
            "any" => Wanted::Any,
            "unclear" => Wanted::Unclear,
            "unsaid" => Wanted::Unsaid,
            words => Wanted::These(words.parse().unwrap()),
        }
    }

    fn judged(key: KeyText, wanted: (&str, &str), now: i64) -> Result<Identity, &'static str> {
        let ask =
            Ask { namespaces: namespaces(wanted.0), scope: scope(wanted.1), own_namespace: false };
        let admitted = gate().admit(&key, &ask, at(now));
        admitted.map(|admission| admission.identity().clone()).map_err(|denial| denial.reason())
    }

    /// A key for these namespaces and operations, asked for those: the namespace that is told to
    /// whoever stands behind, or the reason.
    #[track_caller]
    fn check(holds: (&str, &str), wanted: (&str, &str), expected: Result<&str, &str>) {
        let found = judged(sealed(claims(holds.0, holds.1), 1), wanted, NOW);
        let found = found.map(|identity| identity.namespace);
        assert_eq!(found.as_deref().map_err(|reason| *reason), expected, "{holds:?} {wanted:?}");
    }

    #[test]
    fn a_limit_that_nobody_judged_is_not_passed() {
        check(("a", "*"), ("unsaid", "unsaid"), Err("namespace_unjudged"));
        check(("a", "*"), ("any", "unsaid"), Ok("-"));
        check(("a", "*"), ("a", "unsaid"), Ok("a"));
        check(("*", "x.y"), ("unsaid", "unsaid"), Err("scope_unjudged"));
        check(("*", "x.y"), ("unsaid", "any"), Ok("*"));
        check(("*", "x.y"), ("unsaid", "x.y"), Ok("*"));
        check(("a", "x.y"), ("any", "unsaid"), Err("scope_unjudged"));
        check(("*", "*"), ("unsaid", "unsaid"), Ok("*"));
        check(("*", "*"), ("any", "any"), Ok("*"));
    }

    #[test]
    fn all_that_is_asked_for_must_be_opened() {
        check(("a b", "*"), ("a", "any"), Ok("a"));
        check(("a b", "*"), ("a b", "any"), Ok("a b"));
        check(("a b", "*"), ("a c", "any"), Err("wrong_namespace"));
        check(("a", "*"), ("*", "any"), Err("wrong_namespace"));
        check(("*", "*"), ("*", "any"), Ok("*"));
        check(("*", "x.*"), ("any", "x.y x.z"), Ok("*"));
        check(("*", "x.*"), ("any", "x.y y"), Err("wrong_scope"));
        check(("a", "x.y"), ("b", "y"), Err("wrong_namespace"));
    }

    #[test]
    fn what_can_be_read_several_ways_is_not_passed() {
        check(("*", "*"), ("unclear", "any"), Err("unclear"));
        check(("*", "*"), ("any", "unclear"), Err("unclear"));
    }

    #[test]
    fn a_key_is_judged_before_what_it_asks_for() {
        let key = |seed| sealed(claims("a", "*"), seed);
        let reason = |key, now| judged(key, ("unclear", "unclear"), now).unwrap_err();
        assert_eq!(reason(key(1), NOW + 10), "expired");
        assert_eq!(reason(key(1), NOW + 9), "unclear");
        assert_eq!(reason(key(2), NOW), "unknown_server_key");
        assert_eq!(reason(KeyText::from("msb_x".to_owned()), NOW), "malformed");
    }

    fn reason(gate: &Gate, key: &KeyText, now: i64) -> &'static str {
        gate.check(key, at(now)).map_or_else(|denial| denial.reason(), |_| "valid")
    }

    fn remembers(gate: &Gate, key: &KeyText) -> bool {
        let sha256 = key.sha256(&gate.prefix).unwrap();
        gate.signatures.find(&sha256, &gate.verifier.ring).is_some()
    }

    #[test]
    fn a_signature_that_is_remembered_makes_no_key_hold() {
        let (gate, key) = (gate(), sealed(claims("a", "*"), 1));
        assert!(!remembers(&gate, &key));
        assert_eq!(reason(&gate, &key, NOW), "valid");
        assert!(remembers(&gate, &key));
        assert_eq!(reason(&gate, &key, NOW + 9), "valid");
        assert_eq!(reason(&gate, &key, NOW + 10), "expired");
        assert_eq!(reason(&gate, &key, NOW - 71), "not_yet_valid");
        let ring = |seed, standing| {
            let public = server_key(seed).public().clone();
            KeyRing::new(vec![RingKey { public, standing }]).unwrap()
        };
        let (dead, signing) =
            (Standing::Dead { at: at(NOW) }, Standing::Signing { since: at(NOW) });
        let retired = |at: i64, until: i64| Standing::Retired {
            at: UnixTime::from_secs(at).unwrap(),
            until: UnixTime::from_secs(until).unwrap(),
        };
        let check = |change: &dyn Fn(&mut Gate), expected| {
            let mut changed = gate.clone();
            change(&mut changed);
            assert_eq!(reason(&changed, &key, NOW), expected);
            changed.signatures = Arc::default();
            assert_eq!(reason(&changed, &key, NOW), expected, "without what is remembered");
        };
        check(&|gate| gate.verifier.ring = ring(1, dead), "revoked");
        check(&|gate| gate.verifier.ring = ring(1, retired(NOW, NOW + 1)), "valid");
        check(&|gate| gate.verifier.ring = ring(1, retired(NOW, NOW)), "revoked");
        check(&|gate| gate.verifier.ring = ring(1, retired(NOW - 11, NOW + 1)), "revoked");
        check(&|gate| gate.verifier.ring = ring(2, signing), "unknown_server_key");
        check(&|gate| gate.verifier.ring = KeyRing::default(), "unknown_server_key");
        check(&|gate| gate.verifier.audience = "other".parse().ok(), "wrong_audience");
        check(&|gate| gate.verifier.issuer = "other".parse().ok(), "wrong_audience");
        check(&|gate| gate.prefix = "other_".parse().unwrap(), "malformed");
        let policy = Policy { max_expire: "19s".parse().ok(), ..Policy::default() };
        check(&|gate| gate.verifier.policy = policy, "policy");
        let id = "0123456789abcdef".parse().unwrap();
        let cut = Revoked { at: at(NOW), cause: Cause::Undelivered };
        let cut_off = Revocations::new([(id, cut)], vec![]);
        check(&|gate| gate.revocations = Arc::new(cut_off.clone()), "revoked");
        let rule = Rule { kind: Kind::default(), until: at(NOW), at: at(NOW), reason: None };
        let cut_off = Revocations::new([], vec![rule]);
        check(&|gate| gate.revocations = Arc::new(cut_off.clone()), "revoked");
        // None of it has changed what is remembered.
        assert!(remembers(&gate, &key));
    }

    #[test]
    fn only_what_held_is_remembered() {
        let gate = gate();
        for (key, now, expected) in [
            (sealed(claims("a", "*"), 2), NOW, "unknown_server_key"),
            (sealed(claims("a", "*"), 1), NOW + 10, "expired"),
            (KeyText::from("msb_x.y.z".to_owned()), NOW, "malformed"),
        ] {
            assert_eq!(reason(&gate, &key, now), expected);
            assert!(!remembers(&gate, &key), "{expected}");
        }
    }

    /// However much alike two texts are, only the one that held is found.
    #[test]
    fn no_other_text_is_taken_for_one_that_held() {
        let (gate, key) = (gate(), sealed(claims("a", "*"), 1));
        assert_eq!(reason(&gate, &key, NOW), "valid");
        let text = key.expose();
        for place in 0..text.len() {
            for other in ['A', 'B', '.', '_'].into_iter().filter(|c| !text[place..].starts_with(*c))
            {
                let mut changed = text.to_owned();
                changed.replace_range(place..=place, &other.to_string());
                let changed = KeyText::from(changed);
                assert!(
                    !["valid", "expired", "revoked"].contains(&reason(&gate, &changed, NOW)),
                    "{place} {other}"
                );
                let found = changed
                    .sha256(&gate.prefix)
                    .and_then(|sha256| gate.signatures.find(&sha256, &gate.verifier.ring));
                assert!(found.is_none(), "{place} {other}");
            }
        }
        for changed in [&text[..text.len() - 1], &format!("{text}A"), &format!(" {text}"), ""] {
            assert_eq!(reason(&gate, &KeyText::from(changed.to_owned()), NOW), "malformed");
        }
    }

    #[test]
    fn a_key_is_named_only_once_its_signature_held() {
        let ask = || Ask { namespaces: Wanted::Unsaid, own_namespace: false, scope: Wanted::Any };
        let denied = |key: KeyText, now| gate().admit(&key, &ask(), at(now)).unwrap_err().id();
        let id = Some("0123456789abcdef".parse().unwrap());
        assert_eq!(denied(sealed(claims("a", "*"), 1), NOW), id);
        assert_eq!(denied(sealed(claims("a", "*"), 1), NOW + 10), id);
        assert_eq!(denied(sealed(claims("a", "*"), 2), NOW), None);
    }

    #[test]
    fn every_denial_has_its_word() {
        let id: KeyId = "0123456789abcdef".parse().unwrap();
        let allows = "x".parse().unwrap();
        for (denial, reason, names) in [
            (Denial::NamespaceUnjudged { id, opens: Namespaces::All }, "namespace_unjudged", true),
            (Denial::NoKey, "no_key", false),
            (Denial::PolicyUnclear, "policy_unclear", false),
            (Denial::Refused { id: None, refusal: Refusal::BadSignature }, "bad_signature", false),
            (Denial::ScopeUnjudged { id, allows }, "scope_unjudged", true),
            (Denial::Undecided, "undecided", false),
            (Denial::Unclear { id: None }, "unclear", false),
            (Denial::Unclear { id: Some(id) }, "unclear", true),
        ] {
            assert_eq!((denial.reason(), denial.id()), (reason, names.then_some(id)));
        }
    }

    #[test]
    fn an_identity_has_no_gaps() {
        let found = judged(sealed(claims("a", "x.y"), 1), ("a", "any"), NOW).unwrap();
        let expected = Identity {
            key_id: "0123456789abcdef".to_owned(),
            namespace: "a".to_owned(),
            namespaces: "a".to_owned(),
            scope: "x.y".to_owned(),
            subject: "-".to_owned(),
            expires: at(NOW + 10).to_string(),
        };
        assert_eq!(found, expected);
        let endless = Claims { exp: None, sub: "ci".parse().ok(), ..claims("*", "*") };
        let found = judged(sealed(endless, 1), ("b", "any"), NOW).unwrap();
        let told = [&found.namespace, &found.namespaces, &found.scope, &found.subject];
        assert_eq!(told, ["b", "*", "*", "ci"]);
        assert_eq!(found.expires, "-");
    }

    #[test]
    fn nobody_passes_as_everybody_only_in_what_was_asked_for() {
        let ask = |wanted| Ask {
            namespaces: namespaces(wanted),
            own_namespace: false,
            scope: Wanted::Unsaid,
        };
        let told = |wanted| {
            Admission::without_key(&ask(wanted)).map(|admission| {
                assert_eq!(admission.id(), None);
                admission.identity().namespace.clone()
            })
        };
        assert_eq!(told("unsaid"), Ok("*".to_owned()));
        assert_eq!(told("a"), Ok("a".to_owned()));
        assert_eq!(told("unclear"), Err(Denial::Unclear { id: None }));
    }

    /// A key for these namespaces, on a route that takes them from it.
    #[track_caller]
    fn owns(holds: &str, wanted: &str, expected: Result<&str, &str>) {
        let ask =
            Ask { namespaces: namespaces(wanted), own_namespace: true, scope: Wanted::Unsaid };
        let found = gate().admit(&sealed(claims(holds, "*"), 1), &ask, at(NOW));
        let found = found.map(|admission| admission.identity().namespace.clone());
        let found = found.as_deref().map_err(Denial::reason);
        assert_eq!(found, expected, "{holds} {wanted}");
    }

    #[test]
    fn a_key_that_opens_one_namespace_acts_in_it() {
        owns("a", "unsaid", Ok("a"));
        owns("a b", "unsaid", Err("namespace_unjudged"));
        owns("*", "unsaid", Ok("*"));
        owns("a", "a", Ok("a"));
        owns("a", "b", Err("wrong_namespace"));
        owns("a b", "b", Ok("b"));
        owns("a", "unclear", Err("unclear"));
    }

    #[track_caller]
    fn both(one: &str, other: &str, expected: &str) {
        let union = |these: Namespaces, those: Namespaces| {
            Namespaces::union(vec![these, those]).map_or(Wanted::Unclear, Wanted::These)
        };
        for (one, other) in [(one, other), (other, one)] {
            let found = namespaces(one).and(namespaces(other), union);
            assert_eq!(found, namespaces(expected), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_wanted_by_both_is_wanted() {
        both("any", "any", "any");
        both("any", "a", "a");
        both("a", "a", "a");
        both("a", "b", "a b");
        both("any", "unsaid", "unsaid");
        both("a", "unsaid", "unsaid");
        both("unsaid", "unsaid", "unsaid");
        for other in ["any", "a", "unsaid", "unclear"] {
            both("unclear", other, "unclear");
        }
        both("a", "*", "unclear");
    }

    fn let_in(gate: &Gate, claims: Claims) -> Admission {
        let ask = Ask { namespaces: Wanted::Any, own_namespace: false, scope: Wanted::Any };
        gate.admit(&sealed(claims, 1), &ask, at(NOW)).unwrap()
    }

    /// A gate whose server key counts until then.
    fn retiring(until: i64) -> Gate {
        let mut gate = gate();
        let public = server_key(1).public().clone();
        let standing = Standing::Retired { at: at(NOW - 5), until: at(until) };
        gate.verifier.ring = KeyRing::new(vec![RingKey { public, standing }]).unwrap();
        gate
    }

    #[test]
    fn leave_lasts_as_long_as_the_key_does() {
        let gate = gate();
        let mut admission = let_in(&gate, claims("a", "*"));
        assert_eq!(admission.id(), "0123456789abcdef".parse().ok());
        let mut again = |now| admission.again(&gate, at(now)).map_err(|denial| denial.reason());
        assert_eq!(again(NOW), Ok(()));
        assert_eq!(again(NOW + 9), Ok(()));
        assert_eq!(again(NOW + 10), Err("expired"));
        let endless = Claims { exp: None, ..claims("a", "*") };
        let mut admission = let_in(&gate, endless);
        assert_eq!(admission.again(&gate, at(NOW + 1_000_000)), Ok(()));
        assert_eq!(Admission::public().again(&gate, at(NOW + 1_000_000)), Ok(()));
    }

    #[test]
    fn leave_ends_with_the_key_or_the_server_key_that_signed_it() {
        let ends = |gate: &Gate, exp: Option<i64>| {
            let_in(gate, Claims { exp: exp.map(at), ..claims("a", "*") }).ends()
        };
        assert_eq!(ends(&gate(), Some(NOW + 10)), Some(at(NOW + 10)));
        assert_eq!(ends(&gate(), None), None);
        assert_eq!(ends(&retiring(NOW + 9), Some(NOW + 10)), Some(at(NOW + 9)));
        assert_eq!(ends(&retiring(NOW + 11), Some(NOW + 10)), Some(at(NOW + 10)));
        assert_eq!(ends(&retiring(NOW + 9), None), Some(at(NOW + 9)));
        assert_eq!(Admission::public().ends(), None);
        // A server key may be retired while leave lasts.
        let mut admission = let_in(&gate(), claims("a", "*"));
        admission.again(&retiring(NOW + 9), at(NOW)).unwrap();
        assert_eq!(admission.ends(), Some(at(NOW + 9)));
        let over = admission.again(&retiring(NOW + 9), at(NOW + 9)).unwrap_err();
        assert_eq!(over.reason(), "revoked");
    }
}
