//! Connections behind msb: whose they are, what may follow on them, and when they end.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    client::{Client, Reply},
    site::{Site, routes},
};
use crate::harness::{Home, SOON, Server, wait_for};

/// An upstream that numbers its connections and reads heads alone: what stands behind one is the
/// next, whatever the first says of a body. It listens for as long as the process lives.
struct HeadReader {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Connection>>>,
}

/// A connection to it.
#[derive(Clone, Debug, Default)]
struct Connection {
    /// What it was taken to ask.
    heads: Vec<String>,
    /// When the other end hung up.
    ended: Option<Instant>,
}

/// What it makes of `Connection: close`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Closes {
    WhenTold,
    Never,
}

impl HeadReader {
    fn start(closes: Closes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let book = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let book = Arc::clone(&book);
                let number = {
                    let mut book = book.lock().unwrap();
                    book.push(Connection::default());
                    book.len() - 1
                };
                thread::spawn(move || {
                    let _ = read_heads(&stream, closes, number, &book);
                    book.lock().unwrap()[number].ended = Some(Instant::now());
                });
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap().clone()
    }

    /// How many connections to it somebody holds open: what the other end has closed is nobody's,
    /// even while bytes are on their way.
    fn open(&self) -> usize {
        let here = format!("0100007F:{:04X}", self.address.port());
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        // The third column is the other end, the tenth its number among all files.
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[2] == here && row[9] != "0").count()
    }

    /// Whether it took anything for this request.
    fn served(&self, path: &str) -> bool {
        let all = self.connections();
        all.iter().flat_map(|connection| &connection.heads).any(|head| head.contains(path))
    }
}

fn read_heads(
    mut stream: &TcpStream,
    closes: Closes,
    number: usize,
    book: &Mutex<Vec<Connection>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    let (mut ahead, mut bytes) = (vec![], [0; 65536]);
    loop {
        let Some(end) = ahead.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read(&mut bytes)? {
                0 => return Ok(()),
                length => ahead.extend(&bytes[..length]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&ahead[..end]).into_owned();
        ahead.drain(..end + 4);
        let target = head.split([' ', '\r']).nth(1).unwrap_or_default().to_owned();
        let last = closes == Closes::WhenTold && head.contains("\r\nconnection: close");
        book.lock().unwrap()[number].heads.push(head);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nX-Number: {number}\r\nX-Target: {target}\r\nContent-Length: 2\r\n\r\nok"
        );
        let reads_no_more = target == "/reads-no-more";
        if reads_no_more {
            // Until nothing more fits into what lies between.
            thread::sleep(Duration::from_millis(500));
        }
        stream.write_all(answer.as_bytes())?;
        if reads_no_more {
            thread::park_timeout(SOON);
            return Ok(());
        }
        if last {
            // Whoever closes on bytes that it has not read takes back what it said (RFC 9112
            // section 9.6).
            stream.shutdown(Shutdown::Write)?;
            while stream.read(&mut bytes)? > 0 {}
            return Ok(());
        }
    }
}

/// msb before it, and two keys.
struct Lines {
    server: Server,
    upstream: HeadReader,
    keys: [String; 2],
    _home: Home,
}

impl Lines {
    fn new(closes: Closes) -> Self {
        let home = Home::new();
        home.configure(&format!("[server]\npublic_rate = \"1000/s\"\n{}", routes()));
        let keys = [home.key(""), home.key("")];
        let upstream = HeadReader::start(closes);
        let server = home.start(&format!("--upstream http://{}", upstream.address));
        Self { server, upstream, keys, _home: home }
    }

    /// The line that bears a key; none without one.
    fn bears(&self, key: Option<usize>) -> String {
        key.map_or_else(String::new, |key| format!("X-API-Key: {}\r\n", self.keys[key]))
    }

    /// Asks, and holds the answer to be the one to this.
    #[track_caller]
    fn ask(
        &self,
        client: &mut Client,
        key: Option<usize>,
        method: &str,
        target: &str,
        rest: &str,
    ) -> Reply {
        let bears = self.bears(key);
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{bears}{rest}"));
        let reply = client.reply(method).unwrap_or_else(|| panic!("no answer to {target}"));
        assert_eq!((reply.status, reply.one("x-target")), (200, Some(target)), "{reply:?}");
        assert_eq!((reply.text().as_str(), reply.whole), ("ok", true), "{target}");
        reply
    }
}

fn number(reply: &Reply) -> usize {
    reply.one("x-number").unwrap().parse().unwrap()
}

/// A request stands in the body of another, and the upstream does not know bodies.
#[track_caller]
fn hides(closes: Closes, key: Option<usize>, method: &str) {
    let lines = Lines::new(closes);
    let host = lines.upstream.address;
    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: {host}\r\nX-Msb-Key-Id: x\r\n\r\n");
    for round in 0..5 {
        for rest in [
            format!("Content-Length: {}\r\n\r\n{hidden}", hidden.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n",
                hidden.len()
            ),
        ] {
            let target = format!("/servers/{round}");
            let mut client = Client::to(lines.server.address);
            lines.ask(&mut client, key, method, &target, &rest);
            // Whoever comes next, here or elsewhere, gets an answer of their own.
            let next = format!("/servers/next-{round}");
            for key in [None, Some(0), Some(1)] {
                let mut other = Client::to(lines.server.address);
                lines.ask(&mut other, key, "GET", &next, "\r\n");
            }
        }
    }
    if closes == Closes::WhenTold {
        assert!(!lines.upstream.served("/hidden"), "{:?}", lines.upstream.connections());
    }
}

#[test]
fn a_body_is_not_taken_for_a_request() {
    hides(Closes::WhenTold, None, "GET");
    hides(Closes::WhenTold, Some(0), "GET");
    hides(Closes::WhenTold, Some(0), "POST");
}

#[test]
fn nobody_hears_what_a_body_that_is_taken_for_a_request_is_answered() {
    hides(Closes::Never, None, "GET");
    hides(Closes::Never, Some(0), "GET");
    hides(Closes::Never, Some(0), "POST");
}

#[test]
fn a_connection_is_used_again_for_the_same_key_and_no_other() {
    let lines = Lines::new(Closes::WhenTold);
    let mut callers = BTreeMap::<usize, Option<usize>>::new();
    let mut count = 0;
    for _ in 0..5 {
        // All requests of one connection are served by one thread.
        let mut client = Client::to(lines.server.address);
        for key in [Some(0), Some(0), Some(1), Some(1), None, None, Some(0), None, Some(1)] {
            let path = if key.is_some() { "/x" } else { "/servers" };
            let number = number(&lines.ask(&mut client, key, "GET", path, "\r\n"));
            let caller = *callers.entry(number).or_insert(key);
            assert_eq!(caller, key, "connection {number}");
            count += 1;
        }
    }
    assert!(callers.len() < count, "no connection was used again");
}

#[test]
fn a_connection_that_nobody_uses_ends() {
    let lines = Lines::new(Closes::WhenTold);
    let mut client = Client::to(lines.server.address);
    let reply = lines.ask(&mut client, Some(0), "GET", "/x", "\r\n");
    let ended = || lines.upstream.connections()[number(&reply)].ended;
    wait_for("the end of a connection", Duration::from_secs(10), ended);
    // The client's own goes on.
    lines.ask(&mut client, Some(0), "GET", "/x", "\r\n");
}

/// Nothing that msb waits for would ever come.
#[test]
fn an_upload_ends_with_its_answer() {
    let lines = Lines::new(Closes::Never);
    let mut client = Client::to(lines.server.address);
    let (mut sender, done) = (client.again(), Arc::new(AtomicBool::new(false)));
    let (stops, bears) = (Arc::clone(&done), lines.bears(Some(0)));
    let sends = thread::spawn(move || {
        let length = "Content-Length: 1000000000000";
        sender.send(format!(
            "POST /reads-no-more HTTP/1.1\r\nHost: localhost\r\n{bears}{length}\r\n\r\n"
        ));
        let began = Instant::now();
        while !stops.load(Ordering::SeqCst) && began.elapsed() < SOON {
            sender.send([b'x'; 100_000]);
            thread::sleep(Duration::from_millis(1));
        }
    });
    wait_for("the upload", SOON, || (lines.upstream.open() == 1).then_some(()));
    let reply = client.reply("POST").unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    let ended = || (lines.upstream.open() == 0).then_some(());
    wait_for("the end of the upload", Duration::from_secs(10), ended);
    assert!(!sends.is_finished(), "the client goes on");
    done.store(true, Ordering::SeqCst);
    sends.join().unwrap();
}

/// An answer without a length ends where its connection does.
#[test]
fn an_old_client_does_not_take_a_cut_for_an_end() {
    for play in ["stream", "stream-of-length"] {
        let mut site = Site::new();
        let mut client = site.client();
        let head = site.head(&format!("GET /play/{play}"), "");
        client.send(head.replace("HTTP/1.1", "HTTP/1.0"));
        assert_eq!(client.head().unwrap().status, 200, "{play}");
        assert!(client.exactly(10).is_some(), "{play}");
        site.upstream.stop();
        let mut rest = vec![];
        let ended = client.stream.read_to_end(&mut rest).map_err(|error| error.kind());
        assert_eq!(ended, Err(io::ErrorKind::ConnectionReset), "{play}");
    }
    let site = Site::new();
    for says in ["chunks", "closing"] {
        let mut client = site.client();
        let head = site.head(&format!("GET /play/says/{says}"), "");
        client.send(head.replace("HTTP/1.1", "HTTP/1.0"));
        let mut all = vec![];
        assert!(client.stream.read_to_end(&mut all).is_ok(), "{says}");
        assert!(String::from_utf8_lossy(&all).starts_with("HTTP/1."), "{says}");
    }
}

#[test]
fn a_call_in_small_chunks_is_read_as_one() {
    let site = Site::new();
    let pad = "a".repeat(100_000);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"namespace":"a","pad":"{pad}"}}}}"#
    );
    let lines = "Content-Type: application/json\nTransfer-Encoding: chunked";
    let mut client = site.client();
    let mut chunks = site.head("POST /api/v1/rpc", lines);
    for letter in body.chars() {
        chunks += &format!("1\r\n{letter}\r\n");
    }
    client.send(chunks + "0\r\n\r\n");
    assert_eq!(client.reply("POST").unwrap().status, 200);
    assert_eq!(site.upstream.called("/api/v1/rpc").body, body.as_bytes());
}
