//! Connections: how many, how long, how large. Every one is served by one thread from its first
//! byte to its last.

use std::{
    cell::Cell,
    convert::Infallible,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Semaphore, watch},
    task::LocalSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::desk::Desk;
use crate::world;

/// One thread that serves, before it does.
pub(super) struct Worker {
    runtime: Runtime,
    listener: TcpListener,
}

impl Worker {
    /// One that takes its connections from a listener which it shares with others.
    pub(super) fn new(listener: &std::net::TcpListener) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        Ok(Self { runtime, listener })
    }

    /// Serves connections in this thread until told to stop, and then for as long as open ones
    /// take, but no longer than `drain`. When it ends, for whatever reason, the others do.
    pub(super) fn serve(
        self,
        desk: &Arc<Desk>,
        room: &Arc<Semaphore>,
        stop: &watch::Sender<bool>,
        drain: Duration,
    ) {
        let Self { runtime, listener } = self;
        let _ends = Ends(stop);
        let mut stopped = stop.subscribe();
        let local = LocalSet::new();
        runtime.block_on(local.run_until(async {
            let here = Arc::new(Semaphore::new(ROOM));
            loop {
                // One connection too many waits with the operating system.
                let accepted = async {
                    let room = Arc::clone(room).acquire_owned().await;
                    let here = Arc::clone(&here).acquire_owned().await;
                    (room, here, listener.accept().await)
                };
                let (room, here, accepted) = tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stop| *stop) => break,
                    accepted = accepted => accepted,
                };
                match accepted {
                    Ok((stream, _)) => {
                        let (desk, stop) = (Arc::clone(desk), stop.subscribe());
                        tokio::task::spawn_local(async move {
                            let open = desk.metrics.open();
                            connection(stream, &desk, stop).await;
                            drop((open, room, here));
                        });
                    }
                    // Too many open files, say: it passes when a connection ends.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
            drop(listener);
            let _ = timeout(drain, here.acquire_many(ROOM as u32)).await;
        }));
    }
}

/// Stops every worker when it is dropped.
struct Ends<'s>(&'s watch::Sender<bool>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

async fn connection(stream: TcpStream, desk: &Desk, mut stop: watch::Receiver<bool>) {
    // Answers are small and whole: nothing is won by waiting for more.
    let _ = stream.set_nodelay(true);
    let pulse = Rc::new(Pulse::default());
    let io = TokioIo::new(Felt { stream, pulse: Rc::clone(&pulse) });
    let service = service_fn(|request| {
        pulse.beat(Phase::Answering);
        let pulse = &pulse;
        async move {
            let answer = desk.answer(&request).await;
            pulse.answered();
            Ok::<_, Infallible>(answer)
        }
    });
    let mut served = pin!(
        http1::Builder::new()
            // Who has said all that it has to say may still want to hear.
            .half_close(true)
            .max_headers(MOST_HEADERS)
            .max_header_size(MOST_HEAD)
            .max_buf_size(2 * MOST_HEAD)
            .serve_connection(io, service)
    );
    let mut late = pin!(pulse.late());
    tokio::select! {
        _ = served.as_mut() => return,
        () = late.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = served => {}
        () = late => {}
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Its request is being answered.
    Answering,
    /// A part of a head has come.
    Head,
    /// No byte of the next head has come.
    Waiting,
}

/// When a connection last went on to do something else. A timer for each request would cost more
/// than the request.
struct Pulse {
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

    fn read_some(&self, bytes: &[u8]) {
        self.ends.set(bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n"));
        if self.phase.get().0 == Phase::Waiting {
            self.beat(Phase::Head);
        }
    }

    fn answered(&self) {
        self.beat(if self.ends.get() { Phase::Waiting } else { Phase::Head });
    }

    /// Returns when the client has taken too long.
    async fn late(&self) {
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
struct Felt {
    stream: TcpStream,
    pulse: Rc<Pulse>,
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

/// How many connections are served at once. Each is a file, and what is kept, the log and the
/// commands of this machine need some too: without them no revocation would arrive.
pub(super) fn room() -> usize {
    let files = world::room_for_files(ROOM + OTHER_FILES);
    files.saturating_sub(OTHER_FILES).max(files / 2).clamp(1, ROOM)
}

/// How many connections are served at once, where there is room.
const ROOM: usize = 1024;

/// How many files are left for all that is no connection.
const OTHER_FILES: usize = 256;

/// How many headers are read. The desk refuses fewer than that, in words of its own.
const MOST_HEADERS: usize = 256;

/// How many bytes a head may have.
const MOST_HEAD: usize = 32 << 10;

/// How long a client may take for a head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a client may take between requests, and to read an answer.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(30);
