//! One file per verb: its arguments, and a thin call of what does the work.
pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod manual;
pub(crate) mod policy;
pub(crate) mod range;
pub(crate) mod serve;
pub(crate) mod vault;
mod welcome;
pub(crate) mod witness;

/// Reads an address, and says how to write one. A name is none: what it stands for changes behind our back.
pub(crate) fn address(text: &str) -> Result<std::net::SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:4180")
}

/// Where a client on this machine finds a listener: a wildcard is no place to go to.
pub(crate) fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Opens nothing, only finds: the state folder that a command means, `--dir` or the usual one.
pub(crate) fn state_folder(dir: Option<std::path::PathBuf>) -> std::path::PathBuf {
    dir.unwrap_or_else(|| crate::config::STATE_FOLDER.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_goes_to_a_real_place() {
        let cases = [
            ("0.0.0.0:4180", "127.0.0.1:4180"),
            ("[::]:1", "[::1]:1"),
            ("10.0.0.1:2", "10.0.0.1:2"),
        ];
        for (from, to) in cases {
            assert_eq!(address(from).map(reachable), address(to), "{from}");
        }
        for bad in ["127.0.0.1", "localhost:4180", "", ":80", "http://127.0.0.1:80"] {
            assert!(address(bad).is_err_and(|help| help.contains("127.0.0.1:4180")), "{bad}");
        }
    }
}
