//! Bearer: what it costs to ask for a key, beside asking for a JWT.

use std::{
    fs::File,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    Extent,
    figure::{Figures, compare, median, quantile},
    jwt,
    load::{Ask, Chorus, VOICES},
    process::{self, Msb, Scratch, Server},
};

pub fn measure(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    println!("bearer: {VOICES} connections, {} rounds of {}", extent.rounds, extent.requests);
    let service = Server::play(process::SERVICE, &[]);
    let msb = Msb::new(scratch, "bearer");
    let key = msb.key(&["-n", "team-alpha", "--scope", "sandbox.start"]);
    let log = scratch.path("jwt.log");
    let words = [service.address.to_string(), log.display().to_string()];
    let jwt = Peer { server: Server::play(process::JWT_PROXY, &words), token: jwt::token(), log };
    let auth = |bearer: &str| {
        Ask::new("/auth?namespace=team-alpha&scope=sandbox.start", Some(bearer), 200)
    };
    let asked = [auth(&key), auth(&jwt.token)];
    let asks = msb.rounds(&msb.start(), &jwt, asked, extent);
    let called = [Ask::call(&key), Ask::call(&jwt.token)];
    let calls = msb.rounds(&msb.start_before(&service), &jwt, called, extent);
    // Whose signature msb remembers; the peer has nothing of that kind.
    for (what, [costs, peers]) in [("/auth", &asks), ("a call", &calls)] {
        for (bearer, costs) in [("a limited key seen before", costs), ("a JWT", peers)] {
            let more = format!("p25 {:.2}", quantile(costs, 0.25));
            let what = format!("us, {what} with {bearer}");
            figures.add(&what, "", format!("{:.2}", median(costs)), more);
        }
        let what = format!("{what} with a limited key seen before / with a JWT");
        compare(&what, "1.00", costs, peers, figures);
    }
}

/// The server that asks for JWTs.
struct Peer {
    server: Server,
    token: String,
    log: PathBuf,
}

impl Msb {
    /// Microseconds for a request to us, and to the peer, in each round.
    fn rounds(
        &self,
        ours: &Server,
        peer: &Peer,
        [ask, ask_peer]: [Ask; 2],
        extent: &Extent,
    ) -> [Vec<f64>; 2] {
        let [mut costs, mut peers] = [const { vec![] }; 2];
        for round in 0..extent.rounds {
            peers.push(cost(&peer.server, &ask_peer, extent.requests));
            costs.push(cost(ours, &ask, extent.requests));
            // Nobody is to be measured while the disk is full.
            self.empty_log();
            empty(&peer.log);
            println!("  round {}: {:.2} {:.2} us", round + 1, peers[round], costs[round]);
        }
        [costs, peers]
    }
}

fn empty(log: &Path) {
    File::options().write(true).open(log).unwrap().set_len(0).unwrap();
}

/// Microseconds for each of so many requests.
fn cost(server: &Server, ask: &Ask, requests: usize) -> f64 {
    let mut chorus = Chorus::open(server.address, ask);
    let before = server.processor_time();
    chorus.ask(ask, requests);
    // What was logged is still to be written.
    thread::sleep(Duration::from_millis(50));
    (server.processor_time() - before).as_secs_f64() * 1e6 / requests as f64
}
