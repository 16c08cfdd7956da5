//! `keygen`: in whose words a key is handed over.

use std::{fs, io::ErrorKind, path::PathBuf};

use crate::harness::Msb;

/// A world in a step of a GitHub job, and the file of its variables.
fn step(content: &str) -> (Msb, PathBuf) {
    let mut msb = Msb::new();
    let path = msb.scratch.path("github_env");
    fs::write(&path, content).unwrap();
    msb.env.insert("GITHUB_ENV".into(), path.clone().into());
    (msb, path)
}

/// The command is a mistake in the command line, and nothing is made.
#[track_caller]
fn refused(msb: &mut Msb, line: &str, message: &str, hint: &str) {
    let told = if line.contains("--json") {
        format!(
            "{{\"schema\":\"msb.error/1\",\"error\":{{\"code\":\"usage\",\"message\":\"{message}\",\
             \"hint\":\"{hint}\",\"exit\":2}}}}\n"
        )
    } else {
        format!("msb: error: {message}\nmsb: hint: {hint}\n")
    };
    msb.check(&format!("server keygen {line}"), 2, "", &told);
    assert!(!msb.home().exists(), "a refused command made a home");
}

#[test]
fn a_key_is_written_in_the_words_of_any_shell() {
    let mut msb = Msb::new();
    for (flags, line) in [
        ("--format key", "msb_…\n"),
        ("--format env", "export MSB_API_KEY='msb_…'\n"),
        ("--format env --var B_2", "export B_2='msb_…'\n"),
        ("--format dotenv --var b", "b=msb_…\n"),
        ("--format fish --var B", "set -gx B 'msb_…'\n"),
        ("--format powershell --var B", "$env:B = 'msb_…'\n"),
    ] {
        msb.check(&format!("server keygen -q {flags}"), 0, line, "");
        let path = msb.scratch.path("line");
        msb.check(&format!("server keygen -q {flags} --force -o {}", path.display()), 0, "", "");
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(crate::harness::masked(&written, &msb.scratch.0), line);
    }
}

#[test]
fn formats_are_for_one_key_and_not_json() {
    let mut msb = Msb::new();
    for format in ["env", "dotenv", "fish", "powershell", "github"] {
        for with in ["--json", "--count 2"] {
            let message = format!("`--format {format}` is for one key, and not JSON");
            let line = format!("--format {format} {with}");
            refused(&mut msb, &line, &message, "leave off `--format`");
        }
    }
    assert_eq!(msb.run("server keygen --count 2 --format key").stdout.lines().count(), 2);
}

#[test]
fn a_variable_needs_a_format_that_sets_it() {
    let mut msb = Msb::new();
    for with in ["", "--format key", "--json", "--count 2", "-o x"] {
        refused(
            &mut msb,
            &format!("--var NAME {with}"),
            "`--var` is for a format that sets a variable",
            "add `--format env`, dotenv, fish, powershell or github, or `--dotenv FILE`",
        );
    }
    for name in ["", "1A", "A-B", "$(id)", "A=B", "A B", "'"] {
        let ran = msb.run_words(&["server", "keygen", "--format", "env", "--var", name]);
        assert_eq!((ran.exit, ran.stdout.as_str()), (2, ""), "{name}");
    }
    refused(
        &mut msb,
        "--format env --var A-B",
        "`A-B` for `--var`: a variable has only letters, digits and `_`, and does not begin with a digit",
        "run `msb server keygen --help`",
    );
}

#[test]
fn a_github_step_masks_the_key_and_hands_it_to_the_next_steps() {
    for (before, after) in
        [("", ""), ("A=1\n", "A=1\n"), ("A=1", "A=1\n"), ("A<<E\nx\nE\n", "A<<E\nx\nE\n")]
    {
        let (mut msb, path) = step(before);
        msb.check(
            "server keygen --format github --var DEPLOY_KEY",
            0,
            "::add-mask::msb_…\n",
            "key 40gj48s44mk2ea19 opens every namespace, allows every operation, and does not expire; \
             it goes to GITHUB_ENV as DEPLOY_KEY\n",
        );
        let kept = fs::read_to_string(&path).unwrap();
        let key = kept.strip_prefix(after).unwrap().strip_prefix("DEPLOY_KEY=").unwrap();
        msb.stdin = key.as_bytes().to_vec();
        assert_eq!(msb.run("verify -").exit, 0);
    }
}

#[test]
fn a_github_step_needs_the_file_of_its_variables() {
    let mut msb = Msb::new();
    let needs = "`--format github` needs GITHUB_ENV, and it is not set";
    let hint = "run it in a step of GitHub Actions, or choose `--format env`";
    refused(&mut msb, "--format github", needs, hint);
    msb.env.insert("GITHUB_ENV".into(), "".into());
    refused(&mut msb, "--format github", needs, hint);
    refused(
        &mut msb,
        "--format github -o x",
        "`--format github` does not go with `--output`",
        "leave off `--output`: the key goes to the file that GITHUB_ENV names",
    );
    let directory = msb.scratch.0.clone();
    let fifo = msb.scratch.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, exit, told) in [
        (msb.scratch.path("none"), 65, "…/none: no such file or directory"),
        ("/etc/passwd/x".into(), 65, "/etc/passwd/x: not a directory"),
        (directory, 77, "… is not a plain file"),
        (fifo, 77, "…/fifo is not a plain file"),
        ("/dev/full".into(), 77, "/dev/full is not a plain file"),
    ] {
        msb.env.insert("GITHUB_ENV".into(), path.into());
        let told = format!("msb: error: {told}; that is what GITHUB_ENV names\n");
        msb.check("server keygen --format github", exit, "", &told);
        assert!(!msb.home().exists());
    }
}

#[test]
fn a_key_that_a_github_step_did_not_get_is_dead() {
    let (mut msb, path) = step("A=1\n");
    msb.stdout_fails = Some(ErrorKind::StorageFull);
    let ran = msb.ends("server keygen --format github", 74);
    assert!(ran.stderr.contains("the new key is dead"), "{}", ran.stderr);
    msb.stdout_fails = None;
    msb.stderr_fails = Some(ErrorKind::StorageFull);
    assert_eq!(msb.run("server keygen --format github").exit, 74);
    msb.stderr_fails = None;
    assert_eq!(fs::read_to_string(&path).unwrap(), "A=1\n");
    msb.stdout_is_closed = true;
    msb.ends("server keygen --format github", 74);
    msb.stdout_is_closed = false;
    assert_eq!(msb.run("server list --state undelivered").stdout.lines().count(), 2);
    assert_eq!(msb.run("server list").stdout, "");
}

#[test]
fn the_longest_answer_has_room() {
    let mut msb = Msb::new();
    let namespaces: String =
        (10..42).map(|number| format!(" -n {number}{}", "n".repeat(61))).collect();
    let line = format!("server keygen{namespaces} --name '{}'", "\"".repeat(128));
    let ran = msb.run(&format!("{line} --json"));
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(ran.stdout.len() > 5000);
    let ran = msb.run(&format!("{line} --format env --var {}", "V".repeat(9000)));
    assert_eq!((ran.exit, ran.stdout.len() > 9000), (0, true), "{}", ran.stderr);
}
