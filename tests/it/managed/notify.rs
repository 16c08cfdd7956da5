//! What a service manager is told, and what it must not be able to do.

use std::{
    ffi::OsString,
    fs,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process::Command,
};

use rustix::process::Signal;

use super::{PATIENCE, Running, address, ask, eventually, home, msb, told};
use crate::harness::Scratch;

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    /// What it puts into `NOTIFY_SOCKET`.
    name: OsString,
}

impl Manager {
    fn at_path(scratch: &Scratch) -> Self {
        let path = scratch.path("notify");
        Self::on(SocketAddr::from_pathname(&path).unwrap(), path.into_os_string())
    }

    fn abstract_name(scratch: &Scratch) -> Self {
        let name = format!("{}/notify", scratch.0.display());
        Self::on(SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}").into())
    }

    fn on(address: SocketAddr, name: OsString) -> Self {
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, name }
    }

    fn hear(&self) -> String {
        let mut state = [0; 512];
        let length = self.socket.recv(&mut state).unwrap();
        String::from_utf8(state[..length].to_vec()).unwrap()
    }

    fn heard_nothing_more(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        self.socket.recv(&mut [0; 512]).is_err()
    }
}

#[test]
fn a_manager_hears_when_we_serve_reload_and_stop() {
    let scratch = Scratch::new();
    check(&scratch, &Manager::at_path(&scratch));
    check(&scratch, &Manager::abstract_name(&scratch));
}

fn check(scratch: &Scratch, manager: &Manager) {
    let home = home(scratch);
    let key = told(&home, "server keygen --quiet");
    let mut start = msb(&home);
    start.args(["server", "start", "--port", "0"]).env("NOTIFY_SOCKET", &manager.name);
    let server = Running::start(&mut start);

    assert_eq!(manager.hear(), "READY=1");
    assert_eq!(ask(address(&home), "/auth", &key), 200);

    let before = monotonic_usec();
    server.signal(Signal::HUP);
    let reloading = manager.hear();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let since: u64 = since.unwrap_or_else(|| panic!("{reloading:?}")).parse().unwrap();
    assert!((before..=monotonic_usec()).contains(&since), "{since} is not when it reloaded");
    assert_eq!(manager.hear(), "READY=1");

    server.signal(Signal::TERM);
    assert_eq!(manager.hear(), "STOPPING=1");
    server.stop();
    assert!(manager.heard_nothing_more());
}

/// The clock that managers compare with.
fn monotonic_usec() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

#[test]
fn a_server_without_a_key_is_ready_for_its_manager_and_not_for_clients() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let manager = Manager::at_path(&scratch);
    let mut start = msb(&home);
    start.args(["server", "start", "--port", "0"]).env("NOTIFY_SOCKET", &manager.name);
    let server = Running::start(&mut start);
    assert_eq!(manager.hear(), "READY=1");
    assert_eq!(ask(address(&home), "/readyz", "-"), 503);
    told(&home, "server keygen --quiet");
    assert_eq!(ask(address(&home), "/readyz", "-"), 200);
    server.stop();
}

#[test]
fn a_manager_that_has_gone_is_no_hindrance() {
    for name in ["/nowhere/notify", "@nobody-listens-here"] {
        let scratch = Scratch::new();
        let home = home(&scratch);
        let mut start = msb(&home);
        start.args(["server", "start", "--port", "0"]).env("NOTIFY_SOCKET", name);
        let server = Running::start(&mut start);
        assert_eq!(ask(address(&home), "/healthz", "-"), 200);
        server.stop();
    }
}

#[test]
fn a_server_that_cannot_start_is_never_ready() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let manager = Manager::at_path(&scratch);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut start = msb(&home);
    start.args(["server", "start", "--port", &port]).env("NOTIFY_SOCKET", &manager.name);
    let (status, said) = Running::start(&mut start).end();
    assert!(!status.success() && said.contains(&port), "{said}");
    assert!(manager.heard_nothing_more());
}

#[test]
fn a_restart_loop_resets_nothing() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let manager = Manager::at_path(&scratch);
    let refused = |command: &mut Command| {
        let (status, said) = Running::start(command).end();
        assert_eq!(status.code(), Some(6), "{said}");
        assert!(said.contains("msb server key reset"), "{said}");
    };
    let before = told(&home, "server key show");
    let reset = "server start --port 0 --reset-key";
    refused(msb(&home).args(reset.split(' ')).env("NOTIFY_SOCKET", &manager.name));
    refused(&mut as_main_process(&home, reset, "$$"));
    assert_eq!(told(&home, "server key show"), before);

    // A shell in a service has the number of another process.
    let server = Running::start(&mut as_main_process(&home, reset, "1"));
    address(&home);
    assert_ne!(told(&home, "server key show"), before);
    server.stop();
}

/// The program as the process that a manager started under this number; `$$` is its own.
fn as_main_process(home: &Path, line: &str, pid: &str) -> Command {
    let msb = env!("CARGO_BIN_EXE_msb");
    let mut sh = Command::new("/bin/sh");
    sh.args(["-c", &format!("SYSTEMD_EXEC_PID={pid} exec '{msb}' {line}")]);
    sh.env_clear().env("MSB_HOME", home).stdin(std::process::Stdio::null());
    sh
}

#[test]
fn a_reset_reaches_the_server_of_a_manager() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let manager = Manager::at_path(&scratch);
    let key = told(&home, "server keygen --quiet");
    let mut start = msb(&home);
    start.args(["server", "start", "--port", "0"]).env("NOTIFY_SOCKET", &manager.name);
    let server = Running::start(&mut start);
    assert_eq!(manager.hear(), "READY=1");
    let address = address(&home);
    assert_eq!(ask(address, "/auth", &key), 200);
    told(&home, "server key reset --yes");
    assert_eq!(ask(address, "/auth", &key), 401);
    server.stop();
}

#[test]
fn bad_settings_are_told_and_the_old_ones_stay() {
    let scratch = Scratch::new();
    let home = home(&scratch);
    let manager = Manager::at_path(&scratch);
    let key = told(&home, "server keygen --quiet");
    let mut start = msb(&home);
    start.args(["server", "start", "--port", "0"]).env("NOTIFY_SOCKET", &manager.name);
    let server = Running::start(&mut start);
    assert_eq!(manager.hear(), "READY=1");
    let address = address(&home);
    let reload = |settings: &str| {
        fs::write(home.join("config.toml"), settings).unwrap();
        server.signal(Signal::HUP);
        assert!(manager.hear().starts_with("RELOADING=1\n"));
        assert_eq!(manager.hear(), "READY=1");
    };
    reload("[policy]\nrequire_expire = true\n");
    eventually("the policy counts", || (ask(address, "/auth", &key) == 401).then_some(()));
    reload("[policy]\nrequire_expire = maybe\n");
    assert_eq!(ask(address, "/auth", &key), 401);
    reload("# no policy\n");
    assert_eq!(ask(address, "/auth", &key), 200);
    server.stop();
}
