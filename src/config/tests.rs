//! What flags and variables come to.

use super::*;

#[test]
fn each_share_of_a_cluster_has_a_lease_of_its_own() {
    let lease =
        |flags: &[&str]| Config::parse_from([&["lightsail-operator"], flags].concat()).lease();
    assert_eq!(lease(&[]), "lightsail-operator");
    assert_eq!(lease(&["--lease-name", "own", "--watch-namespace", "a"]), "own");
    let shares = [
        &["--watch-namespace", "a"][..],
        &["--watch-namespace", "b"],
        &["--watch-label-selector", "a"],
    ];
    let leases: std::collections::HashSet<_> = shares.iter().map(|flags| lease(flags)).collect();
    assert_eq!(leases.len(), 3);
    let both = |one, other| lease(&["--watch-namespace", one, "--watch-namespace", other]);
    assert_eq!(both("a", "b"), both("b", "a"), "the order makes no difference");
}

#[test]
fn a_time_that_is_shorter_than_is_safe_is_warned_of() {
    let warnings =
        |flags: &[&str]| Config::parse_from([&["lightsail-operator"], flags].concat()).warnings();
    assert_eq!(warnings(&[]), [""; 0], "no default is one");
    for (flag, time, least) in [
        ("--aws-call-timeout", "1ms", "1s"),
        ("--lease-duration", "9900ms", "10s"),
        ("--missing-key-grace", "59s", "60s"),
        ("--source-grace", "29.9s", "30s"),
        ("--search-interval", "1s", "5s"),
    ] {
        let [warning] = &warnings(&[flag, time])[..] else { panic!("{flag}") };
        assert!(warning.starts_with(flag) && warning.contains(least), "{warning}");
        assert_eq!(warnings(&[flag, least]), [""; 0], "{flag}");
    }
    let alone = ["--lease-duration", "1s", "--leader-election=false"];
    assert_eq!(warnings(&alone), [""; 0], "there is no Lease");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    assert!(cluster_id("prod-1.eu").is_ok());
    for text in ["", "a/b", "a b", &"x".repeat(65)] {
        assert!(cluster_id(text).is_err(), "{text}");
    }
    assert!(account_id("123456789012").is_ok());
    for text in ["", "12345678901", "12345678901x", "1234567890123"] {
        assert!(account_id(text).is_err(), "{text}");
    }
    for text in ["eu-west-1", "us-gov-east-1", "ap-southeast-12"] {
        assert!(region(text).is_ok(), "{text}");
    }
    for text in ["", "eu-west", "eu-west-1a", "EU-west-1", "eu--1", "europe-west-1", "1"] {
        assert!(region(text).is_err(), "{text}");
    }
    assert_eq!((concurrency("1"), concurrency("1000")), (Ok(1), Ok(1000)));
    for text in ["", "0", "1001", "-1", "70000", "many"] {
        assert!(concurrency(text).is_err(), "{text}");
    }
    for text in ["127.0.0.1:8080", "[::]:8080"] {
        assert!(bind_address(text).is_ok(), "{text}");
    }
    for text in ["", "8080", "localhost:8080", "127.0.0.1"] {
        assert!(bind_address(text).is_err(), "{text}");
    }
    for (text, expected) in [("", Ok(SESSION_NAME)), ("prod", Ok("prod")), ("a", Err(()))] {
        let found = session_name(text).map_err(drop);
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }
    for text in ["team-a", "a", "0"] {
        assert!(namespace(text).is_ok(), "{text}");
    }
    for text in ["", "Team", "a.b", "-a", "a b", &"x".repeat(64)] {
        assert!(namespace(text).is_err(), "{text}");
    }
    assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("24h"), Ok(LONGEST));
    let longest = ["24h1s", "9000000000000000s", "18446744073709551615s"];
    let absurd = [&"9".repeat(30), "s"].concat();
    for text in ["", "20", "-1s", "0s", "soon", &absurd].into_iter().chain(longest) {
        assert!(duration(text).is_err(), "{text}");
    }
    for text in [
        "info",
        "warn,lightsail_operator=debug",
        "off",
        "WARN",
        "hyper=trace, info",
        "[span]=debug",
        "hyper=trace,a[b{c=d}]=info,[e]",
    ] {
        assert_eq!(log_filter(text).as_deref(), Ok(text));
    }
    assert_eq!(log_filter("").as_deref(), Ok(LOG), "an empty variable is as good as none");
    for text in
        ["infoo", "x y", "é", "-1", " ", "info,", "lightsail_operator", "a[b{c=d,e=f}]=info"]
    {
        assert!(log_filter(text).is_err(), "{text}");
    }
}
