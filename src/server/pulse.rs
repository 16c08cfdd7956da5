//! What a connection is doing, and for how long: felt in its bytes.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Its request is being answered.
    Answering,
    /// A part of a head has come.
    Head,
    /// No byte of the next head has come.
    Waiting,
}

/// When a connection last went on to do something else. A timer for each request would cost more
/// than the request.
pub(super) struct Pulse {
    phase: Cell<(Phase, Instant)>,
    /// Whether what was read last ended as a head does, so that nothing of the next is there yet.
    ends: Cell<bool>,
}

impl Default for Pulse {
    fn default() -> Self {
        // A connection is made to be used: its first head is due at once.
        Self { phase: Cell::new((Phase::Head, Instant::now())), ends: Cell::new(false) }
    }
}

impl Pulse {
    fn beat(&self, phase: Phase) {
        self.phase.set((phase, Instant::now()));
    }

    /// While we answer, nothing is due from the client.
    pub(super) fn rest(&self) {
        let (_, since) = self.phase.get();
        self.phase.set((Phase::Answering, since));
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get().0
    }

    fn read_some(&self, bytes: &[u8]) {
        self.ends.set(bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n"));
        if self.phase() == Phase::Waiting {
            self.beat(Phase::Head);
        }
    }

    pub(super) fn answered(&self) {
        self.beat(if self.ends.get() { Phase::Waiting } else { Phase::Head });
    }

    /// Returns when the client has taken too long.
    pub(super) async fn late(&self) {
        loop {
            let (phase, since) = self.phase.get();
            let due = match phase {
                Phase::Answering => None,
                Phase::Head => Some(since + HEAD_WITHIN),
                Phase::Waiting => Some(since + BETWEEN_REQUESTS),
            };
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                return;
            }
            // No phase that begins from now on is due any sooner.
            let soonest = now + HEAD_WITHIN;
            sleep_until(due.map_or(soonest, |due| due.min(soonest))).await;
        }
    }
}

/// A stream whose pulse is felt.
pub(super) struct Felt {
    pub(super) stream: TcpStream,
    pub(super) pulse: Rc<Pulse>,
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.pulse.read_some(&buffer.filled()[before..]);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Felt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How long a client may take for a head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take between requests, and to read an answer.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(30);
