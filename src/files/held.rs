//! A file that one process holds for as long as it lives, and that says which one.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

use super::{Fault, FileFault, fault::at, open_plain};

/// A file that this process holds, until dropped.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "closing it lets go")] File);

/// A process that holds a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder {
    /// Its number, once it has said so.
    pub pid: Option<u32>,
}

impl Held {
    /// Takes hold of a file, made if it is not there; none if another process holds it.
    pub fn take(path: &Path) -> Result<Option<Self>, FileFault> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let (mut file, _) = open_plain(&mut options, OFlags::NOFOLLOW, path)?;
        // Whoever asks for the holder holds it for a moment.
        let mut tries = 10;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if tries == 0 => return Ok(None),
                Err(Errno::WOULDBLOCK) => thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(Fault::Io(error.into()).at(path)),
            }
            tries -= 1;
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0).and_then(|()| file.write_all(pid.as_bytes())).map_err(at(path))?;
        Ok(Some(Self(file)))
    }

    /// The process that holds a file, if one does.
    pub fn by(path: &Path) -> Result<Option<Holder>, FileFault> {
        let opened = open_plain(OpenOptions::new().read(true), OFlags::NOFOLLOW, path);
        let mut file = match opened {
            Err(fault) if fault.is_not_found() => return Ok(None),
            opened => opened?.0,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                Ok(Some(Holder { pid: pid.trim().parse().ok().filter(|pid| *pid > 0) }))
            }
            Err(error) => Err(Fault::Io(error.into()).at(path)),
        }
    }
}
