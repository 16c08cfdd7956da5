//! All that was cut off as of one moment, looked up without asking anybody.

use std::{collections::HashMap, mem, sync::Arc};

use super::{Cause, Revocation, Revoked, Rule};
use crate::{
    key::{KeyId, SignedKey},
    time::UnixTime,
};

/// All that was cut off as of one moment. What was known before is shared with what follows it, so
/// one more key costs as little among a million as among ten.
#[derive(Clone, Debug)]
pub struct Revocations {
    /// Most ids.
    cuts: Arc<Cuts>,
    /// Those that came since, a small part.
    recent: Arc<Cuts>,
    rules: Vec<Rule>,
}

/// Ids that were cut off: 26 bytes for each and 4 to 8 to find it, and every cause once.
#[derive(Debug)]
struct Cuts {
    /// In the order in which they came.
    cuts: Vec<Cut>,
    causes: Vec<Cause>,
    /// Where in `cuts` the first is of all whose ids are spread to the same number; [`NOWHERE`]
    /// if there is none. There are at least as many as ids, so there is seldom another behind it.
    firsts: Vec<u32>,
}

/// Without room between its parts, so that few of them are in two lines of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(2))]
struct Cut {
    id: KeyId,
    at: UnixTime,
    /// Where in `causes`.
    cause: u32,
    /// Where in `cuts` the next is whose id is spread to the same number.
    next: u32,
}

impl Revocations {
    /// Keys that were cut off one by one, and rules, the oldest first.
    pub fn new(ids: impl IntoIterator<Item = (KeyId, Revoked)>, rules: Vec<Rule>) -> Self {
        Self { cuts: Arc::new(Cuts::new(ids)), recent: Arc::new(Cuts::new([])), rules }
    }

    /// The same with keys that were cut off later, and all rules as of then.
    pub fn with(&self, ids: impl IntoIterator<Item = (KeyId, Revoked)>, rules: Vec<Rule>) -> Self {
        let recent = Cuts::new(self.recent.iter().chain(ids));
        if recent.cuts.len() <= FEW.max(self.cuts.cuts.len() / SMALL_PART) {
            return Self { cuts: Arc::clone(&self.cuts), recent: Arc::new(recent), rules };
        }
        Self::new(self.cuts.iter().chain(recent.iter()), rules)
    }

    /// What is known about the revocation of a key, one by one or by a rule; never
    /// [`Revocation::NotChecked`].
    pub fn of(&self, key: &SignedKey) -> Revocation {
        let claims = key.claims();
        // What was said of a key first stays, as in the ledger.
        let by_id = self.cuts.find(claims.jti).or_else(|| self.recent.find(claims.jti));
        if let Some(revoked) = by_id {
            return Revocation::Revoked(revoked);
        }
        let rule = self.rules.iter().find(|rule| rule.covers(key.kid(), claims));
        rule.map_or(Revocation::None, |rule| Revocation::Revoked(rule.clone().revoked()))
    }
}

impl Cuts {
    fn new(ids: impl IntoIterator<Item = (KeyId, Revoked)>) -> Self {
        let mut causes = Causes::default();
        let cut = |(id, Revoked { at, cause })| {
            let cause = causes.number(cause);
            Cut { id, at, cause, next: NOWHERE }
        };
        let mut cuts: Vec<_> = ids.into_iter().map(cut).collect();
        let mut firsts = vec![NOWHERE; cuts.len().next_power_of_two()];
        // From the last one on, so that of one id the first is found.
        for (place, cut) in cuts.iter_mut().enumerate().rev() {
            let number = cut.id.spread(firsts.len());
            cut.next = mem::replace(&mut firsts[number], u32::try_from(place).expect(FITS));
        }
        Self { cuts, causes: causes.all, firsts }
    }

    fn find(&self, id: KeyId) -> Option<Revoked> {
        let mut place = self.firsts[id.spread(self.firsts.len())];
        while let Some(cut) = self.cuts.get(place as usize) {
            if cut.id == id {
                return Some(self.revoked(cut));
            }
            place = cut.next;
        }
        None
    }

    fn iter(&self) -> impl Iterator<Item = (KeyId, Revoked)> {
        self.cuts.iter().map(|cut| (cut.id, self.revoked(cut)))
    }

    fn revoked(&self, cut: &Cut) -> Revoked {
        Revoked { at: cut.at, cause: self.causes[cut.cause as usize].clone() }
    }
}

/// Causes, each once, by their numbers.
#[derive(Default)]
struct Causes {
    all: Vec<Cause>,
    numbers: HashMap<Cause, u32>,
    last: u32,
}

impl Causes {
    fn number(&mut self, cause: Cause) -> u32 {
        // What was cut off together was so for one cause.
        if self.all.get(self.last as usize) != Some(&cause) {
            let next = u32::try_from(self.all.len()).expect(FITS);
            self.last = *self.numbers.entry(cause).or_insert_with_key(|cause| {
                self.all.push(cause.clone());
                next
            });
        }
        self.last
    }
}

/// No place in any [`Cuts`].
const NOWHERE: u32 = u32::MAX;

/// Which part of all ids those may be that came since most of them were put in their places.
const SMALL_PART: usize = 16;

/// How many may always come.
const FEW: usize = 1024;

/// Why a number of cuts is one of 32 bits.
const FITS: &str = "four thousand million revocations fit into no memory";
