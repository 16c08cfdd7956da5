//! A listener on loopback that can be shut.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Serves every connection on a thread of its own until it is shut.
pub struct Door {
    pub address: SocketAddr,
    shut: Arc<AtomicBool>,
    inside: Arc<Mutex<Vec<TcpStream>>>,
    porter: Option<JoinHandle<()>>,
}

impl Door {
    pub fn open(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shut = Arc::new(AtomicBool::new(false));
        let inside = Arc::new(Mutex::new(vec![]));
        let serve = Arc::new(serve);
        let (over, known) = (Arc::clone(&shut), Arc::clone(&inside));
        let porter = thread::spawn(move || {
            for stream in listener.incoming() {
                let (false, Ok(stream)) = (over.load(Ordering::SeqCst), stream) else { return };
                known.lock().unwrap().push(stream.try_clone().unwrap());
                let serve = Arc::clone(&serve);
                // Whoever hangs up in the middle has had enough; the tests see what came of it.
                thread::spawn(move || {
                    let _ = serve(stream.try_clone().unwrap());
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shut, inside, porter: Some(porter) }
    }

    /// Listens no more, and hangs up on everybody.
    pub fn shut(&mut self) {
        let Some(porter) = self.porter.take() else { return };
        self.shut.store(true, Ordering::SeqCst);
        // The porter waits for a connection, and looks up when one comes.
        let _ = TcpStream::connect(self.address);
        let _ = porter.join();
        for stream in self.inside.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shut();
    }
}
