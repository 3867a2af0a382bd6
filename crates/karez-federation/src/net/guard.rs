//! Which addresses may be dialled. Pure.
//!
//! What a remote answers can name any address: a redirect, the place of bytes, a name in DNS. Without
//! this a node would ask its own network in somebody else's name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// How far requests to a remote may reach, narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// Addresses of the public internet.
    Public,
    /// Also private networks: the operator said so for this remote.
    Private,
    /// Also this machine: the remote itself is there.
    ThisMachine,
}

impl Reach {
    /// Returns how far requests to a remote may reach that answers here. Private addresses need the
    /// operator's word, and this machine also that the remote's own address names it.
    pub fn of(url: &Url, allow_private: bool) -> Reach {
        match url.host() {
            _ if !allow_private => Reach::Public,
            Some(Host::Domain(name)) if is_localhost(name) => Reach::ThisMachine,
            Some(Host::Ipv4(ip)) if ip.is_loopback() => Reach::ThisMachine,
            Some(Host::Ipv6(ip)) if ip.is_loopback() => Reach::ThisMachine,
            _ => Reach::Private,
        }
    }
}

/// An address that is not dialled, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A literal address, or what a name leads to.
    #[error("{host} is not dialled: {ip} is {what}")]
    Address {
        /// The host in the address.
        host: String,
        /// What it leads to.
        ip: IpAddr,
        /// What kind of address that is.
        what: &'static str,
    },
    /// The URL as such.
    #[error("the address is not dialled: it {0}")]
    Url(&'static str),
}

/// What kind of address this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    /// Named, with what it is called.
    Private(&'static str),
    Loopback,
    /// Never dialled.
    Never(&'static str),
}

/// Tells whether an address may be dialled; what it is, if not.
///
/// # Errors
/// What kind of address it is, in words that follow "is".
pub fn address_check(ip: IpAddr, reach: Reach) -> Result<(), &'static str> {
    let kind = match ip {
        IpAddr::V4(ip) => kind_v4(ip),
        IpAddr::V6(ip) => kind_v6(ip),
    };
    match kind {
        Kind::Public => Ok(()),
        Kind::Private(_) if reach >= Reach::Private => Ok(()),
        Kind::Private(what) | Kind::Never(what) => Err(what),
        Kind::Loopback if reach >= Reach::ThisMachine => Ok(()),
        Kind::Loopback => Err("this machine"),
    }
}

/// Checks a URL before it is dialled. Names are not looked up here: what they lead to is checked with
/// [`address_check`] when it is known.
///
/// # Errors
/// [`Refusal`] with the reason.
pub fn url_check(url: &Url, reach: Reach) -> Result<(), Refusal> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refusal::Url("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::Url("has a user name or password in it"));
    }
    // The parser has brought numbers in every spelling (decimal, octal, hexadecimal, short) to addresses.
    let ip = match url.host() {
        None => return Err(Refusal::Url("has no host")),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(name)) if is_localhost(name) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(Host::Domain(_)) => return Ok(()),
    };
    let host = url.host_str().unwrap_or_default();
    address_check(ip, reach).map_err(|what| Refusal::Address { host: host.to_owned(), ip, what })
}

/// Checks a hop of a redirect, without its address: see [`url_check`].
///
/// # Errors
/// [`Refusal`] when it leads from `https` to `http`.
pub fn hop_check(from: &Url, to: &Url) -> Result<(), Refusal> {
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Refusal::Url("leads from https to http"));
    }
    Ok(())
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

const METADATA: &str = "an address where clouds keep secrets of their machines";
const RESERVED: &str = "reserved";

fn kind_v4(ip: Ipv4Addr) -> Kind {
    let [a, b, c, d] = ip.octets();
    match (a, b, c, d) {
        // Azure's wire server is the one such address that looks public; Alibaba's looks shared.
        (168, 63, 129, 16) | (169, 254, 169, 254) | (100, 100, 100, 200) | (192, 0, 0, 192) => Kind::Never(METADATA),
        (0, ..) => Kind::Never("no address of a host"),
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) => Kind::Private("an address of a private network"),
        (100, 64..=127, ..) => Kind::Private("an address of a provider's own network"),
        (127, ..) => Kind::Loopback,
        (169, 254, ..) => Kind::Never("a link-local address"),
        (192, 0, 0, _) | (192, 0, 2, _) | (192, 88, 99, _) => Kind::Never(RESERVED),
        (198, 18..=19, ..) | (198, 51, 100, _) | (203, 0, 113, _) => Kind::Never(RESERVED),
        (224..=239, ..) => Kind::Never("a multicast address"),
        (240..=255, ..) => Kind::Never(RESERVED),
        _ => Kind::Public,
    }
}

fn kind_v6(ip: Ipv6Addr) -> Kind {
    let words = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        match kind_v4(Ipv4Addr::new(a, b, c, d)) {
            Kind::Public => Kind::Public,
            // A way around: what is allowed as such is not allowed in disguise.
            Kind::Private(_) | Kind::Loopback | Kind::Never(_) => Kind::Never("a private address in disguise"),
        }
    };
    match words {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Never("no address of a host"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // IPv4-mapped, as systems with one kind of socket write IPv4.
        [0, 0, 0, 0, 0, 0xFFFF, high, low] => embedded(high, low),
        // NAT64: how names of IPv4 hosts resolve in networks that have IPv6 only.
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        [0xFD00, 0x0EC2, 0, 0, 0, 0, 0, 0x254] => Kind::Never(METADATA),
        [0xFC00..=0xFDFF, ..] => Kind::Private("an address of a private network"),
        [0xFE80..=0xFEBF, ..] => Kind::Never("a link-local address"),
        [0xFF00..=0xFFFF, ..] => Kind::Never("a multicast address"),
        // Teredo, ORCHID, benchmarks; documentation.
        [0x2001, 0..=0x1FF, ..] | [0x2001, 0xDB8, ..] | [0x3FFF, 0..=0xFFF, ..] => Kind::Never(RESERVED),
        [0x2000..=0x3FFF, ..] => Kind::Public,
        _ => Kind::Never(RESERVED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, reach: Reach) -> Result<(), Refusal> {
        url_check(&Url::parse(url).unwrap(), reach)
    }

    #[test]
    fn every_spelling_of_a_private_address_is_seen() {
        let private = [
            "http://10.0.0.1/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1:8080/x",
            "http://192.168.257/",
            "http://0xC0A80101/",
            "http://3232235777/",
            "http://0300.0250.01.01/",
            "http://100.64.0.1/",
            "http://100.127.255.255/",
            "http://[fc00::1]/",
            "http://[fdff:ffff::1]/",
            "http://１０.0.0.1/",
        ];
        let this_machine = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://2130706433/",
            "http://0x7f000001:80/",
            "http://127.0.0.1./",
            "http://127.255.255.254/",
            "http://[::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "https://a.b.localhost:1/",
        ];
        let never = [
            "http://0/",
            "http://0.0.0.0/",
            "http://169.254.169.254/latest/meta-data",
            "http://0251.0376.0251.0376/",
            "http://2852039166/",
            "http://168.63.129.16/",
            "http://100.100.100.200/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://198.18.0.1/",
            "http://203.0.113.9/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2002:c0a8:101::5]/",
            "http://[2001:0:1::1]/",
            "http://[2001:db8::1]/",
            "http://[fe80::1]/",
            "http://[ff02::1]/",
            "http://[fd00:ec2::254]/",
            "ftp://8.8.8.8/",
            "file:///etc/passwd",
            "gopher://8.8.8.8/",
            "http://user@8.8.8.8/",
            "http://:secret@8.8.8.8/",
        ];
        let public = [
            "http://8.8.8.8/",
            "https://1.1.1.1:8443/",
            "http://100.63.255.255/",
            "http://100.128.0.1/",
            "http://172.15.0.1/",
            "http://172.32.0.1/",
            "http://[2a00:1450:4001::1]/",
            "http://[64:ff9b::8.8.8.8]/",
            "http://[2002:808:808::1]/",
            "http://[::ffff:8.8.8.8]/",
            "https://hub.example.org/",
        ];
        for (urls, public_reach, private_reach, machine_reach) in [
            (&private[..], false, true, true),
            (&this_machine[..], false, false, true),
            (&never[..], false, false, false),
            (&public[..], true, true, true),
        ] {
            for url in urls {
                assert_eq!(check(url, Reach::Public).is_ok(), public_reach, "{url} in public");
                assert_eq!(check(url, Reach::Private).is_ok(), private_reach, "{url} in private");
                assert_eq!(check(url, Reach::ThisMachine).is_ok(), machine_reach, "{url} here");
            }
        }
    }

    #[test]
    fn reach_needs_the_operators_word_and_the_remotes_address() {
        let reach = |url: &str, allow| Reach::of(&Url::parse(url).unwrap(), allow);
        for url in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "http://10.0.0.1", "https://x.org"] {
            assert_eq!(reach(url, false), Reach::Public, "{url}");
        }
        assert_eq!(reach("http://127.0.0.1:8080", true), Reach::ThisMachine);
        assert_eq!(reach("http://localhost", true), Reach::ThisMachine);
        assert_eq!(reach("http://[::1]:1", true), Reach::ThisMachine);
        assert_eq!(reach("http://10.0.0.1", true), Reach::Private);
        assert_eq!(reach("https://x.org", true), Reach::Private);
    }

    #[test]
    fn a_hop_never_loses_encryption() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(hop_check(&url("https://a/"), &url("http://a/")).is_err());
        for (from, to) in [("http://a/", "https://b/"), ("http://a/", "http://b/"), ("https://a/", "https://b/")] {
            hop_check(&url(from), &url(to)).unwrap();
        }
    }
}
