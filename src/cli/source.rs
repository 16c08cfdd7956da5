//! Where a key comes from: KEY, `--key-file`, `MSB_API_KEY_FILE`, `MSB_API_KEY`, in this order.

use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::console::Console;
use crate::{error::Error, files, key::KeyText, label::Shown};

/// The flags that name a key.
#[derive(clap::Args)]
pub(super) struct KeyArgs {
    /// The key, or `-` for standard input [env: MSB_API_KEY]
    key: Option<String>,
    /// Read the key from F [env: MSB_API_KEY_FILE]
    #[arg(long, value_name = "F")]
    key_file: Option<PathBuf>,
}

/// Which of them it was.
pub(super) enum Source {
    Argument,
    Env,
    EnvFile,
    KeyFile(PathBuf),
    Stdin,
}

impl KeyArgs {
    /// The key that was given first in the order of the sources.
    pub(super) fn read(self, console: &mut Console<'_, '_>) -> Result<(KeyText, Source), Error> {
        let read = self.first(console);
        console.world.waited();
        read
    }

    fn first(self, console: &mut Console<'_, '_>) -> Result<(KeyText, Source), Error> {
        let env = |name| (console.world.env)(name).filter(|value| !value.is_empty());
        match (self.key, self.key_file) {
            (Some(key), _) if key == "-" => {
                Ok((key_in(console.world.stdin).map_err(Error::Input)?, Source::Stdin))
            }
            (Some(key), _) => {
                console.advise(SEEN_BY_OTHERS)?;
                Ok((KeyText::from(key), Source::Argument))
            }
            (None, Some(path)) => Ok((key_at(&path)?, Source::KeyFile(path))),
            (None, None) => {
                if let Some(path) = env("MSB_API_KEY_FILE") {
                    return Ok((key_at(Path::new(&path))?, Source::EnvFile));
                }
                let key = env("MSB_API_KEY").ok_or(Error::NoKeyGiven)?;
                let key = key.into_string();
                let key = key.unwrap_or_else(|key| key.to_string_lossy().into_owned());
                Ok((trimmed(Zeroizing::new(key)), Source::Env))
            }
        }
    }
}

fn key_at(path: &Path) -> Result<KeyText, Error> {
    let mut file = files::open(path)?;
    key_in(&mut file).map_err(|error| files::Fault::from(error).at(path).into())
}

/// No more is read than shows that it is too long for a key.
fn key_in(reader: &mut dyn Read) -> std::io::Result<KeyText> {
    let most = KeyText::MOST + 3;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    reader.take(most as u64).read_to_end(&mut bytes)?;
    // What is not text is no key, and no secret.
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
    };
    Ok(trimmed(Zeroizing::new(text)))
}

/// Without its one final line end.
fn trimmed(mut text: Zeroizing<String>) -> KeyText {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    KeyText::new(text)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Argument => f.write_str("the command line"),
            Source::Env => f.write_str("MSB_API_KEY"),
            Source::EnvFile => f.write_str("MSB_API_KEY_FILE"),
            Source::KeyFile(path) => write!(f, "--key-file {}", Shown(&path.to_string_lossy())),
            Source::Stdin => f.write_str("standard input"),
        }
    }
}

/// What is said to whoever types a key.
pub(super) const SEEN_BY_OTHERS: &str =
    "others on this machine can see a key in the command line; `-` reads it from standard input";
