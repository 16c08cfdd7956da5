//! What is wrong with `config.toml`.

use std::fmt;

use super::{
    Exit, short,
    storage::{file_exit, file_hint, shown},
};
use crate::{
    config::{
        ConfigFault, Kind, Mistake, NotADuration, NotANamespaceRule, NotAnUpstream, SETTINGS,
        Setting,
    },
    files::{Fault, FileFault},
    label::Shown,
};

pub(super) fn config_exit(fault: &ConfigFault) -> Exit {
    match fault {
        ConfigFault::File(file @ FileFault { fault: Fault::Io(_), .. }) => file_exit(file),
        ConfigFault::File(_) | ConfigFault::Setting { .. } => Exit::Configuration,
    }
}

pub(super) fn config_hint(fault: &ConfigFault) -> Option<String> {
    match fault {
        ConfigFault::File(fault) => file_hint(fault),
        ConfigFault::Setting { mistake, .. } => Some(hint(mistake)),
    }
}

fn hint(mistake: &Mistake) -> String {
    match mistake {
        Mistake::Kind { setting, .. }
        | Mistake::Missing(setting)
        | Mistake::Value { setting, .. } => {
            let units = if takes_any_span(setting) { SPANS } else { "" };
            format!("write it as in `{}`{units}", setting.example)
        }
        Mistake::Methods(_) => "name each once, or leave `methods` out for every one".to_owned(),
        Mistake::NoSuchName { name, .. } => {
            format!("write `:{name}` where it stands in the path, or take it from elsewhere")
        }
        Mistake::NotToml { .. } => {
            "a setting is a line such as `issuer = \"https://example.org\"`".to_owned()
        }
        Mistake::PublicAsks(setting) => {
            format!("take `{}` out, or write `access = \"key\"`", setting.name)
        }
        Mistake::Shorter { most, least, .. } => {
            format!("make `{}` longer, or `{}` shorter", most.name, least.name)
        }
        Mistake::Tie { .. } => "make one narrower, or give them different `methods`".to_owned(),
        Mistake::Unknown { nearest: Some(nearest), table, .. } if nearest.table == *table => {
            format!("did you mean `{}`?", nearest.name)
        }
        Mistake::Unknown { nearest: Some(nearest), .. } => {
            format!("did you mean `{}` {}?", nearest.name, under(nearest.table))
        }
        Mistake::Unknown { nearest: None, table, .. } => {
            let here = SETTINGS.iter().filter(|setting| setting.table == *table);
            let names: Vec<_> = here.map(|setting| setting.name).collect();
            format!("{} there are {}", under(table), names.join(" "))
        }
    }
}

/// Whether a setting takes every span that the command line takes.
fn takes_any_span(setting: &Setting) -> bool {
    setting.table == "policy" && setting.name.ends_with("_expire") && setting.example.ends_with('"')
}

fn under(table: &str) -> String {
    // The example of a table is its heading.
    match SETTINGS.iter().find(|setting| setting.table.is_empty() && setting.name == table) {
        Some(Setting { example, .. }) => format!("under `{example}`"),
        None => "at the top of the file".to_owned(),
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigFault::File(fault) => fault.fmt(f),
            ConfigFault::Setting { path, line, mistake } => {
                write!(f, "{}, line {line}: {mistake}", shown(path))
            }
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::Kind { setting, expected } => write!(f, "`{}` is {expected}", setting.name),
            Mistake::Methods(why) => why.fmt(f),
            Mistake::Missing(setting) => write!(f, "`{}` is missing", setting.name),
            Mistake::NoSuchName { name, path } => write!(f, "there is no `:{name}` in `{path}`"),
            Mistake::NotToml { message } => Shown(message).fmt(f),
            Mistake::PublicAsks(setting) => {
                write!(f, "a public route asks for no key, so it has no `{}`", setting.name)
            }
            Mistake::Shorter { most, span, least, than } => {
                write!(f, "`{}` {span} is shorter than `{}` {than}", most.name, least.name)?;
                if span.is_within(*than) { Ok(()) } else { f.write_str(" in some months") }
            }
            Mistake::Tie { path, other, line, same: true } => {
                write!(f, "`{path}` is for the same paths as `{other}` in line {line}")
            }
            Mistake::Tie { path, other, line, same: false } => write!(
                f,
                "`{path}` and `{other}` in line {line} share paths, and neither is the narrower"
            ),
            Mistake::Unknown { name, .. } => write!(f, "there is no setting `{}`", short(name)),
            Mistake::Value { setting, value, why } => {
                write!(f, "`{}` for `{}`: {why}", short(value), setting.name)
            }
        }
    }
}

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotADuration::Calendar => f.write_str("the units here are s m h d w"),
            NotADuration::NotATime(why) => why.fmt(f),
            NotADuration::TooLong => f.write_str("a week is the most"),
        }
    }
}

impl fmt::Display for NotANamespaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotANamespaceRule::Fixed(why) => return why.fmt(f),
            NotANamespaceRule::Header => "a header has only letters, digits and `-`",
            NotANamespaceRule::OurHeader => "that header is not passed on to the service",
            NotANamespaceRule::Path => "a name in a path has only letters, digits and `_`",
            NotANamespaceRule::Shape => "it is `header:X`, `path:NAME`, `fixed:NS`, `key` or `any`",
        })
    }
}

impl fmt::Display for NotAnUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAnUpstream::Host(why) => return why.fmt(f),
            NotAnUpstream::Path => "nothing stands behind the port",
            NotAnUpstream::Port => "it has a port, from 1 to 65535",
            NotAnUpstream::Scheme => "it begins with `http://`",
            NotAnUpstream::Tls => "msb speaks plain HTTP to what is behind it",
            NotAnUpstream::User => "it names no user",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Flag => "true or false",
            Kind::List => "a list of texts",
            Kind::Number { least, most } => {
                return write!(f, "a number from {least} to {most}");
            }
            Kind::Table => "a table",
            Kind::Tables => "one table or more",
            Kind::Text => "text",
            Kind::TextOrNumber => "text, or a number",
        })
    }
}

/// How spans are written, behind an example.
const SPANS: &str = ": 30s 15m 24h 7d 2w 3mo 1y, or together from large to small as 1y6mo";
