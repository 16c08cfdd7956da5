//! The control socket: for commands of this user, and not to be blocked by anybody.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream, process::CommandExt},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Home, NOBODY, SOON, finish, have, is_root};

fn socket(home: &Home) -> UnixStream {
    let stream = UnixStream::connect(home.file("server.sock")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// What is answered to these bytes, until the other end closes.
pub fn answer(home: &Home, said: &[u8]) -> String {
    let mut stream = socket(home);
    // Whoever does not want to hear all of it has closed by now.
    let _ = stream.write_all(said);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn one_line_is_answered_with_one() {
    let home = Home::new();
    home.key("");
    let mut server = home.start("");
    let report: Value = serde_json::from_str(&answer(&home, b"{\"say\":\"status\"}\n")).unwrap();
    assert_eq!(report["pid"], server.pid.as_raw_nonzero().get());
    assert_eq!(report["address"], server.address.to_string());
    assert_eq!((&report["seq"], &report["ready"]), (&Value::from(1), &Value::from(true)));
    assert_eq!((&report["dev"], &report["fault"]), (&Value::from(false), &Value::Null));
    // What comes behind the line is nobody's.
    let two = answer(&home, b"{\"say\":\"status\"}\n{\"say\":\"stop\"}\n");
    assert_eq!(two.lines().count(), 1);
    assert!(server.runs());
    let sync: Value =
        serde_json::from_str(&answer(&home, b"{\"say\":\"sync\",\"seq\":1}\n")).unwrap();
    assert_eq!(sync["seq"], 1);
}

#[test]
fn what_is_not_understood_is_not_done() {
    let home = Home::new();
    home.key("");
    let mut server = home.start("");
    let long =
        |head: &str, tail: &str| format!("{head}{}{tail}\n", " ".repeat(5 << 10)).into_bytes();
    for said in [
        b"\n".to_vec(),
        b"stop\n".to_vec(),
        b"\"stop\"\n".to_vec(),
        b"{}\n".to_vec(),
        b"{\"say\":\"Stop\"}\n".to_vec(),
        b"{\"say\":\"stop\"}x\n".to_vec(),
        b"{\"say\":\"stop\"}{\"say\":\"stop\"}\n".to_vec(),
        b"{\"say\":\"sync\"}\n".to_vec(),
        b"{\"say\":\"sync\",\"seq\":-1}\n".to_vec(),
        b"{\"say\":\"sync\",\"seq\":1e3}\n".to_vec(),
        b"{\"say\":\"sync\",\"seq\":18446744073709551616}\n".to_vec(),
        b"\xff\xfe{\"say\":\"stop\"}\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 1 << 20],
        long("", "{\"say\":\"stop\"}"),
        long("{\"say\":", "\"stop\"}"),
        "[".repeat(4000).into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&said[..said.len().min(60)]).into_owned();
        let mut stream = socket(&home);
        let _ = stream.write_all(&said);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{shown:?}");
        assert!(server.runs(), "{shown:?}");
    }
    assert_eq!(home.done("server status --json").matches("\"running\":true").count(), 1);
}

#[test]
fn those_who_say_nothing_keep_nobody_from_being_heard() {
    let home = Home::new();
    let key = home.key("--name lost");
    let server = home.start("");
    let idle: Vec<_> = (0..200).map(|_| socket(&home)).collect();
    let half: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = socket(&home);
            stream.write_all(b"{\"say\":\"sy").unwrap();
            stream
        })
        .collect();
    // Nobody reads what these are told.
    let deaf: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = socket(&home);
            stream.write_all(b"{\"say\":\"sync\",\"seq\":1000}\n").unwrap();
            stream
        })
        .collect();
    let began = Instant::now();
    home.done("server revoke lost");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(server.judges(&key), 401);
    // A change that never comes is answered all the same, with how things stand.
    let mut line = String::new();
    BufReader::new(&deaf[0]).read_line(&mut line).unwrap();
    let report: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(report["seq"], 2);
    // Whoever says nothing is left in the end.
    let mut byte = [0];
    assert_eq!((&idle[0]).read(&mut byte).unwrap(), 0);
    assert_eq!((&half[0]).read(&mut byte).unwrap(), 0);
    assert!((9..20).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[test]
fn only_this_user_may_speak() {
    let home = Home::new();
    home.key("");
    let script =
        format!("umask 0; exec {} server start --port 0 --json", env!("CARGO_BIN_EXE_msb"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("MSB_HOME", home.directory());
    let mut server = home.serve(&mut shell);
    let mode = |name: &str| fs::metadata(home.file(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("server.sock"), mode("server.lock")), (0o600, 0o600));
    if !is_root() || !have("python3") {
        return;
    }
    // Opened to everybody: the server asks who it is all the same.
    home.mode("server.sock", 0o666);
    home.mode("", 0o711);
    let ask = "import socket, sys\n\
               s = socket.socket(socket.AF_UNIX)\n\
               s.settimeout(10)\n\
               s.connect(sys.argv[1])\n\
               s.sendall(b'{\"say\":\"stop\"}\\n')\n\
               print(len(s.recv(4096)))\n";
    let path = home.file("server.sock").display().to_string();
    let mut python = Command::new("/usr/bin/python3");
    let asked =
        finish(python.args(["-c", ask, &path]).uid(NOBODY).gid(NOBODY).current_dir("/"), SOON);
    assert!(
        asked.stdout == "0\n"
            || asked.stderr.contains("Broken pipe")
            || asked.stderr.contains("reset"),
        "{asked:?}"
    );
    assert!(server.runs());
    home.mode("", 0o700);
    assert_eq!(server.ask("GET /healthz HTTP/1.1\nHost: a").status, 200);
}

/// Root keeps an eye on everybody's server.
#[test]
fn root_may_speak_to_anybodys_server() {
    if !is_root() {
        return;
    }
    let home = Home::new();
    std::os::unix::fs::chown(home.directory(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(home.beside(""), fs::Permissions::from_mode(0o755)).unwrap();
    let keygen = || {
        let mut keygen = home.msb();
        let made = finish(keygen.args(["server", "keygen", "-q"]).uid(NOBODY).gid(NOBODY), SOON);
        assert_eq!(made.exit, Some(0), "{}", made.stderr);
        made.stdout.trim_end().to_owned()
    };
    let first = keygen();
    let mut start = home.msb();
    start.args(["server", "start", "--port", "0", "--json"]).uid(NOBODY).gid(NOBODY);
    let mut server = home.serve(&mut start);
    assert_eq!(server.judges(&first), 200);
    assert_eq!(home.status()["server"]["running"], true);
    // What root leaves behind is the user's: the server reads on, and so does the next one.
    home.done("server revoke --all -y");
    assert_eq!(server.judges(&first), 401);
    let key = keygen();
    assert_eq!(server.judges(&key), 200);
    assert_eq!(home.run("server stop").exit, Some(0));
    assert_eq!(server.ended(), Some(0));
    home.done("server revoke --owner x -y");
    let mut start = home.msb();
    start.args(["server", "start", "--port", "0", "--json"]).uid(NOBODY).gid(NOBODY);
    let server = home.serve(&mut start);
    assert_eq!(server.judges(&key), 200);
    assert!(!server.log().contains("fault"), "{}", server.log());
}
