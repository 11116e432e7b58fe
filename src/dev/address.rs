//! `kimberlite dev` listens on loopback only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address that others could reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLoopback {
    /// Not an IP address and a port.
    #[error("`{0}` is not an address: write an IP and a port, as in 127.0.0.1:7001")]
    NotAnAddress(String),
    /// A loopback address that the certificate does not name.
    #[error("{0}: the certificate of `kimberlite dev` is for 127.0.0.1 and [::1]; use one of them")]
    Unusual(SocketAddr),
    /// An address of a network.
    #[error(
        "{0} can be reached from other machines, and `kimberlite dev` keeps its key and password \
         beside the data. Use 127.0.0.1 or [::1]; for a network use `kimberlite start --config`"
    )]
    Reachable(SocketAddr),
}

/// Parses a loopback address; port 0 means any free port.
///
/// # Errors
/// [`NotLoopback`], for the operator.
pub fn loopback(text: &str) -> Result<SocketAddr, NotLoopback> {
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    let address: SocketAddr = text
        .parse()
        .map_err(|_| NotLoopback::NotAnAddress(text.clone()))?;
    // Not the rest of 127.0.0.0/8: the certificate names these two.
    if [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ]
    .contains(&address.ip())
    {
        Ok(address)
    } else if address.ip().is_loopback() {
        Err(NotLoopback::Unusual(address))
    } else {
        Err(NotLoopback::Reachable(address))
    }
}
