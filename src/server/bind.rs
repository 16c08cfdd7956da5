//! Before a server serves: it takes hold of its home and its ports. What may go wrong at a start goes
//! wrong here, before anything is changed.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::Arc,
    thread,
};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    Manager, Manner, Place, caller,
    listen::{self, Worker},
    log::Log,
};
use crate::{
    config::{Config, Upstream},
    error::Error,
    files::{self, Held, Home},
    world::Clocks,
};

/// How a server is to be.
#[derive(Debug)]
pub struct Plan {
    /// Whose keys it judges.
    pub home: Home,
    /// What is configured.
    pub config: Config,
    /// Where it listens, unless it is handed a socket; port 0 is any that is free.
    pub address: SocketAddr,
    /// Whether requests without a key pass.
    pub dev: bool,
    /// How it logs.
    pub manner: Manner,
    /// Where it logs.
    pub place: Place,
    /// Who started it.
    pub manager: Manager,
    /// What time it is.
    pub clocks: Clocks,
}

/// A server that has all that it needs, and does not serve yet.
pub struct Bound {
    pub(super) plan: Plan,
    pub(super) address: SocketAddr,
    pub(super) workers: Vec<Worker>,
    /// How many connections they serve at once.
    pub(super) room: usize,
    pub(super) metrics: Option<TcpListener>,
    pub(super) control: UnixListener,
    pub(super) log: Arc<Log>,
    pub(super) signals: Signals,
    pub(super) runtime: Runtime,
    pub(super) socket: Socket,
    /// Let go at the very end.
    pub(super) held: Held,
}

/// The name of the control socket, which goes with this.
pub(super) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever starts next removes what is left.
        let _ = files::remove(&self.0);
    }
}

/// Takes hold of a home, then of its ports; an error if another has any of them.
pub fn bind(plan: Plan) -> Result<Bound, Error> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let room = listen::room(threads, plan.config.server.upstream.is_some());
    let cannot = |address| move |error| Error::CannotListen { address, error };
    let handed = listenfd::ListenFd::from_env().take_tcp_listener(0);
    let handed = handed.map_err(Error::system("use the socket that a service manager opened"))?;
    let address = match &handed {
        Some(listener) => listener.local_addr().map_err(cannot(plan.address))?,
        None => plan.address,
    };
    let metrics = plan.config.server.metrics_listen;
    let beyond = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
    let reached = [Some(address), metrics].into_iter().flatten().find(beyond);
    if let Some(address) = reached.filter(|_| plan.dev) {
        return Err(Error::DevBeyondLoopback { address });
    }
    let home = &plan.home;
    home.refuse_anothers()?;
    home.make()?;
    files::check_directory(&home.data)?;
    let Some(held) = Held::take(&home.server_lock())? else {
        return Err(caller::already(home)?);
    };
    // Somebody may have removed the lock of one that runs.
    if let Some(running) = caller::answering(home) {
        return Err(running);
    }
    let listener = match handed {
        Some(listener) => listener,
        None => TcpListener::bind(address).map_err(cannot(address))?,
    };
    let address = listener.local_addr().map_err(cannot(address))?;
    if let Some(upstream) = plan.config.server.upstream.as_ref().filter(|at| at.is(address)) {
        return Err(Error::UpstreamIsUs { upstream: upstream.clone() });
    }
    let metrics =
        metrics.map(|address| TcpListener::bind(address).map_err(cannot(address))).transpose()?;
    // Whoever made one before is gone: we hold the home.
    let control = files::listen(&home.server_socket())?;
    let socket = Socket(home.server_socket());
    let log = Log::start(plan.manner, plan.place.clone(), plan.clocks.now)?;
    let workers = (0..threads).map(|_| Worker::start(&listener)).collect::<io::Result<_>>();
    let workers = workers.map_err(Error::system("serve connections"))?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::system("wait for events"))?;
    let signals = {
        let _entered = runtime.enter();
        Signals::new().map_err(Error::system("wait for signals"))?
    };
    Ok(Bound {
        plan,
        room,
        address,
        workers,
        metrics,
        control,
        log,
        signals,
        runtime,
        socket,
        held,
    })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it stands before, if anything.
    pub fn upstream(&self) -> Option<&Upstream> {
        self.plan.config.server.upstream.as_ref()
    }
}

/// The signals that a server minds.
pub(super) struct Signals {
    pub(super) hangup: Signal,
    pub(super) stop: Stop,
}

/// The signals that say stop.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let stop = Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        };
        Ok(Self { hangup: signal(SignalKind::hangup())?, stop })
    }
}

impl Stop {
    pub(super) async fn said(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
