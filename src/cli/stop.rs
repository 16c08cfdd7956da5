//! `msb server stop`: the server that runs ends.

use serde::Serialize;

use super::console::Console;
use crate::{
    error::{Error, Exit},
    server,
};

#[derive(clap::Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct Args {}

pub(super) fn run(_: Args, console: &mut Console<'_, '_>) -> Result<Exit, Error> {
    let stopped = server::stop(&console.home()?)?;
    let told = Stopped {
        stopped: stopped.is_some(),
        pid: stopped.as_ref().map(|report| report.pid),
        address: stopped.map(|report| report.address),
    };
    if console.json() {
        console.answer_json("msb.stop/1", &told)?;
    } else {
        console.remark(&[match (told.pid, &told.address) {
            (Some(pid), Some(address)) => format!("the server on {address} (pid {pid}) stopped"),
            _ => "no server runs".to_owned(),
        }])?;
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Stopped {
    stopped: bool,
    pid: Option<u32>,
    address: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  msb server stop";
