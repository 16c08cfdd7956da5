//! Revocations: keys that were cut off before their time.

use crate::{label::Label, time::UnixTime};

/// What is known about the revocation of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Revocation {
    /// It is not revoked.
    None,
    /// Nobody who would know was asked.
    NotChecked,
    /// It is revoked.
    Revoked(Revoked),
}

/// That a key was cut off, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Revoked {
    /// When.
    pub at: UnixTime,
    /// Why.
    pub cause: Cause,
}

/// Why a key was cut off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Somebody revoked it, perhaps saying why.
    Operator(Option<Label>),
    /// It could not be handed out when it was made.
    Undelivered,
}
