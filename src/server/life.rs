//! The life of a server: it takes hold of its home, binds, serves, reads its settings anew, and
//! stops.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool, atomic::Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::{Semaphore, watch},
};

use super::{
    Manager, Manner, Place, Report, Settings,
    control::{self, Identity, Say},
    desk::Desk,
    listen,
    live::Live,
    log::Log,
    metrics::{self, Metrics},
    usage::Used,
};
use crate::{
    config::Config,
    error::Error,
    files::{self, Held, Home},
    store::{Purpose, Store},
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

/// A server that holds its home and its port, and does not serve yet.
pub struct Bound {
    plan: Plan,
    address: SocketAddr,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    control: UnixListener,
    socket: Socket,
    log: Arc<Log>,
    /// Let go at the very end.
    held: Held,
}

/// The name of the control socket, which goes with this.
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever starts next removes what is left.
        let _ = files::remove(&self.0);
    }
}

/// Takes hold of a home, then of its ports; an error if another has any of them. Nothing that may
/// go wrong at a start is left for later, when a reset is done.
pub fn bind(plan: Plan) -> Result<Bound, Error> {
    let handed = listenfd::ListenFd::from_env().take_tcp_listener(0);
    let cannot = |address| move |error| Error::CannotListen { address, error };
    let handed = handed.map_err(cannot(plan.address))?;
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
        return Err(already(home)?);
    };
    let listener = match handed {
        Some(listener) => listener,
        None => TcpListener::bind(address).map_err(cannot(address))?,
    };
    let address = listener.local_addr().map_err(cannot(address))?;
    let metrics =
        metrics.map(|address| TcpListener::bind(address).map_err(cannot(address))).transpose()?;
    let log = Log::start(plan.manner, plan.place.clone(), plan.clocks.now)?;
    // Whoever made one before is gone: we hold the home.
    let control = files::listen(&home.server_socket())?;
    let socket = Socket(home.server_socket());
    Ok(Bound { plan, address, listener, metrics, control, socket, log, held })
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop. `ready` is called once it answers.
    pub fn serve(self, ready: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let Self { plan, address, listener, metrics, control, socket, log, held } = self;
        let clocks = plan.clocks;
        let failed = |error| Error::CannotListen { address, error };
        let settings = Settings::of(&plan.config, address, plan.dev);
        let live = Arc::new(Live::new(Arc::new(settings), clocks.uptime));
        live.follow(plan.home.clone(), Arc::clone(&log));
        let used = Arc::new(Used::default());
        used.follow(plan.home.clone(), Arc::clone(&log), clocks.now);
        let desk = Arc::new(Desk {
            live,
            log,
            metrics: Metrics::default(),
            used,
            clock: clocks.now,
            draining: AtomicBool::new(false),
        });
        let identity = Arc::new(Identity {
            pid: std::process::id(),
            address: address.to_string(),
            since: (clocks.now)().to_string(),
        });
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(listen::room()));
        let drain = plan.config.server.drain;
        listener.set_nonblocking(true).map_err(failed)?;
        let served = runtime.block_on(async {
            control.set_nonblocking(true).map_err(failed)?;
            let control = tokio::net::UnixListener::from_std(control).map_err(failed)?;
            tokio::spawn(control::listen(control, Arc::clone(&desk), identity, stop.clone()));
            if let Some(listener) = metrics {
                listener.set_nonblocking(true).map_err(failed)?;
                let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
                tokio::spawn(metrics::serve(listener, Arc::clone(&desk)));
            }
            let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
            let mut signals = Signals::new().map_err(failed)?;
            let threads = thread::available_parallelism().map_or(1, usize::from);
            let mut workers = vec![];
            for _ in 0..threads {
                let listener = listener.try_clone().map_err(failed)?;
                let (desk, room, stopped) = (Arc::clone(&desk), Arc::clone(&room), stopped.clone());
                workers.push(thread::spawn(move || {
                    listen::serve(listener, &desk, &room, stopped, drain)
                }));
            }
            drop(listener);
            desk.log.event("start", &[("address", &address.to_string())]);
            ready()?;
            plan.manager.ready();
            let mut stopped = stopped.clone();
            loop {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => break,
                    () = signals.stop() => break,
                    _ = hangup.recv() => {
                        plan.manager.reloading((clocks.awake)());
                        reload(&desk, &plan.home, address, plan.dev);
                        plan.manager.ready();
                    }
                }
            }
            desk.draining.store(true, SeqCst);
            desk.log.event("stop", &[]);
            plan.manager.stopping();
            stop.send_replace(true);
            let ended = tokio::task::spawn_blocking(|| {
                workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
            });
            tokio::select! {
                _ = ended => {}
                // Whoever says so twice does not want to wait.
                () = signals.stop() => {}
            }
            Ok(())
        });
        // What still waits for a lock or a disk is not waited for.
        runtime.shutdown_background();
        let _ = desk.used.write(&plan.home, (clocks.now)());
        drop(socket);
        desk.log.flush();
        drop(held);
        served
    }
}

/// Judges by what is configured now; by what was, if that is wrong.
fn reload(desk: &Desk, home: &Home, address: SocketAddr, dev: bool) {
    desk.log.reopen();
    let config = match Config::load(&home.config_file()) {
        Ok(config) => config,
        Err(fault) => {
            desk.log.event("reload_failed", &[("fault", &Error::from(fault).to_string())]);
            return;
        }
    };
    let policy = config.policy;
    desk.live.set(Settings::of(&config, address, dev));
    let store = Store::open(home, Purpose::Read);
    let refused = store.map(|store| store.map(|store| store.against(&policy, (desk.clock)())));
    let refused = match refused {
        Ok(Some(Ok(refused))) => refused.len().to_string(),
        Ok(None) => "0".to_owned(),
        Ok(Some(Err(_))) | Err(_) => "unknown".to_owned(),
    };
    desk.log.event("reload", &[("active_keys_refused", &refused)]);
}

/// The signals that say stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The process of the server that holds a home, if one does.
pub fn running(home: &Home) -> Result<Option<u32>, Error> {
    Ok(Held::by(&home.server_lock())?)
}

/// How the server of a home is, if one runs; an error if it runs and does not answer.
pub fn report(home: &Home) -> Result<Option<Report>, Error> {
    say(home, Say::Status)
}

/// Makes sure that the server of a home knows a change of trust, and answers where that server
/// is and how long it took; none if none runs.
pub fn sync(home: &Home, seq: u64) -> Result<Option<(Report, Duration)>, Error> {
    let began = Instant::now();
    Ok(say(home, Say::Sync { seq })?.map(|report| (report, began.elapsed())))
}

/// Stops the server of a home, and waits until it has; none if none runs.
pub fn stop(home: &Home) -> Result<Option<Report>, Error> {
    let Some(report) = say(home, Say::Stop)? else { return Ok(None) };
    // It says itself how long it lets open exchanges take; this is for one that hangs.
    for _ in 0..STOPS_WITHIN.as_millis() / PAUSE.as_millis() {
        if running(home)? != Some(report.pid) {
            return Ok(Some(report));
        }
        thread::sleep(PAUSE);
    }
    Err(hung(home, report.pid))
}

fn say(home: &Home, what: Say) -> Result<Option<Report>, Error> {
    let socket = home.server_socket();
    for _ in 0..STARTS_WITHIN.as_millis() / PAUSE.as_millis() {
        match control::say(&socket, what, PATIENCE) {
            Ok(report) => return Ok(Some(report)),
            Err(_) => match running(home)? {
                None => return Ok(None),
                // It has taken hold, and does not listen yet; or it is just going.
                Some(_) if !is_listening(&socket) => thread::sleep(PAUSE),
                Some(pid) => return Err(hung(home, pid)),
            },
        }
    }
    match running(home)? {
        None => Ok(None),
        Some(pid) => Err(hung(home, pid)),
    }
}

fn is_listening(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

fn already(home: &Home) -> Result<Error, Error> {
    Ok(match report(home) {
        Ok(Some(Report { pid, address, .. })) => {
            Error::AlreadyRunning { pid, address: Some(address) }
        }
        Ok(None) | Err(_) => {
            Error::AlreadyRunning { pid: running(home)?.unwrap_or_default(), address: None }
        }
    })
}

fn hung(home: &Home, pid: u32) -> Error {
    Error::Hung { pid, lock: home.server_lock() }
}

/// How long a server may take to answer a command.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take from taking hold of its home to answering a command.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

/// How long it may take to stop; more than the longest `drain` that makes sense.
const STOPS_WITHIN: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(10);
