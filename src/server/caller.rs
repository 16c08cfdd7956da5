//! The control socket, as commands on this machine have it: how they speak with the server that runs.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::control::{MOST, Report, Say};
use crate::{
    error::Error,
    files::{self, Held, Holder, Home},
    json,
};

/// The server that holds a home, if one does.
pub fn running(home: &Home) -> Result<Option<Holder>, Error> {
    Ok(Held::by(&home.server_lock())?)
}

/// How the server of a home is, if one runs; an error if it runs and does not answer.
pub fn report(home: &Home) -> Result<Option<Report>, Error> {
    say(home, Say::Status)
}

/// Makes sure that the server of a home knows a change of trust, and answers how it is and how
/// long that took; none if none runs.
pub fn sync(home: &Home, seq: u64) -> Result<Option<(Report, Duration)>, Error> {
    let began = Instant::now();
    Ok(say(home, Say::Sync { seq })?.map(|report| (report, began.elapsed())))
}

/// Stops the server of a home, and waits until it has; none if none runs.
pub fn stop(home: &Home) -> Result<Option<Report>, Error> {
    let Some(report) = say(home, Say::Stop)? else { return Ok(None) };
    let patience = Duration::from_secs(report.drain) + PATIENCE;
    for _ in 0..patience.as_millis() / PAUSE.as_millis() {
        let holds = running(home)?.is_some_and(|holder| holder.pid == Some(report.pid));
        if !holds && files::connect(&home.server_socket()).is_err() {
            return Ok(Some(report));
        }
        thread::sleep(PAUSE);
    }
    Err(hung(home, Some(report.pid)))
}

/// That another server answers in this home, whoever holds it.
pub(super) fn answering(home: &Home) -> Option<Error> {
    match ask(&home.server_socket(), Say::Status) {
        Ok(Report { pid, address, .. }) => {
            Some(Error::AlreadyRunning { pid: Some(pid), address: Some(address) })
        }
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                Some(Error::AlreadyRunning { pid: None, address: None })
            }
            _ => None,
        },
    }
}

/// That another server is in the way.
pub(super) fn already(home: &Home) -> Result<Error, Error> {
    Ok(match report(home) {
        Ok(Some(Report { pid, address, .. })) => {
            Error::AlreadyRunning { pid: Some(pid), address: Some(address) }
        }
        Ok(None) | Err(_) => {
            let pid = running(home)?.and_then(|holder| holder.pid);
            Error::AlreadyRunning { pid, address: None }
        }
    })
}

fn say(home: &Home, what: Say) -> Result<Option<Report>, Error> {
    let socket = home.server_socket();
    for _ in 0..STARTS_WITHIN.as_millis() / PAUSE.as_millis() {
        let silence = match ask(&socket, what) {
            Ok(report) => return Ok(Some(report)),
            Err(error) => error.kind(),
        };
        let holder = running(home)?;
        match silence {
            // It has taken hold, and does not listen yet; or it is just going.
            ErrorKind::NotFound | ErrorKind::ConnectionRefused if holder.is_some() => {
                thread::sleep(PAUSE);
            }
            // Somebody listens, whatever became of the lock.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                return Err(hung(home, holder.and_then(|holder| holder.pid)));
            }
            _ => match holder {
                None => return Ok(None),
                Some(Holder { pid }) => return Err(hung(home, pid)),
            },
        }
    }
    match running(home)? {
        None => Ok(None),
        Some(Holder { pid }) => Err(hung(home, pid)),
    }
}

fn ask(socket: &Path, say: Say) -> io::Result<Report> {
    let mut stream = files::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all((json::write(&say) + "\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream.take(MOST)).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|_| ErrorKind::InvalidData.into())
}

fn hung(home: &Home, pid: Option<u32>) -> Error {
    Error::Hung { pid, lock: home.server_lock() }
}

/// How long a server may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take from taking hold of its home to answering a command.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(10);
