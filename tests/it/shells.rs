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
    for (flags, name) in [("--format github", "github_env"), ("--dotenv .env", ".env")] {
        let scratch = Scratch::new();
        // The file is almost as long as a file may be; those of the home are shorter.
        let content = "A=1\n".repeat((256 << 10) - 10);
        fs::write(scratch.path(name), &content).unwrap();
        let script = format!(
            r#"
            ulimit -f 1024
            trap '' XFSZ
            "$MSB" server keygen {flags} > /dev/null 2> told
            echo "$?"; grep error: told; "$MSB" server list --state undelivered"#
        );
        let said = answer(&["bash"], &script, &scratch);
        let [exit, error, listed] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
        assert_eq!(exit, "74");
        assert!(error.ends_with(": file too large; the new key is dead"), "{error}");
        assert!(listed.contains("\tundelivered\t"), "{listed}");
        let kept = fs::read_to_string(scratch.path(name)).unwrap();
        assert!(
            kept.starts_with(&content)
                && variable("MSB_API_KEY", &kept).is_none_or(|key| key.len() < 200)
        );
        let beside = fs::read_dir(&scratch.0).unwrap().count();
        assert_eq!(beside, 3, "the home, the file and what was told");
    }
}

/// Runs the program once for each of these flags, all at once.
fn at_once(scratch: &Scratch, flags: impl IntoIterator<Item = String>) {
    let children: Vec<_> = flags
        .into_iter()
        .map(|flags| {
            Command::new(env!("CARGO_BIN_EXE_msb"))
                .args(["server", "keygen", "-q"])
                .args(flags.split_whitespace())
                .current_dir(&scratch.0)
                .env("MSB_HOME", scratch.path("home"))
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_file_of_variables_keeps_the_lines_of_all_who_write_at_once() {
    let scratch = Scratch::new();
    let path = scratch.path(".env");
    fs::write(&path, "BEFORE='1 2'").unwrap();
    at_once(&scratch, (0..8).map(|name| format!("--dotenv .env --var KEY_{name}")));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("BEFORE='1 2'\nKEY_"), "{text}");
    assert_eq!(text.lines().count(), 9, "{text}");
    for name in 0..8 {
        holds(&variable(&format!("KEY_{name}"), &text).unwrap(), &scratch);
    }
    at_once(&scratch, (0..8).map(|_| "--dotenv .env --var KEY_3".to_owned()));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.lines().count(), text.matches("KEY_3=").count()), (9, 1), "{text}");
    holds(&variable("KEY_3", &text).unwrap(), &scratch);
    let mut names: Vec<_> =
        fs::read_dir(&scratch.0).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".env", "home"], "nothing is left beside it");
}

#[test]
fn a_file_of_variables_is_read_by_shells() {
    let take = r#"
        printf 'A="1 2"\nexport KEY=old\n' > .env
        "$MSB" server keygen -q --dotenv .env --var KEY
        tail -n 1 .env > line
        set -a; . ./.env; set +a; test "$A" = '1 2'"#;
    for shell in [&["dash"][..], &["bash"], &["zsh", "-f"]] {
        check(shell, take, |key| format!("export KEY={key}\n"));
    }
}

#[test]
fn git_is_asked_whether_it_tracks_a_file() {
    if !have("git") {
        return;
    }
    let scratch = Scratch::new();
    let script = r#"
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
        tracks() {
            "$MSB" server keygen --dotenv "$2" 2> told
            echo "$1: $(grep -c "${3:-git does not ignore}" told)"
        }
        tracks 'no repository' .env
        git init -q repository; cd repository; mkdir deep
        printf '.env\ntold\n' > .gitignore
        tracks new new
        tracks ignored .env
        tracks 'ignored below' deep/.env
        git add -f .env
        tracks 'tracked although ignored' .env
        tracks 'a strange name' ./:!x
        tracks 'a name like a flag' ./--stdin
        ln -s repository/new ../link
        tracks 'a link into it' ../link
        unsure='git does not say whether it ignores'
        export GIT_TEST_ASSUME_DIFFERENT_OWNER=1
        tracks 'not to be trusted' deep/new "$unsure"
        unset GIT_TEST_ASSUME_DIFFERENT_OWNER
        mkdir none ../outside
        no_git() { PATH=none "$MSB" server keygen --dotenv "$1" 2> told; grep -c "$unsure" told; }
        echo "no git: $(no_git new)"
        echo "no git outside: $(no_git ../outside/new)""#;
    let said = answer(&["bash"], script, &scratch);
    let tracked: Vec<_> = said.lines().map(|line| line.rsplit_once(": ").unwrap()).collect();
    let expected = [
        ("no repository", "0"),
        ("new", "1"),
        ("ignored", "0"),
        ("ignored below", "0"),
        ("tracked although ignored", "1"),
        ("a strange name", "1"),
        ("a name like a flag", "1"),
        ("a link into it", "1"),
        ("not to be trusted", "1"),
        ("no git", "1"),
        ("no git outside", "0"),
    ];
    assert_eq!(tracked, expected);
    let alone = fs::read_to_string(scratch.path("repository/told")).unwrap();
    assert!(alone.contains("/new as") && !alone.contains("git does not"), "{alone}");
}

#[test]
fn git_is_told_no_secret() {
    let scratch = Scratch::new();
    let script = r#"
        mkdir bin
        printf '#!/bin/sh\nenv > told; echo "$@" >> told; exit 1' > bin/git
        chmod +x bin/git
        export MSB_API_KEY="$("$MSB" server keygen -q)"
        PATH="$PWD/bin:$PATH" "$MSB" server keygen -q --dotenv .env
        cat told"#;
    let told = answer(&["sh"], script, &scratch);
    assert!(told.contains("\nPATH=") && told.contains("check-ignore --quiet -- ./.env"), "{told}");
    assert!(!told.contains("MSB_") && !told.contains("msb_ey"), "{told}");
}
