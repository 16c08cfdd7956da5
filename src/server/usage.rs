//! When keys were last used: remembered here, and written down now and then, as well as it goes.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use super::log::Log;
use crate::{
    files::Home,
    key::KeyId,
    store::{Usage, UsageFault},
    time::UnixTime,
};

/// The keys that were used since that was last written down, and where it is written.
#[derive(Default)]
pub(super) struct Used {
    keys: Mutex<HashMap<KeyId, UnixTime>>,
    record: Mutex<Option<Usage>>,
}

impl Used {
    /// Remembers that a key was used.
    pub(super) fn note(&self, id: KeyId, now: UnixTime) {
        let mut keys = held(&self.keys);
        if keys.len() < MOST || keys.contains_key(&id) {
            keys.insert(id, now);
        }
    }

    /// Writes it down in a thread of its own, for as long as the process lives. The record begins
    /// at once, so that one can tell for how long a key has not been used.
    pub(super) fn follow(self: &Arc<Self>, home: Home, log: Arc<Log>, clock: fn() -> UnixTime) {
        let used = Arc::clone(self);
        thread::spawn(move || {
            let mut told = false;
            loop {
                match used.write(&home, clock()) {
                    Ok(()) => told = false,
                    // Once is enough: nothing is decided by it.
                    Err(fault) if !told => {
                        log.event("usage_fault", &[("fault", &fault.to_string())]);
                        told = true;
                    }
                    Err(_) => {}
                }
                thread::sleep(PAUSE);
            }
        });
    }

    /// Writes it down now, if that goes quickly.
    pub(super) fn write_within(self: &Arc<Self>, patience: Duration, home: &Home, now: UnixTime) {
        let (done, hears) = mpsc::channel();
        let (used, home) = (Arc::clone(self), home.clone());
        thread::spawn(move || {
            let _ = used.write(&home, now);
            let _ = done.send(());
        });
        let _ = hears.recv_timeout(patience);
    }

    /// Writes it down now. What cannot be written is forgotten: nothing is decided by it.
    fn write(&self, home: &Home, now: UnixTime) -> Result<(), UsageFault> {
        let mut record = held(&self.record);
        let usage = match record.take() {
            Some(usage) => usage,
            None => Usage::open_or_create(home, now)?,
        };
        let keys = mem::take(&mut *held(&self.keys));
        let usage = record.insert(usage);
        let written = if keys.is_empty() { Ok(()) } else { usage.note(&Vec::from_iter(keys)) };
        if written.is_err() {
            *record = None;
        }
        written
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often it is written down.
const PAUSE: Duration = Duration::from_secs(5);

/// How many keys are remembered between.
const MOST: usize = 100_000;
