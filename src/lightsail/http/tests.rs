//! The client against servers that break the rules.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::lightsail::Error;

/// How a server ends a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    AtOnce,
    WithAReset,
    AfterTheRequest,
    InTheHead,
    InTheBody,
    InAChunk,
}

async fn serve(end: End) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, end));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, end: End) -> std::io::Result<()> {
    if matches!(end, End::AtOnce) {
        return Ok(());
    }
    let mut request = [0; 4_096];
    let _ = stream.read(&mut request).await?;
    match end {
        End::AtOnce | End::AfterTheRequest => {}
        End::WithAReset => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?,
        End::InTheHead => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await?,
        End::InTheBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await?;
        }
        End::InAChunk => {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{";
            stream.write_all(head).await?;
        }
    }
    Ok(())
}

async fn failure(scheme: &str, address: SocketAddr) -> Error {
    let call_timeout = Duration::from_secs(5);
    let exchange = exchange(HttpOptions { call_timeout, ..HttpOptions::default() }).unwrap();
    let request = http::Request::post(format!("{scheme}://{address}/"));
    let failure = exchange.send(request.body(Bytes::from("{}")).unwrap()).await.unwrap_err();
    Error::from(&failure)
}

#[tokio::test]
async fn a_connection_that_is_closed_is_one_cause_however_it_shows() {
    for end in [
        End::AtOnce,
        End::WithAReset,
        End::AfterTheRequest,
        End::InTheHead,
        End::InTheBody,
        End::InAChunk,
    ] {
        let address = serve(end).await;
        for scheme in ["http", "https"] {
            let error = failure(scheme, address).await;
            let is_tls_answer = scheme == "https" && error.code == "TLSFailed";
            let expected = format!("ConnectionClosed: the connection to {address} was closed");
            // The server answers non-TLS bytes with non-HTTP bytes.
            let says_http = matches!(end, End::InTheHead | End::InTheBody | End::InAChunk);
            assert!(
                error.to_string() == expected || is_tls_answer && says_http,
                "{end:?} {scheme}: {error}"
            );
        }
    }
}

/// The SDK would sign by that clock until the process ends, or panic each time.
#[tokio::test]
async fn the_clock_of_whoever_stands_in_between_reaches_nobody() {
    const ID: &str = "x-amzn-requestid: 5d2c\r\n";
    for (status, date, more, expected) in [
        ("200 OK", "Tue, 24 Nov 2026 22:14:49 GMT", ID, true),
        ("403 No", "Tue, 24 Nov 2026 22:14:49 GMT", "content-type: text/html\r\n", false),
        ("200 OK", "Fri, 31 Dec 9999 23:59:59 GMT", ID, false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let head = format!("HTTP/1.1 {status}\r\ndate: {date}\r\n{more}");
        let answer = head + "content-length: 2\r\n\r\n{}";
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4_096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let call_timeout = Duration::from_secs(5);
        let exchange = exchange(HttpOptions { call_timeout, ..HttpOptions::default() }).unwrap();
        let mut request = HttpRequest::new("{}".into());
        request.set_uri(format!("http://{address}/")).unwrap();
        let answer = exchange.exchange(request).await.unwrap();
        assert_eq!(answer.headers().get("date"), expected.then_some(date), "{status} {date}");
    }
}
