//! TLS on both sides, HTTP/2 on both sides.
use crate::client::{PATIENCE, chat, hello, read};
use crate::world::{KEY, UPSTREAM_KEY, World, limits, plain_answer, until};
use bartizan_core::record::Outcome;
use bartizan_gateway::http::ServerTls;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::task::TaskTracker;

/// A certificate for `localhost`, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn connect(address: SocketAddr, chain: &str, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

async fn tls_world(answer: String) -> (World, String) {
    let (chain, key) = certificate();
    let tls = ServerTls::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let world = World::with(
        limits(),
        Some(tls),
        |_| {},
        move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.read().await {
                    peer.write(&answer).await;
                }
            }
        },
    )
    .await;
    (world, chain)
}

#[tokio::test]
async fn callers_speak_http1_under_tls() {
    let (world, chain) = tls_world(plain_answer("hi")).await;
    for alpn in [&[][..], &[&b"http/1.1"[..]][..]] {
        let mut tls = connect(world.address, &chain, alpn).await;
        for _ in 0..2 {
            tls.write_all(chat(KEY, "", &hello(false)).as_bytes()).await.unwrap();
            assert_eq!(read(&mut tls).await.unwrap().status, 200);
        }
    }
    let mut plain = TcpStream::connect(world.address).await.unwrap();
    plain.write_all(chat(KEY, "", &hello(false)).as_bytes()).await.unwrap();
    assert!(read(&mut plain).await.is_none(), "plain HTTP gets no answer on a TLS port");
    until("counted", || world.denials() == ["tls_handshake"]).await;
    assert_eq!(world.recorder.intents(), 4);
    world.finish().await;
}

#[tokio::test]
async fn callers_speak_http2_by_alpn() {
    let (world, chain) = tls_world(plain_answer("SECRET-1234")).await;
    let tls = connect(world.address, &chain, &[b"h2", b"http/1.1"]).await;
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let tasks = TaskTracker::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
            .await
            .unwrap();
    tasks.spawn(async move { connection.await.unwrap_or_default() });
    let request = |path: &str, host: &str, body: String| {
        Request::post(format!("https://{host}{path}"))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap()
    };
    let chat = "/v1/chat/completions";
    for (name, path, host, body, status) in [
        ("good", chat, "localhost", hello(false), 200),
        ("foreign host", chat, "evil.example.com", hello(false), 421),
        ("side door", "/v1/responses", "localhost", hello(false), 403),
        ("too large", chat, "localhost", " ".repeat(17 << 20), 413),
        ("still there", chat, "localhost", hello(false), 200),
    ] {
        let sent = timeout(PATIENCE, sender.send_request(request(path, host, body))).await.unwrap();
        let answer = sent.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(answer.status().as_u16(), status, "{name}");
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&text).contains("SECRET-1234"), "{name}");
    }
    assert_eq!(world.recorder.outcomes(), [Outcome::Completed; 2]);
    // The library answers this one itself, and has no words for it.
    let mut large = request(chat, "localhost", hello(false));
    large.headers_mut().insert("x-large", "a".repeat(100 << 10).parse().unwrap());
    let answer = timeout(PATIENCE, sender.send_request(large)).await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 431);
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    drop(sender);
    world.finish().await;
}

/// What an HTTPS upstream saw.
#[derive(Default)]
struct Visits {
    connections: AtomicUsize,
    versions: Mutex<Vec<String>>,
}

/// An upstream behind TLS that offers the given protocols and answers as HTTP/2 or HTTP/1.1 asks.
async fn secure_upstream(
    chain: &str,
    key: &str,
    alpn: &[&[u8]],
) -> (SocketAddr, Arc<Visits>, TaskTracker) {
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (visits, tasks) = (Arc::<Visits>::default(), TaskTracker::new());
    let (seen, inner) = (Arc::clone(&visits), tasks.clone());
    tasks.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            seen.connections.fetch_add(1, SeqCst);
            let Ok(stream) = acceptor.accept(tcp).await else { continue };
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let authorised =
                    request.headers()["authorization"] == format!("Bearer {UPSTREAM_KEY}");
                seen.versions.lock().unwrap().push(format!("{:?} {authorised}", request.version()));
                async move {
                    request.into_body().collect().await.unwrap();
                    let answer = plain_answer("hi");
                    let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
                    let response = Response::builder().header("content-type", "application/json");
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
                }
            });
            inner.spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
            });
        }
    });
    (address, visits, tasks)
}

#[tokio::test]
async fn upstreams_are_called_over_tls() {
    let (chain, key) = certificate();
    for (name, http2, alpn, version) in [
        ("HTTP/2", true, &[&b"h2"[..], b"http/1.1"][..], "HTTP/2.0 true"),
        ("HTTP/2 not wanted", false, &[&b"h2"[..], b"http/1.1"][..], "HTTP/1.1 true"),
        ("HTTP/2 not offered", true, &[&b"http/1.1"[..]][..], "HTTP/1.1 true"),
        ("no ALPN", true, &[][..], "HTTP/1.1 true"),
    ] {
        let (address, visits, _tasks) = secure_upstream(&chain, &key, alpn).await;
        let pem = chain.clone();
        let change = move |setup: &mut bartizan_gateway::http::SetupOptions| {
            setup.upstreams[0].url = format!("https://localhost:{}/v1", address.port());
            setup.upstreams[0].ca_pem = Some(pem.into_bytes());
            setup.upstreams[0].http2 = http2;
        };
        let world = World::with(limits(), None, change, |_| async {}).await;
        for _ in 0..3 {
            let answer = crate::client::send(world.address, chat(KEY, "", &hello(false))).await;
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
        }
        assert_eq!(*visits.versions.lock().unwrap(), [version; 3], "{name}");
        assert_eq!(visits.connections.load(SeqCst), 1, "{name}: one connection is enough");
        world.finish().await;
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_not_trusted() {
    let (chain, key) = certificate();
    let (address, visits, _tasks) = secure_upstream(&chain, &key, &[]).await;
    let url = format!("https://localhost:{}", address.port());
    let world =
        World::with(limits(), None, |setup| setup.upstreams[0].url = url, |_| async {}).await;
    let answer = crate::client::send(world.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_tls"));
    assert!(visits.versions.lock().unwrap().is_empty(), "no request was sent");
    world.finish().await;
}
