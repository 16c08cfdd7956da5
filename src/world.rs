//! The world outside: clock, dice, streams, environment and home. Everything else is told of it.

use std::{
    ffi::OsString,
    hint::black_box,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, SystemTime},
};

use etcetera::BaseStrategy;
#[cfg(target_os = "linux")]
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    time::{ClockId, clock_gettime},
};

use crate::{files, files::Home, time::UnixTime};

/// What a command meets outside.
pub struct World<'w> {
    /// The moment of this command.
    pub now: UnixTime,
    /// The clock, for commands that had to wait since.
    pub clock: &'w dyn Fn() -> UnixTime,
    /// The clocks of a server, which outlives its command.
    pub clocks: Clocks,
    /// Fills bytes with chance.
    pub entropy: &'w mut dyn FnMut(&mut [u8]),
    /// What the environment says.
    pub env: &'w dyn Fn(&str) -> Option<OsString>,
    /// Whether git tracks a file, or would as soon as somebody adds everything.
    pub git_tracks: &'w dyn Fn(&Path) -> Tracking,
    /// Who runs the command, for the audit.
    pub who: String,
    /// Standard input.
    pub stdin: &'w mut dyn Read,
    /// Standard output: the answer and nothing else.
    pub stdout: &'w mut dyn Write,
    /// Standard error: what is said about the answer.
    pub stderr: &'w mut dyn Write,
    /// Whether standard input is a terminal.
    pub stdin_is_terminal: bool,
    /// Whether standard output was closed before we began.
    pub stdout_is_closed: bool,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
}

/// The clocks of a server.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The moment; the last of all if it is before 1970 or past the year 9999, when no key that
    /// ends is alive.
    pub now: fn() -> UnixTime,
    /// How long this machine has been on, asleep or awake.
    pub uptime: fn() -> Duration,
    /// How long this machine has been awake.
    pub awake: fn() -> Duration,
}

impl Clocks {
    /// Those of this machine.
    pub const REAL: Clocks = Clocks {
        now: || clock().unwrap_or(UnixTime::MAX),
        uptime: || since_start(ClockId::Boottime),
        awake: || since_start(ClockId::Monotonic),
    };
}

/// Whether git tracks a file, or would.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tracking {
    /// It does not: it ignores the file, or there is no repository.
    No,
    /// There is a repository, and git does not say.
    Unknown,
    /// It does.
    Yes,
}

/// Runs an act in the real world; none if its clock is before 1970 or past the year 9999.
pub fn real<T>(act: impl FnOnce(&mut World<'_>) -> T) -> Option<T> {
    let now = clock()?;
    forbid_core_dumps();
    let (stdin, mut stdout, mut stderr) = (io::stdin(), io::stdout(), io::stderr());
    // Without the buffer of the runtime, which would keep a key.
    let mut unbuffered: Box<dyn Read> = match files::unbuffered(&stdin) {
        Ok(stdin) => Box::new(stdin),
        Err(_) => Box::new(io::stdin()),
    };
    let done = act(&mut World {
        now,
        // A clock that leaves those years while we run stands still.
        clock: &|| clock().unwrap_or(now),
        clocks: Clocks::REAL,
        entropy: &mut |bytes| {
            getrandom::fill(bytes).expect("the system has a random number generator");
        },
        env: &|name| std::env::var_os(name),
        git_tracks: &git_tracks,
        who: who(),
        stdin_is_terminal: stdin.is_terminal(),
        stdout_is_closed: files::was_closed(&stdout),
        stdout_is_terminal: stdout.is_terminal(),
        stderr_is_terminal: stderr.is_terminal(),
        stdin: &mut unbuffered,
        stdout: &mut stdout,
        stderr: &mut stderr,
    });
    wipe_stack();
    Some(done)
}

/// Sees to it that no copy of this process's memory is left on a disk: no core dump, and no
/// debugger of the same user.
fn forbid_core_dumps() {
    // Where the system does not let us, there is nothing else to be done.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Makes room for that many open files, as far as the system lets this process; answers for how
/// many there is.
pub fn room_for_files(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = |limit: Option<u64>| limit.map_or(usize::MAX, |limit| limit as usize);
    let raised = wanted.min(most(maximum));
    if most(current) < raised
        && setrlimit(Resource::Nofile, Rlimit { current: Some(raised as u64), maximum }).is_ok()
    {
        return raised;
    }
    most(current)
}

/// Lets a pipe on standard input hold so many bytes, as far as the system does, so that whoever
/// writes there waits less often for whoever reads.
pub fn widen_stdin(wanted: usize) {
    #[cfg(target_os = "linux")]
    {
        let stdin = io::stdin();
        // What is no pipe has no size.
        if fcntl_getpipe_size(&stdin).is_ok_and(|size| size < wanted) {
            let _ = fcntl_setpipe_size(&stdin, wanted);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = wanted;
}

/// Wipes what calls have left on the stack: a secret that was moved leaves copies where it was.
#[inline(never)]
fn wipe_stack() {
    black_box(&mut [0_u64; 1 << 15]);
}

fn clock() -> Option<UnixTime> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    UnixTime::from_secs(i64::try_from(since_1970.as_secs()).ok()?)
}

fn since_start(clock: ClockId) -> Duration {
    let since = clock_gettime(clock);
    let secs = u64::try_from(since.tv_sec).expect("machines start at zero");
    Duration::new(secs, u32::try_from(since.tv_nsec).expect("less than a second"))
}

fn who() -> String {
    let uid = files::effective_uid();
    match std::env::var("SUDO_UID") {
        // Only root's word counts: anybody can set a variable.
        Ok(sudo) if uid == 0 && sudo.parse::<u32>().is_ok() => {
            format!("uid {uid}, sudo from uid {sudo}")
        }
        Ok(_) | Err(_) => format!("uid {uid}"),
    }
}

/// What git says of a file; where there is no repository, nobody tracks it.
fn git_tracks(path: &Path) -> Tracking {
    let Some(name) = path.file_name() else { return Tracking::No };
    let mut git = Command::new("git");
    // No program that a repository names is run. `./` keeps a name from being a pattern.
    git.args(["-c", "core.fsmonitor=false", "-C"]).arg(files::parent(path));
    git.args(["check-ignore", "--quiet", "--"]).arg(Path::new(".").join(name));
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"MSB_") {
            git.env_remove(name);
        }
    }
    let done = git.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match done.ok().and_then(|status| status.code()) {
        Some(0) => Tracking::No,
        // Tracked, or not ignored.
        Some(1) => Tracking::Yes,
        // No git; or its 128, for no repository as for one that it does not trust.
        Some(_) | None if files::is_below(path, ".git") => Tracking::Unknown,
        Some(_) | None => Tracking::No,
    }
}

/// This program, started again as a process of its own, and what it says until it closes its
/// streams.
pub struct Detached(Child);

impl Detached {
    /// Starts it with these arguments.
    pub fn start(args: &[OsString]) -> io::Result<Self> {
        let mut program = Command::new(std::env::current_exe()?);
        program.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Behind the three streams: a lock that a script holds, say, would never be let go.
        close_fds::set_fds_cloexec(3, &[]);
        program.spawn().map(Self)
    }

    /// What it said on both streams, and what it ended with if it answered nothing.
    pub fn first_words(mut self) -> io::Result<(String, String, Option<ExitStatus>)> {
        let (mut said, mut remarked) = (String::new(), String::new());
        if let Some(stdout) = &mut self.0.stdout {
            stdout.read_to_string(&mut said)?;
        }
        if let Some(stderr) = &mut self.0.stderr {
            stderr.read_to_string(&mut remarked)?;
        }
        // What has nothing to answer is over.
        let ended = if said.is_empty() { Some(self.0.wait()?) } else { None };
        Ok((said, remarked, ended))
    }
}

/// Leaves the terminal, for good.
pub fn leave_terminal() {
    // An error says that this process leads a group already, and nobody but us starts it so.
    let _ = rustix::process::setsid();
}

/// Whether standard error is still a terminal.
pub fn has_terminal() -> bool {
    io::stderr().is_terminal()
}

impl World<'_> {
    /// Where configuration and data live: in `named`, or in `MSB_HOME`, or where this platform
    /// keeps them; none if this user has no home.
    pub fn home(&self, named: Option<PathBuf>) -> Option<Home> {
        let from_env =
            || (self.env)("MSB_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(directory) = named.or_else(from_env) {
            return Some(Home::named(directory));
        }
        let platform = etcetera::base_strategy::choose_native_strategy().ok()?;
        Some(Home {
            config: platform.config_dir().join("msb"),
            data: platform.data_dir().join("msb"),
            named: false,
        })
    }

    /// Reads the clock again, after waiting for a person or a pipe.
    pub fn waited(&mut self) {
        self.now = (self.clock)();
    }

    /// Says the answer, or part of it, and makes sure that it has arrived.
    pub fn answer(&mut self, text: &str) -> io::Result<()> {
        if self.stdout_is_closed && !text.is_empty() {
            return Err(io::Error::other("it is closed"));
        }
        self.stdout.write_all(text.as_bytes())?;
        self.stdout.flush()
    }

    /// Says something about the answer, and makes sure that it has arrived.
    pub fn remark(&mut self, text: &str) -> io::Result<()> {
        self.stderr.write_all(text.as_bytes())?;
        self.stderr.flush()
    }

    /// What somebody types, up to the end of the line. No more is read than that.
    pub fn line(&mut self) -> io::Result<String> {
        const MOST: usize = 1000;
        let (mut line, mut byte) = (vec![], [0]);
        while line.len() < MOST && self.stdin.read(&mut byte)? > 0 && byte != *b"\n" {
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// What a variable is set to, unless it is nothing.
    pub fn env_text(&self, name: &str) -> Option<OsString> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set to something.
    pub fn has_env(&self, name: &str) -> bool {
        self.env_text(name).is_some()
    }
}
