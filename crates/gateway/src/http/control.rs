//! The control listener: is it up, is it ready, what has it counted. It shares no port with the data path, changes nothing, and checks
//! the host name like the data path does, so that a web page cannot read it through a rebound name.
use super::hosts::Callers;
use super::{Notice, Shared};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at a time; one more waits.
const CONNECTIONS_MAX: usize = 64;
/// Time for a request's head, and for an idle connection.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the gateway has ended: while it drains, this is where one sees it.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let owned = Arc::clone(&shared);
                shared.tasks.spawn_background(async move {
                    connection(owned, tcp).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "A connection to the control listener could not be accepted.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(shared: Arc<Shared>, tcp: TcpStream) {
    let service =
        service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&shared, &request))));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(tcp), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "A control connection ended.");
    }
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if let Some((status, code)) = turned_away(shared, request) {
        return reply(status, "application/json", json!({ "error": { "code": code } }).to_string());
    }
    if request.method() != Method::GET {
        let body = json!({ "error": { "code": "method_not_allowed" } }).to_string();
        let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, "application/json", body);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => reply(StatusCode::OK, "application/json", json!({ "up": true }).to_string()),
        "/readyz" => {
            let (status, body) = match shared.notice() {
                None => (StatusCode::OK, json!({ "ready": true })),
                Some(Notice { reason, is_unready: false }) => {
                    (StatusCode::OK, json!({ "ready": true, "warning": reason }))
                }
                Some(Notice { reason, is_unready: true }) => {
                    (StatusCode::SERVICE_UNAVAILABLE, json!({ "ready": false, "reason": reason }))
                }
            };
            reply(status, "application/json", body.to_string())
        }
        "/metrics" => {
            let mut text = String::with_capacity(16 << 10);
            shared.metrics.export(&mut text);
            if let Some(more) = &shared.more_metrics {
                more(&mut text);
            }
            reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        _ => reply(
            StatusCode::NOT_FOUND,
            "application/json",
            json!({ "error": { "code": "unknown_path" } }).to_string(),
        ),
    }
}

/// The same test of host and origin as on the data path; no web page may call here, whatever `origins` says.
fn turned_away(shared: &Shared, request: &Request<Incoming>) -> Option<(StatusCode, &'static str)> {
    let callers: Callers = shared.setup.load().callers.without_origins();
    let refused = callers.check(request.headers(), request.uri()).err()?;
    Some((StatusCode::from_u16(refused.status).unwrap_or(StatusCode::FORBIDDEN), refused.code))
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
