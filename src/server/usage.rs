//! When keys were last used: remembered here, and written down now and then, as well as it goes.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
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

/// The keys that were used since that was last written down.
#[derive(Default)]
pub(super) struct Used(Mutex<HashMap<KeyId, UnixTime>>);

impl Used {
    /// Remembers that a key was used.
    pub(super) fn note(&self, id: KeyId, now: UnixTime) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < MOST || used.contains_key(&id) {
            used.insert(id, now);
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

    /// Writes it down now. What cannot be written is forgotten: nothing is decided by it.
    pub(super) fn write(&self, home: &Home, now: UnixTime) -> Result<(), UsageFault> {
        let mut usage = Usage::open_or_create(home, now)?;
        let used = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() { Ok(()) } else { usage.note(&Vec::from_iter(used)) }
    }
}

/// How often it is written down.
const PAUSE: Duration = Duration::from_secs(5);

/// How many keys are remembered between.
const MOST: usize = 100_000;
