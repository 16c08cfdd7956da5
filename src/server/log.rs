//! The log: one line a request and one an event, and never a key, a path or a query. Who writes a
//! line never waits for a disk.

use std::{
    io::{self, Write},
    mem,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde::{Serialize, Serializer};

use crate::{
    files::{self, FileFault},
    json,
    key::KeyId,
    time::UnixTime,
};

/// How lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    /// One JSON object a line.
    Json,
    /// For people.
    Human,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub enum Place {
    /// This file, which may be moved away: it is opened again on request.
    File(PathBuf),
    /// Standard error.
    Stderr,
}

/// Lines on their way.
pub(super) struct Log {
    manner: Manner,
    place: Place,
    clock: fn() -> UnixTime,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many lines found no room.
    dropped: u64,
    /// Whether the file is to be opened again.
    reopen: bool,
    /// Whether lines are being written.
    writing: bool,
    /// The moment of the last line, as it is written: many lines share one.
    at: Option<(UnixTime, String)>,
}

/// One request, as the log knows it.
#[derive(Debug)]
pub(super) struct Entry<'e> {
    pub(super) route: &'static str,
    pub(super) id: Option<KeyId>,
    /// The namespaces that were judged.
    pub(super) namespace: Option<&'e str>,
    pub(super) decision: &'static str,
    pub(super) reason: &'static str,
    pub(super) status: u16,
    pub(super) latency: Duration,
}

impl Entry<'_> {
    /// Writes it as JSON. All of its words are ours and have nothing in them to escape: looking for
    /// that would take longer than to decide about the request.
    fn append(&self, at: &str, lines: &mut Vec<u8>) {
        let quoted = |word: Option<_>| if word.is_some() { "\"" } else { "" };
        let id = self.id.map(|id| id.to_string());
        let (id, namespace) = (id.as_deref(), self.namespace);
        for part in [
            "{\"at\":\"",
            at,
            "\",\"event\":\"request\",\"route\":\"",
            self.route,
            "\",\"key_id\":",
            quoted(id),
            id.unwrap_or("null"),
            quoted(id),
            ",\"namespace\":",
            quoted(namespace),
            namespace.unwrap_or("null"),
            quoted(namespace),
            ",\"decision\":\"",
            self.decision,
            "\",\"reason\":\"",
            self.reason,
        ] {
            lines.extend_from_slice(part.as_bytes());
        }
        let (status, latency) = (self.status, self.latency.as_micros() as u64);
        let _ = writeln!(lines, "\",\"status\":{status},\"latency_us\":{latency}}}");
    }
}

struct Event<'l> {
    at: &'l str,
    event: &'l str,
    facts: &'l [(&'l str, &'l str)],
}

/// One object, with its facts as members of their own.
impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let always = [("at", self.at), ("event", self.event)];
        writer.collect_map(always.into_iter().chain(self.facts.iter().copied()))
    }
}

impl Log {
    /// A log that is written by a thread of its own, for as long as the process lives.
    pub(super) fn start(
        manner: Manner,
        place: Place,
        clock: fn() -> UnixTime,
    ) -> Result<Arc<Self>, FileFault> {
        let mut sink = place.open()?;
        let waiting = Mutex::new(Waiting::default());
        let log = Arc::new(Self { manner, place, clock, waiting, arrived: Condvar::new() });
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            let mut lines = vec![];
            loop {
                writer.write(&mut lines, &mut sink);
            }
        });
        Ok(log)
    }

    /// Tells of a request that was answered at `now`.
    pub(super) fn request(&self, entry: &Entry<'_>, now: UnixTime) {
        self.line(now, |at, lines| match self.manner {
            Manner::Json => entry.append(at, lines),
            Manner::Human => {
                let id = entry.id.map_or("-".to_owned(), |id| id.to_string());
                let _ = writeln!(
                    lines,
                    "{at} {} {:<8} {:<18} {:<16} {} {} {} us",
                    entry.status,
                    entry.decision,
                    entry.reason,
                    id,
                    entry.namespace.unwrap_or("-"),
                    entry.route,
                    entry.latency.as_micros(),
                );
            }
        });
    }

    /// Tells of what happened besides requests.
    pub(super) fn event(&self, event: &str, facts: &[(&str, &str)]) {
        self.line((self.clock)(), |at, lines| match self.manner {
            Manner::Json => {
                json::append(lines, &Event { at, event, facts });
                lines.push(b'\n');
            }
            Manner::Human => {
                let facts: String =
                    facts.iter().map(|(name, fact)| format!(" {name}={fact}")).collect();
                let _ = writeln!(lines, "{at} {event}{facts}");
            }
        });
    }

    /// Opens the file again, where there is one: somebody may have moved it away.
    pub(super) fn reopen(&self) {
        self.waiting().reopen = true;
        self.arrived.notify_one();
    }

    /// Waits until every line is written, for as long as that is worth it.
    pub(super) fn flush(&self) {
        for _ in 0..100 {
            let waiting = self.waiting();
            if waiting.lines.is_empty() && !waiting.writing {
                return;
            }
            drop(waiting);
            self.arrived.notify_one();
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn line(&self, now: UnixTime, write: impl FnOnce(&str, &mut Vec<u8>)) {
        let mut guard = self.waiting();
        let waiting = &mut *guard;
        if waiting.lines.len() > MOST {
            waiting.dropped += 1;
            return;
        }
        if waiting.at.as_ref().is_none_or(|(at, _)| *at != now) {
            waiting.at = Some((now, now.to_string()));
        }
        let was_empty = waiting.lines.is_empty();
        let at = waiting.at.as_ref().map_or("", |(_, at)| at);
        write(at, &mut waiting.lines);
        drop(guard);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Writes what has arrived, once something has. What follows finds the room of what went before.
    fn write(&self, lines: &mut Vec<u8>, sink: &mut Box<dyn Write + Send>) {
        let mut waiting = self.waiting();
        while waiting.lines.is_empty() && !waiting.reopen {
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let reopen = mem::take(&mut waiting.reopen);
        let dropped = mem::take(&mut waiting.dropped);
        lines.clear();
        mem::swap(lines, &mut waiting.lines);
        waiting.writing = true;
        drop(waiting);
        // A file that was moved away gets what was on its way to it.
        let _ = sink.write_all(lines).and_then(|()| sink.flush());
        if reopen && let Ok(again) = self.place.open() {
            *sink = again;
        }
        self.waiting().writing = false;
        if dropped > 0 {
            self.event("log_lines_dropped", &[("lines", &dropped.to_string())]);
        }
        // Under load many lines are written at once.
        thread::sleep(Duration::from_millis(20));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn open(&self) -> Result<Box<dyn Write + Send>, FileFault> {
        match self {
            Place::File(path) => Ok(Box::new(files::open_log(path)?)),
            Place::Stderr => Ok(Box::new(io::stderr())),
        }
    }
}

/// How many bytes may wait.
const MOST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(id: Option<&str>, namespace: Option<&str>, expected: &str) {
        let entry = Entry {
            route: "auth",
            id: id.map(|id| id.parse().unwrap()),
            namespace,
            decision: "allowed",
            reason: "valid",
            status: 200,
            latency: Duration::from_micros(70),
        };
        let mut line = vec![];
        entry.append("2026-11-23T10:00:00Z", &mut line);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, expected.to_owned() + "\n");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read.as_object().unwrap().len(), 9);
    }

    #[test]
    fn a_request_is_one_object_on_one_line() {
        check(
            Some("0123456789abcdef"),
            Some("team-alpha team-beta"),
            r#"{"at":"2026-11-23T10:00:00Z","event":"request","route":"auth","key_id":"0123456789abcdef","namespace":"team-alpha team-beta","decision":"allowed","reason":"valid","status":200,"latency_us":70}"#,
        );
        check(
            None,
            None,
            r#"{"at":"2026-11-23T10:00:00Z","event":"request","route":"auth","key_id":null,"namespace":null,"decision":"allowed","reason":"valid","status":200,"latency_us":70}"#,
        );
    }
}
