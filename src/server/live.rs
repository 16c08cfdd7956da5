//! Live trust: what requests are judged by follows what is kept, within a tenth of a second.

use std::{
    sync::{
        Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use super::{Settings, log::Log};
use crate::{
    files::Home,
    gate::{Denial, Gate, Signatures},
    keyring::KeyRing,
    revocations::Revocations,
    store::{StoreFault, Trust, Watch},
    verify::Verifier,
    world::Clocks,
};

/// Trust as it is now, for whoever judges a request.
pub(super) struct Live {
    clocks: Clocks,
    state: RwLock<State>,
    /// When the last look at the store began, in nanoseconds since the machine started.
    looked: AtomicU64,
    /// The look that was waited for in vain, and when that was found, in nanoseconds as above.
    missed: AtomicU64,
    missed_at: AtomicU64,
    /// How many looks were asked for, and how many of them have been had.
    asked: AtomicU64,
    answered: watch::Sender<u64>,
    /// Says that there is something else to judge by.
    changed: watch::Sender<()>,
    follower: OnceLock<Thread>,
}

#[derive(Default)]
struct State {
    settings: Arc<Settings>,
    trust: Option<(KeyRing, Arc<Revocations>)>,
    signatures: Arc<Signatures>,
    gate: Option<Arc<Gate>>,
    seq: u64,
    /// When the last look began that told what is kept.
    confirmed: Duration,
    /// Why the last look did not.
    fault: Option<String>,
}

/// How trust stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// The number of the last change of trust that is known.
    pub(super) seq: u64,
    /// Whether requests with a key can be judged.
    pub(super) decides: bool,
    /// How long ago trust was as it is known.
    pub(super) age: Duration,
    /// Why the store cannot be read, if it cannot.
    pub(super) fault: Option<String>,
}

impl Live {
    pub(super) fn new(settings: Arc<Settings>, clocks: Clocks) -> Self {
        let state = State { settings, confirmed: (clocks.uptime)(), ..State::default() };
        Self {
            clocks,
            state: RwLock::new(state),
            looked: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            missed_at: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            answered: watch::Sender::new(0),
            changed: watch::Sender::new(()),
            follower: OnceLock::new(),
        }
    }

    /// What to judge by: as of less than [`FRESH`] ago if the store can be read, as it was when it
    /// last could for a while.
    pub(super) async fn gate(&self) -> Result<Arc<Gate>, Denial> {
        // Counts the time in which this machine, or this process, stood still.
        if self.age_of_look() >= FRESH && !self.hangs() {
            // Without an answer there is the last snapshot, for as long as it may be used.
            let _ = self.look_again().await;
        }
        let state = self.read();
        match &state.gate {
            Some(gate) if self.decides(&state) => Ok(Arc::clone(gate)),
            Some(_) | None => Err(Denial::Undecided),
        }
    }

    /// What to judge by, as far as it is known, for whoever was let in before.
    pub(super) fn known(&self) -> Option<Arc<Gate>> {
        self.read().gate.clone()
    }

    /// Hears of everything else to judge by from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The time since this machine started.
    pub(super) fn uptime(&self) -> Duration {
        (self.clocks.uptime)()
    }

    /// Waits until a change of trust is known, however long that takes. That a later one was known
    /// before is not enough: it may be of a database that was replaced since.
    pub(super) async fn catch_up(&self, seq: u64) {
        while self.look_again().await.is_err() || !self.read().knows(seq) {
            // Whatever is in the way may pass.
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// How trust stands.
    pub(super) fn standing(&self) -> Standing {
        let state = self.read();
        Standing {
            seq: state.seq,
            decides: state.gate.is_some() && self.decides(&state),
            age: self.uptime().saturating_sub(state.confirmed),
            fault: match self.hangs() {
                true => Some("the database does not answer".to_owned()),
                false => state.fault.clone(),
            },
        }
    }

    /// What is set now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.read().settings)
    }

    /// Judges by other settings from now on.
    pub(super) fn set(&self, settings: Settings) {
        {
            let mut state = self.write();
            state.settings = Arc::new(settings);
            state.rebuild();
        }
        self.changed.send_replace(());
    }

    /// Follows what is kept in a thread of its own, for as long as the process lives. Has looked
    /// once when it returns.
    pub(super) fn follow(self: &Arc<Self>, home: Home, log: Arc<Log>) {
        let mut watch = None;
        self.look(&home, &mut watch, &log);
        let live = Arc::clone(self);
        let follower = thread::spawn(move || {
            loop {
                thread::park_timeout(PAUSE);
                live.look(&home, &mut watch, &log);
            }
        });
        let _ = self.follower.set(follower.thread().clone());
    }

    fn look(&self, home: &Home, watch: &mut Option<Watch>, log: &Log) {
        let asked = self.asked.load(SeqCst);
        let began = self.uptime();
        let looked = match watch {
            Some(watch) => watch.look(),
            None => Watch::open(home).map(|opened| {
                opened.map(|(opened, trust)| {
                    *watch = Some(opened);
                    trust
                })
            }),
        };
        self.take(looked, began, log);
        self.looked.store(began.as_nanos() as u64, SeqCst);
        self.answered.send_replace(asked);
    }

    fn take(&self, looked: Result<Option<Trust>, StoreFault>, began: Duration, log: &Log) {
        // Before anybody waits for the lock.
        let looked = looked.map(|trust| trust.map(|trust| self.prepared(trust)));
        let fault = looked.as_ref().err().map(ToString::to_string);
        let (before, since) = {
            let state = self.read();
            (state.fault.clone(), state.confirmed)
        };
        match (&before, &fault) {
            (None, Some(fault)) => log.event("store_fault", &[("fault", fault)]),
            (Some(before), Some(fault)) if before != fault => {
                log.event("store_fault", &[("fault", fault)]);
            }
            (Some(_), None) => {
                let secs = began.saturating_sub(since).as_secs().to_string();
                log.event("store_back", &[("after_secs", &secs)]);
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        let mut state = self.write();
        state.fault = fault;
        let Ok(trust) = looked else { return };
        state.confirmed = began;
        let Some(Trust { seq, ring, revocations }) = trust else { return };
        state.seq = seq;
        state.trust = (!ring.is_empty()).then(|| (ring, Arc::new(revocations)));
        state.rebuild();
        drop(state);
        self.changed.send_replace(());
        log.event("trust", &[("seq", &seq.to_string())]);
    }

    /// The same trust, with server keys that verify quickly.
    fn prepared(&self, trust: Trust) -> Trust {
        let known = self.read().trust.as_ref().map(|(ring, _)| ring.clone());
        let ring = trust.ring.prepared(&known.unwrap_or_default(), (self.clocks.now)());
        Trust { ring, ..trust }
    }

    fn decides(&self, state: &State) -> bool {
        self.uptime().saturating_sub(state.confirmed) <= state.settings.max_staleness
    }

    /// Whether a look that is going on was waited for in vain, a moment ago: then nobody waits again.
    fn hangs(&self) -> bool {
        let found = Duration::from_nanos(self.missed_at.load(SeqCst));
        *self.answered.borrow() < self.missed.load(SeqCst)
            && self.uptime().saturating_sub(found) < BETWEEN_TRIES
    }

    fn age_of_look(&self) -> Duration {
        self.uptime().saturating_sub(Duration::from_nanos(self.looked.load(SeqCst)))
    }

    /// Has the store looked at once more, from now on.
    async fn look_again(&self) -> Result<(), Hung> {
        let ticket = self.asked.fetch_add(1, SeqCst) + 1;
        let mut answered = self.answered.subscribe();
        if let Some(follower) = self.follower.get() {
            follower.unpark();
        }
        // In slices: where this process stood still, a timer is over before anybody could answer.
        for _ in 0..SLICES {
            let looked = answered.wait_for(|answered| *answered >= ticket);
            if timeout(SLICE, looked).await.is_ok() {
                return Ok(());
            }
        }
        self.missed.store(ticket, SeqCst);
        self.missed_at.store(self.uptime().as_nanos() as u64, SeqCst);
        Err(Hung)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn knows(&self, seq: u64) -> bool {
        self.fault.is_none() && self.seq >= seq
    }

    fn rebuild(&mut self) {
        let settings = &self.settings;
        self.gate = self.trust.as_ref().map(|(ring, revocations)| {
            Arc::new(Gate {
                prefix: settings.prefix.clone(),
                verifier: Verifier {
                    ring: ring.clone(),
                    issuer: settings.issuer.clone(),
                    audience: settings.audience.clone(),
                    policy: settings.policy,
                },
                revocations: Arc::clone(revocations),
                signatures: Arc::clone(&self.signatures),
            })
        });
    }
}

/// The store does not answer.
struct Hung;

/// How old trust may be when a request is judged by it.
const FRESH: Duration = Duration::from_millis(100);

/// How often the store is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a request waits for a store that hangs: two seconds, in parts.
const SLICES: u32 = 20;
const SLICE: Duration = Duration::from_millis(100);

/// How long nobody waits for a store that was found to hang.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
