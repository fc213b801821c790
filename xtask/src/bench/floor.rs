//! The floor: a bare reverse proxy. Same HTTP library, pooled upstream connections, no guard, no record, no key.
//!
//! What the gateway costs above this is the price of what it does.
use super::serve;
use anyhow::Result;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response};
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long an idle upstream connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// Most idle upstream connections.
const IDLE_CONNECTIONS_MAX: usize = 4096;

/// Serves on a port of 127.0.0.1 with so many worker threads, and passes everything on to another port there.
pub(crate) fn run(port: u16, upstream: u16, workers: usize) -> Result<()> {
    serve::runtime(workers)?.block_on(async {
        let listener = serve::listen(port).await?;
        if workers > 1 {
            // The accept loop, too, belongs on a worker, not on the thread that only waits.
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(pass_all(listener, upstream));
            return tasks.join_next().await.unwrap_or(Ok(Ok(())))?;
        }
        pass_all(listener, upstream).await
    })
}

/// Serves until it is dropped.
pub(crate) async fn pass_all(listener: TcpListener, upstream: u16) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build(connector);
    let authority: Authority = format!("127.0.0.1:{upstream}").parse()?;
    serve::serve(listener, move |request| pass(client.clone(), authority.clone(), request)).await
}

/// Passes one request on. An upstream that fails closes the connection, which the load generator counts.
async fn pass(
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Error> {
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority);
    if let Ok(uri) = uri.try_into() {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(CONNECTION);
    let mut response = client.request(request).await?;
    response.headers_mut().remove(CONNECTION);
    Ok(response)
}
