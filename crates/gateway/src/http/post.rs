//! One small question to a server that is no upstream: a witness. Over HTTP/1.1, plain or TLS, one connection for one request.
//!
//! No prompt, key or answer of a caller goes this way: what is sent is public. Redirects are not followed.
use super::upstream::link::Io;
use super::upstream::{USER_AGENT, UpstreamError, UpstreamOptions, client_tls};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Most bytes of an answer.
pub const POST_BYTES_MAX: usize = 64 << 10;
/// Bytes of an answer's head that are read.
const POST_HEAD_BYTES_MAX: usize = 16 << 10;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// No connection.
    #[error("cannot connect to {authority}: {source}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The TLS handshake failed.
    #[error("the TLS handshake with {authority} failed: {source}")]
    Tls {
        /// Host and port.
        authority: String,
        /// What the library said.
        source: std::io::Error,
    },
    /// The other side broke off, or speaks no HTTP.
    #[error("the answer of {authority} broke off: {reason}")]
    Broken {
        /// Host and port.
        authority: String,
        /// What the library said.
        reason: String,
    },
    /// The answer is too long.
    #[error("the answer of {authority} has more than {POST_BYTES_MAX} bytes")]
    TooLong {
        /// Host and port.
        authority: String,
    },
}

/// Sends texts to one URL.
#[derive(Clone)]
pub struct Poster {
    host: String,
    port: u16,
    authority: String,
    host_header: HeaderValue,
    path: Uri,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Poster {
    /// Reads a URL and sets up TLS; connects to nothing.
    ///
    /// * `ca_pem`: certificates that are trusted besides the public ones.
    ///
    /// # Errors
    /// [`UpstreamError`], which says what is wrong with the URL or the certificates.
    pub fn new(url: &str, ca_pem: Option<Vec<u8>>) -> Result<Self, UpstreamError> {
        let wrong = |problem| UpstreamError::Url { url: url.to_owned(), problem };
        let uri: Uri = url.parse().map_err(|_| wrong("it cannot be read"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong("it has a user name or a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = if secure {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| wrong("its host is no name for TLS"))?;
            let (name_of, url) = ("witness".to_owned(), url.to_owned());
            let options = UpstreamOptions { name: name_of, url, key: None, ca_pem, http2: false };
            Some((client_tls(&options)?, name))
        } else {
            None
        };
        let host_header =
            HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("its host is odd"))?;
        let path: Uri = uri.path().parse().map_err(|_| wrong("its path is odd"))?;
        let authority = authority.as_str().to_owned();
        Ok(Self { host, port, authority, host_header, path, tls })
    }

    /// Sends a text and reads the whole answer. The caller bounds the time, by dropping this future, which closes the connection.
    ///
    /// # Errors
    /// [`PostError`].
    pub async fn post(&self, text: String) -> Result<Posted, PostError> {
        let mut request = Request::post(self.path.clone())
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| self.broken(&error))?;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        self.ask(request).await
    }

    /// Reads what stands beside the URL: a path in the place of its last segment. The caller bounds the time, as above.
    ///
    /// # Errors
    /// [`PostError`].
    pub async fn get_beside(&self, path: &str) -> Result<Posted, PostError> {
        let folder = self.path.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let request = Request::get(format!("{folder}/{path}"))
            .body(Full::new(Bytes::new()))
            .map_err(|error| self.broken(&error))?;
        self.ask(request).await
    }

    async fn ask(&self, mut request: Request<Full<Bytes>>) -> Result<Posted, PostError> {
        let io = self.connect().await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(POST_HEAD_BYTES_MAX);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(io)).await.map_err(|error| self.broken(&error))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host_header.clone());
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(http::header::USER_AGENT, USER_AGENT);
        let asked = async {
            let answer = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
            self.read(answer).await
        };
        // No task of its own: whoever waits for the answer drives the connection.
        let (mut connection, mut asked) = (pin!(connection), pin!(asked));
        let mut is_over = false;
        std::future::poll_fn(|cx| {
            if !is_over && connection.as_mut().poll(cx).is_ready() {
                is_over = true;
            }
            match asked.as_mut().poll(cx) {
                // What made the answer ready may have woken nobody else.
                Poll::Pending if !is_over && connection.as_mut().poll(cx).is_ready() => {
                    is_over = true;
                    asked.as_mut().poll(cx)
                }
                polled => polled,
            }
        })
        .await
    }

    async fn connect(&self) -> Result<Io, PostError> {
        let authority = || self.authority.clone();
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|source| PostError::Connect { authority: authority(), source })?;
        tcp.set_nodelay(true)
            .map_err(|source| PostError::Connect { authority: authority(), source })?;
        let Some((connector, name)) = &self.tls else { return Ok(Io::Plain(tcp)) };
        let stream = connector.connect(name.clone(), tcp).await;
        let stream = stream.map_err(|source| PostError::Tls { authority: authority(), source })?;
        Ok(Io::Tls(Box::new(stream)))
    }

    async fn read(&self, answer: http::Response<Incoming>) -> Result<Posted, PostError> {
        let status = answer.status().as_u16();
        match Limited::new(answer.into_body(), POST_BYTES_MAX).collect().await {
            Ok(body) => Ok(Posted { status, body: body.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(PostError::TooLong { authority: self.authority.clone() })
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, reason: &impl ToString) -> PostError {
        PostError::Broken { authority: self.authority.clone(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Answers one request with these bytes; what was asked.
    async fn answer(mut io: impl AsyncRead + AsyncWrite + Unpin, bytes: Vec<u8>) -> String {
        let mut asked = Vec::new();
        let mut piece = [0; 1024];
        while !asked.ends_with(b"hello") {
            match io.read(&mut piece).await {
                Ok(n) if 0 < n => asked.extend_from_slice(&piece[..n]),
                _ => break,
            }
        }
        // Whoever hangs up early has read enough.
        io.write_all(&bytes).await.unwrap_or_default();
        io.shutdown().await.unwrap_or_default();
        String::from_utf8(asked).unwrap()
    }

    fn reply(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
    }

    #[tokio::test]
    async fn a_question_gets_its_answer() {
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_vec();
        let cases = [
            ("an answer", reply("42\n"), "42\n"),
            ("the longest", reply(&"a".repeat(POST_BYTES_MAX)), "aaa"),
            ("one more", reply(&"a".repeat(POST_BYTES_MAX + 1)), "more than 65536 bytes"),
            ("cut short", cut, "broke off"),
            ("no HTTP", b"hello\r\n\r\n".to_vec(), "broke off"),
            ("nothing", Vec::new(), "broke off"),
        ];
        for (name, bytes, want) in cases {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let poster = Poster::new(&format!("http://{address}/w/add-checkpoint"), None).unwrap();
            let serve = async { answer(listener.accept().await.unwrap().0, bytes).await };
            let (asked, heard) = tokio::join!(serve, poster.post("hello".to_owned()));
            assert!(asked.starts_with("POST /w/add-checkpoint HTTP/1.1\r\n"), "{name}: {asked}");
            assert!(asked.contains(&format!("host: {address}\r\n")), "{name}: {asked}");
            match heard {
                Ok(heard) => assert!(
                    heard.status == 409 && heard.body.starts_with(want.as_bytes()),
                    "{name}: {heard:?}"
                ),
                Err(error) => assert!(error.to_string().contains(want), "{name}: {error}"),
            }
        }
    }

    #[tokio::test]
    async fn what_stands_beside_is_read() {
        for (url, want) in [("/w/add-checkpoint", "/w/abc/checkpoint"), ("/", "/abc/checkpoint")] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let poster = Poster::new(&format!("http://{address}{url}"), None).unwrap();
            let serve = async {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1024];
                let n_read = tcp.read(&mut head).await.unwrap();
                tcp.write_all(&reply("42\n")).await.unwrap();
                String::from_utf8(head[..n_read].to_vec()).unwrap()
            };
            let (asked, heard) = tokio::join!(serve, poster.get_beside("abc/checkpoint"));
            assert!(asked.starts_with(&format!("GET {want} HTTP/1.1\r\n")), "{asked}");
            assert!(asked.contains(&format!("host: {address}\r\n")), "{asked}");
            assert_eq!(heard.unwrap().body, "42\n");
        }
        let poster = Poster::new("http://127.0.0.1:1/w/", None).unwrap();
        let odd = poster.get_beside("a b").await;
        assert!(matches!(odd, Err(PostError::Broken { .. })), "{odd:?}");
    }

    #[tokio::test]
    async fn tls_is_checked() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let tls = crate::http::ServerTls::from_pem(
            pem.as_bytes(),
            made.signing_key.serialize_pem().as_bytes(),
        )
        .unwrap();
        let tls = Arc::new(tls);
        for (name, ca_pem, want) in [
            ("trusted", Some(pem.clone().into_bytes()), None),
            ("unknown authority", None, Some("TLS handshake")),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let poster = Poster::new(&format!("https://localhost:{port}/"), ca_pem).unwrap();
            let serve = async {
                let (tcp, _) = listener.accept().await.unwrap();
                if let Ok(stream) = tls.acceptor.accept(tcp).await {
                    answer(stream, reply("7\n")).await;
                }
            };
            let ((), heard) = tokio::join!(serve, poster.post("hello".to_owned()));
            match (heard, want) {
                (Ok(heard), None) => assert_eq!(heard.body, "7\n", "{name}"),
                (Err(error), Some(want)) => assert!(error.to_string().contains(want), "{error}"),
                (heard, _) => panic!("{name}: {heard:?}"),
            }
        }
    }

    #[test]
    fn urls_that_cannot_be_called_are_told() {
        let bad = ["", "ftp://h/", "http://", "h", "http://u@h/", "http://h/?key=1", "https://[/"];
        for url in bad {
            assert!(matches!(Poster::new(url, None), Err(UpstreamError::Url { .. })), "{url}");
        }
        let bad_ca = Poster::new("https://h/", Some(b"none".to_vec()));
        assert!(matches!(bad_ca, Err(UpstreamError::Ca { .. })));
        assert!(Poster::new("http://[::1]:4182/add-checkpoint", None).is_ok());
    }
}
