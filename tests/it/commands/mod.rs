//! Commands, whole: exit code and both streams, word for word.

mod dotenv;
mod format;
mod keygen;
mod last_use;
mod ledger;
mod lines;
mod rules;
mod server_keys;
mod standing;
mod verify;

/// The ids that counted dice draw: right after the first server key, and the next ones.
const FIRST: &str = "40gj48s44mk2ea19";
const SECOND: &str = "58njrb9e5wr32chk";
const THIRD: &str = "6gtkcdsr74x3pf1x";
