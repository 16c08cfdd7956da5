//! How a key is handed over: in whose words, and where to.

use std::{io::Write, path::PathBuf};

use clap::ValueEnum;
use zeroize::Zeroizing;

use super::{console::Console, dotenv, usage::word};
use crate::{
    error::Error,
    files::{Append, Edit, Replacement},
    key::KeyText,
    label::Shown,
    variable::Variable,
    world::Tracking,
};

/// The flags that say how a key is handed over.
#[derive(clap::Args)]
pub(super) struct HandOver {
    /// How to print it: key (alone), or as a line that sets a variable, in the words of env (sh),
    /// dotenv, fish, powershell or github [default: key]
    #[arg(long, value_enum, hide_possible_values = true)]
    format: Option<Format>,
    /// The variable that such a line sets [default: MSB_API_KEY]
    #[arg(long, value_name = "NAME", value_parser = word::<Variable>)]
    var: Option<Variable>,
    /// Write to FILE, which only you can read, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Overwrite FILE
    #[arg(long)]
    force: bool,
    /// Set the variable in FILE, such as .env, and keep the rest of it
    #[arg(long, value_name = "FILE")]
    dotenv: Option<PathBuf>,
}

/// How a key is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// The key on a line of its own
    Key,
    /// export NAME='KEY', for sh, bash and zsh
    Env,
    /// NAME=KEY, as in .env files
    // In no reader of such files does a key need quotes, and in some they would stay.
    Dotenv,
    /// set -gx NAME 'KEY', for fish
    Fish,
    /// $env:NAME = 'KEY', for PowerShell
    Powershell,
    /// For a step of GitHub Actions: NAME=KEY goes to the file that GITHUB_ENV names, for the steps
    /// behind, and what is printed masks the key in the log
    Github,
}

/// Where keys go.
pub(super) enum Place {
    /// A line of a `.env` file, which git may track.
    Dotenv { edit: Edit, git: Tracking },
    /// A file that takes its name last.
    File(Replacement),
    /// The file of variables for the next steps of a GitHub job.
    Github(Append),
    /// Standard output.
    Stdout,
}

impl HandOver {
    /// Finds out where keys go, and all that can be wrong with it before there is one.
    pub(super) fn place(&self, count: u32, console: &Console<'_, '_>) -> Result<Place, Error> {
        self.check(count, console.json())?;
        let prints = self.output.is_none() && (self.dotenv.is_none() || console.json());
        if prints && console.world.stdout_is_closed {
            return Err(Error::Nowhere);
        }
        if let Some(path) = &self.dotenv {
            let edit = Edit::of(path).map_err(Error::Create)?;
            // The value is not known yet; whether there is a line for it, is.
            let variable = self.variable();
            dotenv::set(&edit.content()?, &variable, "")
                .map_err(|why| why.at(edit.path(), &variable))?;
            let git = (console.world.git_tracks)(edit.path());
            return Ok(Place::Dotenv { edit, git });
        }
        if let Some(path) = &self.output {
            let file = Replacement::of(path, self.force).map_err(Error::Create)?;
            return Ok(Place::File(file));
        }
        match self.format() {
            Format::Github => {
                let path = (console.world.env)("GITHUB_ENV").filter(|path| !path.is_empty());
                let path = path.ok_or_else(|| {
                    Error::usage(
                        "`--format github` needs GITHUB_ENV, and it is not set",
                        "run it in a step of GitHub Actions, or choose `--format env`",
                    )
                })?;
                let file = Append::to(path.as_ref()).map_err(Error::GithubEnv)?;
                Ok(Place::Github(file))
            }
            Format::Key | Format::Env | Format::Dotenv | Format::Fish | Format::Powershell => {
                Ok(Place::Stdout)
            }
        }
    }

    /// An error if these flags do not go together.
    fn check(&self, count: u32, json: bool) -> Result<(), Error> {
        if self.force && self.output.is_none() {
            let hint = "add `-o FILE`, or leave off `--force`";
            return Err(Error::usage("`--force` goes with `-o FILE`", hint));
        }
        if self.dotenv.is_some() {
            return self.check_dotenv(count);
        }
        let format = self.format();
        // What masks a key has to be on standard output, where JSON would be.
        if format != Format::Key && (count > 1 || json) {
            return Err(Error::usage(
                format!("`--format {}` is for one key, and not JSON", format.name()),
                "leave off `--format`",
            ));
        }
        if self.var.is_some() && (format == Format::Key || json) {
            return Err(Error::usage(
                "`--var` is for a format that sets a variable",
                "add `--format env`, dotenv, fish, powershell or github, or `--dotenv FILE`",
            ));
        }
        if self.output.is_some() && format == Format::Github {
            return Err(Error::usage(
                "`--format github` does not go with `--output`",
                "leave off `--output`: the key goes to the file that GITHUB_ENV names",
            ));
        }
        Ok(())
    }

    fn check_dotenv(&self, count: u32) -> Result<(), Error> {
        let others = [
            (self.output.is_some(), "--output", "leave off one of them"),
            (self.format.is_some(), "--format", "leave off `--format`: such a file has its own"),
            (count > 1, "--count", "leave off `--count`: a variable holds one key"),
        ];
        match others.into_iter().find(|(given, ..)| *given) {
            Some((_, flag, hint)) => {
                Err(Error::usage(format!("`--dotenv` does not go with `{flag}`"), hint))
            }
            None => Ok(()),
        }
    }

    /// How keys are written.
    pub(super) fn format(&self) -> Format {
        self.format.unwrap_or(Format::Key)
    }

    /// The variable that is set.
    pub(super) fn variable(&self) -> Variable {
        self.var.clone().unwrap_or_default()
    }
}

impl Format {
    /// The word for it.
    fn name(self) -> String {
        let value = self.to_possible_value().expect("no format is hidden");
        value.get_name().to_owned()
    }

    /// What is printed for a key, to the end of a text that has room for it.
    pub(super) fn append(self, text: &mut Vec<u8>, variable: &Variable, key: &KeyText) {
        let key = key.expose();
        // The characters of a key are letters, digits, `_`, `-` and `.`: none ends a quote.
        let written = match self {
            Format::Key => writeln!(text, "{key}"),
            Format::Env => writeln!(text, "export {variable}='{key}'"),
            Format::Dotenv => writeln!(text, "{variable}={key}"),
            Format::Fish => writeln!(text, "set -gx {variable} '{key}'"),
            Format::Powershell => writeln!(text, "$env:{variable} = '{key}'"),
            Format::Github => writeln!(text, "::add-mask::{key}"),
        };
        written.expect("a vector takes what is written");
    }
}

impl Place {
    /// Writes some of the keys, in their format.
    pub(super) fn write(&mut self, text: &str, console: &mut Console<'_, '_>) -> Result<(), Error> {
        match self {
            // That line is written at the end, with the rest of the file.
            Place::Dotenv { .. } if !console.json() => Ok(()),
            Place::File(file) => file.write(text.as_bytes()).map_err(Error::Create),
            Place::Dotenv { .. } | Place::Github(_) | Place::Stdout => console.answer(text),
        }
    }

    /// Whether the answer has the key.
    pub(super) fn prints_key(&self) -> bool {
        match self {
            Place::Dotenv { .. } => false,
            Place::File(_) | Place::Github(_) | Place::Stdout => true,
        }
    }

    /// What one had better know about it.
    pub(super) fn warnings(&self) -> Vec<String> {
        let Place::Dotenv { edit, git } = self else { return vec![] };
        let path = edit.path().to_string_lossy();
        let path = Shown(&path);
        let opened = edit
            .open_to_others()
            .map(|mode| format!("{path} had mode {mode:04o}, and now only its owner can read it"));
        let tracked = match git {
            Tracking::No => None,
            Tracking::Unknown => Some(format!(
                "git does not say whether it ignores {path}: see that it is in .gitignore"
            )),
            Tracking::Yes => Some(format!(
                "git does not ignore {path}: add it to .gitignore, and if git has it already, run \
                 `git rm --cached` on it"
            )),
        };
        opened.into_iter().chain(tracked).collect()
    }

    /// Does what comes last, when all else is said and done.
    pub(super) fn finish(self, variable: &Variable, key: &KeyText) -> Result<(), Error> {
        match self {
            Place::Dotenv { edit, .. } => {
                let path = edit.path().to_owned();
                edit.finish(|content| {
                    dotenv::set(content, variable, key.expose())
                        .map_err(|why| why.at(&path, variable))
                })
            }
            Place::File(file) => file.finish().map_err(Error::Create),
            Place::Github(file) => {
                let mut line = Zeroizing::new(Vec::with_capacity(room(variable)));
                Format::Dotenv.append(&mut line, variable, key);
                Ok(file.finish(&line)?)
            }
            Place::Stdout => Ok(()),
        }
    }
}

/// Room for whatever one key is written as.
pub(super) fn room(variable: &Variable) -> usize {
    LONGEST + variable.as_str().len()
}

/// More than any line has beside the name of its variable: JSON says what the key says once more,
/// which fits into the key, and a name, which is shorter.
const LONGEST: usize = 2 * KeyText::MOST;
