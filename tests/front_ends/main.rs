//! The front ends of `docs/`, run for real: client, front end, msb and back end are processes and
//! threads that speak over loopback. The configuration is the one that the page shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod apache;
mod back_end;
mod caddy;
mod case;
mod client;
mod door;
mod envoy;
mod envoy_offline;
mod haproxy;
mod msb;
mod nginx;
mod page;
mod program;
mod session;
mod sessions;
mod site;
mod table;
mod tally;
mod tap;
mod traefik;
