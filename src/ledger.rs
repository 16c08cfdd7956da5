//! The ledger: what is remembered of every key that was handed out, and of every act. Never a key.

use std::{fmt, str::FromStr};

use crate::{
    key::{KeyId, Party},
    label::Label,
    namespace::{Namespace, Namespaces},
    revocations::{Kind, Revoked},
    scope::Scope,
    signing::Kid,
    time::UnixTime,
};

/// What is remembered of one key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Key id.
    pub id: KeyId,
    /// Which server key signed it.
    pub kid: Kid,
    /// What people call it.
    pub name: Option<Label>,
    /// Who it belongs to.
    pub owner: Option<Party>,
    /// What it opens.
    pub namespaces: Namespaces,
    /// What it allows.
    pub scope: Scope,
    /// When it was made.
    pub issued_at: UnixTime,
    /// The first second at which it is alive.
    pub not_before: Option<UnixTime>,
    /// The first second at which it is dead.
    pub expires_at: Option<UnixTime>,
    /// SHA-256 of its JWS.
    pub sha256: [u8; 32],
}

/// An entry, and how the key stands.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What is remembered.
    pub entry: Entry,
    /// How the key stands.
    pub state: State,
    /// When it ends, at the latest: by itself, or with the overlap of its server key.
    pub ends_at: Option<UnixTime>,
    /// That it was cut off, and why.
    pub revoked: Option<Revoked>,
}

/// How a key stands: the first of these that applies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It was never handed out.
    Undelivered,
    /// Its server key no longer counts.
    Reset,
    /// It was cut off.
    Revoked,
    /// It is over.
    Expired,
    /// It is not alive yet.
    NotYetValid,
    /// It works.
    Active,
}

impl State {
    /// All of them, in the order in which they are asked.
    pub const ALL: [State; 6] = [
        State::Undelivered,
        State::Reset,
        State::Revoked,
        State::Expired,
        State::NotYetValid,
        State::Active,
    ];

    /// Those in which a key works or may come to.
    pub const LIVE: [State; 2] = [State::NotYetValid, State::Active];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Undelivered => "undelivered",
            State::Reset => "reset",
            State::Revoked => "revoked",
            State::Expired => "expired",
            State::NotYetValid => "not_yet_valid",
            State::Active => "active",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for State {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL.into_iter().find(|state| state.word() == text).ok_or(NotAState)
    }
}

/// Which entries are asked for: all that pass every filter, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Opening this namespace, `*` included.
    pub opens: Option<Namespace>,
    /// Of this kind.
    pub kind: Kind,
    /// With a name of this shape: `*`, `?` and `[…]` as in a shell.
    pub name: Option<String>,
    /// Issued at this moment or before.
    pub issued_by: Option<UnixTime>,
    /// Ending at this moment or before.
    pub ends_by: Option<UnixTime>,
    /// Ending after this moment, or never.
    pub outlives: Option<UnixTime>,
    /// Older than this key.
    pub after: Option<KeyId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// One act that was noted.
#[derive(Clone, Debug)]
pub struct Act {
    /// Its number among all acts.
    pub n: i64,
    /// When.
    pub at: UnixTime,
    /// By whom.
    pub who: Label,
    /// What was done.
    pub act: Label,
    /// To what.
    pub subject: Label,
    /// The number of the change of trust that it was, if it was one.
    pub seq: Option<i64>,
}

/// Keys that may still work, of one owner and for the same namespaces.
#[derive(Clone, Debug)]
pub struct Holding {
    /// What they open.
    pub namespaces: Namespaces,
    /// Who they belong to.
    pub owner: Option<Party>,
    /// How many.
    pub keys: u64,
}

/// How many keys stand how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// By state, in the order of [`State::ALL`].
    counts: [u64; State::ALL.len()],
    /// Active ones that end soon.
    pub expiring: u64,
    /// Those that may still work, and would live longer than the overlap of their server key.
    pub outliving: u64,
}

impl Tally {
    /// How many stand so.
    pub fn of(&self, state: State) -> u64 {
        self.counts[state as usize]
    }

    /// Counts keys that stand so.
    pub fn add(&mut self, state: State, count: u64) {
        self.counts[state as usize] += count;
    }
}

/// A word that names no state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAState;
