//! All that was cut off as of one moment, looked up without asking anybody.

use std::{collections::HashMap, sync::Arc};

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

/// Ids that were cut off, in 22 bytes each, and every cause once; a hash table of 10 to 20 more finds
/// them.
#[derive(Debug)]
struct Cuts {
    /// In the order in which they came.
    cuts: Vec<Cut>,
    causes: Vec<Cause>,
    /// At least two slots for each id, a power of two: a byte of what the id in it is mixed to, or
    /// [`EMPTY`]. Whoever is not cut off is told by these bytes alone in nearly all cases, and those
    /// of a million ids have room in the caches of a processor.
    tags: Vec<u8>,
    /// Where in `cuts` that id is.
    places: Vec<u32>,
}

/// Without room between its parts, so that few of them are in two lines of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(2))]
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
        let mut causes = Causes::default();
        let cut = |(id, Revoked { at, cause })| Cut { id, at, cause: causes.number(cause) };
        let cuts: Vec<_> = ids.into_iter().map(cut).collect();
        let slots = (2 * cuts.len()).max(2).next_power_of_two();
        let (mut tags, mut places) = (vec![EMPTY; slots], vec![0; slots]);
        // The first one of an id is found first.
        for (place, cut) in cuts.iter().enumerate() {
            let Spread { mut slot, tag } = Spread::of(cut.id, slots);
            while tags[slot] != EMPTY {
                slot = next(slot, slots);
            }
            (tags[slot], places[slot]) = (tag, u32::try_from(place).expect(FITS));
        }
        Self { cuts, causes: causes.all, tags, places }
    }

    fn find(&self, id: KeyId) -> Option<Revoked> {
        let Spread { mut slot, tag } = Spread::of(id, self.tags.len());
        while self.tags[slot] != EMPTY {
            if self.tags[slot] == tag {
                let cut = &self.cuts[self.places[slot] as usize];
                if cut.id == id {
                    return Some(self.revoked(cut));
                }
            }
            slot = next(slot, self.tags.len());
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

/// What becomes of an id in a hash table.
struct Spread {
    /// The slot where it is, or another that came before it, and so on (linear probing).
    slot: usize,
    /// What is in its slot, never [`EMPTY`].
    tag: u8,
}

impl Spread {
    /// Among so many slots: a power of two, from 2 on.
    fn of(id: KeyId, slots: usize) -> Self {
        let (mixed, bits) = (id.mixed(), slots.ilog2());
        // The bits behind those of the slot.
        let tag = (mixed << bits >> (u64::BITS - u8::BITS)) as u8;
        Self { slot: (mixed >> (u64::BITS - bits)) as usize, tag: tag.max(1) }
    }
}

/// The slot behind one, the first behind the last.
fn next(slot: usize, slots: usize) -> usize {
    (slot + 1) & (slots - 1)
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

/// In a slot of no id.
const EMPTY: u8 = 0;

/// Which part of all ids those may be that came since most of them were put in their places.
const SMALL_PART: usize = 16;

/// How many may always come.
const FEW: usize = 1024;

/// Why a number of cuts is one of 32 bits.
const FITS: &str = "four thousand million revocations fit into no memory";

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as there is room for, all in the last slot, and alike in every bit that is looked at
    /// before the ids are compared.
    #[test]
    fn ids_of_one_slot_and_one_tag_are_told_apart() {
        let at =
            |secs| Revoked { at: UnixTime::from_secs(secs).unwrap(), cause: Cause::Undelivered };
        let slots = 16;
        let id = |n: u64| KeyId::draw(&mut |bytes| bytes[2..].copy_from_slice(&n.to_be_bytes()));
        let alike = |id: &KeyId| {
            let Spread { slot, tag } = Spread::of(*id, slots);
            (slot, tag) == (slots - 1, 1)
        };
        let ids: Vec<_> = (0..1_000_000).map(id).filter(alike).take(9).collect();
        let [stranger, known @ ..] = ids.as_slice() else { panic!() };
        let again = (known[0], at(99));
        let cuts = known.iter().copied().zip((1..).map(at)).take(7).chain([again]);
        let cuts = Cuts::new(cuts);
        assert_eq!(cuts.tags.len(), slots);
        for (secs, id) in (1..).zip(&known[..7]) {
            assert_eq!(cuts.find(*id), Some(at(secs)));
        }
        assert_eq!(cuts.find(known[7]), None);
        assert_eq!(cuts.find(*stranger), None);
    }
}
