//! One act: draw, sign, check and remember keys, before anyone may hand them out.

use std::{
    sync::{Mutex, mpsc},
    thread,
};

use crate::{
    key::{self, Claims, KeyId, KeyText, Party, Prefix, SealedKey, Unsealable},
    label::Label,
    ledger::Entry,
    namespace::Namespaces,
    policy::{Breach, Policy},
    revocations::{Cause, Revocation, Revoked},
    scope::Scope,
    signing::{Kid, ServerKey},
    store::{Change, Store, StoreFault},
    time::UnixTime,
    verify::{self, Refusal, Verifier},
};

/// What keys are asked for; all of them alike but for their ids.
#[derive(Clone, Debug)]
pub struct Request {
    /// How many.
    pub count: u32,
    /// What they open.
    pub namespaces: Namespaces,
    /// What they allow.
    pub scope: Scope,
    /// What people will call them.
    pub name: Option<Label>,
    /// Who they belong to.
    pub owner: Option<Party>,
    /// The first second at which they are alive.
    pub not_before: Option<UnixTime>,
    /// The first second at which they are dead.
    pub expires_at: Option<UnixTime>,
    /// Who issues them.
    pub issuer: Option<Party>,
    /// Whom they are meant for.
    pub audience: Option<Party>,
    /// What stands in front of them.
    pub prefix: Prefix,
    /// What is asked of every key.
    pub policy: Policy,
    /// When they were asked for: their life is counted from then.
    pub asked_at: UnixTime,
}

/// Keys that the ledger remembers, and that nobody has seen yet.
pub struct Issued {
    /// Each with its id.
    pub keys: Vec<(KeyId, KeyText)>,
    /// The server key that signed them.
    pub kid: Kid,
    /// When.
    pub at: UnixTime,
    /// Whether it was made for them.
    pub first_server_key: bool,
    /// The number of the change of trust that this was, if it was one.
    pub seq: Option<u64>,
}

/// Issues keys. What this answers is on the disk, and signed by the server key that signs now.
pub fn keys(
    store: &mut Store,
    request: &Request,
    who: &str,
    clock: &dyn Fn() -> UnixTime,
    entropy: &mut dyn FnMut(&mut [u8]),
) -> Result<Issued, IssueFault> {
    request.check_policy()?;
    let mut change = store.change(who, clock)?;
    let now = change.now();
    request.ends_after(now)?;
    let mut ring = change.ring()?;
    let first_server_key = ring.is_empty();
    let server_key = match ring.signing() {
        Some((signing, _)) => change.server_key(signing)?,
        None if first_server_key => change.add_first_server_key(ServerKey::generate(entropy))?,
        None => return Err(IssueFault::NothingSigns),
    };
    if first_server_key {
        ring = change.ring()?;
    }
    let kid = server_key.public().kid();
    let issued_at = after_rules(&change, request, kid)?;
    if request.expires_at.is_some_and(|end| end <= issued_at) {
        return Err(IssueFault::OverBeforeRule { at: issued_at });
    }
    let verifier = Verifier {
        ring,
        issuer: request.issuer.clone(),
        audience: request.audience.clone(),
        policy: request.policy,
    };
    // A key may begin later, but none is handed out that can never hold.
    let begins = request.not_before.map_or(now, |nbf| nbf.max(now));
    let claims = |id: &KeyId| request.claims(*id, issued_at);
    let seal = |ids: &[KeyId]| key::seal_all(ids.iter().map(claims), &server_key, &request.prefix);
    let mut keys = Vec::with_capacity(request.count as usize);
    let mut ids = KeyId::draw_many(request.count as usize, entropy);
    // In order the ledger finds the place of each beside that of the one before it.
    ids.sort();
    seal_all(&ids, &seal, |mut sealed| {
        // Among 2^80 ids one collision is a wonder, and a second is no chance any more.
        let mut draws = 0;
        let mut id = sealed.key.claims().jti;
        while !change.record(&request.entry(id, kid, issued_at, sealed.sha256))? {
            if draws == 8 {
                return Err(IssueFault::DiceRepeat);
            }
            draws += 1;
            id = KeyId::draw(entropy);
            sealed = key::seal(claims(&id), &server_key, &request.prefix)?;
        }
        verifier.verify(sealed.key, Revocation::None, begins)?;
        keys.push((id, sealed.text));
        Ok(())
    })?;
    let mut issued = Issued { keys, kid, at: issued_at, first_server_key, seq: None };
    change.audit("issue", &issued.subject())?;
    request.ends_after(clock())?;
    match change.commit() {
        Ok(seq) => {
            issued.seq = seq;
            Ok(issued)
        }
        Err(fault) => {
            // It may be on the disk all the same, and nobody will get these keys.
            let _ = undeliver(store, &issued, who, clock);
            Err(fault.into())
        }
    }
}

/// Cuts off keys that could not be handed out: what nobody got, somebody may find. Answers as
/// [`Change::commit`] does.
pub fn undeliver(
    store: &mut Store,
    issued: &Issued,
    who: &str,
    clock: &dyn Fn() -> UnixTime,
) -> Result<Option<u64>, StoreFault> {
    let change = store.change(who, clock)?;
    let revoked = Revoked { at: change.now(), cause: Cause::Undelivered };
    for (id, _) in &issued.keys {
        change.revoke(*id, &revoked)?;
    }
    change.audit_trust("undelivered", &issued.subject())?;
    change.commit()
}

/// When such keys are issued: now, or in the second behind the last one that a rule cuts off.
fn after_rules(change: &Change<'_>, request: &Request, kid: Kid) -> Result<UnixTime, IssueFault> {
    let now = change.now();
    let (owner, namespaces) = (request.owner.as_ref(), &request.namespaces);
    let rules = change.rules(now)?.into_iter();
    let covering = rules.filter(|rule| rule.kind.has(kid, owner, namespaces));
    let Some(last) = covering.map(|rule| rule.until).max() else { return Ok(now) };
    match UnixTime::from_secs(last.secs() + 1) {
        Some(next) if now.until(next) <= verify::SKEW => Ok(next),
        Some(_) | None => Err(IssueFault::ClockBehind { now, last }),
    }
}

/// What comes of sealing several keys.
type Sealed = Result<Vec<SealedKey>, Unsealable>;

/// Seals a key for each of these ids, many of them on every processor, and hands over each as it
/// comes.
fn seal_all(
    ids: &[KeyId],
    seal: &(dyn Fn(&[KeyId]) -> Sealed + Sync),
    mut take: impl FnMut(SealedKey) -> Result<(), IssueFault>,
) -> Result<(), IssueFault> {
    if ids.len() <= CHUNK {
        return seal(ids)?.into_iter().try_for_each(take);
    }
    let (give, taken) = mpsc::sync_channel(4);
    let chunks = Mutex::new(ids.chunks(CHUNK));
    let next = || chunks.lock().expect("nobody panics with the lock").next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let give = give.clone();
            scope.spawn(move || {
                while let Some(chunk) = next() {
                    // Nobody takes any more once one has failed.
                    if give.send(seal(chunk)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(give);
        for sealed in taken {
            sealed?.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    })
}

impl Issued {
    /// What these keys are called when they are spoken of together: the ledger has them in a row.
    pub fn subject(&self) -> String {
        match self.keys.as_slice() {
            [(id, _)] => format!("key {id}"),
            [(first, _), ..] => format!("{} keys, first {first}", self.keys.len()),
            [] => "no keys".to_owned(),
        }
    }
}

impl Request {
    /// An error if policy lets nobody make such keys. It can be asked before anything is opened.
    pub fn check_policy(&self) -> Result<(), IssueFault> {
        self.policy
            .permit_new(self.expires_at, &self.namespaces, self.name.as_ref(), self.asked_at)
            .map_err(IssueFault::AgainstPolicy)
    }

    fn ends_after(&self, now: UnixTime) -> Result<(), Refusal> {
        match self.expires_at {
            Some(at) if at <= now => Err(Refusal::Expired { at }),
            Some(_) | None => Ok(()),
        }
    }

    fn claims(&self, jti: KeyId, now: UnixTime) -> Claims {
        Claims {
            jti,
            iat: now,
            exp: self.expires_at,
            nbf: self.not_before,
            namespace: self.namespaces.clone(),
            scope: self.scope.clone(),
            sub: self.owner.clone(),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
        }
    }

    fn entry(&self, id: KeyId, kid: Kid, now: UnixTime, sha256: [u8; 32]) -> Entry {
        Entry {
            id,
            kid,
            name: self.name.clone(),
            owner: self.owner.clone(),
            namespaces: self.namespaces.clone(),
            scope: self.scope.clone(),
            issued_at: now,
            not_before: self.not_before,
            expires_at: self.expires_at,
            sha256,
        }
    }
}

/// Why no key was issued.
#[derive(Debug)]
pub enum IssueFault {
    /// It would not keep to the policy.
    AgainstPolicy(Breach),
    /// It would never hold.
    BornDead(Refusal),
    /// Keys that were issued later than our clock says are revoked by a rule.
    ClockBehind {
        /// What our clock says.
        now: UnixTime,
        /// The last second of which the rule revokes keys.
        last: UnixTime,
    },
    /// The dice draw the same ids again and again.
    DiceRepeat,
    /// The ring has no server key that signs.
    NothingSigns,
    /// It would be over before it could be issued, behind what a rule cuts off.
    OverBeforeRule {
        /// When it would be issued.
        at: UnixTime,
    },
    /// What is kept cannot be read or changed.
    Store(StoreFault),
    /// The claims make no key.
    Unsealable(Unsealable),
}

impl From<Refusal> for IssueFault {
    fn from(refusal: Refusal) -> Self {
        Self::BornDead(refusal)
    }
}

impl From<StoreFault> for IssueFault {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

impl From<Unsealable> for IssueFault {
    fn from(unsealable: Unsealable) -> Self {
        Self::Unsealable(unsealable)
    }
}

/// How many keys one processor seals in one go.
const CHUNK: usize = 256;
