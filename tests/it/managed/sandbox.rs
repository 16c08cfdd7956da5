//! What a container is: the first process, a user of its own, one directory that can be written.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Running, address, ask, eventually, told};
use crate::harness::{Scratch, have, skipped};

/// The user that the container recipe names.
const USER: u32 = 10_001;

/// A shell that is the first process of its namespace, sees this directory alone writable, and
/// becomes this command as a user without any right.
fn first_process(volume: &Path, command: &str) -> Command {
    let volume = volume.display();
    let script = format!(
        "set -e
         mount --bind '{volume}' '{volume}'
         mount -o remount,bind,ro /
         mount -t proc proc /proc
         exec setpriv --reuid={USER} --regid={USER} --clear-groups --no-new-privs \
             --inh-caps=-all --bounding-set=-all {command}"
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script]);
    unshare.env_clear().env("MSB_HOME", format!("{volume}")).env("PATH", "/usr/bin:/bin:/usr/sbin");
    unshare.stdin(Stdio::null());
    unshare
}

/// Whether such a process can be had here.
fn can_isolate() -> bool {
    if !have("unshare") || !have("setpriv") {
        return false;
    }
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        skipped("only root can make a process the first of a namespace");
    }
    root
}

#[test]
fn the_first_process_of_a_container_serves_and_stops() {
    if !can_isolate() {
        return;
    }
    let scratch = Scratch::new();
    let program = scratch.path("msb");
    fs::copy(env!("CARGO_BIN_EXE_msb"), &program).unwrap();
    let volume = scratch.path("volume");
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&volume, Some(USER), Some(USER)).unwrap();
    let run = |command: &str| {
        let ran = first_process(&volume, command).output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stdout).trim_end().to_owned())
    };
    for elsewhere in ["/tmp", "/var/tmp", "/var/lib", scratch.0.to_str().unwrap()] {
        let (written, _) = run(&format!("sh -c 'umask 0; echo x > {elsewhere}/msb-writes-here'"));
        assert!(!written, "{elsewhere} can be written");
    }
    let msb = program.display();
    let (done, key) = run(&format!("{msb} server keygen --quiet"));
    assert!(done && key.starts_with("msb_"));

    let start = format!("{msb} server start --host 0.0.0.0 --port 0");
    let mut server = Running::start(&mut first_process(&volume, &start));
    let port = address(&volume).port();
    let address = ([127, 0, 0, 1], port).into();
    assert_eq!(ask(address, "/auth", &key), 200);
    assert_eq!(ask(address, "/auth", "none"), 401);
    for file in fs::read_dir(&volume).unwrap() {
        let file = file.unwrap().metadata().unwrap();
        assert_eq!((file.uid(), file.mode() & 0o077), (USER, 0));
    }

    // Only a signal that a process asked for reaches the first of a namespace.
    let children = format!("/proc/{0}/task/{0}/children", server.0.id());
    let first: i32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    let status = fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("NSpid").ends_with("\t1"), "{}", line("NSpid"));
    assert!(line("CapBnd").ends_with("\t0000000000000000"), "{}", line("CapBnd"));
    kill_process(Pid::from_raw(first).unwrap(), Signal::TERM).unwrap();
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    eventually("its socket goes", || (!volume.join("server.sock").exists()).then_some(()));
    assert!(told(&volume, "server status").contains("not running"));
}
