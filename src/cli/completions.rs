//! `msb completions`: print the script that lets a shell complete command lines.

use super::console::Console;
use crate::error::{Error, Exit};

/// Print a script that completes command lines, for a shell to read
#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that can complete our command lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

pub(super) fn run(args: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    console.answer(args.shell.script())?;
    Ok(Exit::Done)
}

impl Shell {
    /// What the shell reads. It knows nothing of our commands: it asks `msb __complete`.
    fn script(self) -> &'static str {
        match self {
            Shell::Bash => include_str!("../../completions/msb.bash"),
            Shell::Zsh => include_str!("../../completions/_msb"),
            Shell::Fish => include_str!("../../completions/msb.fish"),
            Shell::Powershell => include_str!("../../completions/_msb.ps1"),
            Shell::Elvish => include_str!("../../completions/msb.elv"),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  source <(msb completions bash)
  msb completions zsh > \"${fpath[1]}/_msb\"
  msb completions fish > ~/.config/fish/completions/msb.fish";
