//! Settings of the environment that the operator refuses to start with: it ends immediately, and
//! names the variable without its value.

use std::process::Command;

const PASSWORD: &str = "a-password";

/// What it says when it ends, in a pod or outside of one.
fn refusal(name: &str, value: &str, in_pod: bool) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightsail-operator"));
    command.env_clear().env(name, value).arg("--bind-address=127.0.0.1:0");
    if in_pod {
        command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", "1");
    } else {
        command.env("KUBECONFIG", "/nowhere");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{name}={value:?}: {said}");
    said
}

#[test]
fn a_proxy_or_an_endpoint_that_cannot_be_used_is_never_ignored() {
    for (name, value) in [
        ("HTTPS_PROXY", format!("http://ann:{PASSWORD}@proxy:3128\n")),
        ("https_proxy", format!("ftp://ann:{PASSWORD}@proxy:3128")),
        ("HTTP_PROXY", format!("\"http://ann:{PASSWORD}@proxy:3128\"")),
        ("http_proxy", format!("http://ann:4711/{PASSWORD}@proxy:3128")),
        ("ALL_PROXY", format!("http://ann:4711#{PASSWORD}@proxy:3128")),
        ("all_proxy", format!("http://ann:{PASSWORD}@proxy:99999")),
        ("AWS_ENDPOINT_URL", format!("not a URL {PASSWORD}")),
        ("AWS_ENDPOINT_URL_STS", format!("https://sts.example/?t={PASSWORD}")),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{PASSWORD}.example:99999")),
    ] {
        for in_pod in [true, false] {
            let said = refusal(name, &value, in_pod);
            assert!(said.contains(&format!("{name} cannot be used")), "{said}");
            assert!(!said.contains(PASSWORD) && !said.contains("4711"), "{said}");
        }
    }
}
