//! The life of a server: it serves, reads its settings anew, and stops.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering::SeqCst},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::{Semaphore, watch};

use super::{
    Manner, Settings,
    bind::Bound,
    control::{self, Identity},
    desk::Desk,
    listen::{Work, Worker},
    live::Live,
    metrics::{self, Metrics},
    rate::Rates,
    usage::Used,
};
use crate::{
    config::Config,
    error::Error,
    files::{self, Home},
    policy::Policy,
    store::{Purpose, Store},
    time::UnixTime,
    world,
};

impl Bound {
    /// Serves until it is told to stop. `ready` is called once it answers.
    pub fn serve(self, ready: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let Self {
            plan,
            address,
            room,
            workers,
            metrics,
            control,
            log,
            signals,
            runtime,
            socket,
            held,
        } = self;
        let clocks = plan.clocks;
        let settings = Settings::of(&plan.config, address, plan.dev);
        let live = Arc::new(Live::new(Arc::new(settings), clocks));
        live.follow(plan.home.clone(), Arc::clone(&log));
        let used = Arc::new(Used::default());
        used.follow(plan.home.clone(), Arc::clone(&log), clocks.now);
        let desk = Arc::new(Desk {
            live,
            log,
            metrics: Metrics::default(),
            used,
            rates: Rates::default(),
            clock: clocks.now,
            draining: AtomicBool::new(false),
        });
        let drain = plan.config.server.drain;
        let identity = Arc::new(Identity {
            pid: std::process::id(),
            address: address.to_string(),
            upstream: plan.config.server.upstream.as_ref().map(ToString::to_string),
            since: (clocks.now)().to_string(),
            drain,
        });
        let (stop, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(room));
        let mut reloads = Reloads::new(Arc::clone(&desk), plan.home.clone(), address, plan.dev);
        let served = runtime.block_on(async {
            tokio::spawn(control::listen(control, Arc::clone(&desk), identity, stop.clone()));
            if let Some(listener) = metrics {
                tokio::spawn(metrics::serve(listener, Arc::clone(&desk)));
            }
            let begin = |worker: Worker| {
                let (desk, room) = (Arc::clone(&desk), Arc::clone(&room));
                let server = plan.config.server.clone();
                worker.begin(Work { desk, room, stop: stop.clone(), server })
            };
            let workers: Vec<_> = workers.into_iter().map(begin).collect();
            desk.log.event("start", &[("address", &address.to_string())]);
            let mut served = ready();
            plan.manager.ready();
            let (mut hangup, mut said_stop) = (signals.hangup, signals.stop);
            let mut stopped = stopped.clone();
            while served.is_ok() {
                tokio::select! {
                    _ = stopped.wait_for(|stop| *stop) => break,
                    () = said_stop.said() => break,
                    _ = hangup.recv() => {
                        // Whoever closed the terminal does not see it any more.
                        if plan.manner == Manner::Human && !world::has_terminal() {
                            break;
                        }
                        plan.manager.reloading((clocks.awake)());
                        reloads.reload();
                        plan.manager.ready();
                    }
                }
            }
            desk.draining.store(true, SeqCst);
            desk.log.event("stop", &[]);
            plan.manager.stopping();
            stop.send_replace(true);
            let ended = tokio::task::spawn_blocking(|| {
                let ended: Vec<_> = workers.into_iter().map(JoinHandle::join).collect();
                ended.iter().all(Result::is_ok)
            });
            tokio::select! {
                ended = ended => if !ended.unwrap_or(false) {
                    let error = io::Error::other("a thread of the server broke down");
                    served = served.and(Err(Error::system("serve connections")(error)));
                },
                // Whoever says so twice does not want to wait.
                () = said_stop.said() => {}
            }
            served
        });
        // A lock or a disk that hangs is not waited for.
        runtime.shutdown_background();
        desk.used.write_within(LAST_WORDS_WITHIN, &plan.home, (clocks.now)());
        drop(socket);
        desk.log.flush();
        drop(held);
        served
    }
}

/// What it takes to judge by what is configured now.
struct Reloads {
    desk: Arc<Desk>,
    home: Home,
    address: SocketAddr,
    dev: bool,
    /// Whether something was configured when that was last read.
    configured: bool,
}

impl Reloads {
    fn new(desk: Arc<Desk>, home: Home, address: SocketAddr, dev: bool) -> Self {
        let configured = is_configured(&home);
        Self { desk, home, address, dev, configured }
    }

    /// Judges by what is configured now; by what was, if that is wrong.
    fn reload(&mut self) {
        let log = &self.desk.log;
        log.reopen();
        let there = is_configured(&self.home);
        if self.configured && !there {
            // Perhaps somebody is about to write it: a policy does not end by accident.
            log.event("reload_failed", &[("fault", "config.toml is gone, or empty")]);
            return;
        }
        let config = match Config::load(&self.home.config_file()) {
            Ok(config) => config,
            Err(error) => {
                log.event("reload_failed", &[("fault", &error.to_string())]);
                return;
            }
        };
        self.configured = there;
        self.desk.live.set(Settings::of(&config, self.address, self.dev));
        let (desk, home) = (Arc::clone(&self.desk), self.home.clone());
        // Every active key is looked at, which takes its time.
        tokio::task::spawn_blocking(move || {
            let refused = refused(&home, &config.policy, (desk.clock)());
            let refused = refused.map_or("unknown".to_owned(), |refused| refused.to_string());
            desk.log.event("reload", &[("active_keys_refused", &refused)]);
        });
    }
}

/// Whether anything is configured, as far as one can see.
fn is_configured(home: &Home) -> bool {
    let path = home.config_file();
    !matches!(files::exists(&path), Ok(false)) && files::length(&path) != Some(0)
}

/// How many active keys a policy refuses, if that can be told.
fn refused(home: &Home, policy: &Policy, now: UnixTime) -> Option<usize> {
    if !policy.judges_use() {
        return Some(0);
    }
    match Store::open(home, Purpose::Read).ok()? {
        Some(store) => Some(store.against(policy, now).ok()?.len()),
        None => Some(0),
    }
}

/// How long a server that has stopped takes to write down when keys were last used.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(1);
