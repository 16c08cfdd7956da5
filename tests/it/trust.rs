//! What a running server knows without asking: a snapshot of all that was cut off.

use msb::{
    files::Home,
    key::{self, Claims, KeyId, Prefix, SignedKey},
    label::Label,
    namespace::Namespaces,
    revocations::{Cause, Kind, Revocation, Revocations, Revoked, Rule},
    scope::Scope,
    signing::ServerKey,
    store::{Purpose, Store, Succession, Watch},
    time::UnixTime,
};

use crate::{
    harness::{NOW, Scratch},
    properties::Dice,
};

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(NOW + secs).unwrap()
}

/// Draws from so few that everything meets everything.
impl Dice {
    fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    fn any_id(&mut self) -> KeyId {
        let (first, last) = (self.below(8), self.below(32));
        KeyId::draw(&mut |bytes| {
            bytes[0] = (first << 5) as u8;
            bytes[9] = last as u8;
        })
    }

    fn any_reason(&mut self) -> Option<Label> {
        let reasons = ["", "laptop lost", "leaked", "leaver"].map(|text| text.parse().ok());
        self.one_of(&reasons)
    }

    fn any_cut(&mut self) -> Revoked {
        let cause = match self.below(4) {
            0 => Cause::Undelivered,
            _ => Cause::Operator(self.any_reason()),
        };
        Revoked { at: at(10 + self.below(5) as i64), cause }
    }

    fn any_claims(&mut self) -> Claims {
        let owners = ["", "alice", "bob"].map(|text| text.parse().ok());
        let namespaces = ["*", "dev", "dev prod", "prod"].map(|text| text.parse().unwrap());
        Claims {
            jti: self.any_id(),
            iat: at(self.below(6) as i64),
            exp: None,
            nbf: None,
            namespace: self.one_of::<Namespaces>(&namespaces),
            scope: Scope::Every,
            sub: self.one_of(&owners),
            iss: None,
            aud: None,
        }
    }

    fn any_rule(&mut self, server_keys: &[ServerKey]) -> Rule {
        let namespaces = ["", "dev", "prod"].map(|text| text.parse().ok());
        let kids: Vec<_> = server_keys.iter().map(|key| Some(key.public().kid())).collect();
        let kid = self.one_of(&kids);
        Rule {
            kind: Kind {
                owner: self.any_claims().sub,
                namespace: self.one_of(&namespaces),
                kid: if self.below(2) == 0 { kid } else { None },
            },
            until: at(self.below(6) as i64),
            at: at(10 + self.below(3) as i64),
            reason: self.any_reason(),
        }
    }
}

/// A ledger in which two server keys signed, and many keys were cut off, in one way or another.
fn any_ledger(dice: &mut Dice, home: &Home) -> [ServerKey; 2] {
    let mut store = Store::open_or_create(home).unwrap();
    let clock = || at(20);
    let mut change = store.change("uid 0", &clock).unwrap();
    let server_keys = [0, 1].map(|_| {
        let server_key = ServerKey::generate(&mut |bytes| bytes.fill_with(|| dice.next() as u8));
        change.succeed(server_key, Succession::Retire { until: at(99) }, "rotate").unwrap()
    });
    for _ in 0..dice.below(300) {
        change.revoke(dice.any_id(), &dice.any_cut()).unwrap();
    }
    for _ in 0..dice.below(5) {
        change.cut_off(&dice.any_rule(&server_keys)).unwrap();
    }
    change.commit().unwrap();
    server_keys
}

fn signed(claims: Claims, server_key: &ServerKey) -> SignedKey {
    key::seal(claims, server_key, &Prefix::default()).unwrap().key
}

#[test]
fn a_change_is_told_by_its_last_number() {
    let scratch = Scratch::new();
    let mut store = Store::open_or_create(&Home::named(scratch.path("home"))).unwrap();
    let mut check = |acts: &[&str], audits: &[&str], seq| {
        let change = store.change("uid 0", &|| at(0)).unwrap();
        acts.iter().for_each(|act| change.audit_trust(act, "x").unwrap());
        audits.iter().for_each(|act| change.audit(act, "x").unwrap());
        assert_eq!(change.commit().unwrap(), seq);
    };
    check(&[], &[], None);
    check(&["revoke"], &[], Some(1));
    check(&[], &["issue"], None);
    check(&["revoke", "revoke", "revoke"], &["issue"], Some(4));
    // What is not committed takes no number.
    store.change("uid 0", &|| at(0)).unwrap().audit_trust("revoke", "x").unwrap();
    let change = store.change("uid 0", &|| at(0)).unwrap();
    change.audit_trust("revoke", "x").unwrap();
    assert_eq!(change.commit().unwrap(), Some(5));
}

#[test]
fn a_snapshot_says_of_every_key_what_the_store_says() {
    let mut dice = Dice(7);
    let (mut cut_off, mut by_rule, mut free) = (0, 0, 0);
    for _ in 0..20 {
        let scratch = Scratch::new();
        let home = Home::named(scratch.path("home"));
        let server_keys = any_ledger(&mut dice, &home);
        let store = Store::open(&home, Purpose::Read).unwrap().unwrap();
        let snapshot = store.revocations().unwrap();
        for _ in 0..200 {
            let key = signed(dice.any_claims(), &server_keys[dice.below(2) as usize]);
            let found = snapshot.of(&key);
            assert_eq!(found, store.revocation(&key).unwrap(), "{key:?}");
            match found {
                Revocation::Revoked(Revoked { cause: Cause::Rule(..), .. }) => by_rule += 1,
                Revocation::Revoked(_) => cut_off += 1,
                Revocation::None => free += 1,
                Revocation::NotChecked => panic!("nobody was asked about {key:?}"),
            }
        }
    }
    assert!(
        cut_off.min(by_rule).min(free) > 300,
        "the dice are loaded: {cut_off} {by_rule} {free}"
    );
}

#[test]
fn a_snapshot_finds_every_id_among_many_and_no_other() {
    let mut dice = Dice(8);
    let server_key = ServerKey::from_seed(&[1; 32]);
    for count in [0, 1, 2, 7, 8, 9, 15, 16, 17, 1000, 4096, 50_000] {
        let mut id = || KeyId::draw(&mut |bytes| bytes.fill_with(|| dice.next() as u8));
        let ids: Vec<_> = (0..count).map(|_| id()).collect();
        let strangers: Vec<_> = (0..100).map(|_| id()).collect();
        let revoked = Revoked { at: at(0), cause: Cause::Operator(None) };
        let snapshot = Revocations::new(ids.iter().map(|id| (*id, revoked.clone())), vec![]);
        let claims = dice.any_claims();
        let of = |id| snapshot.of(&signed(Claims { jti: id, ..claims.clone() }, &server_key));
        for id in ids.iter().take(500) {
            assert_eq!(of(*id), Revocation::Revoked(revoked.clone()), "{id} among {count}");
        }
        for id in strangers {
            assert_eq!(of(id), Revocation::None, "{id} among {count}");
        }
    }
}

/// What is known of an id, whoever signed and whatever else is said.
fn of(snapshot: &Revocations, id: KeyId) -> Revocation {
    let claims = Claims { jti: id, ..Dice(9).any_claims() };
    snapshot.of(&signed(claims, &ServerKey::from_seed(&[1; 32])))
}

#[test]
fn what_comes_later_adds_to_what_was_known() {
    let mut dice = Dice(10);
    // Around what may come before all is put in order again, twice.
    for counts in [&[0, 0, 1, 0, 1][..], &[1, 1023, 1, 1, 1023, 2], &[5000, 1024, 1, 3000, 1]] {
        let mut cuts = vec![];
        let mut snapshot = Revocations::new([], vec![]);
        for (turn, count) in counts.iter().enumerate() {
            let later: Vec<_> = (0..*count)
                .map(|n| {
                    let id = KeyId::draw(&mut |bytes| bytes.fill_with(|| dice.next() as u8));
                    let reason = Some(format!("reason {n} of {turn}").parse().unwrap());
                    (id, Revoked { at: at(turn as i64), cause: Cause::Operator(reason) })
                })
                .collect();
            // What was said first stays.
            let again = cuts.first().map(|(id, _)| (*id, dice.any_cut()));
            snapshot = snapshot.with(later.iter().cloned().chain(again), vec![]);
            cuts.extend(later);
            for (id, revoked) in cuts.iter().step_by(cuts.len() / 100 + 1).chain(cuts.last()) {
                let expected = Revocation::Revoked(revoked.clone());
                assert_eq!(of(&snapshot, *id), expected, "{counts:?} {turn}");
            }
            assert_eq!(of(&snapshot, "0000000000000000".parse().unwrap()), Revocation::None);
        }
    }
}

#[test]
fn ids_that_begin_alike_are_told_apart() {
    let id = |n: u16| {
        KeyId::draw(&mut |bytes| {
            bytes.fill(7);
            bytes[8..].copy_from_slice(&n.to_be_bytes());
        })
    };
    // Downwards, and every other one: a neighbour is no match.
    let cut = |n| (id(n), Revoked { at: at(i64::from(n)), cause: Cause::Undelivered });
    let snapshot = Revocations::new((0..3000).rev().map(|n| cut(2 * n)), vec![]);
    for n in (0..6000).step_by(7) {
        let expected = match n % 2 {
            0 => Revocation::Revoked(cut(n).1),
            _ => Revocation::None,
        };
        assert_eq!(of(&snapshot, id(n)), expected, "{n}");
    }
}

/// Whatever is done in whatever order, whoever follows says of every key what the store says.
#[test]
fn whoever_follows_knows_what_the_store_knows() {
    let mut dice = Dice(11);
    for _ in 0..5 {
        let scratch = Scratch::new();
        let home = Home::named(scratch.path("home"));
        let server_keys = any_ledger(&mut dice, &home);
        let (mut watch, mut trust) = Watch::open(&home).unwrap().unwrap();
        let mut store = Store::open(&home, Purpose::Write).unwrap().unwrap();
        for _ in 0..20 {
            let clock = || at(20);
            let change = store.change("uid 0", &clock).unwrap();
            for _ in 0..dice.below(4) {
                change.revoke(dice.any_id(), &dice.any_cut()).unwrap();
            }
            if dice.below(6) == 0 {
                change.cut_off(&dice.any_rule(&server_keys)).unwrap();
            }
            change.audit_trust("revoke", "x").unwrap();
            change.commit().unwrap();
            // Some looks see several changes at once.
            if dice.below(3) > 0 {
                trust = watch.look().unwrap().unwrap_or(trust);
                for _ in 0..50 {
                    let key = signed(dice.any_claims(), &server_keys[dice.below(2) as usize]);
                    let known = trust.revocations.of(&key);
                    assert_eq!(known, store.revocation(&key).unwrap(), "{key:?}");
                }
            }
        }
    }
}
