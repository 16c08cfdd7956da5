//! Envoy without msb, by `docs/envoy-offline.md`: what it checks, and every sentence about what it
//! does not.

use std::{fs, process::Command};

use crate::{
    case::{Verdict, holds},
    client::Ask,
    msb::{Key, Msb},
    page, program,
    site::{FrontEnd, Site},
    tally::Tally,
};

#[test]
fn envoy_offline_checks_what_its_page_says_and_no_more() {
    let Some(version) = program::version("envoy", "--version") else { return };
    println!("{version}");
    let mut site = Site::new();
    let (beta, both) = (site.keys.beta.clone(), site.keys.both.clone());
    let (unlimited, other_scope) = (site.keys.unlimited.clone(), site.keys.other_scope.clone());
    let key = site.keys.alpha.clone();
    let early = site.msb.key("-n team-alpha --not-before 1h");
    let elsewhere = Msb::start().key("-n team-alpha");
    let envoy = envoy(&site, &[], "");
    let mut tally = Tally::of(envoy.name);
    let mut judged = |name, ask: Ask, expected| {
        tally.count(name, judge(&site, &envoy, &ask, expected));
    };
    let passes = |key: &Key| Expected::Passes(key.clone());
    let get = || Ask::get("/reports/today");
    let with = |value: &str| get().header("Authorization", value);

    judged("a key", get().bearer(&key.text), passes(&key));
    judged("an unlimited key", get().bearer(&unlimited.text), passes(&unlimited));
    judged("an upload", Ask::post("/x", vec![b'x'; 3_000_000]).bearer(&key.text), passes(&key));
    judged(
        "a foreign Origin and Host",
        get().bearer(&key.text).header("Origin", "https://evil.example").host("evil.example"),
        passes(&key),
    );
    judged("no key", get(), Expected::Refused);
    judged("a malformed key", with("Bearer msb_nonsense"), Expected::Refused);
    judged("a forged key", get().bearer(&key.forged()), Expected::Refused);
    judged("a key of another server key", get().bearer(&elsewhere.text), Expected::Refused);
    judged("a key that begins later", get().bearer(&early.text), Expected::Refused);
    judged("a key without its prefix", get().bearer(&key.text[4..]), Expected::Refused);
    judged("another scheme", with("Basic Zm9vOmJhcg=="), Expected::Refused);
    judged(
        "a key in the query",
        Ask::get(format!("/?access_token={}", &key.text[4..])),
        Expected::Refused,
    );
    judged(
        "spoofed identity",
        get()
            .bearer(&key.text)
            .header("X-Msb-Key-Id", "spoofed")
            .header("x-msb-namespace", "spoofed"),
        passes(&key),
    );
    judged(
        "spoofed identity with underscores",
        get().bearer(&key.text).header("X_Msb_Key_Id", "spoofed").header("X-Msb_Scope", "spoofed"),
        passes(&key),
    );
    judged(
        "identity named in Connection",
        get().bearer(&key.text).header("Connection", "close, X-Msb-Key-Id"),
        passes(&key),
    );
    // What the page says is not so.
    let lower_case = format!("bearer {}", key.text);
    judged("not: the scheme in lower case", with(&lower_case), Expected::Refused);
    judged("not: X-API-Key", get().header("X-API-Key", &key.text), Expected::Refused);
    judged("not: the namespace", get().bearer(&beta.text), passes(&beta));
    judged(
        "not: the namespace that the client names",
        get().bearer(&beta.text).header("X-Workspace-Id", "team-alpha"),
        passes(&beta),
    );
    judged("not: the operation", get().bearer(&other_scope.text), passes(&other_scope));
    judged("not: two keys", with("Bearer x").bearer(&both.text), passes(&both));
    site.msb.revoke(&beta);
    tally.count("not: revocation", judge(&site, &envoy, &get().bearer(&beta.text), passes(&beta)));
    site.msb.stop();
    tally.count(
        "not: whether msb is up",
        judge(&site, &envoy, &get().bearer(&key.text), passes(&key)),
    );
    site.msb.serve("home");
    tally.end();
}

#[test]
fn envoy_offline_learns_of_a_reset_when_it_fetches_the_server_keys() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let ask = Ask::get("/").bearer(&site.keys.alpha.text);
    let before = envoy(&site, &[], "");
    site.msb.reset();
    check(&site, &before, &ask, Expected::Passes(site.keys.alpha.clone()));
    check(&site, &envoy(&site, &[], ""), &ask, Expected::Refused);
}

#[test]
fn envoy_offline_refuses_every_key_while_it_has_no_server_keys() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let mut site = Site::new();
    site.msb.stop();
    let envoy = envoy(&site, &[], "");
    check(&site, &envoy, &Ask::get("/").bearer(&site.keys.alpha.text), Expected::Refused);
}

#[test]
fn envoy_offline_gives_a_key_a_second_after_its_end_and_by_default_a_minute() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let key = site.msb.expired("-n team-alpha");
    let ask = Ask::get("/").bearer(&key.text);
    let default =
        envoy(&site, &[("clock_skew_seconds: 1", "clock_skew_seconds: 0".to_owned())], "");
    check(&site, &default, &ask, Expected::Passes(key));
    let envoy = envoy(&site, &[], "");
    check(&site, &envoy, &Ask::get("/").bearer(&site.keys.expired.text), Expected::Refused);
}

#[test]
fn envoy_offline_passes_spoofed_identity_unless_it_is_stripped() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let ask = Ask::get("/").bearer(&site.keys.alpha.text).header("X-Msb-Namespace", "spoofed");
    let unstripped = envoy(&site, &[("{ prefix: x-msb- }", "{ prefix: x-other- }".to_owned())], "");
    assert_eq!(ask.send(unstripped.address).unwrap().status, 200);
    let arrived = site.back_end.arrived();
    assert_eq!(arrived[0].headers.one("x-msb-namespace"), Some("spoofed"));
}

#[test]
fn envoy_offline_checks_one_namespace_by_the_second_block() {
    if program::version("envoy", "--version").is_none() {
        return;
    }
    let site = Site::new();
    let filter = &page::blocks("envoy-offline.md", "yaml")[1];
    let envoy = envoy(&site, &[], filter);
    let others = site.msb.key("-n team-beta -n team-gamma");
    let longer = site.msb.key("-n team-alpha-2");
    let keys = &site.keys;
    for key in [&keys.alpha, &keys.both, &keys.unlimited] {
        check(&site, &envoy, &Ask::get("/").bearer(&key.text), Expected::Passes(key.clone()));
    }
    for key in [&keys.beta, &others, &longer] {
        check(&site, &envoy, &Ask::get("/").bearer(&key.text), Expected::Forbidden);
    }
    check(&site, &envoy, &Ask::get("/"), Expected::Refused);
}

enum Expected {
    /// The back end got it with the id of this key, and nothing else of ours.
    Passes(Key),
    /// 401.
    Refused,
    /// 403.
    Forbidden,
}

fn check(site: &Site, envoy: &FrontEnd, ask: &Ask, expected: Expected) {
    judge(site, envoy, ask, expected).unwrap_or_else(|why| panic!("{why}"));
}

fn judge(site: &Site, envoy: &FrontEnd, ask: &Ask, expected: Expected) -> Verdict {
    site.back_end.arrived();
    let answer = ask.send(envoy.address).map_err(|error| error.to_string())?;
    let arrived = site.back_end.arrived();
    let status = match &expected {
        Expected::Passes(_) => 200,
        Expected::Refused => 401,
        Expected::Forbidden => 403,
    };
    holds(answer.status == status, || format!("not {status}: {answer:?}"))?;
    let Expected::Passes(key) = expected else {
        return holds(arrived.is_empty(), || format!("arrived: {arrived:?}"));
    };
    let [seen] = &arrived[..] else { return Err(format!("arrived: {arrived:?}")) };
    holds(seen.body == ask.body(), || format!("{} bytes arrived", seen.body.len()))?;
    let ours = |name: &str| name.to_ascii_lowercase().replace('_', "-").starts_with("x-msb-");
    let ours: Vec<_> = seen.headers.0.iter().filter(|(name, _)| ours(name)).collect();
    let only = ours.len() == 1 && seen.headers.one("x-msb-key-id") == Some(&key.id);
    holds(only, || format!("arrived: {seen:?}"))?;
    holds(!format!("{seen:?}").contains(&key.text[4..]), || "the key arrived".to_owned())
}

/// Envoy as the page configures it, but for changes, and with this filter behind the verifier.
fn envoy(site: &Site, changes: &[(&str, String)], filter: &str) -> FrontEnd {
    let address = program::free();
    let router = "          - name: envoy.filters.http.router\n";
    let changes = [
        changes,
        &[
            (
                "127.0.0.1, port_value: 8080 }",
                format!("127.0.0.1, port_value: {} }}", address.port()),
            ),
            ("port_value: 5555 }", format!("port_value: {} }}", site.msb.address.port())),
            ("port_value: 3000 }", format!("port_value: {} }}", site.back_end.address().port())),
            (router, format!("{filter}{router}")),
        ],
    ];
    let recipe = page::changed(&page::blocks("envoy-offline.md", "yaml")[0], &changes.concat());
    let configuration = site.msb.scratch.join(format!("envoy-{}.yaml", address.port()));
    fs::write(&configuration, recipe).unwrap();
    let mut command = Command::new("envoy");
    command.args(["--use-dynamic-base-id", "--concurrency", "1", "-c"]).arg(configuration);
    site.start("envoy offline", address, &mut command)
}
