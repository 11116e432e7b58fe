//! Taking the node's addresses.
//!
//! The client port is bound at once, so that a second server on the same port
//! is told so before it replays a long log, but it listens only when the node
//! is ready: until then clients are refused and do not hang.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait for `accept`; a burst of clients is not refused.
const BACKLOG: u32 = 1024;

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the {purpose} address {address} cannot be used: {reason}")]
pub struct AddressError {
    /// What the address is for.
    pub purpose: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why, and what to do about it.
    pub reason: String,
}

impl AddressError {
    fn new(purpose: &'static str, address: SocketAddr, error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another program listens on port {port}. Stop it, or choose another port \
                 (find it with: ss -ltnp 'sport = :{port}')",
                port = address.port()
            ),
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address (see: ip address)".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; choose one above".to_owned()
            }
            _ => error.to_string(),
        };
        Self {
            purpose,
            address,
            reason,
        }
    }
}

/// An address that is taken but not listened on yet.
#[derive(Debug)]
pub struct BoundAddress {
    purpose: &'static str,
    socket: TcpSocket,
    /// The address, with the port that was chosen if port 0 was asked for.
    pub address: SocketAddr,
}

impl BoundAddress {
    /// Takes `address`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`AddressError`] when another program has it.
    pub fn take(purpose: &'static str, address: SocketAddr) -> Result<Self, AddressError> {
        let bind = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            // A restart must not wait for connections of the last run to fade.
            socket.set_reuseaddr(true)?;
            // Inherited by what is accepted: a client whose machine vanished is
            // noticed.
            socket.set_keepalive(true)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            io::Result::Ok((socket, address))
        };
        let (socket, real) = bind().map_err(|e| AddressError::new(purpose, address, &e))?;
        Ok(Self {
            purpose,
            socket,
            address: real,
        })
    }

    /// Starts to listen.
    ///
    /// # Errors
    /// [`AddressError`] when another program took the address and was faster.
    pub fn listen(self) -> Result<TcpListener, AddressError> {
        let (purpose, address) = (self.purpose, self.address);
        self.socket
            .listen(BACKLOG)
            .map_err(|e| AddressError::new(purpose, address, &e))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_before_anything_listens() {
        let first = BoundAddress::take("client", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.address;
        // Bound and not listening: clients are refused rather than left to wait.
        let refused = tokio::net::TcpStream::connect(address).await;
        assert_eq!(
            refused.expect_err("not ready").kind(),
            io::ErrorKind::ConnectionRefused
        );
        let listener = first.listen().unwrap();
        tokio::net::TcpStream::connect(address).await.unwrap();
        let error = BoundAddress::take("client", address).expect_err("taken");
        let text = error.to_string();
        assert!(text.contains(&address.port().to_string()), "{text}");
        assert!(text.contains("another program"), "{text}");
        drop(listener);
        BoundAddress::take("client", address).unwrap();
    }
}
