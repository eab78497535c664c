use super::*;

fn url(text: &str) -> Result<String, String> {
    Proxy::parse(text).map(|proxy| proxy.uri_with_login().to_string())
}

#[test]
fn a_proxy_is_read_from_a_url() {
    for (text, expected) in [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128/"),
        ("HTTP://Proxy.example.com:3128/", "http://proxy.example.com:3128/"),
        ("proxy:3128", "http://proxy:3128/"),
        ("10.1.2.3", "http://10.1.2.3:80/"),
        ("https://proxy", "https://proxy:443/"),
        ("socks5://proxy", "socks5://proxy:1080/"),
        ("socks5h://[::1]:9", "socks5://[::1]:9/"),
        ("http://ann@proxy", "http://%61%6E%6E:@proxy:80/"),
        ("http://ann:p%40s%2F:@proxy", "http://%61%6E%6E:%70%40%73%2F%3A@proxy:80/"),
    ] {
        assert_eq!(url(text).as_deref(), Ok(expected), "{text}");
    }
    let proxy = Proxy::parse("http://ann:p%40ss@proxy").unwrap();
    assert_eq!(proxy.authorization().unwrap(), "Basic YW5uOnBAc3M=");
    assert!(!format!("{proxy:?}").contains("p@ss") && !proxy.uri().to_string().contains("ann"));
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_of_it_is_said() {
    for text in [
        "http://ann:PW@proxy:3128\n",
        " http://ann:PW@proxy",
        "http://ann:PW word@proxy",
        "\"http://ann:PW@proxy\"",
        "'http://ann:PW@proxy'",
        "http://ann:PÜW@proxy",
        "ftp://ann:PW@proxy",
        "socks4://ann:PW@proxy",
        "socks6://proxy",
        "://proxy",
        "//proxy",
        "::::",
        "http://",
        "http://:3128",
        "http://[::1",
        "http://::1:3128",
        "http://[proxy]",
        "http://...",
        "http://proxy:99999",
        "http://proxy:0",
        "http://proxy:",
        "http://proxy:+80",
        "http://proxy:80:80",
        "http://ann:4711/PW@proxy:3128",
        "http://ann:99#PW@proxy:3128",
        "http://ann:99?PW@proxy:3128",
        "http://proxy/PW",
        "http://ann:P@W@proxy",
        "http://ann:P%W@proxy",
        "http://ann:P%FFW@proxy",
        "http://ann:PW%2@proxy",
        &format!("socks5://ann:PW{}@proxy", "x".repeat(256)),
    ] {
        let why = url(text).expect_err(text);
        assert!(!why.contains("PW") && !why.contains("ann:") && !why.contains("proxy:"), "{why}");
    }
}

const PASSWORD: &str = "http://ann:PW@proxy:x";

#[test]
fn each_variable_counts_in_upper_and_lower_case() {
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"]
    {
        let why = Proxies::new(&[(name, PASSWORD)].into()).unwrap_err();
        assert!(why.starts_with(name) && !why.contains("PW"), "{why}");
        assert!(Proxies::new(&[(name, "")].into()).is_ok(), "empty is unset: {name}");
    }
    let both = [("HTTPS_PROXY", "http://good"), ("https_proxy", PASSWORD)];
    assert!(Proxies::new(&both.into()).is_err(), "one that counts for nothing is wrong too");
    let found = |variables: &[(&str, &str)], uri: &str| {
        let variables: [(&str, &str); 2] = variables.try_into().unwrap();
        let proxies = Proxies::new(&variables.into()).unwrap();
        proxies.find(&uri.parse().unwrap()).map(|proxy| proxy.host.clone())
    };
    for (variables, uri, expected) in [
        ([("HTTPS_PROXY", "a"), ("https_proxy", "b")], "https://x", Some("a")),
        ([("HTTPS_PROXY", ""), ("https_proxy", "b")], "https://x", Some("b")),
        ([("HTTPS_PROXY", "a"), ("ALL_PROXY", "b")], "https://x", Some("a")),
        ([("HTTPS_PROXY", "a"), ("all_proxy", "b")], "http://x", Some("b")),
        ([("HTTPS_PROXY", "a"), ("HTTP_PROXY", "b")], "http://x", Some("b")),
        ([("HTTPS_PROXY", "a"), ("NO_PROXY", "")], "http://x", None),
        ([("HTTPS_PROXY", "a"), ("no_proxy", "x")], "https://x", None),
        // A variable of servers that run programs for each request, which this is not.
        ([("HTTPS_PROXY", "a"), ("REQUEST_METHOD", "GET")], "https://x", Some("a")),
    ] {
        let expected = expected.map(str::to_owned);
        assert_eq!(found(&variables, uri), expected, "{variables:?} {uri}");
    }
}

#[test]
fn exceptions_are_read_as_kubectl_reads_them() {
    for (list, host, port, expected) in [
        ("example.com", "example.com", 443, true),
        ("example.com", "a.EXAMPLE.com", 443, true),
        ("EXAMPLE.com", "a.example.com.", 443, true),
        ("example.com", "notexample.com", 443, false),
        (".example.com", "a.example.com", 443, true),
        (".example.com", "example.com", 443, false),
        ("*.example.com", "a.b.example.com", 443, true),
        ("*.example.com", "example.com", 443, false),
        ("example.com:8443", "example.com", 8443, true),
        ("example.com:8443", "example.com", 443, false),
        ("example.com:https", "example.com", 443, false),
        ("*", "anything", 1, true),
        (",, far.example ,", "far.example", 443, true),
        (",,", "far.example", 443, false),
        (".", "far.example", 443, false),
        ("10.0.0.0/8", "10.1.2.3", 443, true),
        ("10.0.0.0/8", "11.1.2.3", 443, false),
        ("10.0.0.0/8", "10.example", 443, false),
        ("0.0.0.0/0", "11.1.2.3", 443, true),
        ("0.0.0.0/0", "[::1]", 443, false),
        ("10.0.0.0/33", "10.0.0.0", 443, false),
        ("10.1.2.3", "10.1.2.3", 443, true),
        ("10.1.2.3:80", "10.1.2.3", 443, false),
        ("fd00::/8", "[fd00:ec2::23]", 443, true),
        ("fd00::1", "[fd00::1]", 443, true),
        ("[fd00::1]:80", "[fd00::1]", 80, true),
        ("[fd00::1]:80", "[fd00::1]", 81, false),
        ("10.1.2.3", "[::ffff:10.1.2.3]", 443, true),
    ] {
        assert_eq!(Exceptions::parse(list).contain(host, port), expected, "{list} {host} {port}");
    }
}
