//! Every promise of the program that needs more than one room.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod commands;
mod completions;
mod elsewhere;
mod faults;
mod floors;
mod format;
mod harness;
mod house;
mod managed;
mod manual;
mod mutants;
mod peers;
mod processes;
mod proof;
mod properties;
mod readme;
mod secrets;
mod settings;
mod shells;
mod spelling;
mod streams;
mod trust;
mod usage;
mod vectors;
mod watch;
