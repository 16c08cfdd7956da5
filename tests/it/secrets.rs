//! Where keys and the server key must not be found: in arguments and environments of what msb
//! starts, in what it says, in core dumps, and in its memory once it is done.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use msb::{
    key::{KeyText, Prefix, UnverifiedKey},
    signing::ServerKey,
};

use crate::{
    harness::{Scratch, have, skipped},
    readme::console_examples,
};

const MSB: &str = env!("CARGO_BIN_EXE_msb");

/// The forms in which a server key would be found: raw, hex and base64 of its seed.
fn forms(home: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let pem = fs::read_to_string(home.join("server.key")).unwrap();
    let base64 = pem.lines().nth(1).unwrap().to_owned();
    // PKCS#8 v1: sixteen bytes in front of the seed, which are not secret.
    let seed = {
        let script =
            "import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.argv[1])[16:])";
        Command::new("python3").args(["-c", script, &base64]).output().unwrap().stdout
    };
    assert_eq!(seed.len(), 32);
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("raw", seed),
        ("hex", hex.into_bytes()),
        // The first characters are those of the bytes in front.
        ("base64", base64.as_bytes()[24..].to_vec()),
    ]
}

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The secret part of a key: half of its signature.
fn tail(key: &str) -> Vec<u8> {
    key.trim_end().as_bytes()[key.trim_end().len() - 43..].to_vec()
}

/// Everything that a process has in its memory.
fn memory(pid: u32) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut file = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = vec![];
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, modes) = (words.next().unwrap(), words.next().unwrap());
        if !modes.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        file.seek(SeekFrom::Start(address(start))).unwrap();
        let mut part = vec![];
        let length = address(end) - address(start);
        (&mut file).take(length).read_to_end(&mut part).unwrap();
        all.extend(part);
    }
    all
}

/// The memory of a command when it has done all but end. What stands on the stack of `strace`'s
/// child from before belongs to the arguments, which are not given secrets here.
fn memory_at_the_end(home: &Path, args: &[&str], stdin: &str) -> Vec<u8> {
    let mut strace = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", "trace=exit_group"])
        .args(["-e", "inject=exit_group:delay_enter=20000000", MSB])
        .args(args)
        .env("MSB_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    strace.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let pid = waiting_to_exit(&strace);
    let memory = memory(pid);
    strace.kill().unwrap();
    strace.wait().unwrap();
    memory
}

/// The child of `strace` once it asks to end. `strace` has others for a moment, by which it learns what
/// the system can do.
fn waiting_to_exit(strace: &Child) -> u32 {
    let children = format!("/proc/{0}/task/{0}/children", strace.id());
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let pids = fs::read_to_string(&children).unwrap_or_default();
        for pid in pids.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()) {
            let runs_msb =
                fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == Path::new(MSB));
            let asked = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
            // exit_group(2) on x86-64.
            if runs_msb && asked.starts_with("231 ") {
                return pid;
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("the command did not end");
}

fn traces_memory() -> bool {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        skipped("only root can read the memory of a process that forbids it");
        return false;
    }
    have("strace") && have("python3")
}

#[test]
fn what_is_done_leaves_no_secret_in_memory() {
    if !traces_memory() {
        return;
    }
    let scratch = Scratch::new();
    let home = scratch.path("home");
    let file = scratch.path("key");
    let file = file.to_str().unwrap();
    let first = memory_at_the_end(&home, &["server", "keygen", "-q", "-o", file], "");
    let key = fs::read_to_string(file).unwrap();
    let old = forms(&home);
    // What is looked for would be found.
    assert!(has(&first, home.to_str().unwrap().as_bytes()), "the memory was not read");
    let again = memory_at_the_end(&home, &["server", "keygen", "-q", "--json"], "");
    let many = memory_at_the_end(&home, &["server", "keygen", "-q", "--count", "600"], "");
    let verified = memory_at_the_end(&home, &["verify", "-"], &key);
    let from_file = memory_at_the_end(&home, &["verify", "--key-file", file], "");
    let revoked = memory_at_the_end(&home, &["server", "revoke", "-"], &key);
    let rotated = memory_at_the_end(&home, &["server", "key", "rotate"], "");
    let new = forms(&home);
    let pem = home.join("server.key");
    let imported = memory_at_the_end(
        &scratch.path("other"),
        &["server", "key", "import", pem.to_str().unwrap()],
        "",
    );
    let reset = memory_at_the_end(&home, &["server", "key", "reset"], "");
    let newest = forms(&home);
    for (what, memory) in [
        ("the first key", &first),
        ("a key", &again),
        ("many keys", &many),
        ("verify", &verified),
        ("verify --key-file", &from_file),
        ("revoke", &revoked),
        ("rotate", &rotated),
        ("import", &imported),
        ("reset", &reset),
    ] {
        assert!(!has(memory, &tail(&key)), "{what} leaves the key in memory");
        for (form, secret) in old.iter().chain(&new).chain(&newest) {
            assert!(!has(memory, secret), "{what} leaves the server key in memory, {form}");
        }
    }
}

/// Every console example of the README, on a terminal: what is started gets no key as an argument,
/// and in its environment only as the variable that was asked for; and standard error never has one.
#[test]
fn no_recipe_shows_a_secret() {
    if !have("strace") || !have("script") || !have("python3") {
        return;
    }
    let scratch = Scratch::new();
    let home = scratch.path("home");
    fs::write(scratch.path("session.sh"), console_examples().join("\n")).unwrap();
    let directory = Path::new(MSB).parent().unwrap().display();
    let log = scratch.path("log");
    let done = Command::new("strace")
        .args(["-f", "-qq", "-v", "-xx", "-s", "100000", "-e", "trace=execve,write", "-o"])
        .arg(&log)
        .args(["script", "-qec", "bash session.sh", "/dev/null"])
        .current_dir(&scratch.0)
        .env("PATH", format!("{directory}:{}", std::env::var("PATH").unwrap()))
        .env("MSB_HOME", &home)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success());
    let secrets: Vec<_> = forms(&home).into_iter().map(|(_, form)| form).collect();
    let tells = |bytes: &[u8]| secrets.iter().any(|secret| has(bytes, secret));
    let (mut started, mut with_key, mut said) = (0, 0, 0);
    for line in fs::read_to_string(&log).unwrap().lines() {
        let call = unescaped(line.split_once(' ').unwrap().1.trim_start());
        let text = String::from_utf8_lossy(&call);
        if text.starts_with("execve(") && text.ends_with("= 0") {
            started += 1;
            let (arguments, environment) = text.split_once("], [").unwrap();
            assert!(!arguments.contains("msb_ey"), "a key as an argument: {arguments}");
            for part in environment.split("\", \"").filter(|part| part.contains("msb_ey")) {
                let exported =
                    part.split_once("_KEY=").is_some_and(|(_, key)| key.starts_with("msb_ey"));
                assert!(exported, "a key in the environment: {part}");
                with_key += 1;
            }
            assert!(!tells(&call), "the server key in what is started: {text}");
        } else if text.starts_with("write(2,") {
            said += 1;
            assert!(
                !text.contains("msb_ey") && !tells(&call),
                "a secret on standard error: {text}"
            );
        }
    }
    assert!(started > 15 && with_key > 3 && said > 4, "{started} {with_key} {said}: nothing seen");
}

/// A line of strace, with the bytes that it writes as `\x…`.
fn unescaped(line: &str) -> Vec<u8> {
    let mut parts = line.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(&part.as_bytes()[2..]);
    }
    bytes
}

#[test]
fn memory_is_kept_from_disks_and_debuggers() {
    const NOBODY: u32 = 65_534;
    let scratch = Scratch::new();
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new(MSB);
    command.args(["inspect", "-"]).stdin(Stdio::piped()).current_dir(&scratch.0);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if root {
        command.uid(NOBODY);
    }
    let mut child = command.spawn().unwrap();
    let file = |name: &str| format!("/proc/{}/{name}", child.id());
    let limit = || {
        let limits = fs::read_to_string(file("limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        core.split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while limit() != "0 0" && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(limit(), "0 0");
    if root {
        // What is not dumpable belongs to root, whoever runs it (proc(5)).
        assert_eq!(fs::metadata(file("environ")).unwrap().uid(), 0);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_panics_could_show_tells_no_secret() {
    let server_key = ServerKey::from_seed(&[7; 32]);
    let text = KeyText::from("msb_eySECRET".to_owned());
    let told =
        format!("{server_key:?} {text:?} {:?}", UnverifiedKey::parse(&text, &Prefix::default()));
    assert_eq!(told, "ServerKey(…) KeyText(…) Err(Parts)");
}
