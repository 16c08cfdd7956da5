//! What every front end must do: one table for all of them.

use std::{
    io::{BufReader, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    case::{Case, Outcome, Verdict, allowed, clear, holds, identity, refused, turned_away},
    client::{self, Answer, Ask},
    site::{FrontEnd, Keys, Site},
    tally::Tally,
};

/// Runs every case, tells what became of each, and fails if one did not hold.
pub fn run(front: &FrontEnd, mut site: Site, not_here: &[&str]) {
    let mut tally = Tally::of(front.name);
    for case in cases(&site.keys) {
        if !not_here.contains(&case.name) {
            tally.count(case.name, case.judge(&site, front.address));
        }
    }
    for (name, course) in courses() {
        if !not_here.contains(&name) {
            tally.count(name, course(&mut site, front.address));
        }
    }
    tally.end();
}

/// Each of these changes to a recipe breaks the case behind it: what it changes is needed, and the
/// table sees that it is.
pub fn breaks(
    changes: &[(&str, &str, &str)],
    front: impl Fn(&Site, &[(&str, String)]) -> FrontEnd,
) {
    breaks_at(Site::new, changes, front);
}

/// The same at sites of another kind.
pub fn breaks_at(
    new: fn() -> Site,
    changes: &[(&str, &str, &str)],
    front: impl Fn(&Site, &[(&str, String)]) -> FrontEnd,
) {
    let mut site = new();
    for (from, to, name) in changes {
        let front = front(&site, &[(from, (*to).to_owned())]);
        let case = cases(&site.keys).into_iter().find(|case| case.name == *name);
        let verdict = match case {
            Some(case) => case.judge(&site, front.address),
            None => {
                let course = courses().into_iter().find(|(found, _)| found == name);
                let (_, course) = course.unwrap_or_else(|| panic!("there is no case `{name}`"));
                let verdict = course(&mut site, front.address);
                // It leaves something down or hung.
                site = new();
                verdict
            }
        };
        assert!(verdict.is_err(), "`{name}` holds without `{from}`");
    }
}

/// Where the recipes ask for `namespace=team-alpha&scope=reports.read`.
const REPORTS: &str = "/reports/today";

/// Single requests, while all is well.
fn cases(keys: &Keys) -> Vec<Case<'_>> {
    let Keys { alpha, beta, both, unlimited, other_scope, expired } = keys;
    let get = |key: &str| Ask::get(REPORTS).bearer(key);
    let team = |team: &str| Ask::get(format!("/teams/{team}/today"));
    let spoofed = |ask: Ask, spell: fn(&str) -> String| {
        IDENTITY.iter().fold(ask, |ask, name| ask.header(&spell(name), "spoofed"))
    };
    let large = || (0..3_000_000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>();
    vec![
        allowed("a key", get(&alpha.text), alpha, "team-alpha"),
        allowed("a key for two namespaces", get(&both.text), both, "team-alpha"),
        allowed("an unlimited key", get(&unlimited.text), unlimited, "team-alpha"),
        allowed(
            "a key in X-API-Key",
            Ask::get(REPORTS).header("X-API-Key", &alpha.text),
            alpha,
            "team-alpha",
        ),
        allowed(
            "the scheme in lower case",
            Ask::get(REPORTS).header("authorization", &format!("bearer {}", alpha.text)),
            alpha,
            "team-alpha",
        ),
        allowed(
            "another scheme beside X-API-Key",
            Ask::get(REPORTS)
                .header("Authorization", "Basic Zm9vOmJhcg==")
                .header("X-API-Key", &alpha.text),
            alpha,
            "team-alpha",
        ),
        refused("no key", Ask::get(REPORTS), 401),
        refused(
            "another scheme",
            Ask::get(REPORTS).header("Authorization", "Basic Zm9vOmJhcg=="),
            401,
        ),
        refused("a malformed key", get("msb_nonsense"), 401),
        refused("a forged key", get(&alpha.forged()), 401),
        refused("an expired key", get(&expired.text), 401),
        refused("a key for another namespace", get(&beta.text), 403),
        refused("a key for another operation", get(&other_scope.text), 403),
        turned_away("two Authorization headers", get(&alpha.text).bearer(&alpha.text)),
        turned_away("two Authorization headers, one of them bad", get(&alpha.text).bearer("x")),
        refused("Bearer beside X-API-Key", get(&alpha.text).header("X-API-Key", &alpha.text), 401),
        refused("no key, posted", Ask::post(REPORTS, b"body".to_vec()), 401),
        refused("no key, deleted", Ask::new("DELETE", REPORTS), 401),
        refused("no key, from a page", Ask::get(REPORTS).header("Origin", FOREIGN), 401),
        refused("no key, for a websocket", Ask::get(REPORTS).upgrade(), 401),
        refused(
            "a preflight has no key",
            Ask::new("OPTIONS", REPORTS)
                .header("Origin", FOREIGN)
                .header("Access-Control-Request-Method", "GET"),
            401,
        ),
        allowed("spoofed identity", spoofed(get(&alpha.text), str::to_owned), alpha, "team-alpha"),
        allowed(
            "spoofed identity in lower case",
            spoofed(get(&alpha.text), str::to_lowercase),
            alpha,
            "team-alpha",
        ),
        allowed(
            "spoofed identity with underscores",
            spoofed(get(&alpha.text), |name| name.replace('-', "_")),
            alpha,
            "team-alpha",
        ),
        allowed(
            "spoofed identity with one underscore",
            spoofed(get(&alpha.text), |name| name.replacen('-', "_", 1)),
            alpha,
            "team-alpha",
        ),
        allowed(
            "spoofed identity with whatever else a name may have",
            "_.!#$%&'*+^`|~".chars().fold(get(&alpha.text), |ask, other| {
                ask.header(&"X-Msb-Key-Id".replace('-', &other.to_string()), "spoofed")
            }),
            alpha,
            "team-alpha",
        ),
        allowed(
            "identity named in Connection",
            get(&alpha.text).header("Connection", &format!("close, {}", IDENTITY.join(", "))),
            alpha,
            "team-alpha",
        ),
        allowed(
            "spoofed identity named in Connection",
            spoofed(get(&alpha.text), str::to_owned)
                .header("Connection", "close, x-msb-key-id, X-MSB-NAMESPACE"),
            alpha,
            "team-alpha",
        ),
        allowed(
            "identity named in a second Connection",
            get(&alpha.text).header("Connection", "close").header("Connection", "X-Msb-Scope"),
            alpha,
            "team-alpha",
        ),
        refused("spoofed identity without a key", spoofed(Ask::get(REPORTS), str::to_owned), 401),
        refused(
            "a policy of the client's own in headers",
            get(&beta.text)
                .header("X-Msb-Require-Namespace", "team-beta")
                .header("X-Msb-Require-Scope", "*any*"),
            403,
        ),
        allowed(
            "a policy of the client's own in headers, not believed",
            get(&alpha.text).header("X-Msb-Require-Namespace", "team-beta"),
            alpha,
            "team-alpha",
        ),
        refused(
            "a policy of the client's own in the query",
            Ask::get("/reports/today?namespace=team-beta&any_namespace=1&any_scope=1")
                .bearer(&beta.text),
            403,
        ),
        refused(
            "another path told in headers",
            get(&beta.text)
                .header("X-Forwarded-Uri", "/teams/team-beta/x")
                .header("X-Original-URL", "/teams/team-beta/x")
                .header("X-Forwarded-Host", "other.example"),
            403,
        ),
        allowed(
            "a foreign Origin",
            get(&alpha.text).header("Origin", FOREIGN),
            alpha,
            "team-alpha",
        ),
        allowed(
            "no Origin to tell",
            get(&alpha.text).header("Origin", "null"),
            alpha,
            "team-alpha",
        ),
        allowed("a foreign Host", get(&alpha.text).host("evil.example"), alpha, "team-alpha"),
        allowed(
            "a namespace that the client names, too",
            get(&both.text).header("X-Workspace-Id", "team-alpha"),
            both,
            "team-alpha",
        ),
        refused(
            "a namespace that the client names and the key does not open",
            get(&alpha.text).header("X-Workspace-Id", "team-beta"),
            403,
        ),
        turned_away(
            "two namespaces that the client names",
            get(&alpha.text).header("X-Namespace", "team-alpha").header("X-Namespace", "team-beta"),
        ),
        turned_away(
            "two namespaces in one header",
            get(&both.text).header("X-Workspace-Id", "team-alpha, team-beta"),
        ),
        allowed("HEAD", Ask::new("HEAD", REPORTS).bearer(&alpha.text), alpha, "team-alpha"),
        allowed("DELETE", Ask::new("DELETE", REPORTS).bearer(&alpha.text), alpha, "team-alpha"),
        allowed(
            "a query",
            Ask::get("/reports/today?a=1&b=%20&namespace=x").bearer(&alpha.text),
            alpha,
            "team-alpha",
        ),
        allowed(
            "a large upload",
            Ask::post(REPORTS, large()).bearer(&alpha.text),
            alpha,
            "team-alpha",
        ),
        allowed(
            "an upload in chunks",
            Ask::post_in_chunks(REPORTS, large()).bearer(&alpha.text),
            alpha,
            "team-alpha",
        ),
        refused("a large upload with a bad key", Ask::post(REPORTS, large()).bearer("bad"), 401),
        Case {
            name: "the back end's own 401",
            ask: Ask::get("/reports/status/401").bearer(&alpha.text),
            outcome: Outcome::Own(401),
        },
        Case {
            name: "the back end's own 403",
            ask: Ask::get("/reports/status/403").bearer(&alpha.text),
            outcome: Outcome::Own(403),
        },
        Case {
            name: "the back end's own 500",
            ask: Ask::get("/reports/status/500").bearer(&alpha.text),
            outcome: Outcome::Own(500),
        },
        allowed(
            "the namespace is in the path",
            team("team-beta").bearer(&beta.text),
            beta,
            "team-beta",
        ),
        allowed(
            "the other one of a key's two",
            team("team-beta").bearer(&both.text),
            both,
            "team-beta",
        ),
        refused("another namespace is in the path", team("team-beta").bearer(&alpha.text), 403),
        refused("a namespace is in the path, and no key", team("team-beta"), 401),
        turned_away(
            "a namespace with a policy in it",
            team("team-alpha&any_namespace=1").bearer(&beta.text),
        ),
        turned_away(
            "a namespace with an encoded policy in it",
            team("team-alpha%26any_namespace=1").bearer(&beta.text),
        ),
        turned_away("a namespace with a star", team("*").bearer(&beta.text)),
        turned_away("an encoded namespace", team("%74eam-alpha").bearer(&beta.text)),
        turned_away("no namespace at all", Ask::get("/teams//today").bearer(&beta.text)),
        clear(
            "two namespaces by way of ..",
            Ask::get("/teams/team-alpha/../team-beta/today").bearer(&beta.text),
        ),
        clear(
            "two namespaces by way of .., with the other key",
            Ask::get("/teams/team-alpha/../team-beta/today").bearer(&alpha.text),
        ),
        clear(
            "two namespaces by way of an encoded ..",
            Ask::get("/teams/team-alpha/%2e%2e/team-beta/today").bearer(&beta.text),
        ),
        clear(
            "two namespaces by way of an encoded slash",
            Ask::get("/teams/team-beta/..%2fteam-alpha/today").bearer(&beta.text),
        ),
        clear(
            "out of one policy into another by way of ..",
            Ask::get("/teams/team-beta/../../reports/today").bearer(&beta.text),
        ),
        clear(
            "out of one policy into another by way of a backslash",
            Ask::get("/teams/team-beta\\..\\..\\reports/today").bearer(&beta.text),
        ),
        allowed(
            "the namespace is left to the back end",
            Ask::get("/any/today").bearer(&beta.text),
            beta,
            "-",
        ),
        allowed("any namespace", Ask::get("/any/today").bearer(&unlimited.text), unlimited, "*"),
        refused("any namespace, and no key", Ask::get("/any/today"), 401),
        turned_away("a path that no policy is for", Ask::get("/elsewhere").bearer(&unlimited.text)),
        turned_away("msb is not behind the front end", Ask::get("/auth").bearer(&unlimited.text)),
        turned_away(
            "the place where the front end asks",
            Ask::get("/msb-auth").bearer(&alpha.text),
        ),
    ]
}

type Course = fn(&mut Site, SocketAddr) -> Verdict;

/// What takes more than one request; in the end everything is down.
fn courses() -> [(&'static str, Course); 11] {
    [
        ("a key that is revoked", revoked),
        ("two requests on one connection", one_connection),
        ("a websocket", websocket),
        ("events that come one by one", events),
        ("msb is down", down),
        ("msb is up again", up_again),
        ("msb is hung", hung),
        ("msb goes on", goes_on),
        ("msb cannot decide", undecided),
        ("msb can decide again", up_again),
        ("the back end is down", back_end_down),
    ]
}

/// The very next request after `revoke` returned is refused.
fn revoked(site: &mut Site, front: SocketAddr) -> Verdict {
    let key = site.msb.key("-n team-alpha --scope reports.read");
    let ask = Ask::get(REPORTS).bearer(&key.text);
    allowed("", ask.clone(), &key, "team-alpha").judge(site, front)?;
    site.msb.revoke(&key);
    refused("", ask, 401).judge(site, front)
}

/// What holds for one request holds for no other on the same connection.
fn one_connection(site: &mut Site, front: SocketAddr) -> Verdict {
    let mut stream = client::connect(front).map_err(|error| error.to_string())?;
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let good = Ask::get(REPORTS).bearer(&site.keys.alpha.text);
    for (ask, last, status) in
        [(&good, false, 200), (&Ask::get(REPORTS), false, 401), (&good, true, 200)]
    {
        let answer = ask.write(&mut stream, last).and_then(|()| Answer::read(&mut answers, "GET"));
        let answer = answer.map_err(|error| format!("before {status}: {error}"))?;
        holds(answer.status == status, || format!("not {status}: {answer:?}"))?;
    }
    Ok(())
}

/// Both ends of a websocket hear each other.
fn websocket(site: &mut Site, front: SocketAddr) -> Verdict {
    site.back_end.arrived();
    let mut stream = client::connect(front).map_err(|error| error.to_string())?;
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let ask = Ask::get(REPORTS).bearer(&site.keys.alpha.text).upgrade();
    let answer = ask.write(&mut stream, false).and_then(|()| Answer::read(&mut answers, "GET"));
    let answer = answer.map_err(|error| error.to_string())?;
    holds(answer.status == 101, || format!("not switched: {answer:?}"))?;
    for said in [*b"ping", *b"pong"] {
        let mut heard = [0; 4];
        let exchange = stream.write_all(&said).and_then(|()| answers.read_exact(&mut heard));
        exchange.map_err(|error| format!("after the switch: {error}"))?;
        holds(heard == said, || format!("heard {heard:?}"))?;
    }
    let arrived = site.back_end.arrived();
    let [seen] = &arrived[..] else { return Err(format!("arrived: {arrived:?}")) };
    identity(&seen.headers, &site.keys.alpha, "team-alpha")
}

/// An event is heard while the answer goes on.
fn events(site: &mut Site, front: SocketAddr) -> Verdict {
    let mut stream = client::connect(front).map_err(|error| error.to_string())?;
    let ask = Ask::get("/reports/events").bearer(&site.keys.alpha.text);
    ask.write(&mut stream, true).map_err(|error| error.to_string())?;
    let mut heard = vec![];
    let mut bytes = [0; 1024];
    while !String::from_utf8_lossy(&heard).contains("data: first") {
        let length = stream.read(&mut bytes).map_err(|error| format!("{error} after {heard:?}"))?;
        holds(length > 0, || format!("hung up after {heard:?}"))?;
        heard.extend(&bytes[..length]);
    }
    Ok(())
}

fn down(site: &mut Site, front: SocketAddr) -> Verdict {
    site.msb.stop();
    silent(site, front)
}

fn hung(site: &mut Site, front: SocketAddr) -> Verdict {
    site.msb.hang();
    silent(site, front)
}

/// A server without a ring answers, and cannot say whose key is good.
fn undecided(site: &mut Site, front: SocketAddr) -> Verdict {
    site.msb.serve("without-keys");
    let keyed = with_keys(&site.keys);
    keyed.iter().try_for_each(|ask| nobody_decides(site, front, ask))
}

/// Nobody answers, not even to those who have no key.
fn silent(site: &Site, front: SocketAddr) -> Verdict {
    let keyed = with_keys(&site.keys);
    keyed.iter().chain([&Ask::get(REPORTS)]).try_for_each(|ask| nobody_decides(site, front, ask))
}

fn with_keys(keys: &Keys) -> [Ask; 2] {
    let upload = Ask::post(REPORTS, vec![b'x'; 100_000]);
    [Ask::get(REPORTS), upload].map(|ask| ask.bearer(&keys.alpha.text))
}

/// The client hears so in time, and the back end hears nothing.
fn nobody_decides(site: &Site, front: SocketAddr, ask: &Ask) -> Verdict {
    site.back_end.arrived();
    let start = Instant::now();
    let answer = ask.send(front).map_err(|error| format!("no answer: {error}"))?;
    let (took, arrived) = (start.elapsed(), site.back_end.arrived());
    holds(arrived.is_empty(), || format!("arrived: {arrived:?}"))?;
    holds(answer.status == 503, || format!("not 503: {answer:?}"))?;
    holds(took < SOON, || format!("after {took:?}"))
}

fn up_again(site: &mut Site, front: SocketAddr) -> Verdict {
    site.msb.serve("home");
    all_is_well(site, front)
}

fn goes_on(site: &mut Site, front: SocketAddr) -> Verdict {
    site.msb.go_on();
    all_is_well(site, front)
}

fn all_is_well(site: &Site, front: SocketAddr) -> Verdict {
    let key = &site.keys.alpha;
    allowed("", Ask::get(REPORTS).bearer(&key.text), key, "team-alpha").judge(site, front)?;
    refused("", Ask::get(REPORTS), 401).judge(site, front)
}

/// That is no reason to call a key bad, and none to ask for another.
fn back_end_down(site: &mut Site, front: SocketAddr) -> Verdict {
    site.back_end.stop();
    let ask = Ask::get(REPORTS).bearer(&site.keys.alpha.text);
    let answer = ask.send(front).map_err(|error| format!("no answer: {error}"))?;
    let told = (502..=504).contains(&answer.status) && !answer.text().contains("msb");
    holds(told, || format!("answered: {answer:?}"))
}

const IDENTITY: [&str; 6] = [
    "X-Msb-Key-Id",
    "X-Msb-Namespace",
    "X-Msb-Namespaces",
    "X-Msb-Scope",
    "X-Msb-Subject",
    "X-Msb-Expires",
];
const FOREIGN: &str = "https://evil.example";
/// How long a client may wait to hear that nobody can decide.
const SOON: Duration = Duration::from_secs(6);
