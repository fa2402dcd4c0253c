//! The sample transmission: a dialogue script sent to the station's own broker, over and over.

use std::net::SocketAddr;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use crate::StartError;

/// A script that is ready to be transmitted.
pub(crate) struct Script;

impl Script {
    /// Reads the file named by `--transmit`.
    pub(crate) fn read(path: &Path) -> Result<Self, StartError> {
        // TEMPORARY until the producer's library is there.
        Err(StartError::Transmit { path: path.to_owned(), fault: "not possible in this build".to_owned() })
    }

    /// Sends the script's lines to `StarWars`, one a second, and starts over after the last.
    pub(crate) async fn transmit(
        self,
        _broker: SocketAddr,
        _credentials: Option<(String, String)>,
        _stop: CancellationToken,
    ) -> anyhow::Error {
        std::future::pending().await
    }
}
