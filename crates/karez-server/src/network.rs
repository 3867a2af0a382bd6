//! How the node sends over TCP: congestion control, pacing, and how much waits unsent in the kernel.
//!
//! One flow of a loss-based congestion control uses 6 to 18 % of a line with 300 ms and 1 % loss; BBR
//! fills it. A program may choose BBR for its own sockets when the kernel lists it as allowed
//! (`net.ipv4.tcp_allowed_congestion_control`), without any right.
//!
//! All is set on the listening socket: on Linux the sockets that it accepts take over congestion
//! control, pacing rate and low-water mark, so that a connection costs no system call more.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};

use crate::socket;

/// The word for "BBR if the kernel allows it".
const AUTO: &str = "auto";
/// The word for "as the machine is set up".
const SYSTEM: &str = "system";
const BBR: &str = "bbr";

/// Bytes that may wait unsent in the kernel for each connection: with more, what was queued for a slow
/// reader would go out before anything that is urgent, for as long as the queue is.
const NOT_SENT_BYTES_MAX: u32 = 128 << 10;

/// How the node sends: the section `[network]` of `karez.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// Congestion control of what the node sends: `auto` is `bbr` where the kernel allows it, `system` is
    /// what the machine is set up for, anything else is a name that the kernel must know, such as `bbr`.
    pub congestion: String,
    /// Bytes a second that one connection sends at most, spread evenly. 0: no bound. For nodes behind a
    /// line that others need too.
    pub pace_bytes_per_sec: u64,
}

impl Default for NetworkSettings {
    fn default() -> NetworkSettings {
        NetworkSettings { congestion: AUTO.to_owned(), pace_bytes_per_sec: 0 }
    }
}

impl NetworkSettings {
    /// Checks the settings against this machine's kernel.
    ///
    /// # Errors
    /// With the name of the setting and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        if self.congestion == AUTO || self.congestion == SYSTEM {
            return Ok(());
        }
        let name = &self.congestion;
        let tried = TcpSocket::new_v4().and_then(|socket| Ok(rustix::net::sockopt::set_tcp_congestion(&socket, name)?));
        tried.map_err(|error| {
            format!(
                "the setting network.congestion: this machine does not allow `{name}` ({error}); \
                 `sysctl net.ipv4.tcp_allowed_congestion_control` lists what it does. Or write `{AUTO}`."
            )
        })
    }

    /// Sets this up for every connection that the listener will accept.
    ///
    /// # Errors
    /// When the kernel refuses what the settings ask for; `auto` asks for nothing.
    pub fn apply(&self, listener: &TcpListener) -> io::Result<()> {
        match self.congestion.as_str() {
            SYSTEM => {}
            AUTO => match rustix::net::sockopt::set_tcp_congestion(listener, BBR) {
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "the kernel does not allow BBR"),
            },
            name => rustix::net::sockopt::set_tcp_congestion(listener, name)?,
        }
        if self.pace_bytes_per_sec > 0 {
            socket::set_pace(listener, self.pace_bytes_per_sec)?;
        }
        socket::set_not_sent_max(listener, NOT_SENT_BYTES_MAX)
    }
}

/// Returns the congestion control of connections that a listener accepts.
pub fn congestion_of(listener: &TcpListener) -> Option<String> {
    rustix::net::sockopt::tcp_congestion(listener).ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// Returns a connection as the node has it, and its other end.
    async fn accepted(settings: &NetworkSettings) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        settings.apply(&listener).unwrap();
        let (there, here) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (here.unwrap().0, there.unwrap())
    }

    fn congestion(stream: &TcpStream) -> String {
        rustix::net::sockopt::tcp_congestion(stream).unwrap()
    }

    #[tokio::test]
    async fn accepted_connections_take_over_what_was_set() {
        let (plain, other_end) =
            accepted(&NetworkSettings { congestion: SYSTEM.to_owned(), pace_bytes_per_sec: 0 }).await;
        assert_eq!(socket::not_sent_max(&plain).unwrap(), NOT_SENT_BYTES_MAX);
        assert_eq!(socket::pace(&plain).unwrap(), u64::MAX, "not paced");
        assert_eq!(congestion(&plain), congestion(&other_end), "as the machine is set up");

        let paced = NetworkSettings { congestion: "reno".to_owned(), pace_bytes_per_sec: 123_456 };
        paced.check().unwrap();
        let (here, other_end) = accepted(&paced).await;
        assert_eq!((congestion(&here).as_str(), socket::pace(&here).unwrap()), ("reno", 123_456));
        assert_eq!(congestion(&other_end), congestion(&plain), "only what the node sends");

        let has_bbr = NetworkSettings { congestion: BBR.to_owned(), ..NetworkSettings::default() }.check().is_ok();
        let (here, _other_end) = accepted(&NetworkSettings::default()).await;
        assert_eq!(congestion(&here) == BBR, has_bbr || congestion(&plain) == BBR);
    }

    #[tokio::test]
    async fn what_the_kernel_does_not_know_is_named() {
        let settings = NetworkSettings { congestion: "fast".to_owned(), ..NetworkSettings::default() };
        let said = settings.check().unwrap_err();
        assert!(said.contains("network.congestion") && said.contains("`fast`"), "{said}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        settings.apply(&listener).unwrap_err();
    }
}
