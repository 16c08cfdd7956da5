//! Mistakes in the command line, in our words.

use std::{ffi::OsString, fmt::Display, str::FromStr};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{
    error::{Error, short},
    namespace::Namespaces,
};

/// Reads one of our words from a flag.
pub(super) fn word<T>(text: &str) -> Result<T, String>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Reads a number in these bounds from a flag.
pub(super) fn number<const LEAST: u32, const MOST: u32>(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("it is a number from {LEAST} to {MOST}"))
}

/// A word with the text that was typed for it, for words that can only be judged later.
#[derive(Clone)]
pub(super) struct Typed<T> {
    /// What it means.
    pub(super) value: T,
    text: String,
}

impl<T> Typed<T> {
    /// That what was typed will not do.
    pub(super) fn refused(&self, flag: &str, why: &impl Display, hint: &str) -> Error {
        Error::usage(format!("`{}` for `{flag}`: {why}", short(&self.text)), hint)
    }
}

/// Reads one of our words from a flag, and keeps what was typed.
pub(super) fn typed<T>(text: &str) -> Result<Typed<T>, String>
where
    T: FromStr<Err: Display>,
{
    word(text).map(|value| Typed { value, text: text.to_owned() })
}

/// Reads one word of `--namespace`.
pub(super) fn namespace(text: &str) -> Result<Namespaces, String> {
    Namespaces::word(text).map_err(|error| error.to_string())
}

/// All that was given with `--namespace`.
pub(super) fn namespaces(parts: Vec<Namespaces>, command: &str) -> Result<Namespaces, Error> {
    Namespaces::union(parts).map_err(|why| {
        Error::usage(format!("`--namespace`: {why}"), format!("run `{command} --help`"))
    })
}

/// What clap found wrong.
pub(super) fn explain(error: &clap::Error, command: &str) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(quoted(text)),
        Some(ContextValue::Strings(texts)) => Some(listed(texts)),
        _ => None,
    };
    let flag = context(ContextKind::InvalidArg).map(bare).unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string);
            format!(
                "{value} for {flag}: {}",
                why.unwrap_or_else(|| "not a value for it".to_owned())
            )
        }
        ErrorKind::InvalidValue if value == "``" => format!("{flag} needs a value"),
        ErrorKind::InvalidValue => {
            let known = context(ContextKind::ValidValue).unwrap_or_default();
            format!("{value} for {flag}: it is {known}")
        }
        ErrorKind::UnknownArgument => format!("there is no {flag} here"),
        ErrorKind::InvalidSubcommand => {
            let command = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("there is no command {command}")
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        ErrorKind::MissingRequiredArgument => format!("{flag} is missing"),
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg).map(bare) {
            Some(other) if other != flag => format!("{flag} does not go with {other}"),
            _ => format!("{flag} is given twice"),
        },
        ErrorKind::TooManyValues => format!("{flag} takes no value"),
        ErrorKind::InvalidUtf8 => "an argument is not text".to_owned(),
        _ => error.to_string().lines().next().unwrap_or_default().replacen("error: ", "", 1),
    };
    let suggested = context(ContextKind::SuggestedArg)
        .or_else(|| context(ContextKind::SuggestedSubcommand))
        .map(|near| format!("did you mean {near}?"));
    let value_name = context(ContextKind::InvalidArg).unwrap_or_default();
    let hint = match (suggested, when_hint(&value_name)) {
        (Some(suggested), _) => suggested,
        (None, Some(when)) if error.kind() == ErrorKind::ValueValidation => when.to_owned(),
        _ => format!("run `{command} --help`"),
    };
    Error::usage(message, hint)
}

/// How times are given, for a flag that takes one.
fn when_hint(flag: &str) -> Option<&'static str> {
    if flag.contains("<WHEN>") {
        Some(WHEN)
    } else if flag.contains("<WITHIN>") {
        Some(WITHIN)
    } else {
        None
    }
}

/// The commands that a line names, as far as they are known: `msb server keygen`.
pub(super) fn command_in(args: &[OsString], mut command: &clap::Command) -> String {
    let mut named = vec![command.get_name()];
    for arg in args.iter().skip(1) {
        if let Some(found) = arg.to_str().and_then(|arg| command.find_subcommand(arg)) {
            command = found;
            named.push(found.get_name());
        }
    }
    named.join(" ")
}

/// A flag without the name of its value.
fn bare(flag: String) -> String {
    match flag.split_once(" <") {
        Some((flag, _)) => format!("{flag}`"),
        None => flag,
    }
}

/// The texts as one says them: the last one behind an `or`.
fn listed(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    match texts.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        Some(_) | None => texts.concat(),
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", short(text))
}

/// How moments are given.
pub(super) const WHEN: &str = "write 30s 15m 24h 7d 2w 3mo 1y, or together as 1y6mo; or \
     2027-02-23T10:00:00Z, 2027-02-23, @1803376800";

/// How lengths of time are given.
pub(super) const WITHIN: &str =
    "write 30s 15m 24h 7d 2w 3mo 1y, or together from large to small as 1y6mo";
