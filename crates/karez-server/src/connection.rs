//! Accepting connections, and letting them finish.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::file_io::FileIo;
use crate::pages::CameFrom;
use crate::{AppState, router};

/// Serves until `stop` resolves, then lets running requests finish for at most `grace`. How connections
/// send is what [`NetworkSettings::apply`](crate::NetworkSettings::apply) has set on the listener.
///
/// Returns how many connections were cut because they did not finish in time.
pub async fn serve(listener: TcpListener, state: AppState, stop: impl Future<Output = ()>, grace: Duration) -> usize {
    let limits = state.hub.limits().clone();
    let places = Arc::new(Semaphore::new(usize::try_from(limits.connections_max).unwrap_or(1024).max(1)));
    let router = router(state);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_read_secs_max.max(1)))
        .half_close(false);
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            () = &mut stop => break,
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let (stream, from) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already; neither ends the node.
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Answers are written whole; waiting to fill packets would only delay them.
        let _ = stream.set_nodelay(true);
        let service = router.clone().map_request(move |mut request: hyper::Request<Incoming>| {
            crate::viewer::from_virtual_host(&mut request);
            request.extensions_mut().insert(CameFrom(from));
            request
        });
        let service = TowerToHyperService::new(service);
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(FileIo(stream)), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    let open = graceful.count();
    match tokio::time::timeout(grace, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open,
    }
}
