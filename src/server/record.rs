//! What is remembered of a request: a line of the log, a count, and that a key was used. Whatever
//! becomes of the request, or of its client.

use std::{sync::Arc, time::Instant};

use super::{desk::Desk, log::Entry, route::Route};
use crate::{error::Turned, gate::Admission, key::KeyId, time::UnixTime};

/// What is known of a request so far; it is written down when this is dropped.
pub(super) struct Record {
    desk: Arc<Desk>,
    began: Instant,
    now: UnixTime,
    route: Route,
    id: Option<KeyId>,
    namespace: Option<String>,
    decision: &'static str,
    reason: &'static str,
    status: u16,
}

impl Record {
    /// Of a request that came at `now`. Until more is known its client is gone.
    pub(super) fn new(desk: &Arc<Desk>, route: Route, now: UnixTime) -> Self {
        Self {
            desk: Arc::clone(desk),
            began: Instant::now(),
            now,
            route,
            id: None,
            namespace: None,
            decision: "refused",
            reason: "client_gone",
            status: CLIENT_GONE,
        }
    }

    /// When it came.
    pub(super) fn now(&self) -> UnixTime {
        self.now
    }

    /// It bears a key whose signature holds.
    pub(super) fn bears(&mut self, id: Option<KeyId>) {
        self.id = id;
    }

    /// It may pass.
    pub(super) fn allowed(&mut self, admission: &Admission) {
        self.id = admission.id();
        self.namespace = Some(admission.identity().namespace.clone());
        self.decision = "allowed";
    }

    /// It was answered, for this reason.
    pub(super) fn told(&mut self, reason: &'static str) {
        self.reason = reason;
    }

    /// It gets what anybody may have.
    pub(super) fn public(&mut self) {
        (self.decision, self.reason) = ("answered", "public");
    }

    /// It gets an error. What was passed on was allowed, whatever came of that but a denial.
    pub(super) fn turned(&mut self, turned: &Turned) {
        self.reason = turned.reason();
        if let Turned::Denied(denial) = turned {
            self.decision = "refused";
            self.id = denial.id().or(self.id);
            self.namespace = None;
        }
    }

    /// This status is sent.
    pub(super) fn sent(&mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Self { desk, route, id, decision, reason, .. } = self;
        if let Some(id) = id.filter(|_| *decision == "allowed") {
            desk.used.note(id, self.now);
        }
        desk.metrics.count(decision, reason, route.name());
        let entry = Entry {
            route: route.name(),
            id: *id,
            namespace: self.namespace.as_deref(),
            decision,
            reason,
            status: self.status,
            latency: self.began.elapsed(),
        };
        desk.log.request(&entry, self.now);
    }
}

/// The status in the log of a request whose client did not wait for one, as in the log of nginx.
const CLIENT_GONE: u16 = 499;
