//! The service manager, if one started us: it is told how we are (sd_notify).

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// Where the service manager listens; nowhere if there is none.
#[derive(Debug, Default)]
pub struct Manager(Option<SocketAddr>);

impl Manager {
    /// The one that `NOTIFY_SOCKET` names: a path, or an abstract name behind `@`.
    pub fn named(socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else { return Ok(Self(None)) };
        match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(name),
        }
        .map(|address| Self(Some(address)))
    }

    /// We serve.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// We read the settings anew; this is told before [`Self::ready()`].
    pub(super) fn reloading(&self, awake: Duration) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", awake.as_micros()));
    }

    /// We are about to stop.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(address) = &self.0 {
            // A manager that has gone need not be told.
            let _ = UnixDatagram::unbound()
                .and_then(|socket| socket.send_to_addr(state.as_bytes(), address));
        }
    }
}
