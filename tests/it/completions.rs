//! Completions: what shells are told, and what a TAB does in real bash, zsh and fish. No
//! PowerShell and no elvish can be installed where these tests run: of those, only what they are
//! told is tested.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Msb, Scratch, have};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions")
}

/// What a shell is told that stands behind the last of these words.
fn told(msb: &mut Msb, shell: &str, line: &str) -> String {
    let words = line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (last, before) = words.split_last().unwrap();
    let last = format!("--word={last}");
    let mut asked = vec!["__complete", shell, &last, "--", "msb"];
    asked.extend(before.iter().map(String::as_str));
    let ran = msb.run_words(&asked);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{line}");
    ran.stdout
}

/// The words that are offered, with what is told of them.
fn offered(msb: &mut Msb, line: &str) -> Vec<(String, String)> {
    let told = told(msb, "zsh", line);
    let words = told.strip_prefix("words\n").unwrap_or_else(|| panic!("{line}: {told}"));
    words.lines().map(|line| line.split_once('\t').unwrap()).map(owned).collect()
}

fn owned((word, about): (&str, &str)) -> (String, String) {
    (word.to_owned(), about.to_owned())
}

#[track_caller]
fn check(msb: &mut Msb, line: &str, expected: &[&str]) {
    let words: Vec<_> = offered(msb, line).into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, expected, "{line}");
}

#[test]
fn every_script_is_the_one_that_is_printed() {
    let mut msb = Msb::new();
    let mut names = BTreeSet::new();
    for (shell, name) in [
        ("bash", "msb.bash"),
        ("zsh", "_msb"),
        ("fish", "msb.fish"),
        ("powershell", "_msb.ps1"),
        ("elvish", "msb.elv"),
    ] {
        let script = fs::read_to_string(scripts().join(name)).unwrap();
        msb.check(&format!("completions {shell}"), 0, &script, "");
        let ran = msb.run(&format!("completions {shell} --json"));
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let expected = serde_json::json!({ "schema": "msb.completions/1", "script": script });
        assert_eq!((ran.exit, answer), (0, expected));
        names.insert(name.to_owned());
    }
    let files = fs::read_dir(scripts()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), names);
    check(&mut msb, "completions ", &["bash", "zsh", "fish", "powershell", "elvish"]);
    assert!(!msb.home().exists());
}

#[test]
fn commands_and_flags_are_those_of_the_parser() {
    fn walk(msb: &mut Msb, command: &clap::Command, line: &str) {
        let subcommands: Vec<_> =
            command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        if !subcommands.is_empty() {
            let words: Vec<_> = subcommands.iter().map(String::as_str).collect();
            check(msb, line, &words);
        }
        let flags = offered(msb, &format!("{line}-"));
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let Some(long) = arg.get_long() else { continue };
            let help = arg.get_help().unwrap().to_string();
            assert!(flags.contains(&(format!("--{long}"), help)), "{line}--{long}");
        }
        for command in command.get_subcommands() {
            walk(msb, command, &format!("{line}{} ", command.get_name()));
        }
    }
    let mut msb = Msb::new();
    let command = msb::cli::command();
    walk(&mut msb, &command, "");
    assert!(!msb.home().exists());
}

#[test]
fn the_question_of_shells_is_no_command_for_people() {
    let mut msb = Msb::new();
    assert!(!msb.run("--help").stdout.contains("__complete"));
    check(&mut msb, "_", &[]);
    for line in ["__complet", "server __complete"] {
        assert_eq!(msb.run(line).exit, 2, "{line}");
    }
}

#[test]
fn keys_are_offered_by_name_where_that_means_one() {
    let mut msb = Msb::with_server_key();
    msb.key("-n team --name 'ci deploy'");
    msb.key("--name twice");
    msb.key("--name twice");
    msb.key("--name renewed");
    msb.ends("server revoke renewed", 0);
    msb.key("--name renewed --expire 1h");
    msb.key("--name gone");
    msb.ends("server revoke gone", 0);
    let ids = msb.run("server list --state all").stdout;
    let id = |line: usize| ids.lines().nth(line).unwrap()[..16].to_owned();
    let (second, first, nameless, revoked) = (id(3), id(4), id(6), id(2));
    check(&mut msb, "server revoke ", &["renewed", &second, &first, "ci deploy", &nameless]);
    check(
        &mut msb,
        "server show ",
        &["gone", "renewed", &revoked, &second, &first, "ci deploy", &nameless],
    );
    check(&mut msb, "server show g", &["gone"]);
    check(&mut msb, "server revoke g", &[]);
    check(&mut msb, "server revoke r", &["renewed"]);
    check(&mut msb, "server revoke tw", &[]);
    check(&mut msb, &format!("server show {}", &first[..5]), &[&first]);
    check(&mut msb, &format!("server revoke {}", &revoked[..5]), &[]);
    check(&mut msb, &format!("server list --after {}", &revoked[..5]), &[&revoked]);
    check(&mut msb, "server list --name ", &["gone", "renewed", "twice", "ci deploy"]);
    let about = offered(&mut msb, "server show ci").remove(0).1;
    assert!(about.ends_with(", active, opens team"), "{about}");
    // A second key as well, with the first one on the line.
    check(&mut msb, "server revoke renewed ci", &["ci deploy"]);
    // Names of keys that ended are not offered to `revoke` any more.
    msb.now += 3600;
    check(&mut msb, "server revoke r", &[]);
}

#[test]
fn owners_namespaces_and_states_are_offered() {
    let mut msb = Msb::with_server_key();
    msb.key("-n zebra -n team-alpha --owner alice@example.org");
    msb.key("-n team-beta --owner al");
    msb.key("--owner bob");
    for line in ["server list -n ", "server keygen --namespace ", "verify -n "] {
        check(&mut msb, line, &["team-alpha", "team-beta", "zebra"]);
    }
    check(&mut msb, "server list -n team-a", &["team-alpha"]);
    check(&mut msb, "server list -nteam-a", &["-nteam-alpha"]);
    check(&mut msb, "server list --namespace=team-a", &["--namespace=team-alpha"]);
    check(&mut msb, "server list --owner al", &["al", "alice@example.org"]);
    check(&mut msb, "server keygen --owner b", &["bob"]);
    check(&mut msb, "server list --state re", &["reset", "revoked"]);
    check(&mut msb, "server list --color a", &["auto", "always"]);
    assert_eq!(told(&mut msb, "zsh", "verify --key-file x"), "files\n");
    assert_eq!(told(&mut msb, "zsh", "verify --key-file=x"), "files\n");
    assert_eq!(told(&mut msb, "zsh", "server keygen -o "), "files\n");
    assert_eq!(told(&mut msb, "zsh", "--home "), "directories\n");
}

#[test]
fn the_home_on_the_line_counts() {
    let mut msb = Msb::with_server_key();
    msb.key("--name here");
    let elsewhere = msb.scratch.path("elsewhere").display().to_string();
    msb.key(&format!("--name there --home {elsewhere}"));
    check(&mut msb, "server show h", &["here"]);
    check(&mut msb, &format!("--home {elsewhere} server show t"), &["there"]);
    check(&mut msb, &format!("server show --home={elsewhere} t"), &["there"]);
    check(&mut msb, "--home server server show h", &[]);
    let ran = msb.run_words(&[
        "__complete",
        "fish",
        "--word=t",
        "--",
        &format!("MSB_HOME={elsewhere}"),
        "msb",
        "server",
        "show",
    ]);
    assert!(ran.stdout.starts_with("words\nthere\t"), "{}", ran.stdout);
    msb.env.insert("HOME".into(), msb.scratch.0.clone().into());
    check(&mut msb, "--home ~/elsewhere server show t", &["there"]);
    assert!(!Path::new("server").exists());
}

#[test]
fn a_question_that_makes_no_sense_has_no_answer_and_no_error() {
    let mut msb = Msb::new();
    for words in [
        &["__complete"][..],
        &["__complete", "tcsh", "--word=", "--", "msb"],
        &["__complete", "zsh"],
        &["__complete", "zsh", "--word=", "msb"],
        &["__complete", "zsh", "x", "--", "msb"],
        &["__complete", "bash", "--word=", "--"],
        &["__complete", "--help"],
    ] {
        let ran = msb.run_words(words);
        assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{words:?}");
    }
    for line in ["", "server show ", "nonsense ", "server nonsense --x ", "server show -- ", "-x="]
    {
        told(&mut msb, "zsh", line);
    }
    let words = ["--", "-", "--expire", "--home", "-n", "x", "server", "list", "--owner="];
    for line in words.iter().flat_map(|one| words.iter().map(move |two| format!("{one} {two}"))) {
        for more in words {
            told(&mut msb, "zsh", &format!("server keygen {line} {more}"));
        }
    }
    assert_eq!(msb.run_words(&["__complete", "zsh", "--word=", "--"]).exit, 0);
    assert!(!msb.home().exists(), "a question made a home");
    // Nor where what is kept cannot be read.
    let mut msb = Msb::with_server_key();
    msb.key("--name here");
    check(&mut msb, "server show h", &["here"]);
    fs::write(msb.file("msb.db"), "no database").unwrap();
    check(&mut msb, "server show h", &[]);
    msb.stdout_fails = Some(std::io::ErrorKind::BrokenPipe);
    assert_eq!(msb.run_words(&["__complete", "zsh", "--word=", "--", "msb"]).exit, 0);
}

#[test]
fn what_a_shell_cannot_take_is_left_out() {
    let mut msb = Msb::with_server_key();
    let key = msb.key("--name plain");
    let db = rusqlite::Connection::open(msb.file("msb.db")).unwrap();
    let name = |name: &str| {
        db.execute("UPDATE ledger SET name = ? WHERE name IS NOT NULL", [name]).unwrap();
    };
    for unfit in ["two\nlines", "a\ttab", "-q", "\u{202e}turned", "\u{1b}[2J", &key[4..124]] {
        name(unfit);
        for line in ["server list --name ", "server list --name \u{202e}"] {
            check(&mut msb, line, &[]);
        }
    }
    drop(db);
    // The words on the line may be keys: they are not said again.
    for line in [format!("verify {key} --x"), format!("server show {key}"), key.clone()] {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            assert!(!told(&mut msb, shell, &line).contains("ey"), "{line}");
        }
    }
}

#[test]
fn each_shell_is_told_in_its_own_way() {
    let mut msb = Msb::with_server_key();
    msb.key("--name 'ci deploy' -n a");
    let about = "58njrb9e5wr32chk, active, opens a";
    for shell in ["zsh", "fish", "elvish"] {
        let expected = format!("words\nci deploy\t{about}\n");
        assert_eq!(told(&mut msb, shell, "server show ci"), expected);
    }
    let expected = format!("words\n'ci deploy'\t{about}\n");
    assert_eq!(told(&mut msb, "powershell", "server show ci"), expected);
    assert_eq!(told(&mut msb, "powershell", "server show 'ci"), expected);
    let mut bash = |line: &str, replaced: &str| {
        let replaced = format!("--word={replaced}");
        msb.run_words(&["__complete", "bash", &replaced, "--", line]).stdout
    };
    assert_eq!(bash("msb server show ci", "ci"), "words\nci\\ deploy\n");
    assert_eq!(bash("msb server show 'ci", "ci"), "words\nci deploy\n");
    assert_eq!(bash("msb server list --name=c", "c"), "words\nci\\ deploy\n");
    assert_eq!(bash("msb server list > x", "x"), "files\n");
}

/// A shell on a terminal, with this program first on its path.
struct Terminal {
    scratch: Scratch,
    script: Child,
    keys: ChildStdin,
    /// The id of a key without a name.
    id: String,
}

impl Terminal {
    /// Starts it in a directory of its own, beside a home with a few keys and another one.
    fn start(shell: &str, files: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let keygen = |home: &str, flags: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_msb"))
                .args(["server", "keygen", "--json"])
                .args(flags)
                .env("MSB_HOME", scratch.path(home))
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let owner = "alice@example.org";
        keygen("home", &["-n", "team-alpha", "--name", "ci deploy", "--owner", owner]);
        keygen("home", &["-n", "team-beta", "--name", "Ann's $key"]);
        keygen("home", &["-n", "team-beta", "--name", "env:prod"]);
        keygen("home", &["-n", "team-beta", "--name", r"DOMAIN\ann:1"]);
        let key = keygen("home", &["-n", "team-beta"]);
        keygen("elsewhere", &["-n", "far-away", "--name", "outside"]);
        fs::write(scratch.path("a key"), "").unwrap();
        for (name, text) in files {
            let path = scratch.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let path = PathBuf::from(env!("CARGO_BIN_EXE_msb")).parent().unwrap().to_owned();
        let mut script = Command::new("script")
            .args(["-qfec", shell, "screen"])
            .current_dir(&scratch.0)
            .env("PATH", format!("{}:{}", path.display(), std::env::var("PATH").unwrap()))
            .env("MSB_HOME", scratch.path("home"))
            .envs([("HOME", &scratch.0), ("ZDOTDIR", &scratch.0)])
            .env("XDG_CONFIG_HOME", scratch.path("config"))
            .envs([("TERM", "xterm"), ("LC_ALL", "C.UTF-8")])
            .env_remove("XDG_DATA_DIRS")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let keys = script.stdin.take().unwrap();
        let id = key.split("\"id\":\"").nth(1).unwrap()[..16].to_owned();
        Self { scratch, script, keys, id }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line and a TAB, and answers what the line is then: every shell here has a key that
    /// writes it into a file.
    fn complete(&mut self, line: &str) -> String {
        let file = self.scratch.path("line");
        let _ = fs::remove_file(&file);
        self.press(&format!("{line}\t{WRITE}"));
        let text = self.wait_for(&file, |text| text.ends_with('\n'));
        self.press(ERASE);
        text.trim_end().to_owned()
    }

    fn wait_for(&self, file: &Path, enough: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = fs::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if enough(&text) {
                return text.into_owned();
            }
            let screen = fs::read(self.scratch.path("screen")).unwrap_or_default();
            let screen = String::from_utf8_lossy(&screen).into_owned();
            assert!(begun.elapsed() < Duration::from_secs(60), "{text}\n{screen}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What every shell does alike.
    fn check(&mut self) {
        let id = self.id.clone();
        let begin = format!("msb server show {}", &id[..6]);
        let whole = format!("msb server show {id}");
        for (typed, completed) in [
            ("msb ser", "msb server"),
            ("msb server rev", "msb server revoke"),
            ("msb server list --own", "msb server list --owner"),
            ("msb server key show --format fin", "msb server key show --format fingerprint"),
            ("msb server list --state exp", "msb server list --state expired"),
            ("msb completions pow", "msb completions powershell"),
            (&begin, &whole),
            ("msb server revoke ci", "msb server revoke ci\\ deploy"),
            ("msb server revoke ci\\ d", "msb server revoke ci\\ deploy"),
            ("msb server show \"ci d", "msb server show \"ci deploy\""),
            ("msb server show env", "msb server show env:prod"),
            ("msb server show env:", "msb server show env:prod"),
            ("msb server show \"env:p", "msb server show \"env:prod\""),
            ("msb server list --name=env:p", "msb server list --name=env:prod"),
            ("msb server show DOM", r"msb server show DOMAIN\\ann:1"),
            (r"msb server show DOMAIN\\a", r"msb server show DOMAIN\\ann:1"),
            (r"msb server show DOMAIN\\ann:", r"msb server show DOMAIN\\ann:1"),
            ("msb server keygen -n team-a", "msb server keygen -n team-alpha"),
            ("msb server list --owner ali", "msb server list --owner alice@example.org"),
            ("msb server list --owner alice@ex", "msb server list --owner alice@example.org"),
            ("msb server list --owner=alice@ex", "msb server list --owner=alice@example.org"),
            ("msb --home elsewhere server show o", "msb --home elsewhere server show outside"),
            ("msb verify --home=elsewhere -n f", "msb verify --home=elsewhere -n far-away"),
            ("msb verify --key-file a\\ ", "msb verify --key-file a\\ key"),
            ("msb verify --key-file=a\\ ", "msb verify --key-file=a\\ key"),
            ("msb --home else", "msb --home elsewhere/"),
        ] {
            assert_eq!(self.complete(typed), completed, "{typed}");
        }
        let quoted = self.complete("msb server show Ann");
        assert!(
            [r"Ann\'s\ \$key", r#""Ann's \$key""#, r"'Ann\'s $key'"]
                .contains(&quoted.strip_prefix("msb server show ").unwrap()),
            "{quoted}"
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

fn script(name: &str) -> String {
    fs::read_to_string(scripts().join(name)).unwrap()
}

#[test]
fn bash_completes() {
    if !have("bash") || !have("script") {
        return;
    }
    let setup = "source <(msb completions bash)
                 bind -x '\"\\C-t\": printf \"%s\\n\" \"$READLINE_LINE\" > line'";
    let mut bash = Terminal::start("bash --noprofile --rcfile setup -i", &[("setup", setup)]);
    bash.check();
    assert_eq!(bash.complete("true; ./../x 2>&1; msb ser"), "true; ./../x 2>&1; msb server");
    assert_eq!(bash.complete("msb server show 'ci"), "msb server show 'ci deploy'");
    assert_eq!(bash.complete("msb server list > a\\ "), "msb server list > a\\ key");
    // An alias, as one has it where another program is called msb.
    bash.press("alias keys=msb; complete -F _msb keys\n");
    assert_eq!(bash.complete("keys server rev"), "keys server revoke");
}

#[test]
fn zsh_completes() {
    if !have("zsh") || !have("script") {
        return;
    }
    let write = "dump() { print -r -- $BUFFER > line }; zle -N dump; bindkey -e; bindkey '^T' dump
                 PS1='> '";
    let found =
        format!("fpath=($HOME/functions $fpath)\nautoload -Uz compinit\ncompinit -u -D\n{write}");
    let files = [(".zshrc", found.as_str()), ("functions/_msb", &script("_msb"))];
    let mut zsh = Terminal::start("zsh -d -i", &files);
    zsh.check();
    assert_eq!(zsh.complete("msb server show 'ci"), "msb server show 'ci deploy'");
    // What is told of each is shown.
    zsh.press("msb server \t");
    zsh.wait_for(&zsh.scratch.path("screen"), |screen| screen.contains("-- Cut off keys"));

    let sourced =
        format!("autoload -Uz compinit\ncompinit -u -D\nsource <(msb completions zsh)\n{write}");
    let mut zsh = Terminal::start("zsh -d -i", &[(".zshrc", &sourced)]);
    assert_eq!(zsh.complete("msb server rev"), "msb server revoke");
}

#[test]
fn fish_completes() {
    if !have("fish") || !have("script") {
        return;
    }
    let write = "bind \\ct 'commandline > line'";
    let files = [
        ("config/fish/config.fish", write),
        ("config/fish/completions/msb.fish", &script("msb.fish")),
    ];
    let mut fish = Terminal::start("fish -i", &files);
    fish.check();
    assert_eq!(fish.complete("msb server show 'ci"), "msb server show 'ci deploy'");
    assert_eq!(
        fish.complete("MSB_HOME=elsewhere msb server show o"),
        "MSB_HOME=elsewhere msb server show outside"
    );
    // What is told of each is shown.
    fish.press("complete -C 'msb server ' > told\n");
    let told = fish.wait_for(&fish.scratch.path("told"), |told| told.contains("status\t"));
    assert!(told.contains("revoke\tCut off keys: these, or every key of a kind\n"), "{told}");
}

/// The key at which each shell here writes its line into a file: control and T.
const WRITE: &str = "\u{14}";

/// The key that erases a line: control and U.
const ERASE: &str = "\u{15}";
