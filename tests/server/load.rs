//! Clients that never rest, with keys that die one after another.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::harness::{SOON, bearing, request};

/// Eight clients that try keys. The first of them die in their order.
pub struct Load {
    keys: Arc<RwLock<Vec<String>>>,
    /// How many are dead: whatever killed them has returned.
    dead: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

/// What clients saw.
#[derive(Debug, Default)]
pub struct Tally {
    pub allowed: usize,
    pub refused: usize,
    /// Neither: the server could not tell.
    pub undecided: usize,
    /// Connections that broke.
    pub broken: usize,
    /// Those of them that broke within an answer.
    pub cut_off: usize,
    /// Dead keys that passed, in requests that began after whatever killed them had returned.
    pub risen: Vec<usize>,
    /// Keys that were alive when the answer had come, and were refused.
    pub buried: Vec<usize>,
}

impl Load {
    pub fn on(address: SocketAddr, keys: Vec<String>) -> Self {
        let keys = Arc::new(RwLock::new(keys));
        let (dead, over) = (Arc::default(), Arc::default());
        let clients = (0..8)
            .map(|seed| {
                let client = Client {
                    address,
                    keys: Arc::clone(&keys),
                    dead: Arc::clone(&dead),
                    over: Arc::clone(&over),
                    tally: Tally::default(),
                };
                thread::spawn(move || client.run(seed))
            })
            .collect();
        Self { keys, dead, over, clients }
    }

    /// One more key, which lives.
    pub fn born(&self, key: String) {
        self.keys.write().unwrap().push(key);
    }

    /// The first key that lived is dead.
    pub fn died(&self) {
        self.dead.fetch_add(1, SeqCst);
    }

    /// Ends all clients.
    pub fn end(mut self) -> Tally {
        self.over.store(true, SeqCst);
        let mut all = Tally::default();
        for client in self.clients.drain(..) {
            let tally = client.join().unwrap();
            all.allowed += tally.allowed;
            all.refused += tally.refused;
            all.undecided += tally.undecided;
            all.broken += tally.broken;
            all.cut_off += tally.cut_off;
            all.risen.extend(tally.risen);
            all.buried.extend(tally.buried);
        }
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

struct Client {
    address: SocketAddr,
    keys: Arc<RwLock<Vec<String>>>,
    dead: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    tally: Tally,
}

impl Client {
    fn run(mut self, seed: usize) -> Tally {
        let mut stream = None;
        let mut turn = seed;
        while !self.over.load(SeqCst) {
            turn = turn.wrapping_add(1);
            // Keys near the one that is about to die.
            let dead = self.dead.load(SeqCst);
            let at = (dead + turn % 5).saturating_sub(2);
            let Some(key) = self.keys.read().unwrap().get(at).cloned() else {
                thread::yield_now();
                continue;
            };
            match self.ask(&mut stream, &key) {
                Some(200) if at < dead => self.tally.risen.push(at),
                Some(200) => self.tally.allowed += 1,
                Some(401) => {
                    self.tally.refused += 1;
                    // The one behind may be dying now.
                    if at > self.dead.load(SeqCst) {
                        self.tally.buried.push(at);
                    }
                }
                Some(_) => self.tally.undecided += 1,
                None => {
                    self.tally.broken += 1;
                    stream = None;
                    thread::sleep(Duration::from_millis(5));
                }
            }
        }
        self.tally
    }

    /// The status; none if the connection breaks.
    fn ask(&mut self, stream: &mut Option<TcpStream>, key: &str) -> Option<u16> {
        if stream.is_none() {
            let new = TcpStream::connect_timeout(&self.address, SOON).ok()?;
            new.set_read_timeout(Some(SOON)).ok()?;
            new.set_nodelay(true).ok()?;
            *stream = Some(new);
        }
        let stream = stream.as_mut()?;
        stream.write_all(request(&bearing(key)).as_bytes()).ok()?;
        let mut answer = vec![];
        let mut bytes = [0; 2048];
        loop {
            let Some(length) = stream.read(&mut bytes).ok().filter(|length| *length > 0) else {
                self.tally.cut_off += usize::from(!answer.is_empty());
                return None;
            };
            answer.extend(&bytes[..length]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length?.parse::<usize>().ok()? {
                return head.split(' ').nth(1)?.parse().ok();
            }
        }
    }
}
