//! Under which names this server may be called, and from which pages. A browser can be led to any address under a foreign name
//! (name rebinding) and made to send requests from any page; both are turned away before anything else looks at them.
use crate::reply::Reply;
use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::{Authority, Uri};
use std::net::{IpAddr, Ipv6Addr};

/// The value by which browsers say how far away the page is that makes them call.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Names and pages that may call.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Callers {
    /// `hosts` are names without port; `origins` are as browsers send them: `https://app.example.org`.
    pub(super) fn new(hosts: Vec<String>, origins: Vec<String>) -> Self {
        let lower =
            |names: Vec<String>| names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { hosts: lower(hosts), origins: lower(origins) }
    }

    /// Checks `host` (or `:authority`), then `origin` and `sec-fetch-site`.
    pub(super) fn check(&self, headers: &HeaderMap, target: &Uri) -> Result<(), Reply> {
        self.check_host(headers, target)?;
        self.check_origin(headers)
    }

    /// The same names, and no page at all.
    pub(super) fn without_origins(&self) -> Self {
        Self { hosts: self.hosts.clone(), origins: Vec::new() }
    }

    fn check_host(&self, headers: &HeaderMap, target: &Uri) -> Result<(), Reply> {
        let mut lines = headers.get_all(HOST).iter();
        let line = match (lines.next(), lines.next()) {
            (Some(line), None) => Some(line.to_str().map_err(|_| malformed_host())?),
            (None, _) => None,
            (Some(_), Some(_)) => {
                return Err(Reply::new(
                    400,
                    "duplicate_header",
                    "the host header stands more than once",
                ));
            }
        };
        let authority = target.authority().map(Authority::as_str);
        let host = match (line, authority) {
            (Some(line), Some(target)) if !line.eq_ignore_ascii_case(target) => {
                return Err(foreign_host());
            }
            (Some(host), _) | (None, Some(host)) => host,
            (None, None) => {
                return Err(Reply::new(400, "missing_host", "the host header is missing"));
            }
        };
        let name = name_of(host).ok_or_else(malformed_host)?;
        if is_address(name) || name.eq_ignore_ascii_case("localhost") || self.has_host(name) {
            Ok(())
        } else {
            Err(foreign_host())
        }
    }

    fn has_host(&self, name: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Reply> {
        let mut lines = headers.get_all(ORIGIN).iter();
        match (lines.next(), lines.next()) {
            (Some(origin), None) => {
                let known = |have: &String| have.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
                if self.origins.iter().any(known) { Ok(()) } else { Err(foreign_origin()) }
            }
            (None, _) => {
                let near =
                    |site: &http::HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
                if headers.get_all(SEC_FETCH_SITE).iter().all(near) {
                    Ok(())
                } else {
                    Err(foreign_origin())
                }
            }
            (Some(_), Some(_)) => Err(foreign_origin()),
        }
    }
}

/// The name in `name`, `name:port`, `[v6]` or `[v6]:port`.
fn name_of(host: &str) -> Option<&str> {
    let (name, rest) = if host.starts_with('[') {
        host.split_at_checked(host.find(']')? + 1)?
    } else {
        host.split_at_checked(host.find(':').unwrap_or(host.len()))?
    };
    let port_ok =
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let name_ok = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    (port_ok && name_ok).then_some(name)
}

/// A rebinding attack needs a name; a literal address cannot be rebound.
fn is_address(name: &str) -> bool {
    match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => matches!(name.parse(), Ok(IpAddr::V4(_))),
    }
}

fn malformed_host() -> Reply {
    Reply::new(400, "malformed_host", "the host header is not a name with an optional port")
}

fn foreign_host() -> Reply {
    Reply::new(
        421,
        "foreign_host",
        "this server does not answer to that host name; its operator can add it to `hosts`",
    )
}

fn foreign_origin() -> Reply {
    Reply::new(
        403,
        "foreign_origin",
        "requests from that web page are not accepted; the operator can add it to `origins`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, lines: &[(&str, &str)]) -> &'static str {
        let callers =
            Callers::new(vec!["Models.example.org".into()], vec!["https://App.example.org".into()]);
        let mut builder = http::Request::builder().uri(target);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        callers.check(&parts.headers, &parts.uri).map_or_else(|reply| reply.code, |()| "ok")
    }

    #[test]
    fn names_are_checked_and_addresses_are_not() {
        for (host, want) in [
            ("127.0.0.1", "ok"),
            ("127.0.0.1:4180", "ok"),
            ("10.1.2.3:4180", "ok"),
            ("[::1]:4180", "ok"),
            ("[::1]", "ok"),
            ("localhost", "ok"),
            ("LOCALHOST:4180", "ok"),
            ("models.example.org", "ok"),
            ("MODELS.EXAMPLE.ORG:443", "ok"),
            ("evil.example.com", "foreign_host"),
            ("models.example.org.", "foreign_host"),
            ("xmodels.example.org", "foreign_host"),
            ("localhost.evil.example.com", "foreign_host"),
            ("127.0.0.1.evil.example.com", "foreign_host"),
            ("[not-an-address]", "foreign_host"),
            ("2130706433", "foreign_host"),
            ("", "malformed_host"),
            (":80", "malformed_host"),
            ("user@localhost", "malformed_host"),
            ("localhost:port", "malformed_host"),
            ("localhost:99999", "malformed_host"),
            ("localhost, evil", "malformed_host"),
            ("[::1", "malformed_host"),
        ] {
            assert_eq!(check("/", &[("host", host)]), want, "{host}");
        }
    }

    #[test]
    fn a_host_is_named_exactly_once() {
        for (name, target, lines, want) in [
            ("missing", "/", &[][..], "missing_host"),
            ("twice", "/", &[("host", "localhost"), ("host", "localhost")][..], "duplicate_header"),
            ("absolute target alone", "http://localhost/", &[][..], "ok"),
            ("absolute target, same", "http://localhost/", &[("host", "localhost")][..], "ok"),
            (
                "absolute target, other",
                "http://localhost/",
                &[("host", "127.0.0.1")][..],
                "foreign_host",
            ),
            ("absolute target, foreign", "http://evil.example.com/", &[][..], "foreign_host"),
        ] {
            assert_eq!(check(target, lines), want, "{name}");
        }
    }

    #[test]
    fn pages_need_a_permission() {
        for (name, lines, want) in [
            ("no browser", &[][..], "ok"),
            ("typed into the address bar", &[("sec-fetch-site", "none")][..], "ok"),
            ("same origin", &[("sec-fetch-site", "same-origin")][..], "ok"),
            ("other site", &[("sec-fetch-site", "cross-site")][..], "foreign_origin"),
            ("neighbour", &[("sec-fetch-site", "same-site")][..], "foreign_origin"),
            ("known page", &[("origin", "https://app.example.org")][..], "ok"),
            (
                "known page far away",
                &[("origin", "https://app.example.org"), ("sec-fetch-site", "cross-site")][..],
                "ok",
            ),
            ("unknown page", &[("origin", "https://evil.example.com")][..], "foreign_origin"),
            ("other scheme", &[("origin", "http://app.example.org")][..], "foreign_origin"),
            ("opaque page", &[("origin", "null")][..], "foreign_origin"),
            (
                "two pages",
                &[("origin", "https://app.example.org"), ("origin", "https://app.example.org")][..],
                "foreign_origin",
            ),
        ] {
            let lines: Vec<_> = [("host", "localhost")].iter().chain(lines).copied().collect();
            assert_eq!(check("/", &lines), want, "{name}");
        }
    }
}
