//! The web port: files with their headers, and who may open a WebSocket.

use std::net::SocketAddr;

use futures_util::StreamExt as _;
use mqtt_crawl_station::{Limits, Options, Station};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::client::PATIENCE;
use super::{file, quiet, station};

/// One request on a connection of its own; the head and the body of the answer.
pub async fn request(address: SocketAddr, line: &str, headers: &[&str]) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
    let request = format!("{line} HTTP/1.1\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // An accepted WebSocket stays open, so the head is enough.
    while !answer.contains("\r\n\r\n") || !answer.starts_with("HTTP/1.1 101") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            length => answer.push_str(&String::from_utf8_lossy(&buffer[..length])),
        }
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn check_upgrade(station: &Station, path: &str, headers: &[&str], status: &str, words: &str) {
    let common = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    // Refusals close the connection only when asked to.
    let close = if status == "101" { &common[..] } else { &["Connection: Upgrade, close"][..] };
    let headers = [close, &common[1..], headers].concat();
    let (head, body) = request(station.http(), &format!("GET {path}"), &headers).await;
    assert!(head.starts_with(&format!("http/1.1 {status}")), "{path} {headers:?}: {head}");
    assert!(body.contains(words), "{body:?} lacks {words:?}");
}

/// A browser hides the body of a 403 from its page, and shows it the reason of a close. So a foreign
/// page gets that and nothing else, whatever it sends.
async fn check_foreign(station: &Station, path: &str, host: &str, origin: &str) {
    let headers = [
        host,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: mqtt",
        &format!("Origin: {origin}"),
    ];
    let request = format!("GET {path} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"));
    let connect = b"\x82\x90\0\0\0\0\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id";
    let mut stream = TcpStream::connect(station.http()).await.unwrap();
    stream.write_all(&[request.as_bytes(), connect].concat()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it stays open").unwrap();
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let (head, frames) = answer.split_at(head);
    assert!(head.starts_with(b"HTTP/1.1 101"), "{origin}: {}", String::from_utf8_lossy(head));
    let reason = format!("origin not allowed: start the station with --allow-origin {origin}");
    let expected = [&[0x88, reason.len() as u8 + 2][..], &1008_u16.to_be_bytes(), reason.as_bytes()].concat();
    assert_eq!(frames, expected, "{}", String::from_utf8_lossy(frames));
}

#[tokio::test]
async fn websocket_accepts_own_pages_and_programs_only() {
    let allow_origin = vec!["https://shown.example".to_owned()];
    let station = Station::start(&Options { allow_origin, ..quiet() }).await.unwrap();
    let port = station.http().port();
    let host = format!("Host: 127.0.0.1:{port}");
    let mqtt = "Sec-WebSocket-Protocol: mqtt";
    for path in ["/mqtt", "/diffusion"] {
        check_upgrade(&station, path, &[&host, mqtt], "101", "").await;
        let own = format!("Origin: http://127.0.0.1:{port}");
        check_upgrade(&station, path, &[&host, mqtt, &own], "101", "").await;
        let named = [&format!("Host: localhost:{port}"), mqtt, &format!("Origin: http://localhost:{port}")];
        check_upgrade(&station, path, &named, "101", "").await;
        check_upgrade(&station, path, &[&host, mqtt, "Origin: https://shown.example"], "101", "").await;
        for origin in ["https://other.example", "http://127.0.0.1:1", "null"] {
            check_foreign(&station, path, &host, origin).await;
        }
        // Behind a reverse proxy, which has another name.
        let proxied = ["Host: show.example", mqtt, "Origin: https://show.example"];
        check_upgrade(&station, path, &proxied, "101", "").await;
        check_foreign(&station, path, "Host: show.example", "https://evil.example").await;
        check_upgrade(&station, path, &[&host], "400", "subprotocol `mqtt`").await;
        check_upgrade(&station, path, &[&host, "Sec-WebSocket-Protocol: chat"], "400", "subprotocol").await;
        // What a browser wouldn't take for a WebSocket gets its answer in HTTP.
        let words = "--allow-origin https://other.example";
        check_upgrade(&station, path, &[&host, "Origin: https://other.example"], "403", words).await;
        let plain = [&host, "Connection: close", "Origin: https://other.example"];
        let (head, body) = request(station.http(), &format!("GET {path}"), &plain).await;
        assert!(head.starts_with("http/1.1 403") && body.contains(words), "{head}{body}");
    }
    check_upgrade(&station, "/", &[&host, mqtt], "404", "/mqtt and /diffusion").await;
    check_upgrade(&station, "/mqtt/", &[&host, mqtt], "404", "/mqtt and /diffusion").await;
    station.stop().await;
}

const INDEX: &str = "<html><script src=\"/a.js\"></script><script type=\"module\">run()</script></html>";

/// The reason of a close has room for 123 bytes (RFC 6455, section 5.5).
#[tokio::test]
async fn too_long_origin_is_not_repeated() {
    let station = station().await;
    let origin = format!("https://{}.example", "long".repeat(40));
    let mut request = format!("ws://{}/mqtt", station.http()).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    request.headers_mut().insert("Origin", HeaderValue::from_str(&origin).unwrap());
    let stream = TcpStream::connect(station.http()).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let Some(Ok(Message::Close(Some(close)))) = socket.next().await else { panic!("no reason") };
    assert_eq!(u16::from(close.code), 1008);
    assert!(close.reason.ends_with("with --allow-origin"), "{}", close.reason);
    station.stop().await;
}

#[tokio::test]
async fn files_have_content_types_and_security_headers() {
    let index = file("dist/index.html", INDEX);
    for (name, content) in [("page.wasm", "wasm"), ("nested/a.js", "run"), ("b.css", "long"), ("b.css.br", "short")]
        .into_iter()
        .chain([("page-1ed99b442fcba759_bg.wasm", "wasm"), ("b-0123456789abcdef.css", "long")])
        .chain([("service-worker.js", "work"), ("app.webmanifest", "{}")])
    {
        file(&format!("dist/{name}"), content);
    }
    let dist = index.parent().unwrap().to_owned();
    let station = Station::start(&Options { dist: Some(dist), ..quiet() }).await.unwrap();
    let fetch = async |line: &str, headers: &[&str]| {
        let headers = [&["Host: x", "Connection: close"][..], headers].concat();
        request(station.http(), line, &headers).await
    };
    for (path, kind, content) in [
        ("/", "text/html; charset=utf-8", INDEX),
        ("/index.html?x=1", "text/html; charset=utf-8", INDEX),
        ("/page.wasm", "application/wasm", "wasm"),
        ("/app.webmanifest", "application/manifest+json", "{}"),
        ("/nested/a.js", "text/javascript; charset=utf-8", "run"),
        ("/b.css", "text/css; charset=utf-8", "long"),
    ] {
        let (head, body) = fetch(&format!("GET {path}"), &[]).await;
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert_eq!(body, content);
        for header in [
            &format!("content-type: {kind}"),
            "cache-control: no-cache",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "connect-src 'self' ws: wss:",
            // Of `run()`, by `printf 'run()' | openssl dgst -sha256 -binary | base64`, lower-cased
            // like the rest of the head.
            "script-src 'self' 'wasm-unsafe-eval' 'sha256-avyuil0sd1mvy3nnxr+v2uo+lhk6rmfrytwmrt6crjq=';",
        ] {
            assert!(head.contains(header), "{path} lacks {header}: {head}");
        }
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        assert!(tag.len() > 10, "{tag}");
    }
    for (path, caching) in [
        ("/page-1ed99b442fcba759_bg.wasm", "public, max-age=31536000, immutable"),
        ("/b-0123456789abcdef.css", "public, max-age=31536000, immutable"),
        ("/page.wasm", "no-cache"),
        ("/service-worker.js", "no-cache"),
        ("/", "no-cache"),
    ] {
        let (head, _) = fetch(&format!("GET {path}"), &[]).await;
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(head.contains(&format!("cache-control: {caching}\r\n")), "{path}: {head}");
    }
    let (head, body) = fetch("GET /b.css", &["Accept-Encoding: gzip, br"]).await;
    assert!(head.contains("content-encoding: br") && head.contains("content-type: text/css"), "{head}");
    assert_eq!(body, "short");
    let (head, _) = fetch("GET /b.css", &["Accept-Encoding: br;q=0"]).await;
    assert!(!head.contains("content-encoding"), "{head}");
    for (line, status) in [
        ("GET /../Cargo.toml", "404"),
        ("GET /nested/../index.html", "404"),
        ("GET /%2e%2e/Cargo.toml", "404"),
        ("GET /nested", "404"),
        ("POST /", "405"),
        ("GET /mqtt", "426"),
        ("HEAD /", "200"),
    ] {
        let (head, _) = fetch(line, &[]).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{line}: {head}");
    }
    station.stop().await;
}

#[tokio::test]
async fn unchanged_file_is_not_sent_again() {
    let index = file("unchanged/index.html", INDEX);
    let dist = index.parent().unwrap().to_owned();
    let station = Station::start(&Options { dist: Some(dist), ..quiet() }).await.unwrap();
    let mut stream = TcpStream::connect(station.http()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let tag = answer.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let condition = format!("If-None-Match: \"another\", W/{tag}");
    let (head, body) = request(station.http(), "GET /", &["Host: x", "Connection: close", &condition]).await;
    assert!(head.starts_with("http/1.1 304"), "{head}");
    assert_eq!(body, "");
    station.stop().await;
}

#[tokio::test]
async fn missing_app_is_explained() {
    let station = station().await;
    let (head, body) = request(station.http(), "GET /", &["Host: x", "Connection: close"]).await;
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert!(body.contains("cargo xtask dist"), "{body}");
    let (_, body) = request(station.http(), "GET /health", &["Host: x", "Connection: close"]).await;
    // The connection that asks is one itself; the last one may not have been seen to end yet.
    let (start, rest) = body.split_once(",\"refused\":").unwrap();
    assert!(start.starts_with("{\"status\":\"ok\",\"connections\":"), "{body}");
    assert_eq!(rest, "0,\"websockets\":0,\"dropped\":0}\n");
    station.stop().await;
}

#[tokio::test]
async fn dot_files_and_links_out_of_the_directory_are_not_served() {
    let index = file("links/dist/index.html", INDEX);
    file("links/dist/.htpasswd", "secret");
    file("links/dist/.git/config", "secret");
    let outside = file("links/outside.txt", "secret");
    let dist = index.parent().unwrap().to_owned();
    for (link, target) in [("out.txt", &outside), ("folder", &dist.parent().unwrap().to_owned()), ("in.html", &index)] {
        let link = dist.join(link);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(target, link).unwrap();
    }
    let station = Station::start(&Options { dist: Some(dist), ..quiet() }).await.unwrap();
    for (path, status) in [
        ("/.htpasswd", "404"),
        ("/.git/config", "404"),
        ("/out.txt", "404"),
        ("/folder/outside.txt", "404"),
        ("/in.html", "200"),
    ] {
        let (head, body) = request(station.http(), &format!("GET {path}"), &["Host: x", "Connection: close"]).await;
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
        assert!(!body.contains("secret"), "{path}");
    }
    station.stop().await;
}

#[tokio::test]
async fn allowed_frame_origins_are_in_the_policy() {
    let origins = ["https://a.example", "https://b.example"].map(str::to_owned).to_vec();
    for (allow_frame, expected) in [
        (Vec::new(), "frame-ancestors 'none'\r\n"),
        (origins, "frame-ancestors https://a.example https://b.example\r\n"),
    ] {
        let station = Station::start(&Options { allow_frame, ..quiet() }).await.unwrap();
        let (head, _) = request(station.http(), "GET /", &["Host: x", "Connection: close"]).await;
        assert!(head.contains(expected), "{head}");
        station.stop().await;
    }
}

/// The limit for one address is for those behind a reverse proxy that is trusted, and for nobody
/// else's word.
#[tokio::test]
async fn client_address_comes_from_a_trusted_reverse_proxy() {
    let limits = Limits { max_per_address: 1.try_into().unwrap(), ..Limits::default() };
    let upgrade = |forwarded: &str| {
        [
            "Host: x",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: mqtt",
            &format!("X-Forwarded-For: {forwarded}"),
        ]
        .map(|header| format!("{header}\r\n"))
        .concat()
    };
    let open = async |station: &Station, forwarded: &str| {
        let mut stream = TcpStream::connect(station.http()).await.unwrap();
        stream.write_all(format!("GET /mqtt HTTP/1.1\r\n{}\r\n", upgrade(forwarded)).as_bytes()).await.unwrap();
        let mut status = [0; 12];
        let is_answered = stream.read_exact(&mut status).await.is_ok();
        (stream, if is_answered { String::from_utf8_lossy(&status[9..]).into_owned() } else { "closed".to_owned() })
    };
    let trust_forwarded_for = vec!["127.0.0.1".parse().unwrap()];
    let station = Station::start(&Options { limits, trust_forwarded_for, ..quiet() }).await.unwrap();
    let (_first, status) = open(&station, "198.51.100.1").await;
    assert_eq!(status, "101");
    assert_eq!(open(&station, "198.51.100.1").await.1, "429");
    // What a client says itself stands before what the proxy says of it.
    assert_eq!(open(&station, "198.51.100.9, 198.51.100.1").await.1, "429");
    // A page that is refused counts like any other.
    assert_eq!(open(&station, "198.51.100.1\r\nOrigin: https://other.example").await.1, "429");
    assert_eq!(open(&station, "198.51.100.1, 198.51.100.2").await.1, "101");
    station.stop().await;

    let station = Station::start(&Options { limits, ..quiet() }).await.unwrap();
    let (_first, status) = open(&station, "198.51.100.1").await;
    assert_eq!(status, "101");
    assert_eq!(open(&station, "198.51.100.2").await.1, "closed");
    station.stop().await;
}
