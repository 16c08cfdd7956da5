//! What a connection is doing, and for how long: felt in its bytes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
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
/// than the request. One thread alone looks at it, but a connection that goes on as a websocket may
/// be given to others.
pub(super) struct Pulse {
    began: Instant,
    /// A phase, in the lowest two bits, and how many milliseconds after the beginning it began.
    phase: AtomicU64,
    /// Whether what was read last ended as a head does, so that nothing of the next is there yet.
    ends: AtomicBool,
    /// Whether what is on its way to the client is to be lost.
    cut: AtomicBool,
    /// Whether the request has a body.
    has_body: AtomicBool,
    /// Whether that may still be on its way.
    sends_on: AtomicBool,
}

impl Default for Pulse {
    fn default() -> Self {
        // A connection is made to be used: its first head is due at once.
        let phase = AtomicU64::new(Phase::Head as u64);
        let (ends, cut, has_body, sends_on) = Default::default();
        Self { began: Instant::now(), phase, ends, cut, has_body, sends_on }
    }
}

impl Pulse {
    fn beat(&self, phase: Phase) {
        let after = self.began.elapsed().as_millis() as u64;
        self.phase.store(after << 2 | phase as u64, Relaxed);
    }

    /// A request has come, whose body, if it has one, may still be on its way. While we answer,
    /// nothing is due from the client.
    pub(super) fn rest(&self, has_body: bool) {
        self.has_body.store(has_body, Relaxed);
        self.sends_on.store(has_body, Relaxed);
        self.beat(Phase::Answering);
    }

    /// Whether the body may still be on its way.
    pub(super) fn sends_on(&self) -> bool {
        self.sends_on.load(Relaxed)
    }

    /// The body was read to its end.
    pub(super) fn read_body(&self) {
        self.sends_on.store(false, Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        self.felt().0
    }

    fn felt(&self) -> (Phase, Instant) {
        let felt = self.phase.load(Relaxed);
        let phases = [Phase::Answering, Phase::Head, Phase::Waiting];
        let phase = phases.into_iter().find(|phase| *phase as u64 == felt & 3);
        (phase.unwrap_or(Phase::Head), self.began + Duration::from_millis(felt >> 2))
    }

    fn read_some(&self, bytes: &[u8]) {
        self.ends.store(bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n"), Relaxed);
        if self.phase() == Phase::Waiting {
            self.beat(Phase::Head);
        }
    }

    /// The request is answered. Where all of it was read, nothing of the next is there yet, unless
    /// both came at once.
    pub(super) fn answered(&self) {
        let waits = match (self.has_body.load(Relaxed), self.sends_on.load(Relaxed)) {
            (false, _) => self.ends.load(Relaxed),
            (true, sends_on) => !sends_on,
        };
        self.beat(if waits { Phase::Waiting } else { Phase::Head });
    }

    /// Takes back what is on its way, as far as that can be, when the connection ends.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Returns when the client has taken too long.
    pub(super) async fn late(&self) {
        loop {
            let (phase, since) = self.felt();
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
    stream: TcpStream,
    pulse: Arc<Pulse>,
    /// Whether it is closed on our side, and goes on to be read.
    lingers: bool,
}

impl Felt {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse, lingers: false }
    }
}

impl Drop for Felt {
    fn drop(&mut self) {
        if self.pulse.cut.load(Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
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

    /// Closes. Whoever is still sending would lose our answer if that was all, so it goes on to be
    /// read for a while.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.lingers {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if !self.pulse.sends_on() {
                return Poll::Ready(Ok(()));
            }
            self.lingers = true;
            self.pulse.beat(Phase::Waiting);
        }
        let mut bytes = [0; 16 << 10];
        while self.pulse.sends_on() {
            let mut unread = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut unread))?;
            if unread.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How long a client may take for a head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take between requests, and to read an answer.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(30);
