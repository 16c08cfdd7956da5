//! The program itself, in real processes: several at once, other users, real devices.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::fd::AsFd,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    thread,
};

use crate::harness::{Scratch, have, skipped};

fn msb(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msb"));
    command.env_clear().env("MSB_HOME", home).stdin(Stdio::null());
    command
}

fn run(home: &Path, line: &str) -> Output {
    msb(home).args(line.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn verify(home: &Path, key: &str) -> Option<i32> {
    let mut child = msb(home)
        .args(["verify", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    child.wait().unwrap().code()
}

fn root() -> bool {
    use std::os::unix::fs::MetadataExt;
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        skipped("only root can run a program as another user");
    }
    root
}

/// The user `nobody`.
const NOBODY: u32 = 65_534;

#[test]
fn eight_first_keygens_make_one_server_key() {
    for _ in 0..5 {
        let scratch = Scratch::new();
        let home = scratch.path("home");
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let home = home.clone();
                thread::spawn(move || run(&home, "server keygen -n demo"))
            })
            .collect();
        let keys: Vec<_> = runs
            .into_iter()
            .map(|run| {
                let output = run.join().unwrap();
                assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
                text(&output.stdout)
            })
            .collect();
        for key in &keys {
            assert_eq!(verify(&home, key), Some(0));
        }
        let listed = text(&run(&home, "server list").stdout);
        assert_eq!(listed.lines().count(), 8);
        let mut names: Vec<_> =
            fs::read_dir(&home).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.retain(|name| !name.to_string_lossy().starts_with("msb.db"));
        assert_eq!(names, ["server.key"]);
    }
}

#[test]
fn a_wide_umask_opens_nothing() {
    let scratch = Scratch::new();
    let home = scratch.path("deep/home");
    let line = format!(
        "umask 0; '{}' server keygen -q -o '{}'",
        env!("CARGO_BIN_EXE_msb"),
        scratch.path("key").display()
    );
    let done = Command::new("sh").args(["-c", &line]).env("MSB_HOME", &home).status().unwrap();
    assert!(done.success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&scratch.path("key")), 0o600);
    for file in fs::read_dir(&home).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_full_device_is_noticed_by_every_command() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    fs::write(scratch.path("key"), run(&home, "server keygen --name x").stdout).unwrap();
    let script = |line: &str, sink: &str| {
        let line = format!("{} {line} {sink}", env!("CARGO_BIN_EXE_msb"));
        let mut bash = Command::new("bash");
        bash.args(["-c", &line]).env("MSB_HOME", &home).current_dir(&home).output().unwrap()
    };
    for line in [
        "server keygen",
        "server keygen --count 3000",
        "server keygen --json",
        "server list",
        "server show x",
        "server show x --json",
        "server status",
        "server key show",
        "server revoke x --dry-run",
        "verify --key-file ../key",
        "verify --key-file ../key --json",
        "verify --lines < ../key",
        "inspect --key-file ../key",
        "--help",
        "server revoke x",
    ] {
        let full = script(line, "> /dev/full");
        assert_eq!(full.status.code(), Some(74), "{line}: {}", text(&full.stderr));
        assert!(text(&full.stderr).contains("no space left"), "{line}: {}", text(&full.stderr));
    }
    let listed = text(&run(&home, "server list --state all --limit 0").stdout);
    let stand = |state: &str| listed.lines().filter(|line| line.contains(state)).count();
    assert_eq!((stand("active"), stand("revoked"), stand("undelivered")), (0, 1, 3002));
}

#[test]
fn a_command_without_a_reader_ends_quietly() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    run(&home, "server keygen --count 5000 -q");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        msb(&home).args(["server", "list", "--limit", "0"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(74), ""));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        msb(&home).args(["server", "keygen", "--name", "lost"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(text(&output.stderr).contains("the new key is dead"), "{}", text(&output.stderr));
    let listed = text(&run(&home, "server list --state undelivered").stdout);
    assert_eq!(listed.lines().count(), 1);
}

/// A `verify --lines` that waits for keys.
struct Verifier {
    child: Child,
    keys: Option<ChildStdin>,
    verdicts: BufReader<ChildStdout>,
}

impl Verifier {
    fn start(home: &Path, flags: &[&str]) -> Self {
        let mut command = msb(home);
        command.args(["verify", "--lines"]).args(flags);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let keys = child.stdin.take();
        let verdicts = BufReader::new(child.stdout.take().unwrap());
        Self { child, keys, verdicts }
    }

    fn say(&mut self, text: impl AsRef<[u8]>) {
        self.keys.as_mut().unwrap().write_all(text.as_ref()).unwrap();
    }

    /// The verdict on the next line.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.verdicts.read_line(&mut line).unwrap();
        line.split_once('\t').map_or(line.clone(), |(verdict, _)| verdict.to_owned())
    }

    /// Waits until it waits itself: it sleeps, and uses no time.
    fn sleeps(&self) {
        let stat = || fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let mut before = String::new();
        loop {
            let now = stat();
            if now == before && now.contains(") S ") {
                return;
            }
            before = now;
            thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// Closes its standard input; the answer is its exit, and what else it said.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.keys.take());
        let mut rest = String::new();
        self.verdicts.read_to_string(&mut rest).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), rest + &text(&output.stderr))
    }
}

#[test]
fn a_slow_pipe_is_answered_line_by_line() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let key = text(&run(&home, "server keygen -q").stdout);
    let mut verifier = Verifier::start(&home, &[]);
    for _ in 0..3 {
        verifier.say(&key);
        assert_eq!(verifier.hear(), "valid");
    }
    // Half a line has no answer, and holds up no other.
    verifier.say(format!("{key}msb_{key}{}", &key[..100]));
    assert_eq!([verifier.hear(), verifier.hear()], ["valid", "malformed"]);
    verifier.say(&key[100..]);
    assert_eq!(verifier.hear(), "valid");
    verifier.say(key.trim_end());
    assert_eq!(verifier.end(), (Some(10), format!("valid\t{}\n", id(&home))));
}

fn id(home: &Path) -> String {
    text(&run(home, "server list --state all").stdout).split('\t').next().unwrap().to_owned()
}

#[test]
fn what_is_revoked_between_two_lines_is_never_valid_again() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let key = text(&run(&home, "server keygen -q --name one --owner ann").stdout);
    let mut verifier = Verifier::start(&home, &[]);
    for (line, then) in [
        ("server keygen -q --name two", "valid"),
        ("server key rotate -y", "valid"),
        ("server revoke two", "valid"),
        ("server revoke --owner ann -y", "revoked"),
    ] {
        // Before and after there are few lines, and then many.
        for many in [1, 600] {
            verifier.say(key.repeat(many));
            assert!((0..many).all(|_| verifier.hear() == "valid"), "before {line}");
        }
        assert_eq!(run(&home, line).status.code(), Some(0), "{line}");
        for many in [600, 1] {
            verifier.say(key.repeat(many));
            assert!((0..many).all(|_| verifier.hear() == then), "after {line}");
        }
    }
    let other = text(&run(&home, "server keygen -q").stdout);
    verifier.say(&other);
    assert_eq!(verifier.hear(), "valid");
    assert_eq!(run(&home, "server key reset -y").status.code(), Some(0));
    verifier.say(&other);
    assert_eq!(verifier.hear(), "revoked");
    assert_eq!(verifier.end(), (Some(14), String::new()));
}

#[test]
fn nobody_waits_for_a_verifier_that_waits() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let key = text(&run(&home, "server keygen -q").stdout);
    let mut verifier = Verifier::start(&home, &[]);
    verifier.say(&key);
    assert_eq!(verifier.hear(), "valid");
    // It waits for a line, and then for somebody to read.
    for many in [0, 20_000] {
        let keys = verifier.keys.as_ref().unwrap().as_fd().try_clone_to_owned().unwrap();
        let mut keys = fs::File::from(keys);
        let lines = key.repeat(many);
        let writer = thread::spawn(move || keys.write_all(lines.as_bytes()));
        verifier.sleeps();
        let started = std::time::Instant::now();
        assert_eq!(run(&home, "server keygen -q").status.code(), Some(0));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
        // Whoever still read what was kept before that key would be in the way of this.
        let db = rusqlite::Connection::open(home.join("msb.db")).unwrap();
        let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        assert_eq!(busy, Ok(0));
        assert!((0..many).all(|_| verifier.hear() == "valid"));
        writer.join().unwrap().unwrap();
    }
    assert_eq!(verifier.end(), (Some(0), String::new()));
}

#[test]
fn verdicts_that_nobody_reads_end_it_quietly() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let key = text(&run(&home, "server keygen -q").stdout);
    let mut verifier = Verifier::start(&home, &[]);
    let mut keys = verifier.keys.take().unwrap();
    let writer = thread::spawn(move || while keys.write_all(key.as_bytes()).is_ok() {});
    assert_eq!(verifier.hear(), "valid");
    let Verifier { child, verdicts, .. } = verifier;
    drop(verdicts);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(74), ""));
    writer.join().unwrap();
}

#[test]
fn lines_are_verified_where_no_thread_can_be_had() {
    if !root() {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let (home, file) = (scratch.path("home"), scratch.path("jwks.json"));
    let key = text(&run(&home, "server keygen -q").stdout);
    fs::write(&file, run(&home, "server key show --format jwks").stdout).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(scratch.path("keys"), key.repeat(1000)).unwrap();
    let keys = fs::File::open(scratch.path("keys")).unwrap();
    let alone = |line: &str| {
        let line = format!("ulimit -u 1; exec {line}");
        let keys = keys.try_clone().unwrap();
        Command::new("bash").args(["-c", &line]).stdin(keys).uid(NOBODY).output().unwrap()
    };
    // There is no room for a second one of any kind.
    let output = alone("timeout 60 true");
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
    let msb = env!("CARGO_BIN_EXE_msb");
    let output = alone(&format!("'{msb}' verify --lines --jwks '{}'", file.display()));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("valid\t").count(), 1000);
}

#[test]
fn a_killed_keygen_leaves_a_home_that_works() {
    let scratch = Scratch::new();
    for round in 0..20_u64 {
        let home = scratch.path(&round.to_string());
        let mut child =
            msb(&home).args(["server", "keygen"]).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(std::time::Duration::from_micros(500 * round));
        let _ = child.kill();
        child.wait().unwrap();
        let output = run(&home, "server keygen -q");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(verify(&home, &text(&output.stdout)), Some(0));
    }
}

#[test]
fn another_users_files_are_not_used() {
    if !root() {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let home = scratch.path("home");
    let key = text(&run(&home, "server keygen -q").stdout);
    let secret = home.join("server.key");
    std::os::unix::fs::chown(&secret, Some(NOBODY), None).unwrap();
    let output = run(&home, "server keygen");
    assert_eq!(output.status.code(), Some(77));
    assert!(
        text(&output.stderr).contains("server.key belongs to user 65534"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(verify(&home, &key), Some(0), "verifying goes on");

    // Root with somebody else's environment: nothing is written into that home by mistake.
    let others = scratch.path("others");
    fs::create_dir(&others).unwrap();
    std::os::unix::fs::chown(&others, Some(NOBODY), None).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_msb"))
        .args(["server", "keygen"])
        .env_clear()
        .env("HOME", &others)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(77), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("sudo -u '#65534'"), "{}", text(&output.stderr));
    assert_eq!(fs::read_dir(&others).unwrap().count(), 0);
    let output = Command::new(env!("CARGO_BIN_EXE_msb"))
        .args(["server", "keygen", "-q", "--name", "x"])
        .env_clear()
        .env("HOME", &others)
        .uid(NOBODY)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(others.join(".config/msb/server.key").exists());
    assert!(others.join(".local/share/msb/msb.db").exists());
    let output = Command::new(env!("CARGO_BIN_EXE_msb"))
        .args(["server", "revoke", "x"])
        .env_clear()
        .env("HOME", &others)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(77), "{}", text(&output.stderr));
}

#[test]
fn a_small_disk_refuses_and_works_once_there_is_room() {
    if !root() {
        return;
    }
    let scratch = Scratch::new();
    for size in [40, 64, 72, 80, 88, 96, 104, 112, 120, 160] {
        let disk = scratch.path(&size.to_string());
        fs::create_dir(&disk).unwrap();
        let mount = |options: &str| {
            let line = ["-t", "tmpfs", "-o", options, "tmpfs"];
            Command::new("mount").args(line).arg(&disk).status().is_ok_and(|done| done.success())
        };
        if !mount(&format!("size={size}k,mode=0700")) {
            return skipped("this machine lets nobody mount a file system");
        }
        let first = run(&disk, "server keygen -q");
        let roomy = mount("remount,size=8m");
        let then = run(&disk, "server keygen -q");
        let works = verify(&disk, &text(&then.stdout)) == Some(0);
        let kept = first.status.code() != Some(0) || verify(&disk, &text(&first.stdout)) == Some(0);
        assert!(Command::new("umount").arg(&disk).status().unwrap().success());
        assert!(roomy && works && kept, "{size}k: {}{}", text(&first.stderr), text(&then.stderr));
    }
}

#[test]
fn a_key_into_a_closed_stream_is_not_issued() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let shell = |sink: &str| {
        let line = format!("'{}' server keygen {sink}", env!("CARGO_BIN_EXE_msb"));
        Command::new("bash").args(["-c", &line]).env("MSB_HOME", &home).output().unwrap()
    };
    assert_eq!(shell(">&-").status.code(), Some(74));
    assert!(!home.exists());
    assert_eq!(shell("> /dev/null").status.code(), Some(0));
}

#[test]
fn a_home_that_cannot_be_written_is_told() {
    if !root() {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let home = scratch.path("home");
    let as_nobody = |line: &str| {
        let output = msb(&home).args(line.split_whitespace()).uid(NOBODY).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let (code, told) = as_nobody("server keygen");
    assert_eq!(code, Some(77), "a home that cannot be made: {told}");
    fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(NOBODY), None).unwrap();
    assert_eq!(as_nobody("server keygen -q").0, Some(0));
    fs::set_permissions(&home, fs::Permissions::from_mode(0o500)).unwrap();
    for line in ["server keygen", "server list", "verify msb_x"] {
        let (code, told) = as_nobody(line);
        assert_eq!(code, Some(77), "{line}: {told}");
        assert!(told.contains("--jwks"), "{line}: {told}");
    }
}

#[test]
fn a_file_of_variables_stays_with_whoever_has_it() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !root() {
        return;
    }
    let scratch = Scratch::new();
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let home = scratch.path("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), None).unwrap();
    let directory = scratch.path("project");
    fs::create_dir(&directory).unwrap();
    let path = directory.join(".env");
    fs::write(&path, "A=1\n").unwrap();
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    let line = format!("server keygen --dotenv {}", path.display());
    let as_nobody = || {
        let mut command = msb(&home);
        command.args(line.split_whitespace()).uid(NOBODY).gid(NOBODY);
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    // Root's directory, nobody's file.
    let (code, told) = as_nobody();
    assert_eq!(code, Some(77), "{told}");
    assert!(told.ends_with("project/.env: permission denied\n"), "{told}");
    // Nobody's directory, and a file that nobody may not write.
    chown(&directory, Some(NOBODY), None).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(as_nobody().0, Some(77));
    // Nobody may write it, but not give it back to root.
    chown(&path, Some(0), None).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let (code, told) = as_nobody();
    assert_eq!(code, Some(77), "{told}");
    assert!(told.contains("project/.env belongs to user 0"), "{told}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "A=1\n");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "no key was issued");
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    assert_eq!(as_nobody().0, Some(0));
    // Root may do all of it, and leaves the file to nobody.
    assert_eq!(run(&scratch.path("roots"), &line).status.code(), Some(0));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (NOBODY, NOBODY, 0o600));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn help_fits_a_screen() {
    let scratch = Scratch::new();
    for command in ["", "server", "server keygen", "server list", "verify"] {
        let mut msb = msb(&scratch.path("home"));
        let output = msb.env("COLUMNS", "100").args(command.split_whitespace()).arg("--help");
        let told = text(&output.output().unwrap().stdout);
        assert!(told.lines().count() <= 40, "{told}");
        assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
    }
}

#[test]
fn a_network_file_system_is_refused() {
    if !have("strace") {
        return;
    }
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let on = |magic: &str, line: &str| {
        // The kernel's answer is rewritten: f_type is the first member of struct statfs.
        let inject = format!("inject=statfs:poke_exit=@arg2={magic}");
        let output = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=statfs", "-e", &inject])
            .arg(env!("CARGO_BIN_EXE_msb"))
            .args(line.split_whitespace())
            .env("MSB_HOME", &home)
            .output()
            .unwrap();
        (output.status.code(), text(&output.stderr))
    };
    for (magic, name) in
        [("6969000000000000", "NFS"), ("424d53fe00000000", "SMB"), ("424d53ff00000000", "SMB")]
    {
        let (code, told) = on(magic, "server keygen");
        assert_eq!(code, Some(78), "{told}");
        assert!(
            told.contains(&format!("lies on {name}, where a revocation can be lost")),
            "{told}"
        );
    }
    assert!(!home.join("msb.db").exists() && !home.join("server.key").exists());
    run(&home, "server keygen");
    let (code, told) = on("6969000000000000", "server list");
    assert_eq!(code, Some(78), "{told}");
}

#[test]
fn the_environment_names_the_home() {
    let scratch = Scratch::new();
    let named = scratch.path("named");
    let output = msb(&scratch.path("env"))
        .arg("--home")
        .arg(&named)
        .args(["server", "keygen", "-q"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(named.join("server.key").exists() && named.join("msb.db").exists());
    assert!(!scratch.path("env").exists());
    let output = Command::new(env!("CARGO_BIN_EXE_msb"))
        .args(["server", "keygen", "-q"])
        .env_clear()
        .env("MSB_HOME", "")
        .env("HOME", &scratch.0)
        .env("XDG_CONFIG_HOME", scratch.path("config"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(scratch.path("config/msb/server.key").exists());
    assert!(scratch.path(".local/share/msb/msb.db").exists());
}

#[test]
fn keys_go_through_a_shell_unharmed() {
    let scratch = Scratch::new();
    let script = r#"
        set -eu
        export MSB_API_KEY="$("$MSB" server keygen -q --expire 1w -n project-web)"
        "$MSB" verify -q -n project-web
        eval "$("$MSB" server keygen -q --expire 1h --format env)"
        "$MSB" verify -q
        printf '%s\n' "$MSB_API_KEY" | "$MSB" verify -q -
        "$MSB" verify -q --key-file <(printf %s "$MSB_API_KEY")
    "#;
    let output = Command::new("bash")
        .args(["-c", script])
        .env("MSB", env!("CARGO_BIN_EXE_msb"))
        .env("MSB_HOME", scratch.path("home"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("valid: ").count(), 4);
}
