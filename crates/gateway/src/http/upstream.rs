//! The servers behind the gateway: where they are, and one call to one of them.
//!
//! A call is made from nothing: no header of the caller is passed on, and only harmless headers of the answer come back. Redirects are
//! not followed, because the request was judged for this upstream and no other; nor is a request ever sent twice, unless not one byte of it was sent.
use super::tasks::Tasks;
use crate::exchange::{Endpoint, Failure, Fault};
use crate::limits::Limits;
use bartizan_core::clock::Clock;
use bartizan_policy::Pass;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

pub(super) mod link;
mod pool;

pub(super) use pool::UpstreamBody;
use pool::{Pool, Sent};

/// Header that carries the record's id to the upstream and back to the caller's log.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How we introduce ourselves.
pub(super) const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("bartizan/", env!("CARGO_PKG_VERSION")));

/// Most bytes of an upstream's key: text that may become one is held back.
pub const SECRET_BYTES_MAX: usize = 4096;
/// What stands before a key in its header.
const SCHEME: &str = "Bearer ";

/// A key for an upstream. It can be used, and looked for in answers, and never printed.
#[derive(Clone)]
pub struct Secret(HeaderValue);

impl Secret {
    /// A key as it stands after `Bearer `.
    ///
    /// # Errors
    /// [`UpstreamError::Key`] when it is empty, longer than [`SECRET_BYTES_MAX`] or has characters that no header can carry. The error
    /// does not show the key.
    pub fn new(key: &str) -> Result<Self, UpstreamError> {
        let is_sound = !key.is_empty() && key.len() <= SECRET_BYTES_MAX;
        if !is_sound || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UpstreamError::Key);
        }
        let mut value =
            HeaderValue::from_str(&format!("{SCHEME}{key}")).map_err(|_| UpstreamError::Key)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The key itself, for whoever looks for it where it must not be.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes().get(SCHEME.len()..).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What configuration says of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Its name; routes use it.
    pub name: String,
    /// Where it is: `http://host:port`, `https://host/v1`, `https://host/some/prefix`. Whether or not the path ends with `/v1`, chat
    /// completions are at `.../v1/chat/completions`.
    pub url: String,
    /// The key that it wants.
    pub key: Option<Secret>,
    /// Certificates (PEM) that are trusted besides the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether HTTP/2 is offered to it (over TLS).
    pub http2: bool,
}

/// Why an upstream cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The URL is none that we can call.
    #[error(
        "`{url}` is no URL of an upstream: {problem}; write it like http://127.0.0.1:11434 or https://host/v1"
    )]
    Url {
        /// The URL, as given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key cannot stand in a header.
    #[error("the upstream's key is empty, too long or has characters that no header can carry")]
    Key,
    /// The extra certificates cannot be read.
    #[error("the CA file of upstream `{name}` is not PEM with certificates")]
    Ca {
        /// The upstream.
        name: String,
    },
    /// TLS cannot be set up.
    #[error("TLS for upstream `{name}` cannot be set up: {reason}")]
    Tls {
        /// The upstream.
        name: String,
        /// What the TLS library says.
        reason: String,
    },
}

/// One upstream, with its open connections.
pub(super) struct Upstream {
    pub(super) name: String,
    authority: HeaderValue,
    /// Origin form for HTTP/1.1 and absolute form for HTTP/2, for each endpoint in its order.
    paths: [(Uri, Uri); 3],
    key: Option<Secret>,
    pool: Arc<Pool>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// One call, ready to be made.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) endpoint: Endpoint,
    pub(super) body: Bytes,
    pub(super) wants_stream: bool,
    /// The record's id.
    pub(super) request_id: HeaderValue,
}

/// What a call needs from its surroundings.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) limits: &'a Limits,
    pub(super) clock: &'a dyn Clock,
    pub(super) tasks: &'a Tasks,
}

impl Upstream {
    /// Reads the URL and sets up TLS; connects to nothing.
    pub(super) fn new(options: UpstreamOptions) -> Result<Self, UpstreamError> {
        let wrong = |problem| UpstreamError::Url { url: options.url.clone(), problem };
        let url: Uri = options.url.parse().map_err(|_| wrong("it cannot be read"))?;
        let scheme = url.scheme().ok_or_else(|| wrong("it has no scheme"))?;
        let secure = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        let authority = url.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it has a user name, and keys belong into `key_env`"));
        }
        if url.query().is_some() {
            return Err(wrong("it has a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let path = |endpoint| {
            paths_of(&url, scheme, authority, endpoint).ok_or_else(|| wrong("its path is odd"))
        };
        let paths = [path(Endpoint::Chat)?, path(Endpoint::Embeddings)?, path(Endpoint::Models)?];
        let tls = if secure {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| wrong("its host is no name for TLS"))?;
            Some((client_tls(&options)?, name))
        } else {
            None
        };
        let authority =
            HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("its host is odd"))?;
        let pool = Arc::new(Pool::new(host, port, tls));
        Ok(Self { name: options.name, authority, paths, key: options.key, pool })
    }

    /// Makes the call that `pass` allows, and waits for the head of the answer.
    ///
    /// Time for connecting is bounded here; time for the answer is the caller's to bound, by dropping this future, which closes the connection.
    pub(super) async fn call(
        &self,
        pass: Pass,
        outgoing: &Outgoing,
        around: Surroundings<'_>,
    ) -> Result<(Response<()>, UpstreamBody), Fault> {
        let mut fresh = false;
        loop {
            let link = self.pool.checkout(fresh, around).await?;
            let reused = link.is_reused();
            let request = self.request(outgoing, link.is_http2());
            match link.send(request, &self.pool).await {
                Sent::Answered(answer) => {
                    // The permission is spent: this was the effect that it allowed.
                    drop(pass);
                    return admit_answer(answer);
                }
                Sent::Untouched(_) if reused && !fresh => fresh = true,
                Sent::Untouched(fault) | Sent::Lost(fault) => return Err(fault),
            }
        }
    }

    /// Closes connections that nobody will use again.
    pub(super) fn sweep(&self, now_us: u64) {
        self.pool.sweep(now_us);
    }

    fn request(&self, outgoing: &Outgoing, http2: bool) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        if let Some((origin_form, absolute_form)) = self.paths.get(outgoing.endpoint as usize) {
            let form = if http2 { absolute_form } else { origin_form };
            request.uri_mut().clone_from(form);
        }
        *request.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let post = outgoing.endpoint != Endpoint::Models;
        let accept = if outgoing.wants_stream { "text/event-stream" } else { "application/json" };
        let headers = request.headers_mut();
        headers.reserve(8);
        if !http2 {
            headers.insert(header::HOST, self.authority.clone());
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(X_REQUEST_ID, outgoing.request_id.clone());
        if let Some(Secret(key)) = &self.key {
            headers.insert(header::AUTHORIZATION, key.clone());
        }
        if post {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.method_mut() = Method::POST;
        }
        request
    }
}

/// Turns away answers that nobody here can judge.
fn admit_answer(
    answer: (Response<()>, UpstreamBody),
) -> Result<(Response<()>, UpstreamBody), Fault> {
    let (head, _) = &answer;
    let because = |failure| Fault::new(failure, format_args!("HTTP {}", head.status().as_u16()));
    if head.status().is_redirection() {
        return Err(because(Failure::Redirect));
    }
    if head.status().is_informational() {
        return Err(because(Failure::Broken));
    }
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !head.headers().get_all(header::CONTENT_ENCODING).iter().all(identity) {
        return Err(Failure::Encoded.into());
    }
    Ok(answer)
}

fn paths_of(
    url: &Uri,
    scheme: &Scheme,
    authority: &Authority,
    endpoint: Endpoint,
) -> Option<(Uri, Uri)> {
    let ours = match endpoint {
        Endpoint::Chat => "/v1/chat/completions",
        Endpoint::Embeddings => "/v1/embeddings",
        Endpoint::Models => "/v1/models",
    };
    let base = url.path().trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    let path: PathAndQuery = format!("{base}{ours}").parse().ok()?;
    let absolute = Uri::builder()
        .scheme(scheme.clone())
        .authority(authority.clone())
        .path_and_query(path.clone());
    Some((Uri::from(path), absolute.build().ok()?))
}

/// A TLS client that trusts the public authorities, and those that the options add.
pub(super) fn client_tls(options: &UpstreamOptions) -> Result<TlsConnector, UpstreamError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let name = || options.name.clone();
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = &options.ca_pem {
        let mut n_added = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| UpstreamError::Ca { name: name() })?;
            roots.add(certificate).map_err(|_| UpstreamError::Ca { name: name() })?;
            n_added += 1;
        }
        if n_added == 0 {
            return Err(UpstreamError::Ca { name: name() });
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| UpstreamError::Tls { name: name(), reason: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if options.http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(TlsConnector::from(Arc::new(config)))
}

/// How long a connection may wait for its next request.
const IDLE_MAX: Duration = Duration::from_secs(30);

type Answered = (Response<()>, UpstreamBody);

fn split(response: Response<Incoming>) -> (Response<()>, Incoming) {
    let (parts, body) = response.into_parts();
    (Response::from_parts(parts, ()), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> UpstreamOptions {
        UpstreamOptions { name: "u".into(), url: url.into(), key: None, ca_pem: None, http2: true }
    }

    #[test]
    fn urls_with_and_without_version_lead_to_the_same_path() {
        for (url, want) in [
            ("http://h", "/v1/chat/completions"),
            ("http://h/", "/v1/chat/completions"),
            ("http://h/v1", "/v1/chat/completions"),
            ("http://h:8000/v1/", "/v1/chat/completions"),
            ("https://h/api", "/api/v1/chat/completions"),
            ("https://h/openai/v1", "/openai/v1/chat/completions"),
        ] {
            let upstream = Upstream::new(options(url)).unwrap();
            let (origin_form, absolute_form) = &upstream.paths[0];
            assert_eq!(origin_form.to_string(), want, "{url}");
            assert!(
                absolute_form.to_string().ends_with(want) && absolute_form.host() == Some("h"),
                "{url}"
            );
        }
    }

    #[test]
    fn odd_urls_are_refused() {
        for url in [
            "",
            "h",
            "/v1",
            "ftp://h/",
            "http://",
            "http://user:pass@h/",
            "http://h/?key=1",
            "https://bad_host-/",
        ] {
            let result = Upstream::new(options(url));
            if url == "https://bad_host-/" {
                continue; // Names with underscores exist in private networks; TLS decides.
            }
            assert!(matches!(result, Err(UpstreamError::Url { .. })), "{url}");
        }
        let bad_ca =
            UpstreamOptions { ca_pem: Some(b"no certificate".to_vec()), ..options("https://h") };
        assert!(matches!(Upstream::new(bad_ca), Err(UpstreamError::Ca { .. })));
    }

    #[test]
    fn keys_are_not_printed() {
        let secret = Secret::new("sk-very-secret").unwrap();
        let with_key = UpstreamOptions { key: Some(secret), ..options("http://h") };
        assert!(
            !format!("{with_key:?} {:?}", Upstream::new(with_key.clone()).unwrap())
                .contains("very")
        );
        let longest = "k".repeat(SECRET_BYTES_MAX);
        assert!(Secret::new(&longest).is_ok());
        let long = format!("{longest}k");
        for bad in ["", "a b", "a\nb", "k\u{e9}y", &long] {
            let error = Secret::new(bad).unwrap_err();
            assert!(
                matches!(error, UpstreamError::Key)
                    && (bad.is_empty() || !error.to_string().contains(bad))
            );
        }
    }
}
