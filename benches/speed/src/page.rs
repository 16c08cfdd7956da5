//! `docs/speed.md`, written from the figures that were kept.

use std::{fmt::Write, fs, path::Path, process::Command};

use crate::program::find;

/// Writes the page from what was kept of each part, and from what people say of it.
pub fn write(kept: &Path, causes: &Path, page: &Path, parts: &[(&str, &str)]) {
    let (found, missing): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|(name, about)| Part::read(kept, name, about).ok_or(*about))
        .partition(Result::is_ok);
    let parts: Vec<Part> = found.into_iter().filter_map(Result::ok).collect();
    let mut text = HEAD.to_owned();
    text += "| what | reach | found | |\n| --- | --- | --- | --- |\n";
    for part in &parts {
        let quick = if part.how.contains("a quick run") { ", in a quick run" } else { "" };
        for line in part.lines.iter().filter(|line| !line.wanted.is_empty()) {
            let held = match line.held() {
                Some(true) => "held",
                Some(false) => "**missed**",
                None => "not measured",
            };
            let Line { what, wanted, found, more } = line;
            let more = if more.is_empty() { String::new() } else { format!(" ({more})") };
            let _ = writeln!(text, "| {what} | {wanted} | {found}{more} | {held}{quick} |");
        }
    }
    for about in missing.into_iter().filter_map(Result::err) {
        let _ = writeln!(text, "| {about} | | | not measured |");
    }
    text += "\n";
    text += &fs::read_to_string(causes).unwrap();
    let _ = write!(text, "\n## On what\n\n{}\n\n## Everything that was measured\n", machine());
    for Part { about, how, lines } in &parts {
        let _ =
            write!(text, "\n### {about}\n\n{how}.\n\n| what | found | |\n| --- | --- | --- |\n");
        for Line { what, found, more, .. } in lines {
            let _ = writeln!(text, "| {what} | {found} | {more} |");
        }
    }
    fs::write(page, text).unwrap();
}

struct Part {
    about: String,
    how: String,
    lines: Vec<Line>,
}

struct Line {
    what: String,
    wanted: String,
    found: String,
    more: String,
}

impl Part {
    fn read(kept: &Path, name: &str, about: &str) -> Option<Self> {
        let text = fs::read_to_string(kept.join(name).with_extension("tsv")).ok()?;
        let (how, lines) = text.split_once('\n')?;
        let lines = lines.lines().map(|line| {
            let mut parts = line.split('\t').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            Line { what: next(), wanted: next(), found: next(), more: next() }
        });
        Some(Self { about: about.to_owned(), how: how.to_owned(), lines: lines.collect() })
    }
}

impl Line {
    /// Whether what was found is what was wanted; none if nothing was wanted, or nothing was found.
    fn held(&self) -> Option<bool> {
        let number = |text: &str| text.split(' ').next()?.parse::<f64>().ok();
        let found = number(&self.found)?;
        match self.wanted.strip_prefix("at least ") {
            Some(least) => Some(found >= number(least)?),
            None => Some(found <= number(&self.wanted)?),
        }
    }
}

/// What the figures were found on, and with whom.
fn machine() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let about = |name: &str| {
        let line = told.lines().find(|line| line.split(':').next().map(str::trim) == Some(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("?", |(_, value)| value.trim())
            .to_owned()
    };
    let cores = told.lines().filter(|line| line.starts_with("processor")).count();
    let flags = about("flags");
    let has = |flag| if flags.split(' ').any(|has| has == flag) { "with" } else { "without" };
    let mut text = format!(
        "- {}, {cores} of its processors, family {} model {}, {} AVX2, {} AVX-512 IFMA\n",
        about("model name"),
        about("cpu family"),
        about("model"),
        has("avx2"),
        has("avx512ifma"),
    );
    let crates = ["jsonwebtoken", "aws-lc-rs", "pasetors", "biscuit-auth", "curve25519-dalek"];
    let crates = crates.map(|name| format!("{name} {}", versions(name)));
    let _ = writeln!(text, "- in process: {}", crates.join(", "));
    let programs = PROGRAMS.iter().filter_map(|(name, words)| {
        let output = Command::new(find(name)?).args(*words).output().ok()?;
        output.status.success().then_some(())?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).lines().next()?.to_owned();
        let named = said.to_lowercase().contains(&name[..3]);
        Some(if named { said } else { format!("{name} {said}") })
    });
    let _ = write!(text, "- programs: {}", programs.collect::<Vec<_>>().join("; "));
    text
}

/// Which versions of a crate are built in.
fn versions(name: &str) -> String {
    let head = format!("name = \"{name}\"\nversion = \"");
    let found = include_str!("../Cargo.lock").split(&head).skip(1);
    found.filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>().join(" and ")
}

/// How programs tell their versions.
const PROGRAMS: [(&str, &[&str]); 7] = [
    ("jwt", &["--version"]),
    ("openssl", &["version"]),
    ("ssh", &["-V"]),
    ("age-keygen", &["--version"]),
    ("python3", &["-c", "import jwt; print('PyJWT', jwt.__version__)"]),
    ("node", &["--version"]),
    ("valgrind", &["--version"]),
];

const HEAD: &str = "\
# Speed

What msb costs, beside others of its kind. This page is written by a program, from the figures that
were kept of the last run of each part; below, each part says of which commit and day they are. This
finds all but those of the server anew, and writes the page:

```sh
cargo run --release --manifest-path benches/speed/Cargo.toml -- --write-docs
```

Everybody takes turns within one run, so that what the machine does meanwhile meets all; a ratio is
taken within each round. Each figure is the one in the middle of all rounds, with p25, the one that a
quarter is below. Time is the processor time of a thread or a process, in the kernel too, unless it
says otherwise. What is aimed at in seconds was found where `jsonwebtoken` verifies EdDSA by AWS-LC in
25 µs; such a figure is told as it was found, and once more by the pace that this verification had in the
same round. [benches/README.md](../benches/README.md) tells how each is measured.

";
