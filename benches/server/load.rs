//! Requests over connections that stay open, each one sent once the one before it is answered.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A request, and the status that must answer it.
pub struct Ask {
    bytes: Vec<u8>,
    /// How many bytes follow that do not matter.
    plenty: usize,
    expected: u16,
}

impl Ask {
    pub fn new(target: &str, key: Option<&str>, expected: u16) -> Self {
        let key = key.map_or(String::new(), |key| format!("Authorization: Bearer {key}\r\n"));
        let head = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}\r\n");
        Self { bytes: head.into_bytes(), plenty: 0, expected }
    }

    /// A call that a limited key allows.
    pub fn call(key: &str) -> Self {
        let call = concat!(
            r#"{"jsonrpc":"2.0","method":"sandbox.start","params":{"sandbox":"my-env","#,
            r#""namespace":"team-alpha","config":{"image":"python","memory":512,"cpus":1}},"#,
            r#""id":"1234"}"#
        );
        let ask = Self::post("/api/v1/rpc", call.len(), key);
        Self { bytes: [&ask.bytes, call.as_bytes()].concat(), ..ask }
    }

    /// A request with a body of this length.
    pub fn upload(length: usize, key: &str) -> Self {
        Self { plenty: length, ..Self::post("/take", length, key) }
    }

    /// The head of a request with a body of JSON, as clients send it.
    fn post(target: &str, length: usize, key: &str) -> Self {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\
             Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        Self { bytes: head.into_bytes(), plenty: 0, expected: 200 }
    }

    /// The request itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// One connection.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; 16 << 10] })
    }

    /// Sends a request, and answers with which status it was answered.
    pub fn ask(&mut self, ask: &Ask) -> io::Result<u16> {
        self.send(ask)?;
        self.hear()
    }

    fn send(&mut self, ask: &Ask) -> io::Result<()> {
        self.stream.write_all(&ask.bytes)?;
        let mut left = ask.plenty;
        while left > 0 {
            let some = &PLENTY[..left.min(PLENTY.len())];
            self.stream.write_all(some)?;
            left -= some.len();
        }
        Ok(())
    }

    /// Reads one answer to its end.
    fn hear(&mut self) -> io::Result<u16> {
        let mut filled = 0;
        loop {
            match self.stream.read(&mut self.buffer[filled..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                more => filled += more,
            }
            let heard = &self.buffer[..filled];
            let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = str::from_utf8(&heard[..end]).map_err(|_| ErrorKind::InvalidData)?;
            let (status, length) = read(head).ok_or(ErrorKind::InvalidData)?;
            if filled == end + 4 + length {
                return Ok(status);
            }
            if end + 4 + length > self.buffer.len() {
                self.skip(end + 4 + length - filled)?;
                return Ok(status);
            }
        }
    }

    /// Reads so many bytes that do not matter.
    fn skip(&mut self, mut left: usize) -> io::Result<()> {
        let mut buffer = vec![0; PLENTY.len()];
        while left > 0 {
            match self.stream.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                some => left = left.checked_sub(some).ok_or(ErrorKind::InvalidData)?,
            }
        }
        Ok(())
    }
}

/// The status of an answer, and how long its body is.
fn read(head: &str) -> Option<(u16, usize)> {
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    Some((status, length.map_or(Ok(0), str::parse).ok()?))
}

/// Many connections in one thread. All of them send, then all of them hear, the last one first: it
/// is answered last, and a server that has to wake somebody for each answer takes longer.
pub struct Chorus(Vec<Line>);

impl Chorus {
    /// Opens them, and asks once on each.
    pub fn open(address: SocketAddr, ask: &Ask) -> Self {
        let mut chorus = Self((0..VOICES).map(|_| Line::open(address).unwrap()).collect());
        chorus.ask(ask, VOICES);
        chorus
    }

    /// Asks so often, in all.
    pub fn ask(&mut self, ask: &Ask, count: usize) {
        for _ in 0..count / VOICES {
            for line in &mut self.0 {
                line.send(ask).unwrap();
            }
            for line in self.0.iter_mut().rev() {
                assert_eq!(line.hear().unwrap(), ask.expected);
            }
        }
    }
}

/// How many connections there are.
pub const VOICES: usize = 16;

/// Bytes that do not matter.
static PLENTY: [u8; 256 << 10] = [b'x'; 256 << 10];

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
