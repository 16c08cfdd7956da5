//! What can be wrong with the settings.

use std::path::PathBuf;

use super::{NotMethods, Setting};
use crate::{files::FileFault, time::Span};

/// Why there are no settings to go by.
#[derive(Debug)]
pub enum ConfigFault {
    /// The file cannot be read, or others can write it.
    File(FileFault),
    /// A line of it is wrong.
    Setting {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        mistake: Box<Mistake>,
    },
}

impl From<FileFault> for ConfigFault {
    fn from(fault: FileFault) -> Self {
        Self::File(fault)
    }
}

/// What is wrong with a line of the settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mistake {
    /// A setting is of another kind.
    Kind {
        /// The setting.
        setting: &'static Setting,
        /// What it is.
        expected: Kind,
    },
    /// The methods of a route do not go together.
    Methods(NotMethods),
    /// A setting is missing.
    Missing(&'static Setting),
    /// A route takes its namespace from a name that its path does not have.
    NoSuchName {
        /// The name.
        name: String,
        /// The path.
        path: String,
    },
    /// The file is not TOML.
    NotToml {
        /// What is wrong with it.
        message: String,
    },
    /// A public route asks for something that only a key has.
    PublicAsks(&'static Setting),
    /// A limit of the policy lies beyond another.
    Shorter {
        /// The setting that is too short.
        most: &'static Setting,
        /// How long it is.
        span: Span,
        /// The setting that it must not be shorter than.
        least: &'static Setting,
        /// How long that is.
        than: Span,
    },
    /// Nothing says which of two routes is meant.
    Tie {
        /// The path of this one.
        path: String,
        /// The path of the other.
        other: String,
        /// Where that one stands.
        line: usize,
        /// Whether they are for the same paths; they only share some if not.
        same: bool,
    },
    /// There is no such setting.
    Unknown {
        /// What it is called.
        name: String,
        /// The table in which it stands.
        table: &'static str,
        /// What it may be meant to be.
        nearest: Option<&'static Setting>,
    },
    /// A value will not do.
    Value {
        /// The setting.
        setting: &'static Setting,
        /// The value.
        value: String,
        /// Why.
        why: String,
    },
}

/// What a setting can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// Several texts.
    List,
    /// A whole number.
    Number {
        /// The least.
        least: u16,
        /// The most.
        most: u16,
    },
    /// A table.
    Table,
    /// Several tables.
    Tables,
    /// Text.
    Text,
    /// Text, or a whole number.
    TextOrNumber,
}
