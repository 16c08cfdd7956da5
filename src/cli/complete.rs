//! `msb __complete`: what may follow on a command line, for the scripts in `completions/`. It
//! makes nothing, prints no key, and where it does not know it says nothing.
//!
//! `msb __complete SHELL --word=WORD -- BEFORE…` takes the word under the cursor, as far as it is
//! typed, and the words before it. Of bash, WORD is what it will replace, and BEFORE is the whole
//! line up to the cursor. The first line of the answer is `words`, `files` or `directories`; after
//! `words`, each line is a word, and but for bash a tab and what is told of it.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
};

use clap::{Command, ValueEnum, ValueHint, builder::ArgExt};
use clap_complete::engine::{self, ArgValueCompleter, CompletionCandidate};

use super::{
    completions::Shell,
    quoting::{self, Word},
    row,
};
use crate::{
    error::{Exit, redacted},
    files::Home,
    label::Label,
    ledger::{Listed, State},
    store::{Purpose, Store, StoreFault},
    time::UnixTime,
    world::World,
};

/// What is offered for an argument, as in `#[arg(add = Offer::Owners)]`. Paths need none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offer {
    /// Key ids.
    Ids,
    /// Ids and names of keys.
    Keys,
    /// Server keys that count.
    Kids,
    /// Ids and names of keys that may still work.
    LiveKeys,
    /// Names of keys.
    Names,
    /// Namespaces that keys open.
    Namespaces,
    /// Owners of keys.
    Owners,
}

impl ArgExt for Offer {}

/// Answers a shell that asks; none if nobody does.
pub(super) fn answer(
    args: &[OsString],
    command: fn() -> Command,
    world: &mut World<'_>,
) -> Option<Exit> {
    let [_, name, asked @ ..] = args else { return None };
    if name != "__complete" {
        return None;
    }
    let text = Asked::parse(asked).and_then(|asked| asked.answer(command(), world));
    // A shell that has closed the pipe does not want to know any more.
    let _ = world.answer(&text.unwrap_or_default());
    Some(Exit::Done)
}

/// What a shell asks.
struct Asked {
    shell: Shell,
    /// The words before the cursor, the program first.
    before: Vec<String>,
    word: Word,
}

impl Asked {
    fn parse(args: &[OsString]) -> Option<Self> {
        let args: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
        let args = args?;
        let [shell, word, "--", before @ ..] = args.as_slice() else { return None };
        let shell = Shell::from_str(shell, false).ok()?;
        let word = word.strip_prefix("--word=")?;
        let read = || before.iter().map(|&word| word.to_owned()).collect();
        let (before, word) = match shell {
            Shell::Bash => Word::in_bash(before.first()?, word),
            Shell::Zsh | Shell::Elvish => (read(), Word::read(word)),
            Shell::Fish => (read(), Word::typed(word)),
            Shell::Powershell => {
                (before.iter().map(|word| Word::typed(word).text).collect(), Word::typed(word))
            }
        };
        Some(Self { shell, before, word })
    }

    fn answer(self, command: Command, world: &World<'_>) -> Option<String> {
        let Self { shell, before, word } = self;
        // Other shells know by themselves that a file follows.
        if shell == Shell::Bash && before.last().is_some_and(|last| last.ends_with(['<', '>'])) {
            return Some(FILES.to_owned() + "\n");
        }
        let (mut words, home) = without_home(before);
        let home = home.map(|home| match home.strip_prefix("~/") {
            Some(rest) => PathBuf::from((world.env)("HOME").unwrap_or_default()).join(rest),
            None => PathBuf::from(home),
        });
        let memory = Arc::new(Memory { home: world.home(home), now: world.now });
        // For `-` alone the short flags would hide the long ones, which say more.
        words.push(if word.text == "-" { "--".to_owned() } else { word.text.clone() });
        let at = words.len() - 1;
        let words = words.into_iter().map(OsString::from).collect();
        let mut offered = engine::complete(&mut asking(command, &memory), words, at, None).ok()?;
        let is_flag =
            |offer: &CompletionCandidate| offer.get_value().as_encoded_bytes().starts_with(b"-");
        let paths: Vec<_> = [FILES, DIRECTORIES]
            .into_iter()
            .filter(|kind| offered.iter().any(|offer| is_tagged(offer, kind)))
            .collect();
        offered.retain(|offer| !paths.iter().any(|kind| is_tagged(offer, kind)));
        // A word that begins with a dash is a flag, where there are flags.
        let flag = word.text.starts_with('-') && !offered.is_empty();
        if let Some(kind) = paths.first().filter(|_| !flag) {
            return Some(format!("{kind}\n"));
        }
        if !word.text.starts_with('-') && !offered.iter().all(is_flag) {
            offered.retain(|offer| !is_flag(offer));
        }
        let lines = offered.iter().filter_map(|offer| line(shell, &word, offer));
        Some("words\n".to_owned() + &lines.collect::<String>())
    }
}

/// The words from the program on without those that name a home, and that home.
fn without_home(words: Vec<String>) -> (Vec<String>, Option<String>) {
    let mut words = words.into_iter().peekable();
    let mut home = None;
    // In front of the program, variables may be set.
    while let Some(set) = words.next_if(|word| word.contains('=')) {
        home = set.strip_prefix("MSB_HOME=").map(str::to_owned).or(home);
    }
    let (mut others, mut flags_are_over) = (vec![], false);
    while let Some(word) = words.next() {
        flags_are_over |= word == "--";
        match word.strip_prefix("--home=") {
            Some(named) if !flags_are_over => home = Some(named.to_owned()),
            None if !flags_are_over && word == "--home" && words.peek().is_some() => {
                home = words.next();
            }
            Some(_) | None => others.push(word),
        }
    }
    (others, home)
}

/// The command with its offers in a form that can be asked.
fn asking(command: Command, memory: &Arc<Memory>) -> Command {
    let asking_args = command.mut_args(|arg| {
        let kind = match arg.get_value_hint() {
            ValueHint::AnyPath | ValueHint::FilePath => Some(FILES),
            ValueHint::DirPath => Some(DIRECTORIES),
            _ => None,
        };
        match (arg.get::<Offer>().copied(), kind) {
            (Some(offer), _) => {
                let memory = Arc::clone(memory);
                arg.add(ArgValueCompleter::new(move |begin: &OsStr| memory.recall(offer, begin)))
            }
            (None, Some(kind)) => arg.add(ArgValueCompleter::new(move |_: &OsStr| {
                vec![CompletionCandidate::new("").tag(Some(kind.into()))]
            })),
            (None, None) => arg,
        }
    });
    asking_args.mut_subcommands(|subcommand| asking(subcommand, memory))
}

fn is_tagged(offer: &CompletionCandidate, kind: &str) -> bool {
    offer.get_tag().is_some_and(|tag| tag.to_string() == kind)
}

/// A line for a shell; none for what it cannot take, or what may be a key.
fn line(shell: Shell, word: &Word, offer: &CompletionCandidate) -> Option<String> {
    let text = offer.get_value().to_str()?;
    if redacted(text) != text {
        return None;
    }
    let about = offer.get_help().map(ToString::to_string).unwrap_or_default();
    let about = redacted(about.lines().next().unwrap_or_default());
    Some(match shell {
        Shell::Bash => word.for_bash(text)? + "\n",
        Shell::Powershell => format!("{}\t{about}\n", quoting::for_powershell(text)),
        Shell::Zsh | Shell::Fish | Shell::Elvish => format!("{text}\t{about}\n"),
    })
}

/// What can be remembered for whoever types.
struct Memory {
    home: Option<Home>,
    now: UnixTime,
}

impl Memory {
    /// What begins so; nothing where that cannot be told.
    fn recall(&self, offer: Offer, begin: &OsStr) -> Vec<CompletionCandidate> {
        let kept = || -> Option<_> {
            let store = Store::open(self.home.as_ref()?, Purpose::Read).ok()??;
            self.kept(&store, offer, begin.to_str()?).ok()
        };
        let found = kept().unwrap_or_default().into_iter();
        // A word that begins with a dash would be a flag, and one with a tab would end early.
        let sayable =
            found.filter(|(word, _)| !word.starts_with('-') && word.parse::<Label>().is_ok());
        let candidates =
            sayable.map(|(word, about)| CompletionCandidate::new(word).help(about.map(Into::into)));
        candidates.collect()
    }

    /// Words, and what is told of them.
    fn kept(
        &self,
        store: &Store,
        offer: Offer,
        begin: &str,
    ) -> Result<Vec<(String, Option<String>)>, StoreFault> {
        let told = |keys: Vec<(String, Listed)>| {
            let told = keys.into_iter().map(|(word, key)| {
                let about = about(&word, &key);
                (word, Some(about))
            });
            told.collect()
        };
        let bare = |words: Vec<String>| words.into_iter().map(|word| (word, None)).collect();
        Ok(match offer {
            Offer::Ids => {
                let keys = store.ids_that_begin(begin, &State::ALL, self.now)?;
                told(keys.into_iter().map(|key| (key.entry.id.to_string(), key)).collect())
            }
            Offer::Keys => told(store.keys_that_begin(begin, &State::ALL, self.now)?),
            Offer::Kids => {
                let ring = store.ring()?;
                let kids = ring.counting(self.now).map(|public| public.kid().to_string());
                bare(kids.filter(|kid| kid.starts_with(begin)).collect())
            }
            Offer::LiveKeys => told(store.keys_that_begin(begin, &State::LIVE, self.now)?),
            Offer::Names => bare(store.names_that_begin(begin)?),
            Offer::Namespaces => bare(store.namespaces_that_begin(begin)?),
            Offer::Owners => bare(store.owners_that_begin(begin)?),
        })
    }
}

/// What is told of a key beside the word that means it.
fn about(word: &str, key: &Listed) -> String {
    let entry = &key.entry;
    let id = entry.id.to_string();
    let other = if word == id { row::text(&entry.name) } else { Some(id) };
    let opens = format!("{}, opens {}", key.state, entry.namespaces.told());
    match other {
        Some(other) => format!("{other}, {opens}"),
        None => opens,
    }
}

const FILES: &str = "files";
const DIRECTORIES: &str = "directories";
