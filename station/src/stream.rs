//! A client's bytes, independent of their transport.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::{CLOSE_TIMEOUT, LINGER_BYTES_MAX, LINGER_TIMEOUT};

/// Bytes both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
/// See [`Stream`].
pub(crate) type Pipe = Box<dyn Stream>;

/// A client of MQTT.
pub(crate) trait Client: Stream {
    /// Chooses what the transport sends as it is shut down, if it sends anything.
    fn set_close(&mut self, _code: CloseCode, _reason: &str) {}
}
impl Client for Pipe {}

/// Sends the reason in the transport, and ends the connection.
pub(crate) async fn close(client: &mut impl Client, code: CloseCode, reason: &str) {
    client.set_close(code, reason);
    let _ = timeout(CLOSE_TIMEOUT, client.shutdown()).await;
    let mut rest = [0; 1024];
    let reading = async {
        let mut room = LINGER_BYTES_MAX;
        while let Ok(length @ 1..) = client.read(&mut rest).await
            && length <= room
        {
            room -= length;
        }
    };
    let _ = timeout(LINGER_TIMEOUT, reading).await;
}
