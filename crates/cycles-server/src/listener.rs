//! One listening socket and the connections it accepted.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use cycles_protocol::{Clock, SystemClock};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower_service::Service;

use crate::patience::Patience;
use crate::{App, limits};

/// Serves `app` until `stop` turns true, then lets requests in flight end,
/// for as long as [`limits::DRAIN`]. Dropping the future ends everything at once.
pub(crate) async fn serve(
    listener: TcpListener,
    app: App,
    tls: Tls,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    while let Some((stream, permit)) = until(&mut stop, accept(&listener, &permits)).await {
        connections.spawn(connection(stream, app.clone(), tls.clone(), stop.clone(), permit));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits::DRAIN, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "requests were still running and are cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // `None` cannot happen: the semaphore is never closed.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Sockets wait in real time, whatever clock the authority runs on.
                let clock = SystemClock::new();
                clock.sleep_until(limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What connections speak below HTTP.
#[cfg(feature = "tls")]
pub(crate) type Tls = Option<crate::TlsIdentity>;
/// What connections speak below HTTP: nothing.
#[cfg(not(feature = "tls"))]
pub(crate) type Tls = Option<NoIdentity>;

/// There is none without the feature `tls`.
#[cfg(not(feature = "tls"))]
#[derive(Debug, Clone)]
pub(crate) enum NoIdentity {}

async fn connection(
    stream: TcpStream,
    app: App,
    tls: Tls,
    #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only a handshake waits"))]
    mut stop: watch::Receiver<bool>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    // Answers are one small write each; waiting to fill a packet only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    #[cfg(feature = "tls")]
    if let Some(identity) = tls {
        let handshake = identity.acceptor().accept(stream);
        let handshake = tokio::time::timeout(limits::TLS_HANDSHAKE, handshake);
        match until(&mut stop, handshake).await {
            Some(Ok(Ok(stream))) => exchange(stream, app, stop).await,
            Some(Ok(Err(error))) => tracing::debug!(%error, "a TLS handshake failed"),
            Some(Err(_)) => tracing::debug!("a TLS handshake took too long"),
            None => {}
        }
        return;
    }
    #[cfg(not(feature = "tls"))]
    let None = tls;
    exchange(stream, app, stop).await;
}

/// Answers the requests that come over one stream.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: App,
    mut stop: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        // `Patience` does it, without a timer for each request.
        .header_read_timeout(None)
        .serve_connection(
            TokioIo::new(Patience::new(stream)),
            service_fn(|request| answer(&app, request)),
        );
    tokio::pin!(connection);
    let mut ended = until(&mut stop, connection.as_mut()).await;
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        ended = Some(connection.await);
    }
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Marks a response that is not to be sent: the connection closes instead.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a request is left without an answer")]
pub(crate) struct HangUp;

/// An error makes hyper close the connection without writing a byte.
async fn answer(app: &App, request: Request<Incoming>) -> Result<Response<Body>, HangUp> {
    let Ok(response) = app.clone().call(request).await;
    match response.extensions().get::<HangUp>() {
        Some(hang_up) => Err(*hang_up),
        None => Ok(response),
    }
}

/// The future's output, or `None` once `stop` is true or its sender is gone.
pub(crate) async fn until<T>(
    stop: &mut watch::Receiver<bool>,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        output = future => Some(output),
    }
}
