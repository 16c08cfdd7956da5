//! The control socket, as the server has it: one line of JSON in, one out. `caller` is the other end.

use std::{io, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, unix::UCred},
    sync::watch,
    time::timeout,
};

use super::desk::Desk;
use crate::{files, json};

/// What a command says to the server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub(super) enum Say {
    /// Tell how you are.
    Status,
    /// Stop.
    Stop,
    /// Know this change of trust, and say so.
    Sync {
        /// Its number.
        seq: u64,
    },
}

/// How the server is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Its process.
    pub pid: u32,
    /// Where it listens.
    pub address: String,
    /// What it stands before, if anything.
    pub upstream: Option<String>,
    /// Whether it lets requests without a key pass.
    pub dev: bool,
    /// When it began, RFC 3339.
    pub since: String,
    /// The last change of trust that it knows.
    pub seq: u64,
    /// Whether it knows the change of trust that it was told of, if it was.
    pub confirmed: bool,
    /// Whether it can judge keys.
    pub ready: bool,
    /// Why it cannot read what is kept, if it cannot.
    pub fault: Option<String>,
    /// How old the trust is by which it judges, in seconds.
    pub trust_age: u64,
    /// How long it lets open exchanges take when it stops, in seconds.
    pub drain: u64,
}

/// What never changes about a server that runs.
pub(super) struct Identity {
    pub(super) pid: u32,
    pub(super) address: String,
    pub(super) upstream: Option<String>,
    pub(super) since: String,
    pub(super) drain: Duration,
}

/// Answers whoever speaks to the socket, until the server stops.
pub(super) async fn listen(
    listener: std::os::unix::net::UnixListener,
    desk: Arc<Desk>,
    identity: Arc<Identity>,
    stop: watch::Sender<bool>,
) {
    let listener = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
    let listener = listener.expect("a listener of ours, in a runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if !stream.peer_cred().is_ok_and(|peer| is_trusted(&peer)) {
            continue;
        }
        let (desk, identity, stop) = (Arc::clone(&desk), Arc::clone(&identity), stop.clone());
        tokio::spawn(async move {
            // Whoever hangs is left alone.
            let _ = timeout(PATIENCE, answer(stream, &desk, &identity, &stop)).await;
        });
    }
}

/// This user, and root.
fn is_trusted(peer: &UCred) -> bool {
    peer.uid() == 0 || peer.uid() == files::effective_uid()
}

async fn answer(
    mut stream: tokio::net::UnixStream,
    desk: &Desk,
    identity: &Identity,
    stop: &watch::Sender<bool>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    tokio::io::BufReader::new(reader.take(MOST)).read_line(&mut line).await?;
    let said: Say = serde_json::from_str(&line).map_err(|_| io::ErrorKind::InvalidData)?;
    let confirmed = match said {
        Say::Status => false,
        Say::Stop => {
            stop.send_replace(true);
            false
        }
        Say::Sync { seq } => timeout(CATCHES_UP_WITHIN, desk.live.catch_up(seq)).await.is_ok(),
    };
    let standing = desk.live.standing();
    let report = Report {
        pid: identity.pid,
        address: identity.address.clone(),
        upstream: identity.upstream.clone(),
        dev: desk.live.settings().dev,
        since: identity.since.clone(),
        seq: standing.seq,
        confirmed,
        ready: standing.decides,
        fault: standing.fault,
        trust_age: standing.age.as_secs(),
        drain: identity.drain.as_secs(),
    };
    writer.write_all((json::write(&report) + "\n").as_bytes()).await?;
    writer.shutdown().await
}

/// The longest line.
pub(super) const MOST: u64 = 4096;

/// How long to wait for a change of trust, before whoever told of it hears how things stand.
const CATCHES_UP_WITHIN: Duration = Duration::from_millis(4500);

/// How long anything that is said may take.
const PATIENCE: Duration = Duration::from_secs(10);
