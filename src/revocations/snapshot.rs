//! All that was cut off as of one moment, looked up without asking anybody.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

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

/// Ids that were cut off: 24 bytes for each and one or two to find it, and every cause once.
#[derive(Debug)]
struct Cuts {
    /// By id, and those of one id in the order in which they came.
    cuts: Vec<Cut>,
    causes: Vec<Cause>,
    /// For every beginning of an id, of so many bits, the first place in `cuts` with it, and behind
    /// them all the end: an id is found in one short stretch.
    stretches: Vec<u32>,
    bits: u32,
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    id: KeyId,
    at: UnixTime,
    /// Where in `causes`.
    cause: u32,
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
        let (mut causes, mut numbers) = (vec![], HashMap::new());
        let mut number = |cause: Cause| match numbers.entry(cause) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let number = u32::try_from(causes.len()).expect(FITS);
                causes.push(Cause::clone(new.key()));
                *new.insert(number)
            }
        };
        let cut = |(id, Revoked { at, cause })| Cut { id, at, cause: number(cause) };
        let came: Vec<_> = ids.into_iter().map(cut).collect();
        let bits = (came.len() / STRETCH).checked_ilog2().unwrap_or(0);
        let (cuts, stretches) = in_stretches(came, bits);
        Self { cuts, causes, stretches, bits }
    }

    fn find(&self, id: KeyId) -> Option<Revoked> {
        let begin = id.first_bits(self.bits) as usize;
        let [from, to] = [self.stretches[begin], self.stretches[begin + 1]];
        let cuts = &self.cuts[from as usize..to as usize];
        let first = cuts.get(cuts.partition_point(|cut| cut.id < id))?;
        (first.id == id).then(|| self.revoked(first))
    }

    fn iter(&self) -> impl Iterator<Item = (KeyId, Revoked)> {
        self.cuts.iter().map(|cut| (cut.id, self.revoked(cut)))
    }

    fn revoked(&self, cut: &Cut) -> Revoked {
        Revoked { at: cut.at, cause: self.causes[cut.cause as usize].clone() }
    }
}

/// Puts cuts into stretches of those whose ids begin with the same bits, and answers where each of
/// these begins: ids are drawn, so this takes one round, where sorting would take twenty.
fn in_stretches(came: Vec<Cut>, bits: u32) -> (Vec<Cut>, Vec<u32>) {
    let stretch = |cut: &Cut| cut.id.first_bits(bits) as usize;
    let mut stretches = vec![0_u32; (1 << bits) + 1];
    for cut in &came {
        stretches[stretch(cut) + 1] += 1;
    }
    let mut before = 0_u32;
    for length in &mut stretches {
        before = before.checked_add(*length).expect(FITS);
        *length = before;
    }
    let mut free = stretches.clone();
    let mut cuts = came.clone();
    for cut in came {
        let place = &mut free[stretch(&cut)];
        cuts[*place as usize] = cut;
        *place += 1;
    }
    for ends in stretches.windows(2) {
        cuts[ends[0] as usize..ends[1] as usize].sort_by_key(|cut| cut.id);
    }
    (cuts, stretches)
}

/// How many ids one beginning is to stand for, at least.
const STRETCH: usize = 2;

/// Which part of all ids those may be that came since most of them were put in their places.
const SMALL_PART: usize = 16;

/// How many may always come.
const FEW: usize = 1024;

/// Why a number of cuts is one of 32 bits.
const FITS: &str = "four thousand million revocations fit into no memory";
