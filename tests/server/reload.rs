//! SIGHUP: the settings are read anew, or stay as they were.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Home, SOON, bearing, events, in_full, wait_for};

#[test]
fn a_new_policy_counts_at_once_and_says_how_many_keys_it_refuses() {
    let home = Home::new();
    let (endless, limited) = (home.key(""), home.key("--expire 1h"));
    home.key("--count 3");
    let server = home.start("");
    let reloaded = || events(&server.log(), "reload");
    assert_eq!((server.judges(&endless), server.judges(&limited)), (200, 200));
    let reload = |settings: &str, refused: &str| {
        let before = reloaded().len();
        home.configure(settings);
        server.signal(Signal::HUP);
        wait_for("a reload", SOON, || (reloaded().len() > before).then_some(()));
        assert_eq!(reloaded().last().unwrap()["active_keys_refused"], refused);
    };
    reload("[policy]\nrequire_expire = true\n", "4");
    assert_eq!((server.judges(&endless), server.judges(&limited)), (401, 200));
    assert_eq!(
        home.attention(),
        ["against_policy", "expiring"].map(str::to_owned).iter().rev().cloned().collect::<Vec<_>>()
    );
    reload("[policy]\nmax_expire = \"30m\"\n", "5");
    assert_eq!((server.judges(&endless), server.judges(&limited)), (401, 401));
    reload("audience = \"elsewhere\"\n", "0");
    assert_eq!(server.judges(&endless), 401);
    reload("# none\n", "0");
    assert_eq!((server.judges(&endless), server.judges(&limited)), (200, 200));
    reload("prefix = \"rb_\"\n", "0");
    assert_eq!(server.judges(&endless), 401);
    assert_eq!(server.judges(&endless.replacen("msb_", "rb_", 1)), 200);
    reload("[server]\nerror_format = \"microsandbox\"\n", "0");
    assert_eq!(server.ask(&bearing("x")).body, r#"{"error":"Invalid token","code":1004}"#);
}

#[test]
fn wrong_settings_leave_things_as_they_were() {
    let home = Home::new();
    home.configure("[policy]\nrequire_expire = true\n");
    let limited = home.key("--expire 1h");
    home.configure("# as it was\n");
    let endless = home.key("");
    home.configure("[policy]\nrequire_expire = true\n");
    let server = home.start("");
    let judged = || (server.judges(&endless), server.judges(&limited));
    assert_eq!(judged(), (401, 200));
    for (wrong, fault) in [
        ("[policy", "config.toml, line 1"),
        ("[policy]\nrequire_expires = false\n", "line 2"),
        ("[server]\nport = 0\n", "line 2"),
        ("\u{0}", "line 1"),
    ] {
        let failed = || events(&server.log(), "reload_failed");
        let before = failed().len();
        home.configure(wrong);
        server.signal(Signal::HUP);
        wait_for("a reload that fails", SOON, || (failed().len() > before).then_some(()));
        let told = failed().pop().unwrap();
        assert!(told["fault"].as_str().unwrap().contains(fault), "{told}");
        assert_eq!(judged(), (401, 200), "{wrong:?}");
    }
    // Settings that others can write are nobody's.
    home.configure("# as it was\n");
    home.mode("config.toml", 0o666);
    server.signal(Signal::HUP);
    wait_for("a reload that fails", SOON, || {
        events(&server.log(), "reload_failed").get(4).map(|told| told["fault"].to_string())
    });
    assert_eq!(judged(), (401, 200));
    home.mode("config.toml", 0o600);
    server.signal(Signal::HUP);
    wait_for("a reload", SOON, || events(&server.log(), "reload").pop());
    assert_eq!(judged(), (200, 200));
}

#[test]
fn where_it_listens_and_whether_keys_are_asked_for_stay() {
    let home = Home::new();
    let server = home.start("");
    home.configure("[server]\nhost = \"127.0.0.2\"\nport = 1\n");
    server.signal(Signal::HUP);
    server.logged("reload");
    assert_eq!(server.ask("GET /auth HTTP/1.1\nHost: a").status, 401);
    assert_eq!(home.status()["server"]["address"], server.address.to_string());
}

/// Every key is looked at to count those that are refused, and no command waits for that.
#[test]
fn whoever_counts_keys_hears_commands() {
    // With few keys there is nothing to wait for.
    if !in_full() {
        return;
    }
    let home = Home::new();
    home.done_within("server keygen -q --count 150000 --expire 2y", Duration::from_secs(120));
    let server = home.start("");
    home.configure("[policy]\nmax_expire = \"1y\"\n");
    server.signal(Signal::HUP);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    while events(&server.log(), "reload").is_empty() {
        let asked = Instant::now();
        let report = crate::control::answer(&home, b"{\"say\":\"sync\",\"seq\":1}\n");
        assert!(report.contains("\"seq\":1"), "{report}");
        slowest = slowest.max(asked.elapsed());
        assert!(began.elapsed() < SOON);
    }
    let took = began.elapsed();
    assert!(slowest < took / 2, "{slowest:?} of {took:?}");
    assert_eq!(server.logged("reload")["active_keys_refused"], "150000");
}

/// Many at once are as good as one, and harm nobody.
#[test]
fn a_storm_of_reloads_breaks_nothing() {
    let home = Home::new();
    let key = home.key("");
    let mut server = home.start("");
    for _ in 0..200 {
        server.signal(Signal::HUP);
    }
    assert_eq!(server.judges(&key), 200);
    home.done("server revoke --all -y");
    assert_eq!(server.judges(&key), 401);
    server.logged("reload");
    assert!(server.runs());
}

/// Somebody may be about to write them: a policy does not end by accident.
#[test]
fn settings_that_are_gone_or_could_not_be_started_with_change_nothing() {
    let home = Home::new();
    let endless = home.key("");
    home.configure("[policy]\nrequire_expire = true\n");
    let server = home.start("");
    assert_eq!(server.judges(&endless), 401);
    let refused = |count: usize| {
        server.signal(Signal::HUP);
        let told = || events(&server.log(), "reload_failed").get(count - 1).cloned();
        let told = wait_for("a reload that fails", SOON, told);
        assert_eq!(server.judges(&endless), 401);
        told["fault"].as_str().unwrap().to_owned()
    };
    home.configure("");
    assert_eq!(refused(1), "config.toml is gone, or empty");
    std::fs::remove_file(home.file("config.toml")).unwrap();
    assert_eq!(refused(2), "config.toml is gone, or empty");
    home.configure("[server]\nupstream = \"http://127.0.0.1\"\n");
    assert!(refused(3).contains("it has a port, from 1 to 65535"));
    home.configure("# no policy\n");
    server.signal(Signal::HUP);
    server.logged("reload");
    assert_eq!(server.judges(&endless), 200);
}
