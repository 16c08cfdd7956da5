//! The ledger: what is remembered of every key that was handed out. Never a key.

use std::{fmt, str::FromStr};

use crate::{
    key::{KeyId, Party},
    label::Label,
    namespace::{Namespace, Namespaces},
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
    /// Since when it is cut off.
    pub revoked_at: Option<UnixTime>,
    /// Why it was cut off, if somebody said.
    pub reason: Option<Label>,
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
#[derive(Clone, Debug)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Opening this namespace, `*` included.
    pub namespace: Option<Namespace>,
    /// Belonging to them.
    pub owner: Option<Party>,
    /// With a name of this shape: `*`, `?` and `[…]` as in a shell.
    pub name: Option<String>,
    /// Ending at this moment or before.
    pub ends_by: Option<UnixTime>,
    /// Older than this key.
    pub after: Option<KeyId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// How many keys stand how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// By state, in the order of [`State::ALL`].
    counts: [u64; State::ALL.len()],
    /// Active ones that end soon.
    pub expiring: u64,
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
