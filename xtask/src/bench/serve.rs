//! The accept loop that the mock upstream and the floor share.
use anyhow::{Context, Result};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Most connections at a time; more wait in the backlog.
const CONNECTIONS_MAX: usize = 16_384;
/// No helper process of a bench lives longer.
const LIFE_MAX: Duration = Duration::from_hours(2);

/// A runtime with so many worker threads; with one, everything runs on the calling thread.
pub(crate) fn runtime(workers: usize) -> Result<Runtime> {
    let mut builder =
        if workers > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder
        .worker_threads(workers.max(1))
        .enable_all()
        .build()
        .context("the runtime does not start")
}

/// Listens on a port of 127.0.0.1 (0 for any).
pub(crate) async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("port {port} is taken"))
}

/// Serves HTTP/1.1 until the end of [`LIFE_MAX`], or until it is dropped.
pub(crate) async fn serve<H, F, B, E>(listener: TcpListener, handler: H) -> Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    let endless = async {
        loop {
            tokio::select! {
                accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    let (stream, _) = accepted.context("cannot accept")?;
                    stream.set_nodelay(true)?;
                    let handler = handler.clone();
                    connections.spawn(async move {
                        // A caller that hangs up is no concern of ours; a request that failed is counted by the load generator.
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(handler)).await.is_ok()
                    });
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    };
    tokio::time::timeout(LIFE_MAX, endless).await.unwrap_or(Ok(()))
}
