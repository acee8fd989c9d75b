//! A TCP proxy before a server, which loses the answer to one request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It never comes, and nothing else on its connection.
    Held,
    /// Its connection breaks.
    Broken,
}

/// What the next request holds whose answer is lost.
type Trap = Arc<Mutex<Option<(&'static str, Loss)>>>;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    trap: Trap,
    _connections: JoinSet<()>,
}

impl Proxy {
    /// A proxy on a free port before the server at this port of 127.0.0.1.
    pub(crate) async fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let trap = Trap::default();
        let mut connections = JoinSet::new();
        connections.spawn(listen(listener, ([127, 0, 0, 1], target).into(), Arc::clone(&trap)));
        Self { port, trap, _connections: connections }
    }

    /// Loses the answer to the next request that holds `text`. The server gets it.
    pub(crate) fn lose_answer_to(&self, text: &'static str, loss: Loss) {
        *self.trap.lock().unwrap() = Some((text, loss));
    }

    /// Whether there was such a request.
    pub(crate) fn has_lost(&self) -> bool {
        self.trap.lock().unwrap().is_none()
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, trap: Trap) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(target).await.unwrap();
        connections.spawn(carry(client, server, Arc::clone(&trap)));
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, trap: Trap) {
    let (mut request, mut answer) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut lost = None;
    loop {
        let is_carried = tokio::select! {
            Ok(read @ 1..) = client.read(&mut request) => {
                lost = lost.or_else(|| spring(&trap, &request[..read]));
                server.write_all(&request[..read]).await.is_ok()
            }
            Ok(read @ 1..) = server.read(&mut answer) => match lost {
                None => client.write_all(&answer[..read]).await.is_ok(),
                Some(Loss::Held) => true,
                Some(Loss::Broken) => false,
            },
            else => false,
        };
        if !is_carried {
            return;
        }
    }
}

fn spring(trap: &Trap, request: &[u8]) -> Option<Loss> {
    let mut trap = trap.lock().unwrap();
    let (text, loss) = (*trap)?;
    let is_there = request.windows(text.len()).any(|part| part == text.as_bytes());
    is_there.then(|| {
        *trap = None;
        loss
    })
}
