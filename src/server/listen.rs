//! Connections: how many, how long, how large. Every one is served by one thread from its first
//! byte to its last.

use std::{
    convert::Infallible,
    io,
    pin::pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering::SeqCst, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{
    Request, StatusCode,
    body::{Body, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore, watch},
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    desk::{Desk, Visit},
    metrics::Open,
    pulse::{Felt, Phase},
    upstream::Upstream,
};
use crate::{config, world};

/// A thread that is going to serve connections.
pub(super) struct Worker {
    begin: mpsc::Sender<Work>,
    thread: JoinHandle<()>,
}

/// What a worker has to know.
pub(super) struct Work {
    pub(super) desk: Arc<Desk>,
    /// What every connection of every worker needs one of.
    pub(super) room: Arc<Semaphore>,
    /// Says when to stop.
    pub(super) stop: watch::Sender<bool>,
    /// How it serves.
    pub(super) server: config::Server,
}

impl Worker {
    /// One that takes its connections from a listener which it shares with others.
    pub(super) fn start(listener: &std::net::TcpListener) -> io::Result<Self> {
        let listener = listener.try_clone()?;
        listener.set_nonblocking(true)?;
        let (begin, work) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::Builder::new().spawn(move || {
            let options = LocalOptions::default();
            match Builder::new_current_thread().enable_all().build_local(options) {
                Ok(runtime) => {
                    let _ = tell.send(Ok(()));
                    // None comes if the server does not begin.
                    if let Ok(work) = work.recv() {
                        runtime.block_on(serve(listener, work));
                    }
                }
                Err(error) => {
                    let _ = tell.send(Err(error));
                }
            }
        })?;
        told.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { begin, thread })
    }

    /// Lets it serve until it is told to stop. When it ends, for whatever reason, the others do.
    pub(super) fn begin(self, work: Work) -> JoinHandle<()> {
        // Where it has broken down, that is seen when it is joined.
        let _ = self.begin.send(work);
        self.thread
    }
}

async fn serve(listener: std::net::TcpListener, work: Work) {
    let Work { desk, room, stop, server } = work;
    let upstream = server.upstream.clone().map(|at| Rc::new(Upstream::new(&server, at)));
    let _ends = Ends(&stop);
    if let Some(upstream) = &upstream {
        spawn_local(Rc::clone(upstream).tidy());
    }
    let listener = TcpListener::from_std(listener).expect("a listener of ours, in a runtime");
    let mut stopped = stop.subscribe();
    // Every connection asks at each of its turns; one channel for all threads would cost each of
    // them what the others ask.
    let (stop_here, stopped_here) = watch::channel(false);
    let here = Arc::new(Semaphore::new(MOST_ROOM));
    loop {
        // One connection too many waits with the operating system.
        let accepted = async {
            let room = Arc::clone(&room).acquire_owned().await;
            let here = Arc::clone(&here).acquire_owned().await;
            (room, here, listener.accept().await)
        };
        let (room, here, accepted) = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let slot = Slot { _open: desk.open(), _rooms: [room, here] };
                let visit = Visit {
                    peer: peer.ip(),
                    pulse: Arc::default(),
                    watch: Rc::default(),
                    upstream: upstream.clone(),
                    slot: Rc::new(slot),
                };
                let (desk, stopped) = (Arc::clone(&desk), stopped_here.clone());
                spawn_local(async move { connection(stream, &desk, visit, stopped).await });
            }
            // Too many open files, say: it passes when a connection ends.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    stop_here.send_replace(true);
    let _ = timeout(server.drain, here.acquire_many(MOST_ROOM as u32)).await;
}

/// What counts as a connection until it is dropped.
pub(super) struct Slot {
    _open: Open,
    /// Of all workers, and of this one; nobody closes these.
    _rooms: [Result<OwnedSemaphorePermit, AcquireError>; 2],
}

/// Stops every worker when it is dropped.
struct Ends<'s>(&'s watch::Sender<bool>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

async fn connection(
    stream: TcpStream,
    desk: &Arc<Desk>,
    visit: Visit,
    mut stop: watch::Receiver<bool>,
) {
    // Nothing is won by waiting for more: answers are whole, or are wanted as they come.
    let _ = stream.set_nodelay(true);
    let pulse = Arc::clone(&visit.pulse);
    let io = TokioIo::new(Felt::new(stream, Arc::clone(&pulse)));
    let service = service_fn(|request: Request<Incoming>| {
        pulse.rest(!request.body().is_end_stream());
        let visit = &visit;
        async move {
            let mut answer = desk.answer(request, visit).await;
            if desk.draining.load(SeqCst) && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let proxies = visit.upstream.is_some();
    let mut served = pin!(
        // hyper reads up to 100 headers, and would ask for memory twice a request to read more; the
        // desk refuses fewer than that, in words of its own.
        http1::Builder::new()
            // Who has said all that it has to say may still want to hear; but who has gone away
            // must not keep what lies behind us at work.
            .half_close(!proxies)
            // Our own bodies are short: one copy costs less than a second part to write.
            .writev(proxies)
            .max_header_size(MOST_HEAD)
            .max_buf_size(2 * MOST_HEAD)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let mut over = pin!(async {
        tokio::select! {
            biased;
            () = pulse.late() => {}
            () = visit.watch.lost() => pulse.cut(),
        }
    });
    tokio::select! {
        biased;
        _ = served.as_mut() => return,
        () = over.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    // Whoever has just connected is about to ask, and hyper would close without an answer.
    let mut patience = pin!(sleep(FIRST_WORDS_WITHIN));
    while pulse.phase() == Phase::Head {
        tokio::select! {
            biased;
            _ = served.as_mut() => return,
            () = over.as_mut() => return,
            () = patience.as_mut() => break,
            () = sleep(PAUSE) => {}
        }
    }
    // Whoever is answered already has no more to hear.
    if pulse.phase() != Phase::Answering {
        pulse.read_body();
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = served => {}
        () = over => {}
    }
}

/// How many connections so many workers serve at once. Each is a file, or two where something lies
/// behind us; and workers, what is kept, the log and the commands of this machine need some too:
/// without them no revocation would arrive.
pub(super) fn room(workers: usize, proxies: bool) -> usize {
    let (room, each) = if proxies { (MOST_ROOM, 2) } else { (ROOM, 1) };
    let others = OTHER_FILES + workers * FILES_OF_WORKER;
    let files = world::room_for_files(room * each + others);
    (files.saturating_sub(others).max(files / 2) / each).clamp(1, room)
}

/// How many connections are served at once, where there is room.
const ROOM: usize = 1024;

/// The same where something lies behind us: streams stay open for long.
const MOST_ROOM: usize = 16_384;

/// How many files are left for all that is neither a connection nor a worker's.
const OTHER_FILES: usize = 256;

/// What a worker holds: the listener, and what its runtime waits with.
const FILES_OF_WORKER: usize = 5;

/// How many bytes a head may have.
const MOST_HEAD: usize = 32 << 10;

/// How long a client that has connected may take for a head when the server stops.
const FIRST_WORDS_WITHIN: Duration = Duration::from_secs(1);

/// How often it is looked whether it has.
const PAUSE: Duration = Duration::from_millis(5);
