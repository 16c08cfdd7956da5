//! The servers that are measured, each in processes of its own, and what the system counts of them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;

pub use crate::scratch::Scratch;

/// A process that listens; it ends when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts this program once more, to play a part.
    pub fn play(part: &str, words: &[String]) -> Self {
        let address = free();
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::start(command.args([PLAY, part, &address.to_string()]).args(words), address)
    }

    fn start(command: &mut Command, address: SocketAddr) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "{command:?} does not listen");
            // Whoever waits is not to be in the way of who starts.
            thread::sleep(Duration::from_micros(200));
        }
        server
    }

    /// The processor time that its threads have had.
    pub fn processor_time(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanos = threads.map(|thread| {
            let told = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            told.split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// How much of the machine's memory it has now: all, and what no file backs, in MiB.
    pub fn memory(&self) -> [f64; 2] {
        self.status(["VmRSS:", "RssAnon:"])
    }

    /// The most memory that it had at once, in MiB.
    pub fn peak(&self) -> f64 {
        self.status(["VmHWM:"])[0]
    }

    /// Has the peak counted from now on.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    fn status<const N: usize>(&self, names: [&str; N]) -> [f64; N] {
        let told = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        names.map(|name| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            let kib: f64 = line.trim_end_matches("kB").trim().parse().unwrap();
            kib / 1024.0
        })
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// msb, with a home of its own.
pub struct Msb {
    home: PathBuf,
    log: PathBuf,
}

impl Msb {
    pub fn new(scratch: &Scratch, name: &str) -> Self {
        Self { home: scratch.path(name), log: scratch.path(&format!("{name}.log")) }
    }

    /// Starts its server, as a service manager would: the log is a file.
    pub fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// The same, before a service.
    pub fn start_before(&self, service: &Server) -> Server {
        self.start_with(&["--upstream", &format!("http://{}", service.address)])
    }

    fn start_with(&self, flags: &[&str]) -> Server {
        let address = free();
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let port = address.port().to_string();
        let words = ["server", "start", "--port", &port];
        let mut command = self.command(&[&words, flags].concat());
        Server::start(command.stderr(log), address)
    }

    /// A file in its home.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Writes its settings.
    pub fn configure(&self, settings: &str) {
        let mut file = OpenOptions::new();
        let file = file.create_new(true).write(true).mode(0o600).open(self.file("config.toml"));
        file.unwrap().write_all(settings.as_bytes()).unwrap();
    }

    /// Throws away what was logged.
    pub fn empty_log(&self) {
        File::create(&self.log).unwrap();
    }

    /// Keys, each with its id.
    pub fn keys(&self, count: usize, flags: &[&str]) -> Vec<(String, String)> {
        let count = count.to_string();
        let words = ["server", "keygen", "--json", "--count", &count];
        let output = self.command(&[&words, flags].concat()).output().unwrap();
        assert!(output.status.success(), "keygen: {}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout).unwrap();
        let keys = told.lines().map(|line| {
            let told: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| told[name].as_str().unwrap().to_owned();
            (text("id"), text("key"))
        });
        keys.collect()
    }

    /// A key for a day.
    pub fn key(&self, flags: &[&str]) -> String {
        let [(_, key)] = &self.keys(1, &[&["--expire", "1d"], flags].concat())[..] else {
            panic!("one key was asked for")
        };
        key.clone()
    }

    /// Runs a command that must succeed, and answers how long it took.
    pub fn run(&self, words: &[&str]) -> Duration {
        let begun = Instant::now();
        let output = self.command(words).stdout(Stdio::null()).output().unwrap();
        let took = begun.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {}, {said}", output.status);
        took
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msb"));
        command.env_clear().env("MSB_HOME", &self.home).args(words).stdin(Stdio::null());
        command
    }
}

/// The peer.
pub struct Nginx;

impl Nginx {
    /// What it is called; none if it is not installed.
    pub fn version() -> Option<String> {
        match Command::new(NGINX).arg("-v").output() {
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                told.split_once(": ").map(|(_, version)| version.trim_end().to_owned())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => panic!("{NGINX}: {error}"),
        }
    }

    /// Starts one process of it that answers everything with 204.
    pub fn start(scratch: &Scratch, log: Option<&Path>) -> Server {
        let name = if log.is_some() { "nginx-logging" } else { "nginx" };
        let log = log.map_or("off".to_owned(), |log| log.display().to_string());
        let settings = format!("access_log {log};");
        Self::start_with(scratch, name, &settings, "return 204;")
    }

    /// Starts one process of it before a service, with what is set where it was just installed;
    /// where it does not buffer, it passes everything on as it comes.
    pub fn start_before(scratch: &Scratch, service: &Server, buffers: bool) -> Server {
        let name = if buffers { "nginx-proxy" } else { "nginx-unbuffered" };
        let log = scratch.path(&format!("{name}.log"));
        let off = "proxy_buffering off; proxy_request_buffering off; proxy_http_version 1.1;";
        let off = if buffers { "" } else { off };
        let settings = format!(
            "sendfile on; tcp_nopush on; client_max_body_size 0; access_log {}; {off}",
            log.display()
        );
        let location = format!("proxy_pass http://{};", service.address);
        Self::start_with(scratch, name, &settings, &location)
    }

    fn start_with(scratch: &Scratch, name: &str, settings: &str, location: &str) -> Server {
        let directory = scratch.path(name);
        DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let address = free();
        let path = directory.display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1;
             error_log {path}/error.log; pid {path}/pid;
             events {{ worker_connections 1024; }}
             http {{
                 {settings}
                 keepalive_requests 1000000000; keepalive_timeout 1h;
                 client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
                 fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi;
                 scgi_temp_path {path}/scgi;
                 server {{ listen {address}; location / {{ {location} }} }}
             }}"
        );
        let file = directory.join("nginx.conf");
        File::create_new(&file).unwrap().write_all(config.as_bytes()).unwrap();
        let mut command = Command::new(NGINX);
        Server::start(command.arg("-p").arg(&directory).arg("-c").arg(file), address)
    }
}

/// An address on which nobody listens just now.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// How many streams fit into the files that a process may have open: two for each, and some others.
pub fn room_for_streams() -> usize {
    let limit = getrlimit(Resource::Nofile);
    limit.maximum.map_or(usize::MAX, |files| (files as usize).saturating_sub(OTHER_FILES) / 2)
}

/// Lets this process, and all that it starts, open as many files as it may.
pub fn raise_limits() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// The first word for this program when it is to play a part.
pub const PLAY: &str = "play";

/// The parts.
pub const SERVICE: &str = "service";
pub const JWT_PROXY: &str = "jwt-proxy";

/// Files that are not for streams.
const OTHER_FILES: usize = 400;

const NGINX: &str = "/usr/sbin/nginx";

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
