//! Programs that the tests start, each ended by its own process id.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A running program; it is ended when it is dropped.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program; what it says goes to a file that is named after it.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn()?, log: log.to_owned() })
    }

    /// Waits until it is so; a program that has ended makes nothing so any more.
    pub fn wait<T>(&mut self, what: &str, so: impl FnMut() -> Option<T>) -> T {
        let child = &mut self.child;
        let found = until(so, || child.try_wait().unwrap().is_some());
        found.unwrap_or_else(|| panic!("{what}, in vain:\n{}", self.said()))
    }

    /// Waits until somebody listens there.
    pub fn wait_for(&mut self, address: SocketAddr) {
        self.wait("somebody should listen", || TcpStream::connect(address).ok());
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it in the middle of what it does, and waits until each of its threads has stopped: a
    /// thread may do some more after the signal was sent.
    pub fn hang(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
        let threads = format!("/proc/{}/task", self.child.id());
        self.wait("every thread should stop", || {
            let mut threads = fs::read_dir(&threads).ok()?;
            threads.all(|thread| stopped(&thread.unwrap().path())).then_some(())
        });
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let child = &mut self.child;
        if until(|| child.try_wait().ok().flatten(), || false).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Whether a thread is stopped: its state is the word behind its name, which is in brackets (proc(5)).
fn stopped(thread: &Path) -> bool {
    let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Asks again and again until there is an answer, it is over, or patience is.
fn until<T>(mut so: impl FnMut() -> Option<T>, mut over: impl FnMut() -> bool) -> Option<T> {
    let start = Instant::now();
    while start.elapsed() < LONGEST {
        if let Some(answer) = so() {
            return Some(answer);
        }
        if over() {
            return None;
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

/// The version of a program, if it is there; if not, says so, and CI does not let that pass.
pub fn version(program: &str, flag: &str) -> Option<String> {
    let Ok(output) = Command::new(program).arg(flag).output() else {
        skipped(&format!("{program} is not installed"));
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).lines().find(|line| !line.is_empty())?.trim().to_owned())
}

/// Says that a test has not run, where everybody sees it; in CI nothing is passed over.
fn skipped(why: &str) {
    use io::Write;
    assert!(std::env::var_os("CI").is_none(), "CI needs this: {why}");
    // Not `eprintln!`: what a test that passes prints is not shown.
    io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// An address on which nobody listens yet.
pub fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// How long a program may take to come up, or to end.
const LONGEST: Duration = Duration::from_secs(20);
