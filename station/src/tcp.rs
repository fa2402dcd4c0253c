//! The TCP port for MQTT.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::inspector::Profile;
use crate::limits::{ACCEPT_QUEUE_MAX, Limits};
use crate::listener::CountedListener;
use crate::proxy::{Peer, Proxy};
use crate::tls::Security;

/// Binds a port.
pub(crate) fn bind(option: &str, address: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A station stopped a moment ago must not keep its successor from the port. (On Windows, this
        // would let two of them have it.)
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        // Inherited by what is accepted: finds clients that have vanished without Keep Alive.
        socket.set_keepalive(true)?;
        socket.bind(address)?;
        let listener = socket.listen(ACCEPT_QUEUE_MAX)?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bind()
        .with_context(|| format!("cannot listen on {address}; choose another with {option} (port 0 picks a free one)"))
}

/// Takes MQTT over TCP until it is stopped.
pub(crate) async fn listen(
    listener: CountedListener,
    local: SocketAddr,
    security: Security,
    proxy: Arc<Proxy>,
    limits: Limits,
    sockets: TaskTracker,
    stop: CancellationToken,
) {
    let accepting = async {
        loop {
            let (stream, address) = listener.next().await;
            let span = tracing::info_span!("connection", %address);
            let (security, proxy, stop) = (security.clone(), Arc::clone(&proxy), stop.clone());
            let serving = async move {
                let opening = security.open(stream, limits.handshake_timeout);
                match stop.run_until_cancelled(opening).await {
                    Some(Ok(pipe)) => proxy.serve(pipe, Peer { address, local, profile: Profile::Open }).await,
                    Some(Err(error)) => tracing::warn!(reason = %error, "closed: no TLS"),
                    None => {}
                }
            };
            sockets.spawn(serving.instrument(span));
        }
    };
    stop.run_until_cancelled(accepting).await;
}
