//! How answers and remarks reach people and programs.

use std::{ffi::OsString, fmt::Write, path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{
    config::Config,
    error::{Error, Exit, redacted},
    files::Home,
    json,
    keyring::KeyRing,
    server::{self, Report},
    store::{Purpose, Store},
    verify::Verifier,
    world::World,
};

/// What keys are held to where these are the server keys and the settings.
pub(super) fn held_to(ring: KeyRing, config: &Config) -> Verifier {
    let (issuer, audience) = (config.issuer.clone(), config.audience.clone());
    Verifier { ring, issuer, audience, policy: config.policy }
}

/// When to colour; auto is on a terminal.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Colour {
    #[default]
    Auto,
    Always,
    Never,
}

/// How to speak.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) colour: Colour,
}

impl Manner {
    /// What a command line that could not be parsed asked for, as far as one can see.
    pub(super) fn guess(args: &[OsString]) -> Self {
        let flags: Vec<_> =
            args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--").collect();
        let has = |names: &[&str]| flags.iter().any(|flag| names.contains(&flag.as_ref()));
        let colour = if has(&["--color=never"])
            || flags.windows(2).any(|pair| pair == ["--color", "never"])
        {
            Colour::Never
        } else {
            Colour::Auto
        };
        Self { json: has(&["--json"]), quiet: has(&["-q", "--quiet"]), colour }
    }
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    /// Red.
    Bad,
    /// Green.
    Good,
    /// Yellow.
    Mind,
}

/// Whether the server that runs knows a change of trust.
#[must_use]
pub(super) enum Synced {
    /// It does.
    Known {
        /// How it is.
        report: Report,
        /// How long that took.
        took: Duration,
    },
    /// None runs, or trust is as it was.
    NothingToTell,
    /// It has not said so.
    Unconfirmed(Error),
}

/// One command's way to speak, and to what is kept.
pub(super) struct Console<'c, 'w> {
    pub(super) world: &'c mut World<'w>,
    manner: Manner,
    named_home: Option<PathBuf>,
}

impl<'c, 'w> Console<'c, 'w> {
    pub(super) fn new(
        world: &'c mut World<'w>,
        manner: Manner,
        named_home: Option<PathBuf>,
    ) -> Self {
        Self { world, manner, named_home }
    }

    /// Where configuration and data live.
    pub(super) fn home(&self) -> Result<Home, Error> {
        self.world.home(self.named_home.clone()).ok_or(Error::NoHome)
    }

    /// What is kept, to look at; none if nothing ever was.
    pub(super) fn store(&self) -> Result<Option<Store>, Error> {
        Ok(Store::open(&self.home()?, Purpose::Read)?)
    }

    /// What is kept and what keys are held to; an error if there was never a server key.
    pub(super) fn trust(&self) -> Result<(Store, Verifier, Config), Error> {
        let config = Config::load(&self.home()?.config_file())?;
        let (store, ring) = self.ring(Purpose::Read)?;
        Ok((store, held_to(ring, &config), config))
    }

    /// What is kept and its key ring, whatever the settings are; an error if there was never a
    /// server key.
    pub(super) fn ring(&self, purpose: Purpose) -> Result<(Store, KeyRing), Error> {
        let home = self.home()?;
        let none = || Error::no_server_key(&home);
        let store = Store::open(&home, purpose)?.ok_or_else(none)?;
        let ring = store.ring()?;
        if ring.is_empty() { Err(none()) } else { Ok((store, ring)) }
    }

    /// Makes sure that the server that runs, if one does, knows a change of trust that is committed.
    pub(super) fn sync(&self, seq: Option<u64>) -> Synced {
        let Some(seq) = seq else { return Synced::NothingToTell };
        let synced = self.home().and_then(|home| server::sync(&home, seq));
        match synced {
            Ok(None) => Synced::NothingToTell,
            Ok(Some((report, took))) if report.confirmed => Synced::Known { report, took },
            Ok(Some((Report { address, fault, .. }, _))) => {
                Synced::Unconfirmed(Error::Behind { address, fault })
            }
            Err(error) => Synced::Unconfirmed(error),
        }
    }

    /// Says what is done by a change of trust, once the server that runs knows it; an error if it
    /// has not said so.
    pub(super) fn acknowledge(
        &mut self,
        seq: Option<u64>,
        done: &'static str,
        tell: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Exit, Error> {
        let synced = self.sync(seq);
        let told = tell(self).map_err(|error| error.after(done));
        match (synced, told) {
            // That weighs more than an answer that nobody could read.
            (synced @ Synced::Unconfirmed(_), _) => self.confirm_known(synced),
            (Synced::Known { .. } | Synced::NothingToTell, Err(untold)) => Err(untold),
            (synced, Ok(())) => self.confirm_known(synced).map_err(|error| error.after(done)),
        }
    }

    /// Says that the server that runs knows a change of trust; an error if it has not said so.
    pub(super) fn confirm_known(&mut self, synced: Synced) -> Result<Exit, Error> {
        match synced {
            Synced::NothingToTell => {}
            Synced::Known { report, took } => {
                let took = took.as_micros() as f64 / 1000.0;
                self.advise(&format!(
                    "the server on {} knows it, after {took:.1} ms",
                    report.address
                ))?;
            }
            Synced::Unconfirmed(why) => return Err(Error::Unconfirmed { why: Box::new(why) }),
        }
        Ok(Exit::Done)
    }

    /// Whether answers are JSON.
    pub(super) fn json(&self) -> bool {
        self.manner.json
    }

    /// Whether a person reads the answer.
    pub(super) fn answers_a_person(&self) -> bool {
        self.world.stdout_is_terminal && !self.manner.json
    }

    /// Says the answer, or part of it.
    pub(super) fn answer(&mut self, text: &str) -> Result<(), Error> {
        self.world.answer(text).map_err(Error::Output)
    }

    /// Says the answer as one JSON object on one line.
    pub(super) fn answer_json(
        &mut self,
        schema: &'static str,
        body: &impl Serialize,
    ) -> Result<(), Error> {
        self.answer(&object(schema, body))
    }

    /// Says something about the answer: all of it on a terminal, the first line off it.
    pub(super) fn remark(&mut self, lines: &[String]) -> Result<(), Error> {
        let told = if self.world.stderr_is_terminal { lines.len() } else { lines.len().min(1) };
        self.say(lines[..told].iter().map(|line| format!("{line}\n")).collect())
    }

    /// Says something that only a person at a terminal can use.
    pub(super) fn advise(&mut self, line: &str) -> Result<(), Error> {
        if self.world.stderr_is_terminal { self.say(format!("{line}\n")) } else { Ok(()) }
    }

    /// Whether somebody is there to be asked.
    pub(super) fn can_ask(&self) -> bool {
        self.world.stdin_is_terminal && self.world.stderr_is_terminal
    }

    /// Shows a person what is at stake, and goes on once they type `y`; an error otherwise.
    pub(super) fn confirm(&mut self, stake: &str, question: &str) -> Result<(), Error> {
        self.ask(&format!("{stake}{question} [y/N] "), &["y", "yes"])
    }

    /// The same for what cannot be undone: they have to type a word.
    pub(super) fn confirm_by(&mut self, stake: &str, word: &str) -> Result<(), Error> {
        self.ask(&format!("{stake}type {word} to go on: "), &[word])
    }

    fn ask(&mut self, question: &str, expected: &[&str]) -> Result<(), Error> {
        self.world.remark(question).map_err(Error::Output)?;
        let typed = self.world.line().map_err(Error::Input)?;
        self.world.waited();
        match expected.contains(&typed.trim()) {
            true => Ok(()),
            false => Err(Error::NotConfirmed),
        }
    }

    fn say(&mut self, text: String) -> Result<(), Error> {
        if self.manner.quiet || text.is_empty() {
            return Ok(());
        }
        self.world.remark(&text).map_err(Error::Output)
    }

    /// What clap answers to `--help` and `--version`.
    pub(super) fn help(&mut self, help: &clap::Error) -> Result<(), Error> {
        let text = help.render();
        let coloured = self.colours(self.world.stdout_is_terminal);
        self.answer(&if coloured { text.ansi().to_string() } else { text.to_string() })
    }

    /// Tells an error, unless nobody is left to read it; the answer is what it ends with.
    ///
    /// Whatever was typed may be a key in the wrong place, so keys are taken out here, once.
    pub(super) fn fail(&mut self, error: &Error) -> Exit {
        let exit = error.exit();
        if error.is_closed_pipe() {
            return exit;
        }
        let text = if self.manner.json {
            object(
                "msb.error/1",
                &ErrorAnswer {
                    error: ErrorBody {
                        code: error.code(),
                        message: redacted(&error.to_string()),
                        hint: error.hint().map(|hint| redacted(&hint)),
                        exit: exit as u8,
                    },
                },
            )
        } else {
            let coloured = self.colours(self.world.stderr_is_terminal);
            let label = painted(coloured, Tone::Bad, "error");
            let mut text = format!("msb: {label}: {}\n", redacted(&error.to_string()));
            if let Some(hint) = error.hint().map(|hint| redacted(&hint)) {
                let _ = writeln!(text, "msb: {}: {hint}", painted(coloured, Tone::Mind, "hint"));
            }
            text
        };
        // There is nowhere left to say that this failed too; the exit code says it.
        let _ = self.world.remark(&text);
        exit
    }

    /// What somebody should think about, beside an answer.
    pub(super) fn caution(&mut self, text: &str) -> Result<(), Error> {
        self.say(format!("msb: {}: {text}\n", self.paint_remark(Tone::Mind, "attention")))
    }

    /// A hint beside an answer.
    pub(super) fn hint(&mut self, hint: &str) -> Result<(), Error> {
        self.say(format!("msb: {}: {hint}\n", self.paint_remark(Tone::Mind, "hint")))
    }

    /// Whether remarks are coloured.
    pub(super) fn colours_remarks(&self) -> bool {
        self.colours(self.world.stderr_is_terminal)
    }

    /// The text in its colour, where remarks are coloured.
    pub(super) fn paint_remark(&self, tone: Tone, text: &str) -> String {
        painted(self.colours_remarks(), tone, text)
    }

    /// The text in its colour, where the answer is coloured.
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        painted(self.colours(self.world.stdout_is_terminal), tone, text)
    }

    /// <https://no-color.org>, <https://bixense.com/clicolors>
    fn colours(&self, terminal: bool) -> bool {
        let world = &self.world;
        match self.manner.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto if world.has_env("NO_COLOR") => false,
            Colour::Auto if world.has_env("CLICOLOR_FORCE") => {
                (world.env)("CLICOLOR_FORCE").is_some_and(|value| value != "0")
            }
            Colour::Auto => terminal && (world.env)("TERM").is_none_or(|term| term != "dumb"),
        }
    }
}

fn painted(coloured: bool, tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Bad => 31,
        Tone::Good => 32,
        Tone::Mind => 33,
    };
    if coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// One JSON object that names its shape, on a line of its own.
pub(super) fn object(schema: &'static str, body: &impl Serialize) -> String {
    json::write(&Answer { schema, body }) + "\n"
}

/// The same at the end of a text that has room for it, which leaves no copies behind.
pub(super) fn append_object(text: &mut Vec<u8>, schema: &'static str, body: &impl Serialize) {
    json::append(text, &Answer { schema, body });
    text.push(b'\n');
}

#[derive(Serialize)]
struct Answer<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
    hint: Option<String>,
    exit: u8,
}
