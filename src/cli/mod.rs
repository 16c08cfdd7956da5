//! The command line: parse, call, print. A file for each command.

mod audit;
mod complete;
mod completions;
mod console;
mod dotenv;
mod format;
mod inspect;
mod keygen;
mod list;
mod quoting;
mod revoke;
mod row;
mod server_key;
mod show;
mod source;
mod start;
mod status;
mod stop;
mod usage;
mod verify;

use std::{ffi::OsString, path::PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint, error::ErrorKind};

use crate::{error::Exit, world::World};
use console::{Colour, Console, Manner};

/// Hand out API keys, verify them anywhere, and cut off any of them at once
#[derive(Parser)]
#[command(name = "msb", version, disable_help_subcommand = true, before_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Global {
    /// Answer in JSON, errors too
    #[arg(long, global = true, help_heading = "Everywhere")]
    json: bool,
    /// Say nothing but the answer
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    quiet: bool,
    /// Keep configuration and data in DIR [env: MSB_HOME]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere", value_hint = ValueHint::DirPath)]
    home: Option<PathBuf>,
    /// Colour the output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Everywhere"
    )]
    color: Colour,
}

#[derive(Subcommand)]
enum Command {
    /// Issue keys, look after them, and enforce them
    #[command(subcommand, before_help = SERVER_EXAMPLES)]
    Server(Server),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Completions(completions::Args),
}

#[derive(Subcommand)]
enum Server {
    Start(start::Args),
    Stop(stop::Args),
    Keygen(keygen::Args),
    List(list::Args),
    Show(show::Args),
    Revoke(revoke::Args),
    Status(status::Args),
    /// Look after the server key
    #[command(subcommand, before_help = server_key::EXAMPLES)]
    Key(server_key::Command),
    Audit(audit::Args),
}

/// Every command with its flags, for whoever writes the manual.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command; the answer is what the process ends with.
pub fn run(args: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(exit) = complete::answer(&args, Cli::command(), world) {
        return exit;
    }
    let parsed = Cli::command()
        .try_get_matches_from(&args)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return parse_failed(error, &args, world),
    };
    let manner =
        Manner { json: cli.global.json, quiet: cli.global.quiet, colour: cli.global.color };
    let mut console = Console::new(world, manner, cli.global.home);
    let done = match cli.command {
        Command::Server(Server::Start(start)) => start::run(start, &args, &mut console),
        Command::Server(Server::Stop(args)) => stop::run(args, &mut console),
        Command::Server(Server::Keygen(args)) => keygen::run(args, &mut console),
        Command::Server(Server::List(args)) => list::run(args, &mut console),
        Command::Server(Server::Show(args)) => show::run(args, &mut console),
        Command::Server(Server::Revoke(args)) => revoke::run(args, &mut console),
        Command::Server(Server::Status(args)) => status::run(args, &mut console),
        Command::Server(Server::Key(command)) => server_key::run(command, &mut console),
        Command::Server(Server::Audit(args)) => audit::run(args, &mut console),
        Command::Verify(args) => verify::run(args, &mut console),
        Command::Inspect(args) => inspect::run(args, &mut console),
        Command::Completions(args) => completions::run(args, &mut console),
    };
    done.unwrap_or_else(|error| console.fail(&error))
}

/// Help and version are answers; everything else is a mistake in the command line.
fn parse_failed(error: clap::Error, args: &[OsString], world: &mut World<'_>) -> Exit {
    let mut console = Console::new(world, Manner::guess(args), None);
    let told = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => console.help(&error),
        _ => Err(usage::explain(&error, &usage::command_in(args, &Cli::command()))),
    };
    told.map_or_else(|error| console.fail(&error), |()| Exit::Done)
}

const EXAMPLES: &str = "\
Examples:
  msb server keygen --expire 3mo --namespace team-alpha --name ci-deploy
  export MSB_API_KEY=\"$(msb server keygen --expire 1w -n project-web)\"
  msb verify -n project-web && echo ok
  msb server list --expiring 14d
  msb server revoke ci-deploy --reason \"laptop lost\"";

const SERVER_EXAMPLES: &str = "\
Examples:
  msb server keygen --expire 3mo --namespace team-alpha --name ci-deploy
  msb server list --owner alice@example.org
  msb server show ci-deploy
  msb server revoke --owner alice@example.org --dry-run
  msb server key rotate --dry-run
  msb server status --check";
