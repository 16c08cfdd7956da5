//! A server under others: a service manager, a socket that it hands over, a container.

mod boot;
mod notify;
mod sandbox;
mod socket;
mod units;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::Scratch;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program, with nothing of the world around but this home.
pub fn msb(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msb"));
    command.env_clear().env("MSB_HOME", home).stdin(Stdio::null());
    command
}

/// What a command prints, which must succeed.
pub fn told(home: &Path, line: &str) -> String {
    let ran = msb(home).args(line.split_whitespace()).output().unwrap();
    assert!(ran.status.success(), "msb {line}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}

/// A process that does not outlive the test.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// How it ends, and what it has said; a failure if it does not end.
    fn end(&mut self) -> (ExitStatus, String) {
        let status = eventually("the process ends", || self.0.try_wait().unwrap());
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status, said)
    }

    /// Ends it as service managers do, and holds it to a good end.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let (status, said) = self.end();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{said}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for something, but not for ever.
#[track_caller]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Where the server of a home says that it is, once it does.
pub fn address(home: &Path) -> SocketAddr {
    eventually("the server tells its address", || {
        let status: Value = serde_json::from_str(&told(home, "server status --json")).unwrap();
        status["server"]["address"].as_str().map(|address| address.parse().unwrap())
    })
}

/// The status of the answer to a request with this key.
fn ask(address: SocketAddr, path: &str, key: &str) -> u16 {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    answer(stream, path, key)
}

fn answer(mut stream: TcpStream, path: &str, key: &str) -> u16 {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

/// A home with a server key.
fn home(scratch: &Scratch) -> std::path::PathBuf {
    let home = scratch.path("home");
    told(&home, "server keygen --quiet");
    home
}
