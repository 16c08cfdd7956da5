//! Cost: the server's processor time for a request, beside nginx's.

use std::{fs::File, path::PathBuf, thread, time::Duration};

use crate::{
    Extent,
    figure::{Figures, median, quantile},
    load::{Ask, Chorus, VOICES},
    process::{Msb, Nginx, Scratch, Server},
};

/// Whom to ask what.
struct Case<'c> {
    name: &'static str,
    /// How many times as much as nginx it may cost, if that was ever said.
    wanted: Option<f64>,
    server: &'c Server,
    ask: Ask,
    /// Microseconds for a request, in each round.
    costs: Vec<f64>,
}

pub fn measure(scratch: &Scratch, extent: &Extent, figures: &mut Figures) {
    if Nginx::version().is_none() {
        println!("SKIPPED cost: nginx is not installed");
        return;
    }
    println!("cost: {VOICES} connections, {} rounds of {}", extent.rounds, extent.requests);
    let msb = Msb::new(scratch, "cost");
    let flags = ["--expire", "1d", "-n", "team-alpha", "--scope", "sandbox.start"];
    let (_, key) = &msb.keys(1, &flags)[0];
    let access: PathBuf = scratch.path("access.log");
    let (ours, silent, logging) =
        (msb.start(), Nginx::start(scratch, None), Nginx::start(scratch, Some(&access)));
    let case = |name, wanted, server, ask| Case { name, wanted, server, ask, costs: vec![] };
    let limited = "/auth?namespace=team-alpha&scope=sandbox.start";
    let mut cases = [
        case("nginx 204", None, &silent, Ask::new("/", None, 204)),
        case("refusal without a key", Some(1.1), &ours, Ask::new("/auth", None, 401)),
        case("/healthz", Some(1.05), &ours, Ask::new("/healthz", None, 200)),
        case("nginx 204 and access_log", None, &logging, Ask::new("/", None, 204)),
        case("a limited key passes", None, &ours, Ask::new(limited, Some(key), 200)),
    ];
    for round in 0..extent.rounds {
        for case in &mut cases {
            let cost = case.cost(extent.requests);
            case.costs.push(cost);
        }
        // Nobody is to be measured while the disk is full.
        msb.empty_log();
        File::create(&access).unwrap();
        let told = cases.iter().map(|case| format!("{:.2}", case.costs[round]));
        println!("  round {}: {} us", round + 1, told.collect::<Vec<_>>().join(" "));
    }
    let peers = [&cases[0], &cases[3]];
    for case in &cases {
        let more = format!("p25 {:.2}", quantile(&case.costs, 0.25));
        figures.add(&format!("us, {}", case.name), "", format!("{:.2}", median(&case.costs)), more);
    }
    for case in cases.iter().filter(|case| !peers.iter().any(|peer| peer.name == case.name)) {
        for peer in peers {
            let ratios: Vec<_> =
                case.costs.iter().zip(&peer.costs).map(|(ours, theirs)| ours / theirs).collect();
            let what = format!("{} / {}", case.name, peer.name);
            let wanted = case.wanted.map_or(String::new(), |wanted| format!("{wanted:.2}"));
            let more = format!("p25 {:.2}", quantile(&ratios, 0.25));
            figures.add(&what, &wanted, format!("{:.2}", median(&ratios)), more);
        }
    }
}

impl Case<'_> {
    /// Microseconds for each of so many requests.
    fn cost(&self, requests: usize) -> f64 {
        let mut chorus = Chorus::open(self.server.address, &self.ask);
        let before = self.server.processor_time();
        chorus.ask(&self.ask, requests);
        // What was logged is still to be written.
        thread::sleep(Duration::from_millis(50));
        let spent = self.server.processor_time() - before;
        spent.as_secs_f64() * 1e6 / requests as f64
    }
}
