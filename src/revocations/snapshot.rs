//! All that was cut off as of one moment, looked up without asking anybody.

use std::collections::HashMap;

use super::{Cause, Revocation, Revoked, Rule};
use crate::{
    key::{KeyId, SignedKey},
    time::UnixTime,
};

/// All that was cut off as of one moment: 24 bytes for each id and about two to find
/// it, and every reason once.
#[derive(Debug)]
pub struct Revocations {
    /// By id.
    cuts: Vec<Cut>,
    causes: Vec<Cause>,
    /// For every beginning of an id, of so many bits, the first place in `cuts` with it, and behind
    /// them all the end: an id is found in one short stretch.
    stretches: Vec<usize>,
    bits: u32,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Cut {
    id: KeyId,
    at: UnixTime,
    /// Where in `causes`.
    cause: u32,
}

impl Revocations {
    /// Keys that were cut off one by one, and rules, the oldest first.
    pub fn new(ids: impl IntoIterator<Item = (KeyId, Revoked)>, rules: Vec<Rule>) -> Self {
        let mut numbers = HashMap::new();
        let cut = |(id, Revoked { at, cause })| {
            let next = u32::try_from(numbers.len()).expect("so many reasons fit into no memory");
            Cut { id, at, cause: *numbers.entry(cause).or_insert(next) }
        };
        let mut cuts: Vec<_> = ids.into_iter().map(cut).collect();
        // What was said of a key first stays, as in the ledger.
        cuts.sort_by_key(|cut| cut.id);
        cuts.dedup_by_key(|cut| cut.id);
        cuts.shrink_to_fit();
        let mut causes: Vec<_> = numbers.into_iter().collect();
        causes.sort_by_key(|(_, number)| *number);
        let bits = (cuts.len() / STRETCH).checked_ilog2().unwrap_or(0);
        let first = |begin| cuts.partition_point(|cut| cut.id.first_bits(bits) < begin);
        let stretches = (0..=1 << bits).map(first).collect();
        let causes = causes.into_iter().map(|(cause, _)| cause).collect();
        Self { cuts, causes, stretches, bits, rules }
    }

    /// What is known about the revocation of a key, one by one or by a rule; never
    /// [`Revocation::NotChecked`].
    pub fn of(&self, key: &SignedKey) -> Revocation {
        let claims = key.claims();
        if let Some(cut) = self.find(claims.jti) {
            let cause = self.causes[cut.cause as usize].clone();
            return Revocation::Revoked(Revoked { at: cut.at, cause });
        }
        let rule = self.rules.iter().find(|rule| rule.covers(key.kid(), claims));
        rule.map_or(Revocation::None, |rule| Revocation::Revoked(rule.clone().revoked()))
    }

    fn find(&self, id: KeyId) -> Option<&Cut> {
        let begin = id.first_bits(self.bits) as usize;
        let cuts = &self.cuts[self.stretches[begin]..self.stretches[begin + 1]];
        cuts.binary_search_by_key(&id, |cut| cut.id).ok().map(|at| &cuts[at])
    }
}

/// How many ids one beginning is to stand for, at least.
const STRETCH: usize = 2;
