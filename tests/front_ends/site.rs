//! What stands around a front end: msb, its keys, and the back end.

use std::{net::SocketAddr, process::Command};

use crate::{
    back_end::BackEnd,
    msb::{Key, Msb},
    program::Program,
};

pub struct Site {
    pub msb: Msb,
    pub back_end: BackEnd,
    pub keys: Keys,
    /// What one asks msb, to hear without a front end what it says of a request for this path.
    pub directly: fn(&str) -> String,
}

/// A key of every kind.
pub struct Keys {
    /// Opens team-alpha, allows reports.read, has an owner and an end.
    pub alpha: Key,
    /// Opens team-beta, allows every operation.
    pub beta: Key,
    /// Opens both.
    pub both: Key,
    /// Opens every namespace and allows every operation.
    pub unlimited: Key,
    /// Opens team-alpha and allows something else.
    pub other_scope: Key,
    /// Was like alpha's.
    pub expired: Key,
}

/// A front end that runs.
pub struct FrontEnd {
    pub name: &'static str,
    pub address: SocketAddr,
    #[expect(dead_code, reason = "it runs for as long as this is held")]
    pub program: Option<Program>,
}

impl Site {
    /// Where a front end asks msb.
    pub fn new() -> Self {
        Self::with(Msb::start(), BackEnd::start(), policy)
    }

    /// Where msb stands before the back end, configured so for its address.
    pub fn proxied(config: impl FnOnce(SocketAddr) -> String) -> Self {
        let back_end = BackEnd::start();
        let msb = Msb::configured(&config(back_end.address()));
        Self::with(msb, back_end, str::to_owned)
    }

    fn with(msb: Msb, back_end: BackEnd, directly: fn(&str) -> String) -> Self {
        let keys = Keys {
            alpha: msb
                .key("-n team-alpha --scope reports.read --owner ann@example.org --expire 1h"),
            beta: msb.key("-n team-beta"),
            both: msb.key("-n team-alpha -n team-beta --scope reports.* --scope billing.read"),
            unlimited: msb.key("--owner root@example.org"),
            other_scope: msb.key("-n team-alpha --scope reports.write"),
            expired: msb.expired("-n team-alpha --scope reports.read"),
        };
        Self { msb, back_end, keys, directly }
    }

    /// Starts a front end and waits until it listens.
    pub fn start(
        &self,
        name: &'static str,
        address: SocketAddr,
        command: &mut Command,
    ) -> FrontEnd {
        let log = self.msb.scratch.join(format!("{name}.log"));
        let mut program = Program::start(command, &log).unwrap();
        program.wait_for(address);
        FrontEnd { name, address, program: Some(program) }
    }
}

/// The policy that the recipes ask for at this path.
fn policy(path: &str) -> String {
    match path.strip_prefix("/teams/").and_then(|rest| rest.split_once('/')) {
        Some((team, _)) => format!("/auth?namespace={team}&any_scope=1"),
        None if path.starts_with("/any/") => "/auth?any_namespace=1&any_scope=1".to_owned(),
        None => "/auth?namespace=team-alpha&scope=reports.read".to_owned(),
    }
}
