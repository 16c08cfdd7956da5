//! `contrib/systemd`: systemd has nothing to say against the units, and finds the service closed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::{Scratch, have};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The blocks of `docs/systemd.md` in this language.
pub(super) fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(project("docs/systemd.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(str::to_owned).collect()
}

/// The drop-in of the page that leaves the service no network.
pub(super) fn without_network() -> String {
    let found = blocks("ini").into_iter().find(|block| block.contains("PrivateNetwork=yes"));
    found.expect("the page has such a drop-in")
}

/// How exposed systemd finds a service, in tenths.
fn exposure(scratch: &Scratch, service: &str) -> u32 {
    let path = scratch.path("msb.service");
    fs::write(&path, service).unwrap();
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=true", "--no-pager", "--threshold=100"]).arg(&path);
    let told = String::from_utf8(analyze.output().unwrap().stdout).unwrap();
    let overall = told.split("Overall exposure level").nth(1);
    let words = overall.unwrap_or_else(|| panic!("{told}")).split(": ").nth(1).unwrap();
    words.split(' ').next().unwrap().replace('.', "").parse().unwrap()
}

#[test]
fn systemd_finds_the_service_closed() {
    if !have("systemd-analyze") {
        return;
    }
    let scratch = Scratch::new();
    let service = fs::read_to_string(project("contrib/systemd/msb.service")).unwrap();
    let exposed = exposure(&scratch, &service);
    assert!(exposed <= 20, "{exposed} tenths");
    let alone = exposure(&scratch, &format!("{service}\n{}", without_network()));
    assert!(alone < exposed, "{alone} tenths without a network");
    let open: String = service
        .lines()
        .filter(|line| line.starts_with(['[', 'E', 'U']))
        .fold(String::new(), |open, line| open + line + "\n");
    assert!(exposure(&scratch, &open) > 20, "this cannot fail");
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    // It looks for the pages that a unit names, and for `/bin/kill`.
    if !["systemd-analyze", "man", "kill"].into_iter().all(have) {
        return;
    }
    let scratch = Scratch::new();
    let manual = scratch.path("man/man1");
    fs::create_dir_all(&manual).unwrap();
    for page in fs::read_dir(project("man")).unwrap() {
        let page = page.unwrap();
        fs::copy(page.path(), manual.join(page.file_name())).unwrap();
    }
    let verify = |service: &str, socket: &str| {
        let paths = [("msb.service", service), ("msb.socket", socket)].map(|(name, unit)| {
            fs::write(scratch.path(name), unit).unwrap();
            scratch.path(name)
        });
        let mut verify = Command::new("systemd-analyze");
        verify.arg("verify").args(paths).env("MANPATH", scratch.path("man"));
        let ran = verify.output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        // What else is installed here may be at fault too.
        said.lines()
            .filter(|line| line.contains("msb"))
            .map(|line| line.to_owned() + "\n")
            .collect()
    };
    let read = |name: &str| fs::read_to_string(project("contrib/systemd").join(name)).unwrap();
    let service = read("msb.service").replace("/usr/local/bin/msb", env!("CARGO_BIN_EXE_msb"));
    let said: String = verify(&service, &read("msb.socket"));
    assert_eq!(said, "");
    let said: String = verify(&service.replace("UMask", "Umask"), &read("msb.socket"));
    assert!(said.contains("Umask"), "this cannot fail: {said}");
}
