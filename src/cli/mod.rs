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
mod named;
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

use crate::{
    error::{Error, Exit},
    world::World,
};
use console::{Colour, Console, Manner};
use named::Named;

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
    Server(Named<Server>),
    /// Tell whether a key holds
    Verify(Named<verify::Args>),
    /// Tell what a key claims, without believing it
    Inspect(Named<inspect::Args>),
    /// Print a script that completes command lines, for a shell to read
    Completions(Named<completions::Args>),
}

#[derive(Subcommand)]
enum Server {
    /// Enforce keys: answer front ends that ask whether a request may pass, or pass it on itself
    Start(Named<start::Args>),
    /// Stop the server that runs
    Stop(Named<stop::Args>),
    /// Issue a key, and print it
    Keygen(Named<keygen::Args>),
    /// List keys: those that may still work, newest first
    List(Named<list::Args>),
    /// Tell everything about one key
    Show(Named<show::Args>),
    /// Cut off keys: these, or every key of a kind
    Revoke(Named<revoke::Args>),
    /// Tell how things stand
    Status(Named<status::Args>),
    /// Look after the server key
    #[command(subcommand, before_help = server_key::EXAMPLES)]
    Key(Named<server_key::Command>),
    /// Tell who did what, oldest first
    Audit(Named<audit::Args>),
}

/// Every command with its flags, for whoever tells of all of them: the manual, completions, and what
/// a mistake comes near to. A command that is run is given its own flags alone, as it is named.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Runs one command; the answer is what the process ends with.
pub fn run(args: impl IntoIterator<Item = OsString>, world: &mut World<'_>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(exit) = complete::answer(&args, command, world) {
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
        Command::Server(Named(command)) => serve(command, &args, &mut console),
        Command::Verify(Named(args)) => verify::run(args, &mut console),
        Command::Inspect(Named(args)) => inspect::run(args, &mut console),
        Command::Completions(Named(args)) => completions::run(args, &mut console),
    };
    done.unwrap_or_else(|error| console.fail(&error))
}

fn serve(command: Server, args: &[OsString], console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    match command {
        Server::Start(Named(start)) => start::run(start, args, console),
        Server::Stop(Named(args)) => stop::run(args, console),
        Server::Keygen(Named(args)) => keygen::run(args, console),
        Server::List(Named(args)) => list::run(args, console),
        Server::Show(Named(args)) => show::run(args, console),
        Server::Revoke(Named(args)) => revoke::run(args, console),
        Server::Status(Named(args)) => status::run(args, console),
        Server::Key(Named(command)) => server_key::run(command, console),
        Server::Audit(Named(args)) => audit::run(args, console),
    }
}

/// Help and version are answers; everything else is a mistake in the command line.
fn parse_failed(error: clap::Error, args: &[OsString], world: &mut World<'_>) -> Exit {
    let mut console = Console::new(world, Manner::guess(args), None);
    let told = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => console.help(&error),
        _ => Err(usage::explain(&error, &usage::command_in(args, &command()))),
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
