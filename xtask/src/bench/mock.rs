//! The mock upstream: an OpenAI-compatible server that answers at once, with as many bytes as the model's name asks for.
use super::serve;
use super::shape::Shape;
use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Sleep;

/// Most bytes of a request that are read.
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// Most shapes whose answers are remembered; further ones are made anew for each request.
const SHAPES_MAX: usize = 64;
/// Dimensions of an embedding.
const DIMENSIONS: usize = 384;

const MODELS: &str = r#"{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"mock"}]}"#;

/// Serves on one thread, on a port of 127.0.0.1.
pub(crate) fn run(port: u16) -> Result<()> {
    serve::runtime(1)?.block_on(async { answer_all(serve::listen(port).await?).await })
}

/// Serves until it is dropped.
pub(crate) async fn answer_all(listener: TcpListener) -> Result<()> {
    let answers = Arc::new(Answers::default());
    serve::serve(listener, move |request| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.of(request).await) }
    })
    .await
}

/// Answers that were made before.
#[derive(Debug, Default)]
struct Answers {
    by_shape: Mutex<BTreeMap<Shape, Arc<[Bytes]>>>,
}

impl Answers {
    async fn of(&self, request: Request<Incoming>) -> Response<MockBody> {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, REQUEST_BYTES_MAX).collect().await else {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, Bytes::new());
        };
        let body = body.to_bytes();
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/v1/chat/completions") => match Shape::of_request(&body) {
                Some(shape) => self.chat(shape),
                None => plain(
                    StatusCode::BAD_REQUEST,
                    Bytes::from_static(br#"{"error":{"message":"no such model"}}"#),
                ),
            },
            (&Method::POST, "/v1/embeddings") => plain(StatusCode::OK, embedding()),
            (&Method::GET, "/v1/models") => {
                plain(StatusCode::OK, Bytes::from_static(MODELS.as_bytes()))
            }
            _ => plain(
                StatusCode::NOT_FOUND,
                Bytes::from_static(br#"{"error":{"message":"no such path"}}"#),
            ),
        }
    }

    fn chat(&self, shape: Shape) -> Response<MockBody> {
        let parts = self.parts(shape);
        if shape.stream {
            let delay = Duration::from_millis(u64::from(shape.delay_ms));
            let body = MockBody { parts, next: 0, stream: true, flushed: true, delay, pause: None };
            respond(StatusCode::OK, "text/event-stream", body)
        } else {
            plain(StatusCode::OK, parts.first().cloned().unwrap_or_default())
        }
    }

    fn parts(&self, shape: Shape) -> Arc<[Bytes]> {
        let mut by_shape = self.by_shape.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parts) = by_shape.get(&shape) {
            return Arc::clone(parts);
        }
        let parts: Arc<[Bytes]> =
            if shape.stream { shape.events().into() } else { [shape.answer()].into() };
        if by_shape.len() < SHAPES_MAX {
            by_shape.insert(shape, Arc::clone(&parts));
        }
        parts
    }
}

fn embedding() -> Bytes {
    let numbers = vec!["0.0125"; DIMENSIONS].join(",");
    Bytes::from(format!(
        r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[{numbers}]}}],"model":"mock","usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#
    ))
}

fn plain(status: StatusCode, body: Bytes) -> Response<MockBody> {
    let body = MockBody {
        parts: [body].into(),
        next: 0,
        stream: false,
        flushed: true,
        delay: Duration::ZERO,
        pause: None,
    };
    respond(status, "application/json", body)
}

fn respond(status: StatusCode, content_type: &'static str, body: MockBody) -> Response<MockBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-cache"));
    response
}

/// One part after the other, each flushed on its own, with a pause between them.
#[derive(Debug)]
struct MockBody {
    parts: Arc<[Bytes]>,
    next: usize,
    stream: bool,
    /// The part before has been left to the connection for flushing.
    flushed: bool,
    delay: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for MockBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.flushed {
            // Not ready once: the connection flushes what it has, so that every part is a write of its own.
            self.flushed = true;
            if self.delay.is_zero() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.pause = Some(Box::pin(tokio::time::sleep(self.delay)));
        }
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let Some(part) = self.parts.get(self.next).cloned() else { return Poll::Ready(None) };
        self.next += 1;
        self.flushed = self.next >= self.parts.len();
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.next >= self.parts.len()
    }

    fn size_hint(&self) -> SizeHint {
        if self.stream {
            return SizeHint::default();
        }
        let n_left: usize = self.parts.iter().skip(self.next).map(Bytes::len).sum();
        SizeHint::with_exact(u64::try_from(n_left).unwrap_or(u64::MAX))
    }
}
