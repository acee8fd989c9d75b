//! A TCP proxy before a server, which can lose what a network can lose.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// A way to a server. It begins open.
pub struct Proxy {
    /// Its port of 127.0.0.1.
    pub port: u16,
    road: Arc<Road>,
    /// The listener's task, and in it the connections; none while the way is down.
    listener: Option<JoinSet<()>>,
}

struct Road {
    /// The host and port of the server.
    target: (String, u16),
    /// How the connections fare.
    weather: watch::Sender<Weather>,
    /// How many connections there were.
    count: AtomicU64,
    /// How many bytes of the server got through.
    bytes_answered: AtomicU64,
    /// After so many more requests a connection breaks; 0 when none does.
    break_in: AtomicUsize,
}

#[derive(Clone, Copy, Default)]
struct Weather {
    /// Nothing gets through.
    is_frozen: bool,
    /// Nothing ever gets through connections with a smaller number; nobody is told.
    forgotten_below: u64,
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1, before the server at this host and port.
    pub async fn before(host: &str, port: u16) -> Self {
        let road = Arc::new(Road {
            target: (host.to_owned(), port),
            weather: watch::Sender::default(),
            count: AtomicU64::default(),
            bytes_answered: AtomicU64::default(),
            break_in: AtomicUsize::default(),
        });
        let mut proxy = Self { port: 0, road, listener: None };
        proxy.up().await;
        proxy
    }

    /// Breaks every connection and refuses others, as when the server is gone.
    pub async fn down(&mut self) {
        if let Some(mut listener) = self.listener.take() {
            listener.shutdown().await;
        }
    }

    /// Takes connections again, on the same port.
    pub async fn up(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(listener, Arc::clone(&self.road)));
        self.listener = Some(tasks);
    }

    /// Holds everything back, on old connections and new ones.
    pub fn freeze(&self) {
        self.road.weather.send_modify(|weather| weather.is_frozen = true);
    }

    /// Lets through what was held back, and what follows.
    pub fn thaw(&self) {
        self.road.weather.send_modify(|weather| weather.is_frozen = false);
    }

    /// Forgets the connections there are without telling either side, as a firewall does; new ones work.
    pub fn forget(&self) {
        let below = self.road.count.load(Ordering::SeqCst);
        self.road.weather.send_modify(|weather| weather.forgotten_below = below);
    }

    /// Lets so many requests through, on any connection, and breaks the connection of the next.
    pub fn break_after(&self, requests: usize) {
        self.road.break_in.store(requests + 1, Ordering::SeqCst);
    }

    /// How many connections were made through it.
    pub fn connections(&self) -> u64 {
        self.road.count.load(Ordering::SeqCst)
    }

    /// How many bytes of the server were passed on.
    pub fn bytes_answered(&self) -> u64 {
        self.road.bytes_answered.load(Ordering::SeqCst)
    }
}

/// Takes connections. They end with this task.
async fn listen(listener: TcpListener, road: Arc<Road>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let number = road.count.fetch_add(1, Ordering::SeqCst);
        let road = Arc::clone(&road);
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect((road.target.0.as_str(), road.target.1)).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // When one direction ends, both sides are hung up on.
            tokio::select! {
                () = carry(from_client, to_server, number, &road, true) => {}
                () = carry(from_server, to_client, number, &road, false) => {}
            }
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: u64, road: &Road, requests: bool) {
    let mut buffer = vec![0; 16 << 10];
    let mut weather = road.weather.subscribe();
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let gets_through = |weather: &Weather| !weather.is_frozen && number >= weather.forgotten_below;
        if weather.wait_for(gets_through).await.is_err() || read == 0 {
            return;
        }
        let countdown = |left: usize| left.checked_sub(1);
        if requests && road.break_in.fetch_update(Ordering::SeqCst, Ordering::SeqCst, countdown) == Ok(1) {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if !requests {
            road.bytes_answered.fetch_add(read as u64, Ordering::SeqCst);
        }
    }
}
