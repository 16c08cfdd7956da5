//! `keygen --dotenv`: a key in a line of a `.env` file, and the rest of it as it was.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use msb::{
    files::{Edit, FileFault},
    world::Tracking,
};

use crate::harness::{Msb, masked};

/// A world with a `.env` file that only its owner can read.
fn with_file(content: impl AsRef<[u8]>) -> (Msb, PathBuf) {
    let msb = Msb::new();
    let path = msb.scratch.path(".env");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (msb, path)
}

fn line(path: &Path) -> String {
    format!("server keygen --dotenv {}", path.display())
}

/// What the file holds, with keys as `msb_…`.
fn held(path: &Path) -> String {
    masked(&fs::read_to_string(path).unwrap(), Path::new("\0"))
}

/// No key is issued, the file stays as it was, and nothing lies beside it.
#[track_caller]
fn refused(content: impl AsRef<[u8]>, exit: u8, told: &str) {
    let (mut msb, path) = with_file(&content);
    msb.check(&line(&path), exit, "", told);
    assert_eq!(fs::read(&path).unwrap(), content.as_ref());
    assert!(!msb.home().exists(), "a refused command made a home");
    assert_eq!(fs::read_dir(&msb.scratch.0).unwrap().count(), 1);
}

const SAID: &str = "key 40gj48s44mk2ea19 opens every namespace, allows every operation, and does not \
    expire; it goes to …/.env as MSB_API_KEY\n";

#[test]
fn a_key_goes_to_its_line_and_the_rest_stays() {
    let (mut msb, path) = with_file("# ours\nA='1 2'\nexport MSB_API_KEY=old # c\r\nB=3");
    msb.check(&line(&path), 0, "", SAID);
    assert_eq!(held(&path), "# ours\nA='1 2'\nexport MSB_API_KEY=msb_…\r\nB=3");
    msb.check(&format!("{} -q --var OTHER", line(&path)), 0, "", "");
    let text = fs::read_to_string(&path).unwrap();
    let keys: Vec<_> = text.lines().filter_map(|line| line.split_once("=msb_ey")).collect();
    assert_eq!((keys[0].0, keys[1].0), ("export MSB_API_KEY", "OTHER"));
    for (_, rest) in keys {
        msb.stdin = format!("msb_ey{rest}").into_bytes();
        assert_eq!(msb.run("verify -").exit, 0);
    }
}

#[test]
fn a_new_file_is_for_its_owner_only() {
    let mut msb = Msb::new();
    let path = msb.scratch.path(".env");
    msb.check(&line(&path), 0, "", SAID);
    assert_eq!(held(&path), "MSB_API_KEY=msb_…\n");
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    let beside = fs::read_dir(&msb.scratch.0).unwrap().count();
    assert_eq!(beside, 2, "the home and the file, and nothing beside them");
}

#[test]
fn a_file_that_others_can_read_is_not_any_more() {
    for (before, told) in [(0o644, true), (0o640, true), (0o602, true), (0o600, false)] {
        let (mut msb, path) = with_file("A=1\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
        let hint = format!(
            "msb: hint: …/.env had mode {before:04o}, and now only its owner can read it\n"
        );
        msb.check(&line(&path), 0, "", &format!("{SAID}{}", if told { &hint } else { "" }));
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    }
}

#[test]
fn a_file_that_git_would_track_is_told() {
    let (mut msb, path) = with_file("");
    msb.git = Tracking::Yes;
    let hint = "msb: hint: git does not ignore …/.env: add it to .gitignore, and if git has it \
        already, run `git rm --cached` on it\n";
    msb.check(&line(&path), 0, "", &format!("{SAID}{hint}"));
    msb.check(&format!("{} -q", line(&path)), 0, "", "");
    msb.git = Tracking::Unknown;
    let hint =
        "msb: hint: git does not say whether it ignores …/.env: see that it is in .gitignore\n";
    msb.run("server keygen");
    let ran = msb.run(&line(&path));
    assert!(masked(&ran.stderr, &msb.scratch.0).ends_with(hint), "{}", ran.stderr);
    // A file that is there for the key alone is nobody's by mistake.
    let alone = msb.scratch.path("key");
    let ran = msb.run(&format!("server keygen -o {}", alone.display()));
    assert!(!ran.stderr.contains("git"), "{}", ran.stderr);
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let (mut msb, link) = with_file("");
    fs::remove_file(&link).unwrap();
    fs::create_dir(msb.scratch.path("deep")).unwrap();
    let target = msb.scratch.path("deep/env");
    fs::write(&target, "A=1\n").unwrap();
    symlink("deep/env", &link).unwrap();
    let ran = msb.run(&line(&link));
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("/deep/env as MSB_API_KEY\n"), "{}", ran.stderr);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("deep/env"));
    assert_eq!(held(&target), "A=1\nMSB_API_KEY=msb_…\n");
    fs::remove_file(&target).unwrap();
    msb.check(
        &line(&link),
        77,
        "",
        "msb: error: …/.env is a symbolic link\nmsb: hint: put the file itself there\n",
    );
    assert_eq!(fs::read_dir(msb.scratch.path("deep")).unwrap().count(), 0);
}

#[test]
fn what_can_be_found_wrong_is_found_before_there_is_a_key() {
    refused(
        "A=1\nMSB_API_KEY=1\nexport MSB_API_KEY=2\n",
        65,
        "msb: error: …/.env sets MSB_API_KEY in lines 2 and 3\nmsb: hint: keep one of these lines\n",
    );
    refused(
        "A=1\nMSB_API_KEY=\"x\ny\"\n",
        65,
        "msb: error: …/.env, line 2: it opens a quote and does not close it\n\
         msb: hint: write all of it on one line\n",
    );
    refused(
        "A=1\rSECRET=precious\r",
        65,
        "msb: error: …/.env, line 1: it has a carriage return without a line feed behind it\n\
         msb: hint: end lines with a line feed: `tr '\\r' '\\n'` makes some of them\n",
    );
    refused(
        "A=1\nB=x\\\n",
        65,
        "msb: error: …/.env, line 2: it ends in `\\`, and a shell goes on with the next line\n\
         msb: hint: write all of it on one line\n",
    );
    refused("A=\0\n", 65, "msb: error: …/.env is not text\n");
    refused(vec![b'#'; (1 << 20) + 1], 65, "msb: error: …/.env has more than 1 MiB\n");
    let (mut msb, path) = with_file("");
    assert_eq!(msb.run(&line(&path)).exit, 0);
    fs::write(&path, vec![b'#'; 1 << 20]).unwrap();
    assert_eq!(msb.run(&line(&path)).exit, 0);
}

#[test]
fn a_place_for_no_file_is_found_before_there_is_a_key() {
    let mut msb = Msb::new();
    let fifo = msb.scratch.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::create_dir(msb.scratch.path("dir")).unwrap();
    for (name, exit, told) in [
        ("dir", 73, "…/dir is not a plain file\nmsb: hint: name a file"),
        ("fifo", 73, "…/fifo is not a plain file\nmsb: hint: name a file"),
        ("none/", 2, "…/none/ names no file"),
        ("dir/..", 2, "…/dir/.. names no file"),
        (
            "none/.env",
            73,
            "…/none/.env: no such file or directory\n\
             msb: hint: make the directory of that file first",
        ),
    ] {
        let path = msb.scratch.path(name);
        msb.check(&line(&path), exit, "", &format!("msb: error: {told}\n"));
        assert!(!msb.home().exists());
    }
    msb.ends("server keygen --dotenv ''", 2);
    msb.ends("server keygen --dotenv /dev/full", 73);
}

#[test]
fn a_file_of_variables_goes_with_few_other_flags() {
    for (flags, flag, hint) in [
        ("-o x", "--output", "leave off one of them"),
        ("--format dotenv", "--format", "leave off `--format`: such a file has its own"),
        ("--format key", "--format", "leave off `--format`: such a file has its own"),
        ("--count 2", "--count", "leave off `--count`: a variable holds one key"),
    ] {
        let (mut msb, path) = with_file("A=1\n");
        let told = format!("msb: error: `--dotenv` does not go with `{flag}`\nmsb: hint: {hint}\n");
        msb.check(&format!("{} {flags}", line(&path)), 2, "", &told);
        assert_eq!(held(&path), "A=1\n");
        assert!(!msb.home().exists());
    }
    let (mut msb, path) = with_file("A=1\n");
    let told = "msb: error: `--force` goes with `-o FILE`\n\
                msb: hint: add `-o FILE`, or leave off `--force`\n";
    msb.check(&format!("{} --force", line(&path)), 2, "", told);
    msb.check("server keygen --force", 2, "", told);
    msb.ends(&format!("{} --var A-B", line(&path)), 2);
}

#[test]
fn an_answer_in_json_leaves_the_key_to_the_file() {
    let (mut msb, path) = with_file("A=1\n");
    let ran = msb.ends(&format!("{} --json --owner al", line(&path)), 0);
    let begin = r#"{"schema":"msb.keygen/1","key":null,"id":"40gj48s44mk2ea19","kid":""#;
    assert!(ran.stdout.starts_with(begin), "{}", ran.stdout);
    assert!(ran.stdout.contains(r#""owner":"al""#), "{}", ran.stdout);
    assert_eq!(held(&path), "A=1\nMSB_API_KEY=msb_…\n");
    msb.stdout_is_closed = true;
    msb.ends(&format!("{} --json", line(&path)), 74);
    msb.stdout_is_closed = false;
    assert_eq!(msb.run("server list -q").stdout.lines().count(), 1);
}

#[test]
fn a_key_that_its_file_did_not_get_is_dead() {
    let (mut msb, path) = with_file("A=1\nMSB_API_KEY=old\n");
    msb.stderr_fails = Some(ErrorKind::StorageFull);
    assert_eq!(msb.run(&line(&path)).exit, 74);
    msb.stderr_fails = None;
    assert_eq!(held(&path), "A=1\nMSB_API_KEY=old\n");
    assert_eq!(msb.run("server list").stdout, "");
    assert_eq!(msb.run("server list --state undelivered").stdout.lines().count(), 1);
    // Nothing goes to standard output, so it may be closed.
    msb.stdout_is_closed = true;
    assert_eq!(msb.run(&line(&path)).exit, 0);
    assert_eq!(held(&path), "A=1\nMSB_API_KEY=msb_…\n");
}

#[test]
fn a_file_is_changed_by_one_at_a_time() {
    let (msb, path) = with_file("A=1\n");
    let directory = fs::File::open(&msb.scratch.0).unwrap();
    // Processes that race as a rule do not meet; here they do.
    let add = |line: &'static str| {
        let directory = &directory;
        move |content: &[u8]| {
            assert!(directory.try_lock().is_err(), "nobody else may come between");
            Ok::<_, FileFault>([content, line.as_bytes()].concat().into())
        }
    };
    let (first, second) = (Edit::of(&path).unwrap(), Edit::of(&path).unwrap());
    second.finish(add("B=2\n")).unwrap();
    first.finish(add("C=3\n")).unwrap();
    assert_eq!(held(&path), "A=1\nB=2\nC=3\n");
    directory.try_lock().unwrap();
}

#[test]
fn a_busy_directory_is_waited_for_and_then_told() {
    let (mut msb, path) = with_file("");
    let directory = fs::File::open(&msb.scratch.0).unwrap();
    directory.lock().unwrap();
    msb.check(
        &line(&path),
        75,
        "",
        "msb: error: …/.env has been busy for 5 seconds\nmsb: hint: try again\n",
    );
    assert!(!msb.home().exists());
    directory.unlock().unwrap();
    assert_eq!(msb.run(&line(&path)).exit, 0);
}
