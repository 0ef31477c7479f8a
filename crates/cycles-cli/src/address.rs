//! Addresses as arguments.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// Where to listen, like `127.0.0.1:7878`, `[::1]:7878` or `localhost:7878`.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    let localhost = || {
        let port = text.strip_prefix("localhost:")?.parse().ok()?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    text.parse().ok().or_else(localhost).ok_or_else(|| {
        "write an IP address and a port, like 127.0.0.1:7878 or 0.0.0.0:7878; port 0 picks a free one"
            .to_owned()
    })
}

/// Where else to listen, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminListen {
    /// Nowhere.
    Nowhere,
    /// There.
    At(SocketAddr),
}

impl AdminListen {
    /// The port on which guides expect the runtime plane.
    const RUNTIME_PORT: u16 = 7878;
    /// The port on which guides expect the governance plane.
    const GOVERNANCE_PORT: u16 = 7979;

    /// What an unset argument means: who serves the runtime plane where guides
    /// expect it is expected to serve the governance plane there too.
    pub(crate) fn beside(listen: SocketAddr) -> Self {
        if listen.port() == Self::RUNTIME_PORT {
            return Self::At(SocketAddr::new(listen.ip(), Self::GOVERNANCE_PORT));
        }
        Self::Nowhere
    }

    /// The address.
    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Nowhere => None,
            Self::At(address) => Some(address),
        }
    }
}

impl FromStr for AdminListen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::Nowhere);
        }
        parse(text).map(Self::At).map_err(|error| format!("{error}; or write none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for good in ["127.0.0.1:0", "localhost:7878", "[::1]:7878", "0.0.0.0:80"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "7878", ":7878", "localhost", "example.org:80", "127.0.0.1:70000"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_guides_ports_belong_together() {
        let on = |text| AdminListen::beside(parse(text).unwrap()).address();
        assert_eq!(on("127.0.0.1:7878"), Some(parse("127.0.0.1:7979").unwrap()));
        assert_eq!(on("127.0.0.1:0"), None);
        assert_eq!("none".parse::<AdminListen>().unwrap().address(), None);
    }
}
