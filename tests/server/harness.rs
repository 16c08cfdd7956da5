//! A home, a server in it, and connections to it. Every wait is bounded.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take that should take no time at all, on a machine with much to do, whose
/// disk may be away for minutes.
pub const SOON: Duration = Duration::from_secs(300);

/// The user `nobody`.
pub const NOBODY: u32 = 65_534;

/// Whether what takes long is done in full.
pub fn in_full() -> bool {
    std::env::var_os("MSB_SERVER").is_some_and(|value| value == "all")
}

/// This many of something in full, and that many otherwise.
pub fn many(full: usize, few: usize) -> usize {
    if in_full() { full } else { few }
}

/// Whether a program is there; where all are installed, one that is absent is an error.
pub fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// Says that a test did not run; where everything must run, that is an error.
pub fn skipped(why: &str) {
    // Past the capture of the test runner, so that it is seen.
    io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
    assert!(std::env::var_os("CI").is_none(), "nothing may be skipped here: {why}");
}

/// Whether this is root, who alone can be other users.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("only root can run a program as another user");
    }
    root
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A directory of its own for one test, which goes with it.
pub struct Home {
    scratch: PathBuf,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    /// Nothing was ever kept here.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("msb-server-{}-{count}", std::process::id());
        let scratch = std::env::temp_dir().join(name);
        fs::create_dir_all(scratch.join("home")).unwrap();
        let home = Self { scratch };
        home.mode("", 0o700);
        home
    }

    /// The home itself.
    pub fn directory(&self) -> PathBuf {
        self.scratch.join("home")
    }

    /// A file in the home.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// A place beside the home.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Changes the mode of a file in the home; the home's own if the name is empty.
    pub fn mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.directory().join(name), permissions).unwrap();
    }

    /// Writes the settings.
    pub fn configure(&self, settings: &str) {
        fs::write(self.file("config.toml"), settings).unwrap();
        self.mode("config.toml", 0o600);
    }

    /// The program, in this home and nothing else.
    pub fn msb(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msb"));
        command.env_clear().env("MSB_HOME", self.directory()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, line: &str) -> Ran {
        finish(self.msb().args(line.split_whitespace()), SOON)
    }

    /// Runs a command that does what it is told.
    #[track_caller]
    pub fn done(&self, line: &str) -> String {
        self.done_within(line, SOON)
    }

    #[track_caller]
    pub fn done_within(&self, line: &str, within: Duration) -> String {
        let ran = finish(self.msb().args(line.split_whitespace()), within);
        assert_eq!(ran.exit, Some(0), "{line}: {}", ran.stderr);
        ran.stdout
    }

    /// A new key.
    #[track_caller]
    pub fn key(&self, flags: &str) -> String {
        self.done(&format!("server keygen -q {flags}")).trim_end().to_owned()
    }

    /// What `status` says.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.done("server status --json")).unwrap()
    }

    /// The words for what needs doing.
    #[track_caller]
    pub fn attention(&self) -> Vec<String> {
        let status = self.status();
        let attention = status["attention"].as_array().unwrap();
        attention.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    }

    /// A server that answers, on any free port.
    #[track_caller]
    pub fn start(&self, flags: &str) -> Server {
        let line = format!("server start --port 0 --json {flags}");
        self.serve(self.msb().args(line.split_whitespace()))
    }

    /// The same, by a command that was made for it. It must answer in JSON.
    #[track_caller]
    pub fn serve(&self, command: &mut Command) -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let (out, log) =
            (self.beside(&format!("out-{count}")), self.beside(&format!("log-{count}")));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let started = wait_for("a server that answers", SOON, || {
            let said = fs::read_to_string(&out).unwrap();
            if said.ends_with('\n') {
                return Some(serde_json::from_str::<Value>(&said).unwrap());
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(&log).unwrap());
            None
        });
        let address = started["address"].as_str().unwrap().parse().unwrap();
        let pid = started["pid"].as_i64().unwrap() as i32;
        Server { child, pid: Pid::from_raw(pid).unwrap(), address, log }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Runs a command to its end, with what it says on both streams.
#[track_caller]
pub fn finish(command: &mut Command, within: Duration) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let ended = end(&mut child, within);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let ended = ended.unwrap_or_else(|| panic!("{command:?}: not within {within:?}: {stderr}"));
    Ran { exit: ended.code(), stdout, stderr }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = vec![];
        let _ = stream.unwrap().read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Waits for a child to end, and ends it if it does not.
fn end(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    while began.elapsed() < within {
        if let Some(ended) = child.try_wait().unwrap() {
            return Some(ended);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// A process that ends with this, whatever becomes of the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that runs; it ends with this.
pub struct Server {
    child: Child,
    pub pid: Pid,
    pub address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// A connection.
    pub fn wire(&self) -> Wire {
        Wire::to(self.address)
    }

    /// Asks once, on a connection of its own: lines of a head, without the empty one.
    #[track_caller]
    pub fn ask(&self, head: &str) -> Answer {
        let mut wire = self.wire();
        wire.send(request(head));
        wire.answer().unwrap_or_else(|| panic!("no answer to {head}"))
    }

    /// Asks at `/auth` whether a key for every namespace passes: the status.
    #[track_caller]
    pub fn judges(&self, key: &str) -> u16 {
        self.ask(&bearing(key)).status
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for it to end: what it ended with.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        self.ended_within(SOON)
    }

    #[track_caller]
    pub fn ended_within(&mut self, within: Duration) -> Option<i32> {
        end(&mut self.child, within).expect("the server ends").code()
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said something to whoever started it.
    #[track_caller]
    pub fn says(&self, words: &str) {
        wait_for(words, SOON, || self.log().contains(words).then_some(()));
    }

    /// Waits until it has logged an event, and answers the last such.
    #[track_caller]
    pub fn logged(&self, event: &str) -> Value {
        wait_for(event, SOON, || events(&self.log(), event).pop())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of this name in a log of JSON lines, as far as it is written.
pub fn events(log: &str, event: &str) -> Vec<Value> {
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    // What is said to whoever started it comes before the log does.
    let lines = whole.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["event"] == event).collect()
}

/// The head of a request for `/auth` with a key.
pub fn bearing(key: &str) -> String {
    format!("GET /auth HTTP/1.1\nHost: a\nAuthorization: Bearer {key}")
}

/// A head as it goes over the wire.
pub fn request(head: &str) -> String {
    head.replace('\n', "\r\n") + "\r\n\r\n"
}

/// A connection to a server.
pub struct Wire {
    pub stream: TcpStream,
    read: Vec<u8>,
    /// Whether the next answer has no body whatever it says.
    pub bodiless: bool,
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, SOON).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self { stream, read: vec![], bodiless: false }
    }

    /// Sends bytes; whoever has closed the other end will be noticed when an answer is read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The next answer; none if the other end closes first.
    #[track_caller]
    pub fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            match self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                Some(end) => break end,
                None if !self.more() => return None,
                None => {}
            }
        };
        let rest = self.read.split_off(end + 4);
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        self.read = rest;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<_> = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let length: usize = if self.bodiless || status == 304 { 0 } else { length };
        while self.read.len() < length {
            assert!(self.more(), "the body of {answer:?} is cut off");
        }
        let rest = self.read.split_off(length);
        answer.body = String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
        Some(answer)
    }

    /// Whether the other end closes, and says nothing more, within a while.
    #[track_caller]
    pub fn closes_within(&mut self, within: Duration) -> bool {
        self.stream.set_read_timeout(Some(within)).unwrap();
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => panic!("it says more"),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.read.extend(&bytes[..length]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing more to read: {error}"),
        }
    }
}

impl Answer {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.all(name);
        assert!(values.len() < 2, "{name} is there {} times", values.len());
        values.first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let found = self.headers.iter().filter(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).collect()
    }
}

/// Numbers that follow from the seed alone (Steele, Lea and Flood: SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % count as u64) as usize
    }
}

/// Puts a file in the place of another, whoever holds that.
pub fn replace(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}
