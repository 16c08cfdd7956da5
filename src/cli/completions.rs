//! `msb completions`: print the script that lets a shell complete command lines.

use serde::Serialize;

use super::console::Console;
use crate::error::{Error, Exit};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTE)]
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
    let script = args.shell.script();
    if console.json() {
        console.answer_json("msb.completions/1", &Answer { script })?;
    } else {
        console.answer(script)?;
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Answer {
    script: &'static str,
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

const NOTE: &str = "A shell that is started afterwards completes. In ~/.zshrc that line stands behind `compinit`; where \
     there is none, `autoload -Uz compinit && compinit` goes in front.";

const EXAMPLES: &str = "\
Examples:
  echo 'source <(msb completions bash)' >> ~/.bashrc
  echo 'source <(msb completions zsh)' >> ~/.zshrc
  mkdir -p ~/.config/fish/completions
  msb completions fish > ~/.config/fish/completions/msb.fish";
