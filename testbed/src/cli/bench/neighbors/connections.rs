//! Connections that send half a request and then nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::ground::Ground;

const COUNT: usize = 5000;
const HALF: &[u8] = b"GET /livez HTTP/1.1\r\nHost: operator\r\nX-Half: ";
/// One that is not taken by then is refused, or never answered.
const LONGEST: Duration = Duration::from_millis(500);
/// After this many refusals there are no more.
const REFUSALS: usize = 20;

/// Opens them. They last as long as they are kept.
pub(super) async fn half_requests(ground: &Ground<'_>) -> Result<Vec<TcpStream>> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raise the limit of open files")?;
    let leader = ground.leader()?;
    let opened = tokio::task::spawn_blocking(move || open(leader)).await;
    let (open, refused) = opened.context("open connections")?;
    ground.note(format!("{} connections were opened, {refused} refused", open.len()));
    Ok(open)
}

fn open(address: SocketAddr) -> (Vec<TcpStream>, usize) {
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..COUNT {
        let stream = TcpStream::connect_timeout(&address, LONGEST).and_then(|mut stream| {
            stream.write_all(HALF)?;
            Ok(stream)
        });
        match stream {
            Ok(stream) => open.push(stream),
            Err(_) => refused += 1,
        }
        if refused >= REFUSALS {
            break;
        }
    }
    (open, refused)
}
