//! The service behind msb: it records what reaches it, and answers as it is told.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use serde_json::Value;

/// A service that listens until it is dropped.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    over: Arc<AtomicBool>,
}

/// A request that reached the service.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Upstream {
    pub fn start(
        answer: impl Fn(&Seen, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, over) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicBool::new(false)));
        let upstream = Self { address, seen: Arc::clone(&seen), over: Arc::clone(&over) };
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (false, Ok(stream)) = (over.load(SeqCst), stream) else { return };
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    // Whoever hangs up in the middle has had enough.
                    let _ = serve(&stream, &seen, &*answer);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        upstream
    }

    /// What has arrived since the last time.
    pub fn arrived(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        // It waits for a connection, and looks up when one comes.
        let _ = TcpStream::connect(self.address);
    }
}

impl Seen {
    /// The value of a header that is there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        let (first, more) = (found.next(), found.next());
        assert!(more.is_none(), "{name} more than once: {self:?}");
        first.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Answers with JSON.
pub fn json(to: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    to.write_all((head + &answer).as_bytes())
}

/// Serves one connection until it is closed.
fn serve(
    stream: &TcpStream,
    seen: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut requests = BufReader::new(stream);
    while let Some(request) = read(&mut requests)? {
        seen.lock().unwrap().push(request.clone());
        answer(&request, &mut &*stream)?;
    }
    Ok(())
}

/// Reads the next request; none if the connection is closed.
fn read(from: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let first = line(from)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Seen { method, target, headers: vec![], body: vec![] };
    loop {
        let line = line(from)?;
        let Some((name, value)) = line.split_once(": ") else { break };
        request.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    if let Some(length) = request.header("content-length") {
        let length = length.parse().unwrap();
        from.take(length).read_to_end(&mut request.body)?;
    } else if request.header("transfer-encoding").is_some() {
        loop {
            let size = u64::from_str_radix(&line(from)?, 16).unwrap();
            from.take(size).read_to_end(&mut request.body)?;
            line(from)?;
            if size == 0 {
                break;
            }
        }
    }
    Ok(Some(request))
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}
