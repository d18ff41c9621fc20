//! Where a board's power switch is: as the lab says, else as its own commands show.
//!
//! A `reboot_script` is a list of shell lines of the lab. Whom they talk to can be seen in many of
//! them: in URLs, IP addresses, and the logins of `ssh` and `scp`. What is not plain is left out,
//! since a switch that is looked for at the wrong place would be blamed for nothing: names without a
//! port or a user, and all that a machine behind an `ssh` is told to do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Machines that are found in one set of lines, at most.
const MOST: usize = 8;

/// A machine, and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// A TCP port, where one is known.
    pub(crate) port: Option<u16>,
}

impl Endpoint {
    /// As `HOST:PORT`, or the host alone; brackets stand round an IPv6 address (RFC 3986, section
    /// 3.2.2).
    pub(crate) fn address(&self) -> String {
        match self.port {
            Some(port) if self.host.contains(':') => format!("[{}]:{port}", self.host),
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// The power switches of a board: those that are `given` (each `HOST` or `HOST:PORT`), else those that
/// the lab's `lines` talk to, in order, each once.
///
/// # Errors
/// What is given is no address.
pub(crate) fn power_switches(given: &[&str], lines: &[&str]) -> Result<Vec<Endpoint>, String> {
    if !given.is_empty() {
        return given
            .iter()
            .map(|text| {
                endpoint(text)
                    .ok_or_else(|| format!("`{text}` is not of the form HOST or HOST:PORT"))
            })
            .collect();
    }
    let mut found: Vec<Endpoint> = Vec::new();
    for line in lines {
        for endpoint in of_line(line) {
            if found.len() < MOST && !found.contains(&endpoint) {
                found.push(endpoint);
            }
        }
    }
    Ok(found)
}

/// `HOST`, `HOST:PORT`, `[IPV6]:PORT` or an IP address.
fn endpoint(text: &str) -> Option<Endpoint> {
    if let Some(ip) = ip(text) {
        return Some(bare(ip));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
        None => (text, None),
    };
    let host = match ip(host) {
        Some(ip) => ip.to_string(),
        None if is_name(host) => host.to_owned(),
        None => return None,
    };
    Some(Endpoint { host, port })
}

fn bare(ip: IpAddr) -> Endpoint {
    Endpoint {
        host: ip.to_string(),
        port: None,
    }
}

/// An IP address of one machine, in brackets or not.
fn ip(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let ip: IpAddr = inner.unwrap_or(text).parse().ok()?;
    let is_machine = match ip {
        // 0.0.0.0/8 and 240.0.0.0/4 (RFC 6890) hold no machine; netmasks are there.
        IpAddr::V4(v4) => !matches!(v4.octets()[0], 0 | 224..),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    is_machine.then_some(ip)
}

/// A host's name (RFC 1123, section 2.1); a number alone is none.
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 253
        && text.chars().all(plain)
        && text.chars().any(|c| c.is_ascii_alphabetic())
}

/// Whom a shell line talks to.
fn of_line(line: &str) -> Vec<Endpoint> {
    let words: Vec<&str> = line
        .split(|c: char| c.is_whitespace() || "'\"`\\".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let command = word.rsplit('/').next().unwrap_or(word);
        if matches!(command, "ssh" | "scp" | "sftp" | "rsync") {
            // What comes after is said to another machine, from where it may see other networks.
            found.extend(login(command, words.get(at + 1..).unwrap_or_default()));
            return found;
        }
        if word.contains("://") {
            found.extend(of_url(word));
            continue;
        }
        found.extend(
            word.split(|c: char| "=,;|&<>()".contains(c))
                .filter_map(literal),
        );
    }
    found
}

/// An IP address, with a port or a transport of its own (as Net-SNMP writes them: `udp:10.0.0.1:161`)
/// or without. Whether that port is TCP is not known.
fn literal(word: &str) -> Option<Endpoint> {
    let word = ["udp:", "tcp:", "udp6:", "tcp6:"]
        .iter()
        .find_map(|transport| word.strip_prefix(transport))
        .unwrap_or(word);
    let machine = ip(word).or_else(|| {
        let at: SocketAddr = word.parse().ok()?;
        ip(&at.ip().to_string())
    });
    let machine = machine.or_else(|| {
        // A path on it, as `scp` has it.
        let (host, _) = word.split_once(':')?;
        let v4: Ipv4Addr = host.parse().ok()?;
        ip(&v4.to_string())
    });
    machine.map(bare)
}

/// The host and port of a URL (RFC 3986, section 3.2).
fn of_url(word: &str) -> Option<Endpoint> {
    let (scheme, rest) = word.split_once("://")?;
    // In front of it may stand an option: `--url=http://…`.
    let scheme = scheme.rsplit(|c: char| !c.is_ascii_alphanumeric()).next()?;
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ssh" | "sftp" => Some(22),
        "telnet" => Some(23),
        "mqtt" => Some(1883),
        _ => None,
    };
    let authority = rest.split(|c: char| "/?#;|&<>(),".contains(c)).next()?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let found = endpoint(host)?;
    Some(Endpoint {
        port: found.port.or(usual),
        ..found
    })
}

/// Where `ssh` and its like log in, where that is plain: nothing in between, and no name that only
/// the user's own config knows.
fn login(command: &str, words: &[&str]) -> Option<Endpoint> {
    let mut port = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix('-') else {
            let (host, has_user) = match word.rsplit_once('@') {
                Some((_, host)) => (host, true),
                None => (*word, false),
            };
            let host = match (ip(host), host.split_once(':')) {
                (None, Some((host, _))) if command != "ssh" => host,
                _ => host,
            };
            let found = endpoint(host).filter(|found| found.port.is_none())?;
            let is_plain = has_user || ip(&found.host).is_some() || found.host.contains('.');
            if command != "ssh" && !is_plain {
                continue; // a file
            }
            return is_plain.then_some(Endpoint {
                port: Some(port.unwrap_or(22)),
                ..found
            });
        };
        let mut letters = option.chars();
        let letter = letters.next()?;
        // OpenSSH's options with a value, which stands behind them or is the next word.
        if !"BbcDEeFIiJLlmOoPpQRSWwX".contains(letter) || option.len() > 1 && letter != 'p' {
            if option.starts_with(['J', 'W']) || option.contains("roxy") {
                return None;
            }
            continue;
        }
        let value = match letters.as_str() {
            "" => words.next().copied()?,
            value => value,
        };
        match letter {
            'J' | 'W' | 'F' => return None,
            'o' if value.contains("roxy") || value.starts_with("Port") => return None,
            'p' if command == "ssh" => port = Some(value.parse().ok()?),
            'P' if command != "ssh" => port = Some(value.parse().ok()?),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[track_caller]
    fn seen(line: &str, expected: &[&str]) {
        let found = power_switches(&[], &[line]).expect("lines are never wrong");
        let found: Vec<String> = found.iter().map(Endpoint::address).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn machines_are_seen_in_the_lines_of_real_labs() {
        seen(
            "snmpset -c private -v1 10.102.196.9 .1.3.6.1.4.1.13742.6.4.1.2.1.2.1.5 i 0",
            &["10.102.196.9"],
        );
        seen(
            "snmpset -v 2c -c private udp:10.1.1.1:161 1.3.6.1.4.1 i 3",
            &["10.1.1.1"],
        );
        seen("curl -s http://10.1.1.1/off?port=3", &["10.1.1.1:80"]);
        seen(
            "curl -u a:b 'https://pdu.lab/outlet?x=1&y=10.0.0.9'; sleep 5",
            &["pdu.lab:443"],
        );
        seen(
            "wget --url=http://user:pw@[fd00::7]:8080/x",
            &["[fd00::7]:8080"],
        );
        seen(
            "curl http://127.0.0.1:16421/power/control/off",
            &["127.0.0.1:16421"],
        );
        seen(
            "sudo ssh -p 2222 -o StrictHostKeyChecking=no pdu@switch poweroff 3",
            &["switch:2222"],
        );
        seen(
            "ssh ubuntu@10.1.2.3 snmpset 192.168.1.1 off",
            &["10.1.2.3:22"],
        );
        seen("sshpass -p pw ssh apc@10.1.2.3 reboot", &["10.1.2.3:22"]);
        seen("ssh pdu.lab.example off 1", &["pdu.lab.example:22"]);
        seen("scp -P 23 image root@10.1.2.3:/tmp", &["10.1.2.3:23"]);
        seen("relay --host=10.0.0.5 && sleep 1", &["10.0.0.5"]);
        seen("a 10.0.0.5 10.0.0.6; b 10.0.0.5", &["10.0.0.5", "10.0.0.6"]);
    }

    #[test]
    fn what_is_not_plain_is_left_out() {
        for line in [
            "",
            "sleep 10",
            "sudo uhubctl -l 1-1 -p 2 -a cycle",
            "ssh pdu off",                      // a name of ~/.ssh/config
            "ssh -J jump.lab pdu@10.0.0.1 off", // not reached from here
            "ssh -o ProxyCommand=x pdu@10.0.0.1 off",
            "ssh",
            "ssh -p",
            "ssh -p x a@b",
            "curl http://$PDU/off",
            "curl http:///off",
            "curl http://pdu:port/off",
            "ifconfig eth0 netmask 255.255.255.0",
            "version 1.2.3",
            "route 0.0.0.0",
            "image:22 note:80",
            "mail -s x boss@example.com",
        ] {
            seen(line, &[]);
        }
    }

    #[test]
    fn what_the_lab_says_goes_first() {
        let said = |given: &[&str]| {
            let found = power_switches(given, &["curl http://10.0.0.1/"]);
            found.map(|found| found.iter().map(Endpoint::address).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), Ok(vec!["10.0.0.1:80".to_owned()]));
        assert_eq!(said(&["pdu"]), Ok(vec!["pdu".to_owned()]));
        assert_eq!(said(&["pdu:80"]), Ok(vec!["pdu:80".to_owned()]));
        assert_eq!(said(&["[::1]:80"]), Ok(vec!["[::1]:80".to_owned()]));
        assert_eq!(said(&["::1"]), Ok(vec!["::1".to_owned()]));
        for wrong in ["", "pdu:0", "pdu:99999", "a b", "http://x", ":80", "7"] {
            assert!(said(&[wrong]).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_harm(line in ".{0,200}", other in "[-a-z0-9.:@/\\[\\] ]{0,80}") {
            let found = power_switches(&[], &[&line, &other, &format!("ssh {other}")]);
            let found = found.expect("lines are never wrong");
            prop_assert!(found.len() <= MOST);
            for one in found {
                // Each could be given so.
                prop_assert_eq!(power_switches(&[&one.address()], &[]), Ok(vec![one]));
            }
        }

        #[test]
        fn an_address_is_found_wherever_it_stands(
            ip in any::<[u8; 4]>().prop_map(Ipv4Addr::from),
            port in 1..=u16::MAX,
            before in "[a-z]{1,8}( -[a-z])?",
            after in "( [a-z]{1,4}){0,3}",
        ) {
            let alone = power_switches(&[], &[&format!("{before} {ip}{after}")]);
            let url = power_switches(&[], &[&format!("{before} http://{ip}:{port}/x{after}")]);
            let host = ip.to_string();
            let is_machine = !matches!(ip.octets()[0], 0 | 224..);
            let expected = |port| if is_machine && !["ssh", "scp", "sftp", "rsync"].contains(&before.as_str()) {
                vec![Endpoint { host: host.clone(), port }]
            } else {
                Vec::new()
            };
            if is_machine {
                prop_assert_eq!(alone, Ok(expected(None)));
                prop_assert_eq!(url, Ok(expected(Some(port))));
            } else {
                prop_assert_eq!(alone, Ok(Vec::new()));
            }
        }
    }
}
