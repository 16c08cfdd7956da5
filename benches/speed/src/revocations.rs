//! Revocations: a million of them, loaded and asked.

use std::hint::black_box;

use msb::{
    files::Home,
    issue::{self, Request},
    key::{self, Claims, KeyId, Prefix, SignedKey},
    namespace::Namespaces,
    policy::Policy,
    revocations::{Cause, Revocation, Revocations, Revoked},
    scope::Scope,
    signing::ServerKey,
    store::{Store, Watch},
};
use rustix::time::ClockId;

use crate::{
    Extent,
    figure::Figures,
    ours::{self, chance},
    scratch::Scratch,
    turn::{Case, alternate, spent, tell, tell_time},
    verify::PACEMAKER,
};

/// Asking a snapshot.
pub fn look_up(extent: &Extent, figures: &mut Figures) {
    let ids: Vec<_> = (0..extent.revoked).map(|_| KeyId::draw(&mut chance)).collect();
    let revocations = Revocations::new(ids.iter().map(|id| (*id, revoked())), vec![]);
    let server_key = ServerKey::generate(&mut chance);
    let sealed = |jti| {
        let claims =
            Claims { jti, namespace: Namespaces::All, scope: Scope::of(vec![]), ..ours::claims() };
        key::seal(claims, &server_key, &Prefix::default()).unwrap().key
    };
    let every = (ids.len() / ASKED).max(1);
    let hits: Vec<_> = ids.iter().step_by(every).map(|id| sealed(*id)).collect();
    let misses: Vec<_> = hits.iter().map(|_| sealed(KeyId::draw(&mut chance))).collect();
    assert!(hits.iter().all(|key| revocations.of(key) != Revocation::None));
    assert!(misses.iter().all(|key| revocations.of(key) == Revocation::None));
    let mut cases = [
        Case::here("a key that is revoked", asked(&revocations, &hits)),
        Case::here("a key that is not revoked", asked(&revocations, &misses)),
        pacemaker(),
    ];
    alternate(&mut cases, extent.rounds, extent.turn);
    let [asked @ .., theirs] = &cases;
    for case in asked {
        let what = format!("looking up {} among {}", case.name, extent.revoked);
        tell_time(figures, &what, "100 ns", &case.processor(), &theirs.processor(), " ns");
    }
}

/// Asks about one key after the other, so that none of them is what was just asked about.
fn asked<'r>(revocations: &'r Revocations, keys: &'r [SignedKey]) -> impl FnMut() + 'r {
    let mut keys = keys.iter().cycle();
    move || {
        black_box(revocations.of(keys.next().unwrap()));
    }
}

/// Loading one, as a server does.
pub fn load(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    let home = Home::named(scratch.path("revocations"));
    let mut store = Store::open_or_create(&home).unwrap();
    issue::keys(&mut store, &request(), "the bench", &ours::now, &mut chance).unwrap();
    let revoke = |store: &mut Store, count| {
        let change = store.change("the bench", &ours::now).unwrap();
        for _ in 0..count {
            change.revoke(KeyId::draw(&mut chance), &revoked()).unwrap();
        }
        change.audit_trust("revoke", "many keys").unwrap();
        change.commit().unwrap();
    };
    revoke(&mut store, extent.revoked);
    let load = Case::batch("loading", 1, || {
        spent(ClockId::ProcessCPUTime, || drop(black_box(Watch::open(&home).unwrap().unwrap())))
    });
    let mut cases = [load, pacemaker()];
    alternate(&mut cases, extent.rounds.min(FEWER), extent.turn);
    let [load, theirs] = &cases;
    let what = format!("loading a snapshot of {}", extent.revoked);
    let (walls, theirs) = (millis(&load.wall()), theirs.processor());
    tell_time(figures, &format!("{what}, wall"), "150 ms", &walls, &theirs, " ms");
    let processor = millis(&load.processor());
    tell(figures, &format!("{what}, processor time"), "", &processor, " ms");
    let (mut watch, _) = Watch::open(&home).unwrap().unwrap();
    let again: Vec<_> = (0..extent.rounds.min(FEWER))
        .map(|_| {
            revoke(&mut store, 1);
            let look = || drop(black_box(watch.look().unwrap().unwrap()));
            spent(ClockId::ProcessCPUTime, look).processor
        })
        .collect();
    let what = format!("one more revocation beside {}, processor time", extent.revoked);
    tell(figures, &what, "", &millis(&again), " ms");
}

/// Who tells how quick the machine is.
fn pacemaker() -> Case<'static> {
    let (name, ready) = PACEMAKER;
    Case::here(name, ready())
}

fn millis(nanos: &[f64]) -> Vec<f64> {
    nanos.iter().map(|nanos| nanos / 1e6).collect()
}

fn revoked() -> Revoked {
    Revoked { at: ours::now(), cause: Cause::Operator(None) }
}

/// One key, so that there is a server key.
fn request() -> Request {
    Request {
        count: 1,
        namespaces: Namespaces::All,
        scope: Scope::of(vec![]),
        name: None,
        owner: None,
        not_before: None,
        expires_at: None,
        issuer: None,
        audience: None,
        prefix: Prefix::default(),
        policy: Policy::default(),
        asked_at: ours::now(),
    }
}

/// How many keys are asked about, at least.
const ASKED: usize = 16_384;

/// The most rounds of what takes a tenth of a second.
const FEWER: usize = 31;
