//! The manual, `man/`: a page for each command, written from the parser. `UPDATE=1 cargo test`
//! writes it anew.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, sync::LazyLock};

use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};
use msb::error::Exit;

use crate::harness::have;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("man")
}

/// The names of commands, as their pages have them, with what each can end with. A test that
/// sees another exit fails, and so does a command that is not here.
fn exits(page: &str) -> Vec<Exit> {
    use Exit::*;
    const READ: [Exit; 6] = [Failed, BadData, OutputFailed, Busy, Permissions, Configuration];
    const STORE: [Exit; 7] =
        [Failed, BadData, CannotCreate, OutputFailed, Busy, Permissions, Configuration];
    const VERDICTS: [Exit; 6] = [Malformed, BadSignature, Expired, NotYetValid, Revoked, Elsewhere];
    let of = |own: &[Exit], more: &[Exit]| {
        let mut exits = [&[Done, Usage, OutputFailed], own, more].concat();
        exits.sort();
        exits.dedup();
        exits
    };
    match page {
        "msb" => Exit::ALL.to_vec(),
        "msb-server" | "msb-server-key" => of(&[], &[]),
        "msb-server-start" => of(&[Attention, Refused], &STORE),
        "msb-server-stop" => of(&[Failed, Permissions, Configuration], &[]),
        "msb-server-keygen" => of(&[Attention, NoServerKey, Refused], &STORE),
        "msb-server-list" => of(&[Attention, NotFound], &READ),
        "msb-server-show" => of(&[NotFound, Refused], &READ),
        "msb-server-revoke" => {
            of(&[Attention, NoServerKey, NotFound, Refused, Malformed, BadSignature], &READ)
        }
        "msb-server-status" => of(&[Attention, Configuration], &[]),
        "msb-server-key-show" => of(&[NoServerKey], &READ),
        "msb-server-key-rotate" | "msb-server-key-reset" | "msb-server-key-import" => {
            of(&[Attention, NoServerKey, Refused], &STORE)
        }
        "msb-server-audit" => of(&[], &READ),
        "msb-verify" => of(&[&[NoServerKey, Refused][..], &VERDICTS].concat(), &READ),
        "msb-inspect" => of(&[Malformed, Failed, BadData, Permissions], &[]),
        "msb-completions" => of(&[], &[]),
        _ => panic!("{page}: add it here, with what it can end with"),
    }
}

/// Holds what a command ended with to its page.
pub fn check_exit(words: &[impl AsRef<str>], exit: Exit) {
    let mut command = &*PARSER;
    let mut page = command.get_name().to_owned();
    for word in words {
        if let Some(found) = command.find_subcommand(word.as_ref()) {
            command = found;
            page += &format!("-{}", found.get_name());
        }
    }
    assert!(exits(&page).contains(&exit), "{page} does not tell of exit {}", exit as u8);
}

static PARSER: LazyLock<clap::Command> = LazyLock::new(msb::cli::command);

/// Name and text of every page.
fn pages() -> BTreeMap<String, String> {
    fn add(
        command: &clap::Command,
        above: &[&clap::Command],
        pages: &mut BTreeMap<String, String>,
    ) {
        pages.insert(format!("{}.1", name(command)), page(command, above));
        let above = [above, &[command]].concat();
        command.get_subcommands().for_each(|command| add(command, &above, pages));
    }
    let mut pages = BTreeMap::new();
    add(&PARSER, &[], &mut pages);
    pages
}

fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// A page; above are the commands that this one is part of.
fn page(command: &clap::Command, above: &[&clap::Command]) -> String {
    // Here there is room for what each word means.
    let man = Man::new(command.clone().mut_args(|arg| arg.hide_possible_values(false)))
        .title(name(command).to_uppercase())
        .source(format!("msb {}", env!("CARGO_PKG_VERSION")))
        .manual("msb manual");
    let mut text = vec![];
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    synopsis(command).to_writer(&mut text).unwrap();
    section("DESCRIPTION", |roff| {
        roff.text([roman(description(name(command)))]);
        if let Some(note) = command.get_after_help() {
            roff.control("PP", []);
            roff.text([roman(note.to_string())]);
        }
    })
    .to_writer(&mut text)
    .unwrap();
    if command.has_subcommands() {
        section("COMMANDS", |roff| {
            for command in command.get_subcommands() {
                roff.control("TP", []);
                roff.text([bold(name(command)), roman("(1)")]);
                roff.text([roman(command.get_about().unwrap().to_string())]);
            }
        })
        .to_writer(&mut text)
        .unwrap();
    }
    man.render_options_section(&mut text).unwrap();
    let attention = name(command) == "msb-server-status";
    for roff in [
        takes_times(command).then(|| section("TIMES", |roff| terms(roff, &TIMES))),
        attention.then(|| section("ATTENTION", |roff| terms(roff, &ATTENTION))),
        command.get_before_help().map(|help| examples(&help.to_string())),
        Some(section("EXIT STATUS", |roff| exit_status(roff, name(command)))),
        above.is_empty().then(|| section("FILES", |roff| terms(roff, &FILES))),
        above.is_empty().then(|| section("ENVIRONMENT", |roff| terms(roff, &ENVIRONMENT))),
        Some(section("SEE ALSO", |roff| see_also(roff, command, above))),
    ] {
        roff.unwrap_or_default().to_writer(&mut text).unwrap();
    }
    // The preamble of each part defines an apostrophe; once will do.
    let text = String::from_utf8(text).unwrap();
    let (preamble, rest) = text.split_at(text.find(".TH").unwrap());
    let lines = rest.replace(preamble, "");
    // The date is left out, but its place must be kept.
    preamble.to_owned() + &lines.replacen(" 1  ", " 1 \"\" ", 1)
}

/// What a command does, beyond the line that names it.
fn description(page: &str) -> &'static str {
    match page {
        "msb" => {
            "A key is a signed text that says which namespaces it opens, which operations it allows \
             and when it ends. The server key signs it, here; whoever has the public key verifies it, \
             anywhere. What is revoked, only the database of this machine knows."
        }
        "msb-server" => {
            "These commands work on the server key and on the database of the keys that it signed. \
             Both are files of whoever runs them; no server need run. One that does is told of \
             every change of trust: if it does not confirm that within 5 seconds, the exit is 3."
        }
        "msb-server-key" => {
            "The server key signs every key. There is one at a time; one that was retired still \
             verifies until its overlap is over, and one that was reset never again."
        }
        "msb-server-start" => {
            "Serves until SIGTERM, SIGINT or msb server stop. What it asks of a key is in the query \
             of /auth, or for Envoy in headers. An answer 200 is with the headers X-Msb-Key-Id, \
             X-Msb-Namespace, X-Msb-Namespaces, X-Msb-Scope, X-Msb-Subject and X-Msb-Expires. With \
             --upstream it passes on to that service, with these headers, what may pass: it judges \
             each call of JSON-RPC at /api/v1/rpc and of MCP at /mcp, and other paths by [[route]] \
             in config.toml. A key that is revoked is refused by the time that the command which \
             revokes it returns. SIGHUP reads config.toml again, and opens server.log again. With \
             --reset-key, while a server runs, the other flags do not count; a service manager's own \
             process refuses it, because each restart would reset again."
        }
        "msb-server-stop" => {
            "Stops the server that runs, and waits until it has stopped: open exchanges get 10 \
             seconds, or what drain in config.toml says. If none runs, that is no error."
        }
        "msb-server-keygen" => {
            "Prints the key, and nothing else, on standard output; what there is to say about it goes \
             to standard error. The database keeps what the key says, never the key: it cannot be \
             printed again. The first key makes the server key. If a key cannot be handed out, it is \
             dead, and the exit is 74."
        }
        "msb-server-list" => {
            "Lists the keys that may still work, newest first: a table on a terminal, one line of \
             fields with tabs between elsewhere. When a key was last used is known as far as a server \
             has seen it; what is verified elsewhere, nobody sees. With --unused, a key that was \
             issued or began within that time is left out, and where the record of the server does \
             not go back so far, the exit is 78."
        }
        "msb-server-show" => {
            "Tells what is kept of a key: what it says, how it stands, and why it was revoked. The \
             key itself is not kept."
        }
        "msb-server-revoke" => {
            "Cuts off keys by id, name or text, or every key of a kind. What is told as revoked holds \
             after a crash. Revoking again does no harm."
        }
        "msb-server-status" => {
            "Tells which server key signs, how many keys there are in each state, and what needs \
             doing. The exit is 0 whatever that is; with --check it is 3 if something needs doing."
        }
        "msb-server-key-show" => {
            "Prints what verifiers elsewhere need, and nothing secret. As jwks it has every server \
             key that counts, the retired ones too."
        }
        "msb-server-key-rotate" => {
            "Makes a new server key, which signs from now on. Keys of the old one are good until the \
             overlap is over."
        }
        "msb-server-key-reset" => {
            "Makes a new server key, and kills all others at once, with every key that they signed."
        }
        "msb-server-key-import" => {
            "Lets a server key from elsewhere sign, or puts a lost one back: an Ed25519 private key in \
             PKCS#8 form (PEM), as openssl genpkey -algorithm ed25519 writes it."
        }
        "msb-server-audit" => {
            "Prints every change of trust in its order: what was done, when, and by whom. No key is \
             in it."
        }
        "msb-verify" => {
            "Takes the key from KEY, or else from --key-file, MSB_API_KEY_FILE or MSB_API_KEY. The \
             verdict goes to standard output, and is the exit too. With --lines each line of standard \
             input is a key, and is answered, as soon as it is there, with a line of its own: the \
             verdict, a tab, and the key id, which is - where the signature does not hold. The exit \
             is the highest of all; without a line it is 2. An empty line, or one that is longer than \
             any key, is malformed. What is revoked meanwhile is told of every line that comes later; \
             config.toml is read once, and WHEN of --at counts from the beginning."
        }
        "msb-inspect" => {
            "Prints what a key says of itself, under the heading UNVERIFIED: no signature is looked \
             at, and anybody can write such a text. The key comes from where verify takes it."
        }
        "msb-completions" => {
            "The script asks msb what may follow, so it completes the names, owners and namespaces \
             of keys as well, and need not be printed again for a newer msb."
        }
        _ => panic!("{page}: say here what it does"),
    }
}

/// Whether a flag of a command takes a time; the WHEN of --color is none.
fn takes_times(command: &clap::Command) -> bool {
    let mut times = command.get_arguments().filter(|arg| arg.get_id() != "color");
    times.any(|arg| {
        arg.get_value_names()
            .is_some_and(|names| names.iter().any(|name| name == "WHEN" || name == "WITHIN"))
    })
}

fn section(heading: &str, write: impl Fn(&mut Roff)) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    write(&mut roff);
    roff
}

fn synopsis(command: &clap::Command) -> Roff {
    let mut line = vec![bold(name(command).replace('-', " "))];
    let mut add = |parts: Vec<Inline>| {
        line.push(roman(" "));
        line.extend(parts);
    };
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional()) {
        // What every command has is told below, under EVERYWHERE.
        if arg.get_help_heading().is_some() || arg.get_id() == "help" || arg.get_id() == "version" {
            continue;
        }
        let mut parts = vec![roman("[")];
        if let Some(short) = arg.get_short() {
            parts.extend([bold(format!("-{short}")), roman("|")]);
        }
        parts.push(bold(format!("--{}", arg.get_long().unwrap())));
        if arg.get_num_args().unwrap().takes_values() {
            parts.extend([roman(" "), italic(value_name(arg))]);
        }
        parts.push(roman(if repeats(arg) { "]..." } else { "]" }));
        add(parts);
    }
    for arg in command.get_positionals() {
        let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        let more = if repeats(arg) { "..." } else { "" };
        add(vec![roman(open), italic(value_name(arg)), roman(format!("{close}{more}"))]);
    }
    if command.has_subcommands() {
        add(vec![italic("COMMAND"), roman(" ...")]);
    }
    section("SYNOPSIS", |roff| {
        roff.text(line.clone());
    })
}

fn value_name(arg: &clap::Arg) -> String {
    arg.get_value_names().unwrap().join(" ")
}

fn repeats(arg: &clap::Arg) -> bool {
    matches!(arg.get_action(), clap::ArgAction::Append)
}

fn examples(help: &str) -> Roff {
    let lines = help.strip_prefix("Examples:\n").unwrap();
    section("EXAMPLES", |roff| {
        roff.control("EX", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap())]);
        }
        roff.control("EE", []);
    })
}

fn exit_status(roff: &mut Roff, page: &str) {
    for exit in exits(page) {
        let holds = page == "msb-verify" && exit == Exit::Done;
        let meaning = if holds { "done: the key is valid" } else { exit.meaning() };
        terms(roff, &[(&(exit as u8).to_string(), meaning)]);
    }
    if page == "msb" {
        terms(roff, &[("130", "interrupted, as shells tell what a signal has ended")]);
    }
}

fn terms(roff: &mut Roff, terms: &[(&str, &str)]) {
    for (term, meaning) in terms {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
}

/// The commands above, and those beside or below.
fn see_also(roff: &mut Roff, command: &clap::Command, above: &[&clap::Command]) {
    let near = above.last().filter(|_| !command.has_subcommands()).copied().unwrap_or(command);
    let names = above.iter().copied().chain(near.get_subcommands()).map(name);
    let mut line = vec![];
    for other in names.filter(|other| *other != name(command)) {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(other), roman("(1)")]);
    }
    roff.text(line);
}

#[test]
fn the_pages_are_those_of_the_parser() {
    let pages = pages();
    if std::env::var_os("UPDATE").is_some() {
        let _ = fs::remove_dir_all(directory());
        fs::create_dir(directory()).unwrap();
        for (name, text) in &pages {
            fs::write(directory().join(name), text).unwrap();
        }
    }
    let files = fs::read_dir(directory()).unwrap().map(|file| file.unwrap());
    let files: BTreeMap<_, _> = files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read_to_string(file.path()).unwrap())
        })
        .collect();
    assert!(files.keys().eq(pages.keys()), "`UPDATE=1 cargo test` writes them anew");
    for (name, text) in pages {
        assert_eq!(files[&name], text, "{name}: `UPDATE=1 cargo test` writes it anew");
    }
}

#[test]
fn every_page_has_its_parts() {
    for (name, text) in pages() {
        for part in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert!(text.contains(&format!("\n.SH {part}\n")), "{name} has no {part}");
        }
        assert!(!text.contains("__complete"), "{name}");
    }
}

#[test]
fn a_page_tells_more_than_help() {
    let pages = pages();
    for page in ["server-keygen", "server-list", "server-revoke", "server-key-rotate", "verify"] {
        assert!(pages[&format!("msb-{page}.1")].contains("\n.SH TIMES\n"), "{page}");
    }
    assert!(!pages["msb-inspect.1"].contains("TIMES"));
    let keygen = &pages["msb-server-keygen.1"];
    assert!(keygen.contains("GITHUB_ENV") && keygen.contains("from 1 to 1000000"));
    let mut examples: Vec<_> = pages
        .values()
        .map(|text| text.split(".SH EXAMPLES").nth(1).unwrap().split(".SH").next().unwrap())
        .collect();
    examples.sort_unstable();
    examples.dedup();
    assert_eq!(examples.len(), pages.len(), "two pages have the same examples");
    let status = include_str!("../../src/cli/status.rs");
    for (code, _) in &ATTENTION[..ATTENTION.len() - 1] {
        assert!(status.contains(&format!("\"{code}\"")), "{code}");
    }
}

#[test]
fn groff_finds_nothing_wrong() {
    if !have("groff") {
        return;
    }
    for name in pages().keys() {
        let groff = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(directory().join(name))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&groff.stderr);
        assert!(groff.status.success() && told.is_empty(), "{name}: {told}");
    }
}

#[test]
fn every_exit_has_one_code_and_one_meaning() {
    let codes: Vec<_> = Exit::ALL.iter().map(|exit| *exit as u8).collect();
    assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
    let mut meanings: Vec<_> = Exit::ALL.iter().map(|exit| exit.meaning()).collect();
    meanings.sort_unstable();
    meanings.dedup();
    assert_eq!(meanings.len(), codes.len());
}

const FILES: [(&str, &str); 6] = [
    ("~/.config/msb/config.toml", "settings; may be absent, and nobody else may write it"),
    ("~/.config/msb/server.key", "the server key that signs: whoever reads it can make keys"),
    ("~/.local/share/msb/msb.db", "key ring, ledger, revocations and audit; no key is in it"),
    (
        "~/.local/share/msb/server.*",
        "of the server that runs: its lock, the socket that commands speak to, and the log of a \
         detached one",
    ),
    ("~/.local/share/msb/usage.db", "when each key was last used, as the server has seen it"),
    ("DIR", "all of these, where --home DIR or MSB_HOME names one directory"),
];

const ENVIRONMENT: [(&str, &str); 7] = [
    ("MSB_HOME", "the directory for configuration and data; --home wins"),
    ("XDG_CONFIG_HOME", "where msb/config.toml and msb/server.key are, instead of ~/.config"),
    ("XDG_DATA_HOME", "where msb/msb.db is, instead of ~/.local/share"),
    ("MSB_API_KEY_FILE", "the file of the key that verify and inspect look at, if none is given"),
    ("MSB_API_KEY", "that key itself, if there is no such file either"),
    ("NO_COLOR", "if it is not empty, there is no colour; --color wins"),
    ("CLICOLOR_FORCE", "if it is not 0, there is colour, on a terminal or off it"),
];

const TIMES: [(&str, &str); 3] = [
    (
        "WITHIN",
        "a length of time: a count and a unit, or several from large to small, such as 30s, 15m, 24h, \
         7d, 2w, 3mo, 1y, 1y6mo or 1h30m. The units are s (seconds), m (minutes), h (hours), d \
         (days), w (weeks), mo (months) and y (years). Months and years are those of the calendar, in \
         UTC: 1mo after 31 January is the last day of February",
    ),
    (
        "WHEN",
        "such a length, counted from now, but back from now for --since and --issued-before; or an \
         instant such as 2027-02-23T10:00:00Z or 2027-02-23T11:00:00+01:00, in whole seconds; or \
         @1803376800, in Unix seconds; or a date such as 2027-02-23: the start of that day, in UTC",
    ),
    ("never", "for --expire: the key does not end"),
];

/// The codes of `status`; the last row is for all others.
const ATTENTION: [(&str, &str); 12] = [
    ("no_server_key", "there is none, or its file is missing: no key can be made"),
    (
        "key_file_unsafe",
        "msb does not sign with server.key as it is: others can read it, or it is another",
    ),
    ("rename_unfinished", "a change of the server key was interrupted: the next key finishes it"),
    ("expiring", "keys end within 14 days"),
    ("outlives_overlap", "keys of a retired server key would live longer than it verifies"),
    ("against_policy", "keys that are active are refused by the policy of today"),
    ("clock_behind", "something was done at a time that is still to come"),
    ("dev_mode", "the server requires no keys"),
    ("plain_http", "others can reach the server, which does not encrypt"),
    ("trust_stale", "the server cannot read the database, and judges by what it read before"),
    ("hung", "the server does not answer"),
    ("any other", "the code of an error: what kept msb from looking"),
];
