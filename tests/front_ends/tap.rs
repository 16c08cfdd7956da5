//! A wire between a front end and msb on which one can listen.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    case::{Verdict, holds},
    client::{Ask, Headers},
    door::Door,
    site::Site,
};

/// Passes on everything, and keeps what was sent to msb.
pub struct Tap {
    door: Door,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    pub fn on(msb: SocketAddr) -> Self {
        let heard = Arc::new(Mutex::new(vec![]));
        let record = Arc::clone(&heard);
        let door = Door::open(move |asks| {
            let answers = TcpStream::connect(msb)?;
            let (back, forth) = (answers.try_clone()?, asks.try_clone()?);
            thread::spawn(move || pass(back, forth, |_| ()));
            pass(asks, answers, |bytes| record.lock().unwrap().extend(bytes))
        });
        Self { door, heard }
    }

    pub fn address(&self) -> SocketAddr {
        self.door.address
    }

    /// The head of the one request that was sent since the last time, and what was behind it.
    fn heard(&self) -> Result<(String, Headers, Vec<u8>), String> {
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        let mut rest = heard.as_slice();
        let first = crate::client::line(&mut rest).map_err(|error| error.to_string())?;
        let headers = Headers::read(&mut rest).map_err(|error| error.to_string())?;
        Ok((first, headers, rest.to_vec()))
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut heard: impl FnMut(&[u8])) -> io::Result<()> {
    let mut bytes = [0; 16384];
    loop {
        match from.read(&mut bytes) {
            Ok(length) if length > 0 => {
                heard(&bytes[..length]);
                to.write_all(&bytes[..length])?;
            }
            Ok(_) | Err(_) => return to.shutdown(Shutdown::Write),
        }
    }
}

/// Holds a front end to what it sends to msb: the policy and the key, and no body. `lines` are the
/// first words of the request for a GET and for a POST.
pub fn check(site: &Site, tap: &Tap, front: SocketAddr, get: &str, post: &str) {
    let key = &site.keys.alpha.text;
    let body = vec![b'x'; 200_000];
    let asks = [
        (get, Ask::get("/reports/today?any_namespace=1").bearer(key)),
        (post, Ask::post("/reports/today?any_namespace=1", body.clone()).bearer(key)),
        (post, Ask::post_in_chunks("/reports/today?any_namespace=1", body).bearer(key)),
        (get, Ask::get("/reports/today?any_namespace=1").upgrade().bearer(key)),
    ];
    for (line, ask) in asks {
        let answer = ask.send(front).unwrap();
        assert!([200, 101].contains(&answer.status), "{answer:?}");
        sent(line, key, tap).unwrap_or_else(|why| panic!("{} {why}", ask.method()));
    }
}

fn sent(line: &str, key: &str, tap: &Tap) -> Verdict {
    let (first, headers, behind) = tap.heard()?;
    holds(first == format!("{line} HTTP/1.1"), || format!("was told as {first}"))?;
    holds(behind.is_empty(), || format!("had {} bytes behind its head", behind.len()))?;
    let bearer = format!("Bearer {key}");
    let keys = headers.all("authorization");
    holds(keys == [bearer.as_str()], || "did not have the one key".to_owned())?;
    let lengths = headers.all("content-length");
    holds(lengths.iter().all(|length| *length == "0"), || format!("was {lengths:?} long"))?;
    let codings = headers.all("transfer-encoding");
    holds(codings.is_empty(), || format!("had {codings:?}"))
}
