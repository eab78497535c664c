//! How the API server is reached: by the kubeconfig or from within a pod, and by a proxy as kubectl
//! uses one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use kube::config::Kubeconfig;

use crate::api_server::READ_TIMEOUT;
use crate::loopback::is_loopback;

/// The configuration of clients.
///
/// # Errors
/// There is no cluster to be found, or a file of its configuration cannot be used.
pub async fn load() -> anyhow::Result<kube::Config> {
    let no_cluster = |error: kube::config::InferConfigError| match Kubeconfig::read() {
        // There is one, and it is that which is wrong.
        Ok(_) => anyhow::Error::new(error).context(
            "the kubeconfig, or HTTPS_PROXY or NO_PROXY \
            beside it, cannot be used (kube takes no empty entries in NO_PROXY)",
        ),
        Err(_) => {
            anyhow::anyhow!("no cluster is configured; set KUBECONFIG, or run in a pod: {error}")
        }
    };
    let mut config = kube::Config::infer().await.map_err(no_cluster)?;
    // In a pod no proxy is used: it is there for what is outside the cluster. kube applies NO_PROXY
    // to the proxy's own name, and this machine is none of its exceptions.
    config.proxy_url = match Kubeconfig::read() {
        Ok(file) => proxy(&config.cluster_url, &file, &Matcher::from_env())?,
        Err(_) => None,
    };
    // The plan decides what a failed write means; a retry behind its back would hide it.
    config.default_retry = false;
    // A connection that nobody answers on any more is given up, however it came to that. Counted
    // from the last request, and not from when it became idle.
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    Ok(config)
}

/// The proxy that the kubeconfig names, or else the environment's if it is for this server.
fn proxy(server: &Uri, file: &Kubeconfig, environment: &Matcher) -> anyhow::Result<Option<Uri>> {
    let context = file.current_context.as_ref();
    let context = file.contexts.iter().find(|one| Some(&one.name) == context);
    let name = context.and_then(|one| one.context.as_ref()).map(|context| &context.cluster);
    let cluster = file.clusters.iter().find(|one| Some(&one.name) == name);
    let own = cluster.and_then(|one| one.cluster.as_ref()?.proxy_url.clone());
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        let wrong = |_| {
            anyhow::anyhow!(
                "the kubeconfig's proxy-url is not a URL; write for \
            example http://proxy.example.com:3128"
            )
        };
        return own.parse().map_err(wrong).and_then(usable).map(Some);
    }
    let is_near = server.host().is_some_and(is_loopback);
    let proxy = environment.intercept(server).filter(|_| !is_near);
    proxy.and_then(|proxy| with_password(&proxy)).map(usable).transpose()
}

/// The URL as kube takes it: it lets a SOCKS proxy resolve names in any case.
fn usable(proxy: Uri) -> anyhow::Result<Uri> {
    match proxy.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(proxy),
        Some("socks5h") => {
            let mut parts = proxy.into_parts();
            parts.scheme = Some("socks5".parse()?);
            Ok(Uri::from_parts(parts)?)
        }
        // The URL itself may have a password.
        scheme => anyhow::bail!(
            "the proxy of the API server has the scheme {:?}; use http, https or socks5",
            scheme.unwrap_or_default()
        ),
    }
}

/// The URL of a proxy, with its user and password.
fn with_password(proxy: &Intercept) -> Option<Uri> {
    let basic = proxy.basic_auth().and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let Some(user) = basic.and_then(|basic| BASE64_STANDARD.decode(basic).ok()) else {
        return Some(proxy.uri().clone());
    };
    // Each byte as `%61`: any of them may have a meaning in a URL.
    let encode = |part: &[u8]| {
        part.iter().flat_map(|byte| ['%'.to_string(), hex::encode_upper([*byte])]).collect()
    };
    let user: Vec<String> = user.splitn(2, |byte| *byte == b':').map(encode).collect();
    let scheme = proxy.uri().scheme_str()?;
    format!("{scheme}://{}@{}/", user.join(":"), proxy.uri().authority()?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &str, own: Option<&str>, no_proxy: &str) -> Option<String> {
        let environment =
            Matcher::builder().https("http://ann:p%40ss@env:3128").no(no_proxy).build();
        let own = own.map_or_else(String::new, |own| format!("proxy-url: {own}"));
        let file = format!(
            "current-context: b\n\
             contexts:\n\
             - {{name: a, context: {{cluster: other, user: u}}}}\n\
             - {{name: b, context: {{cluster: own, user: u}}}}\n\
             clusters:\n\
             - {{name: other, cluster: {{server: https://x, proxy-url: http://x}}}}\n\
             - name: own\n  cluster:\n    server: {server}\n    {own}\n"
        );
        let file = Kubeconfig::from_yaml(&file).unwrap();
        let proxy = proxy(&server.parse().unwrap(), &file, &environment).unwrap();
        proxy.map(|proxy| proxy.to_string())
    }

    #[test]
    fn a_proxy_is_used_as_kubectl_uses_it() {
        let of_environment = Some("http://%61%6E%6E:%70%40%73%73@env:3128/".to_owned());
        assert_eq!(found("https://api.example.com", None, ""), of_environment);
        assert_eq!(found("https://api.example.com", None, "env"), of_environment);
        for (server, no_proxy) in [
            ("https://api.example.com", ".example.com"),
            ("https://10.1.2.3:6443", "10.0.0.0/8"),
            ("https://api.example.com", "*"),
            ("https://127.0.0.1:6443", ""),
            ("https://[::1]:6443", ""),
            ("https://localhost:6443", ""),
        ] {
            assert_eq!(found(server, None, no_proxy), None, "{server} {no_proxy}");
        }
        let own = Some("socks5://tunnel:1080/".to_owned());
        assert_eq!(found("https://a", Some("socks5h://tunnel:1080"), ""), own);
        for server in ["https://api.example.com", "https://127.0.0.1:6443"] {
            assert_eq!(found(server, Some("socks5://tunnel:1080"), "*"), own, "{server}");
        }
    }
}
