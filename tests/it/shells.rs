//! Keys handed over to real shells, and read back from them.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use crate::harness::{Scratch, have};

/// Runs a script, in which `$MSB` is the program; answers what it prints.
#[track_caller]
fn answer(shell: &[&str], script: &str, scratch: &Scratch) -> String {
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", script])
        .current_dir(&scratch.0)
        .env("MSB", env!("CARGO_BIN_EXE_msb"))
        .env("MSB_HOME", scratch.path("home"))
        .env("HOME", &scratch.0)
        .env("GITHUB_ENV", scratch.path("github_env"))
        .env_remove("MSB_API_KEY")
        .env_remove("KEY")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (said, told) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{shell:?}: {script}\n{said}{told}");
    said
}

/// A key that was read back is whole.
#[track_caller]
fn holds(key: &str, scratch: &Scratch) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_msb"))
        .args(["verify", "-q", "-"])
        .env("MSB_HOME", scratch.path("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{key}");
}

/// The shell takes a key into the variable KEY, and its children find it there. What was printed
/// is left in the file `line`.
#[track_caller]
fn check(shell: &[&str], take: &str, line: impl Fn(&str) -> String) {
    if !have(shell[0]) {
        return;
    }
    let scratch = Scratch::new();
    let key = answer(shell, &format!("{take}; sh -c 'printf %s \"$KEY\"'"), &scratch);
    holds(&key, &scratch);
    assert_eq!(fs::read_to_string(scratch.path("line")).unwrap(), line(&key));
}

/// What each reader of `NAME=VALUE` lines takes from a file, without any rule but the first `=`.
fn variable(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next_back()
}

#[test]
fn shells_of_the_bourne_kind_take_a_key() {
    let take = r#"eval "$("$MSB" server keygen -q --format env --var KEY | tee line)""#;
    for shell in [&["sh"][..], &["dash"], &["bash", "--norc"], &["zsh", "-f"]] {
        check(shell, take, |key| format!("export KEY='{key}'\n"));
    }
}

#[test]
fn fish_takes_a_key() {
    let take = "$MSB server keygen -q --format fish --var KEY | tee line | source";
    check(&["fish", "--no-config"], take, |key| format!("set -gx KEY '{key}'\n"));
}

#[test]
fn powershell_takes_a_key() {
    // No Linux distribution has PowerShell, so even CI does without; then its line is held to its
    // words alone, in `a_key_is_written_in_the_words_of_any_shell`.
    if Command::new("pwsh").arg("--version").output().is_ok() {
        let take = "& $env:MSB server keygen -q --format powershell --var KEY \
                    | Tee-Object line | Invoke-Expression";
        check(&["pwsh", "-NoProfile"], take, |key| format!("$env:KEY = '{key}'\n"));
    } else {
        let _ = std::io::stderr().write_all(b"SKIPPED: pwsh is not installed\n");
    }
}

#[test]
fn readers_of_dotenv_files_take_a_key() {
    let take = r#"
        "$MSB" server keygen -q --format dotenv --var KEY > line
        set -a; . ./line; set +a"#;
    for shell in [&["dash"][..], &["bash"], &["zsh", "-f"]] {
        check(shell, take, |key| format!("KEY={key}\n"));
    }
    let scratch = Scratch::new();
    let text = answer(&["sh"], r#""$MSB" server keygen -q --format dotenv"#, &scratch);
    holds(&variable("MSB_API_KEY", &text).unwrap(), &scratch);
}

#[test]
fn the_next_step_of_a_github_job_takes_a_key() {
    let scratch = Scratch::new();
    let path = scratch.path("github_env");
    // The step before left its last line without an end.
    fs::write(&path, "BEFORE=1").unwrap();
    let log = answer(&["bash"], r#""$MSB" server keygen --format github"#, &scratch);
    answer(&["bash"], r#"echo AFTER=2 >> "$GITHUB_ENV""#, &scratch);
    let kept = fs::read_to_string(&path).unwrap();
    let key = variable("MSB_API_KEY", &kept).unwrap();
    holds(&key, &scratch);
    assert_eq!(kept, format!("BEFORE=1\nMSB_API_KEY={key}\nAFTER=2\n"));
    assert_eq!(log, format!("::add-mask::{key}\n"));
}

#[test]
fn a_key_for_which_a_file_has_no_room_is_dead() {
    let scratch = Scratch::new();
    // The file is as long as a file may be; those of the home are shorter.
    fs::write(scratch.path("github_env"), "A=1\n".repeat(256 << 10)).unwrap();
    let script = r#"
        ulimit -f 1024
        trap '' XFSZ
        "$MSB" server keygen --format github 2> told
        echo "$?"; cat told; "$MSB" server list --state undelivered"#;
    let said = answer(&["bash"], script, &scratch);
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said[1], "74", "{said:?}");
    assert!(said[2].contains("it goes to GITHUB_ENV"), "{said:?}");
    assert!(said[3].contains("file too large; the new key is dead"), "{said:?}");
    assert!(said[5].contains("\tundelivered\t"), "{said:?}");
    assert_eq!(fs::metadata(scratch.path("github_env")).unwrap().len(), 1 << 20);
}
