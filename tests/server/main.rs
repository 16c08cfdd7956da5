//! The server as its enemies and its operators try it: the program itself, on a port of this
//! machine, in a home of its own, spoken to through plain sockets.
//!
//! What takes long (hundreds of commands under load, waits of half a minute) is done in small
//! without `MSB_SERVER=all`, and in full with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod clients;
mod clock;
mod control;
mod dev;
mod harness;
mod life;
mod limits;
mod load;
mod logs;
mod metrics;
mod oracle;
mod proxy;
mod refusals;
mod reload;
mod store;
mod trust;
mod wire;
