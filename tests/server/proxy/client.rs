//! A client that says exactly the bytes that it is told to, and reads all that comes back: interim
//! answers, chunks, trailers, and whether it was whole.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketType};

use crate::harness::SOON;

pub struct Client {
    pub stream: TcpStream,
    /// What has come and was not read yet.
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The statuses of interim answers before it.
    pub interim: Vec<u16>,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    pub chunked: bool,
    /// Whether it ended as its framing says.
    pub whole: bool,
}

/// How a connection ended, and when.
#[derive(Debug)]
pub struct Ended {
    pub at: Instant,
    /// What came before.
    pub rest: Vec<u8>,
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect_timeout(&address, SOON).unwrap())
    }

    /// The same from a loopback address of its own.
    pub fn from(own: &str, address: SocketAddr) -> Self {
        let own: SocketAddr = format!("{own}:0").parse().unwrap();
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &own).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        Self::of(socket.into())
    }

    /// Over a connection that is there.
    pub fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self { stream, ahead: vec![] }
    }

    /// The same connection, for whoever only says something.
    pub fn again(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), ahead: vec![] }
    }

    /// Says bytes; whoever has closed the other end will be noticed when an answer is read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Says that no more will come.
    pub fn done(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer to a request with this method; none if the other end closes before it.
    #[track_caller]
    pub fn reply(&mut self, method: &str) -> Option<Reply> {
        let mut reply = self.head()?;
        // An answer that switches protocols has no body: what follows is something else.
        if matches!(reply.status, 101 | 204 | 304) || method == "HEAD" {
            return Some(reply);
        }
        reply.whole = self.body(&mut reply);
        Some(reply)
    }

    /// The head of the next answer, without its body.
    #[track_caller]
    pub fn head(&mut self) -> Option<Reply> {
        let mut interim = vec![];
        loop {
            let head = self.up_to(b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&head).into_owned();
            let mut lines = head.split("\r\n");
            let first = lines.next().unwrap();
            let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.unwrap_or_else(|| panic!("no answer: {head:?}"));
            if status < 200 && status != 101 {
                interim.push(status);
                continue;
            }
            let headers: Vec<_> = lines.map(field).collect();
            let chunked = all(&headers, "transfer-encoding").contains(&"chunked");
            let (body, trailers) = (vec![], vec![]);
            return Some(Reply { interim, status, headers, body, trailers, chunked, whole: true });
        }
    }

    /// Reads a body: whether it was whole.
    fn body(&mut self, reply: &mut Reply) -> bool {
        if reply.chunked {
            loop {
                let Some(size) = self.up_to(b"\r\n") else { return false };
                let size = String::from_utf8_lossy(&size).into_owned();
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
                if size == 0 {
                    break;
                }
                let Some(chunk) = self.exactly(size) else { return false };
                reply.body.extend(chunk);
                if self.up_to(b"\r\n").is_none() {
                    return false;
                }
            }
            loop {
                match self.up_to(b"\r\n") {
                    None => return false,
                    Some(line) if line.is_empty() => return true,
                    Some(line) => reply.trailers.push(field(&String::from_utf8_lossy(&line))),
                }
            }
        }
        let Some(length) = reply.one("content-length") else {
            while self.more() {}
            reply.body = std::mem::take(&mut self.ahead);
            return true;
        };
        match self.exactly(length.parse().unwrap()) {
            Some(body) => {
                reply.body = body;
                true
            }
            None => {
                reply.body = std::mem::take(&mut self.ahead);
                false
            }
        }
    }

    /// So many bytes, unless the other end closes before.
    pub fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < length {
            if !self.more() {
                return None;
            }
        }
        let rest = self.ahead.split_off(length);
        Some(std::mem::replace(&mut self.ahead, rest))
    }

    /// What stands before these bytes, which are read as well.
    pub fn up_to(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let mut from = 0;
        let at = loop {
            let found = self.ahead[from..].windows(end.len()).position(|bytes| bytes == end);
            if let Some(at) = found {
                break from + at;
            }
            from = self.ahead.len().saturating_sub(end.len());
            if !self.more() {
                return None;
            }
        };
        let rest = self.ahead.split_off(at + end.len());
        let mut before = std::mem::replace(&mut self.ahead, rest);
        before.truncate(at);
        Some(before)
    }

    /// Reads until the other end closes, which it must do within a while.
    #[track_caller]
    pub fn ends_within(&mut self, within: Duration) -> Ended {
        let began = Instant::now();
        let mut rest = std::mem::take(&mut self.ahead);
        loop {
            let left = within.checked_sub(began.elapsed()).filter(|left| !left.is_zero());
            let left = left.unwrap_or_else(|| panic!("it does not end within {within:?}"));
            self.stream.set_read_timeout(Some(left)).unwrap();
            if !self.more() {
                return Ended { at: Instant::now(), rest };
            }
            rest.append(&mut self.ahead);
        }
    }

    /// Listens until the other end closes or says nothing for a while.
    pub fn hears_within(&mut self, silence: Duration) {
        self.stream.set_read_timeout(Some(silence)).unwrap();
        let mut bytes = [0; 65536];
        while let Ok(length @ 1..) = self.stream.read(&mut bytes) {
            self.ahead.extend(&bytes[..length]);
        }
        self.stream.set_read_timeout(Some(SOON)).unwrap();
    }

    /// Whether the other end neither closes nor fails within a while, whatever it says.
    #[track_caller]
    pub fn goes_on_for(&mut self, while_: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < while_ {
            self.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(length) => self.ahead.extend(&bytes[..length]),
                Err(error) if is_waiting(&error) => {}
                Err(_) => return false,
            }
        }
        self.stream.set_read_timeout(Some(SOON)).unwrap();
        true
    }

    /// Waits for more bytes: whether there are any.
    #[track_caller]
    fn more(&mut self) -> bool {
        let mut bytes = [0; 65536];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.ahead.extend(&bytes[..length]);
                true
            }
            Err(error) if is_waiting(&error) => panic!("nothing more comes: {error}"),
            Err(_) => false,
        }
    }
}

impl Reply {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn one(&self, name: &str) -> Option<&str> {
        let values = all(&self.headers, name);
        assert!(values.len() < 2, "{name} is there {} times", values.len());
        values.first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        all(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Which of the requests that reached the upstream this is its answer to; none if it comes from
    /// elsewhere.
    pub fn stub(&self) -> Option<usize> {
        self.one("x-stub").map(|serial| serial.parse().expect("the serial of a request"))
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_ascii_lowercase(), value.trim().to_owned())
}

fn all<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let found = headers.iter().filter(|(found, _)| found == name);
    found.map(|(_, value)| value.as_str()).collect()
}

fn is_waiting(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
