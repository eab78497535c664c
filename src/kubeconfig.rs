//! How the API server is reached: by the kubeconfig or from within a pod, and by a proxy as kubectl
//! uses one.

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{AuthInfo, Cluster, Context, ExecAuthCluster, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use crate::api_outage::ApiOutage;
use crate::api_server::READ_TIMEOUT;
use crate::api_shares::ApiShares;
use crate::config::Environment;
use crate::kube_error::without_content;
use crate::loopback::is_loopback;
use crate::page_limit::PageLimit;
use crate::proxies::{Proxies, Proxy};
use crate::readiness::{Extent, Readiness};

/// What is waited for while the configuration is read.
pub const FILES: &str = "the kubeconfig's files";
/// What takes longer is reported: a credential plugin that is online answers sooner.
const SLOW: Duration = Duration::from_secs(5);

/// What is waited for while a client is made.
#[must_use]
pub fn slow_part(config: &kube::Config) -> &'static str {
    if config.auth_info.exec.is_some() { "the kubeconfig's credential plugin" } else { FILES }
}

/// Does what may never end: a file may be a pipe that nobody writes, and a credential plugin may
/// wait for somebody. If it takes long, the log and `/readyz` say what is waited for. It does not
/// keep the process from stopping.
///
/// # Errors
/// Those of the work.
pub async fn patiently<T: Send + 'static>(
    what: &str,
    readiness: &Readiness,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let mut work = tokio::task::spawn_blocking(work);
    if let Ok(outcome) = tokio::time::timeout(SLOW, &mut work).await {
        return outcome?;
    }
    let say = |why| readiness.trouble(Extent::All, "waiting for".to_owned(), why);
    say(Some(what.to_owned()));
    tracing::warn!("waiting for {what}");
    let outcome = work.await;
    say(None);
    outcome?
}

/// The configuration of clients.
///
/// # Errors
/// There is no cluster to be found, or a file of its configuration cannot be used.
pub fn load(environment: &Environment, proxies: &Proxies) -> anyhow::Result<kube::Config> {
    let mut config = match read(environment) {
        Ok(file) if file.current_context.is_some() => {
            let mut config = of_file(&file)?;
            config.proxy_url = proxy(&config.cluster_url, &file, proxies)?;
            config
        }
        // In a pod no proxy is used: it is there for what is outside the cluster.
        Ok(_) => in_pod(&KubeconfigError::CurrentContextNotSet)?,
        Err(error @ KubeconfigError::ReadConfig(..)) if is_named(environment, &error) => {
            anyhow::bail!(unread(&error))
        }
        Err(error @ (KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath)) => {
            in_pod(&error)?
        }
        // There is one, and it is that which is wrong. The parser's words have its lines.
        Err(KubeconfigError::Parse(_)) => anyhow::bail!("the kubeconfig cannot be parsed"),
        Err(error) => return Err(error).context("the kubeconfig cannot be used"),
    };
    // The plan decides what a failed write means; a retry behind its back would hide it.
    config.default_retry = false;
    // A connection that nobody answers on any more is given up, however it came to that. Counted
    // from the last request, and not from when it became idle.
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    Ok(config)
}

/// A client. `readiness` and the log say when the API server is not reached.
///
/// # Errors
/// Credentials or certificates of the configuration cannot be used.
pub fn client(config: &kube::Config, readiness: &Readiness) -> anyhow::Result<Client> {
    let proxy = config.proxy_url.as_ref();
    let has_plugin = config.auth_info.exec.is_some();
    let outage = ApiOutage::new(&config.cluster_url, proxy, has_plugin, readiness.clone());
    let client = ClientBuilder::try_from(config.clone());
    let client = client.map_err(|error| anyhow::anyhow!(without_content(&error)))?;
    Ok(client.with_layer(&outage).with_layer(&PageLimit).with_layer(&ApiShares::default()).build())
}

/// As for kubectl, files that do not exist count for nothing.
fn read(environment: &Environment) -> Result<Kubeconfig, KubeconfigError> {
    let files = environment.paths("KUBECONFIG").map(Kubeconfig::read_from);
    let is_missing = |file: &Result<_, _>| file.as_ref().is_err_and(is_missing);
    let mut files = files.filter(|file| !is_missing(file)).peekable();
    if files.peek().is_none() {
        return Kubeconfig::read();
    }
    files.try_fold(Kubeconfig::default(), |merged, file| merged.merge(file?))
}

/// Whether the file that cannot be read is one that somebody named, and is there. The one in the
/// home directory counts for nothing then: in a pod, that may be anybody's.
fn is_named(environment: &Environment, error: &KubeconfigError) -> bool {
    environment.paths("KUBECONFIG").next().is_some() && !is_missing(error)
}

fn is_missing(error: &KubeconfigError) -> bool {
    let KubeconfigError::ReadConfig(error, _) = error else { return false };
    error.kind() == io::ErrorKind::NotFound
}

/// Why there is nothing to read. The library puts a path in quotes twice.
fn unread(error: &KubeconfigError) -> String {
    let KubeconfigError::ReadConfig(error, path) = error else { return error.to_string() };
    format!("the kubeconfig {} cannot be read: {error}", path.display())
}

fn in_pod(no_file: &KubeconfigError) -> anyhow::Result<kube::Config> {
    kube::Config::incluster().map_err(|_| {
        let why = unread(no_file);
        anyhow::anyhow!("no cluster is configured; set KUBECONFIG, or run in a pod: {why}")
    })
}

/// What the file says, but for proxies: kube applies `NO_PROXY` to the proxy's own name, and this
/// machine is none of its exceptions.
fn of_file(file: &Kubeconfig) -> anyhow::Result<kube::Config> {
    let context = context(file)?;
    let cluster = cluster(file, context)?;
    let server = cluster.server.as_deref().context("the kubeconfig's cluster has no server")?;
    let server: Uri = server.parse().context("the kubeconfig's server is not a URL")?;
    if !matches!(server.scheme_str(), Some("https" | "http")) {
        anyhow::bail!("the kubeconfig's server must begin with https://, and is {server}");
    }
    let mut config = kube::Config::new(server);
    if let Some(namespace) = &context.namespace {
        config.default_namespace.clone_from(namespace);
    }
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    // With the CA, wherever it is kept.
    let for_programs = ExecAuthCluster::try_from(cluster)?;
    if let Some(pem) = &for_programs.certificate_authority_data {
        let certificates = CertificateDer::pem_slice_iter(pem);
        let certificates = certificates.map(|one| one.map(|certificate| certificate.to_vec()));
        let certificates = certificates.collect::<Result<Vec<_>, _>>();
        let certificates = certificates.context("the kubeconfig's certificate-authority")?;
        config.root_cert = Some(certificates);
    }
    config.auth_info = user(file, context)?;
    let token = config.auth_info.token.as_ref().map(ExposeSecret::expose_secret);
    if token.is_some_and(|token| http::HeaderValue::from_str(token).is_err()) {
        anyhow::bail!("the kubeconfig's token has a character that no token has");
    }
    if let Some(program) = &mut config.auth_info.exec
        && program.provide_cluster_info
    {
        program.cluster = Some(for_programs);
    }
    Ok(config)
}

fn context(file: &Kubeconfig) -> anyhow::Result<&Context> {
    let name = file.current_context.as_deref().unwrap_or_default();
    let context = file.contexts.iter().find(|one| one.name == name);
    context
        .and_then(|one| one.context.as_ref())
        .with_context(|| format!("the kubeconfig's current-context {name:?} does not exist in it"))
}

fn cluster<'a>(file: &'a Kubeconfig, context: &Context) -> anyhow::Result<&'a Cluster> {
    let name = &context.cluster;
    let cluster = file.clusters.iter().find(|one| one.name == *name);
    cluster.and_then(|one| one.cluster.as_ref()).with_context(|| {
        format!("the kubeconfig's current context names the cluster {name:?}, which is missing")
    })
}

/// Who asks. A context without a user is that of somebody anonymous.
fn user(file: &Kubeconfig, context: &Context) -> anyhow::Result<AuthInfo> {
    let Some(name) = context.user.as_deref().filter(|name| !name.is_empty()) else {
        return Ok(AuthInfo::default());
    };
    let user = file.auth_infos.iter().find(|one| one.name == name).with_context(|| {
        format!("the kubeconfig's current context names the user {name:?}, which is missing")
    })?;
    let user = user.auth_info.clone().unwrap_or_default();
    match &user.auth_provider {
        Some(provider) if provider.name != "oidc" => anyhow::bail!(
            "the kubeconfig's user {name:?} has the auth-provider {:?}, which Kubernetes has \
            removed; use a credential plugin (exec)",
            provider.name
        ),
        Some(_) | None => Ok(user),
    }
}

/// The proxy that the kubeconfig names, or else the environment's if it is for this server.
/// `ALL_PROXY` counts only for AWS: kubectl does not read it.
fn proxy(server: &Uri, file: &Kubeconfig, environment: &Proxies) -> anyhow::Result<Option<Uri>> {
    let own = cluster(file, context(file)?)?.proxy_url.as_deref();
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        let own = Proxy::parse(own).map_err(|why| {
            anyhow::anyhow!(
                "the kubeconfig's proxy-url cannot be used: {why}; write, for example, \
                http://proxy.example.com:3128"
            )
        })?;
        return Ok(Some(own.uri_with_login()));
    }
    let is_near = server.host().is_some_and(is_loopback);
    Ok(environment.find_as_go(server).filter(|_| !is_near).map(Proxy::uri_with_login))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &str, own: Option<&str>, no_proxy: &str) -> Option<String> {
        found_by("HTTPS_PROXY", server, own, no_proxy)
    }

    fn found_by(name: &str, server: &str, own: Option<&str>, no_proxy: &str) -> Option<String> {
        let variables = [(name, "http://ann:p%40ss@env:3128"), ("NO_PROXY", no_proxy)];
        let environment = Proxies::new(&variables.into()).unwrap();
        let own = own.map_or_else(String::new, |own| format!("proxy-url: {own}"));
        let file = format!(
            "current-context: b\n\
             contexts:\n\
             - {{name: a, context: {{cluster: other}}}}\n\
             - {{name: b, context: {{cluster: own}}}}\n\
             clusters:\n\
             - {{name: other, cluster: {{server: https://x, proxy-url: http://x}}}}\n\
             - name: own\n  cluster:\n    server: {server}\n    {own}\n"
        );
        let file = Kubeconfig::from_yaml(&file).unwrap();
        assert_eq!(
            of_file(&file).unwrap().cluster_url.host(),
            server.parse::<Uri>().unwrap().host()
        );
        let proxy = proxy(&server.parse().unwrap(), &file, &environment).unwrap();
        proxy.map(|proxy| proxy.to_string())
    }

    #[test]
    fn a_proxy_is_used_as_kubectl_uses_it() {
        let of_environment = Some("http://%61%6E%6E:%70%40%73%73@env:3128/".to_owned());
        assert_eq!(found("https://api.example.com", None, ""), of_environment);
        assert_eq!(found("https://api.example.com", None, "env"), of_environment);
        for name in ["ALL_PROXY", "all_proxy", "HTTP_PROXY"] {
            assert_eq!(found_by(name, "https://api.example.com", None, ""), None, "{name}");
        }
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

    #[test]
    fn what_cannot_be_used_is_refused_without_its_password() {
        for own in ["ftp://ann:PW@h:1", "http://ann:PW x@h:1", "http://ann:PW@h:99999", "::::"] {
            let file = format!(
                "{{current-context: a, contexts: [{{name: a, context: {{cluster: a}}}}], \
                 clusters: [{{name: a, cluster: {{server: \"https://a\", \
                 proxy-url: \"{own}\"}}}}]}}"
            );
            let file = Kubeconfig::from_yaml(&file).unwrap();
            let server = Uri::from_static("https://a");
            let why = proxy(&server, &file, &Proxies::default()).unwrap_err().to_string();
            assert!(why.contains("proxy-url") && !why.contains("PW"), "{why}");
        }
    }

    #[test]
    fn what_no_client_can_be_made_of_is_refused_in_words() {
        for (server, token, expected) in [
            ("127.0.0.1:6443", "a", "must begin with https://"),
            ("ftp://h", "a", "must begin with https://"),
            ("https://h", "SECRET\\nb", "the kubeconfig's token"),
        ] {
            let file = format!(
                "{{current-context: a, contexts: [{{name: a, context: {{cluster: a, user: u}}}}], \
                 clusters: [{{name: a, cluster: {{server: \"{server}\"}}}}], \
                 users: [{{name: u, user: {{token: \"{token}\"}}}}]}}"
            );
            let file = Kubeconfig::from_yaml(&file).unwrap();
            let why = of_file(&file).unwrap_err().to_string();
            assert!(why.contains(expected) && !why.contains("SECRET"), "{why}");
        }
    }

    #[test]
    fn a_named_file_that_cannot_be_read_is_not_taken_for_one_that_is_missing() {
        let folder = std::env::temp_dir();
        let environment = Environment::from([("KUBECONFIG", folder.to_str().unwrap())]);
        let why = load(&environment, &Proxies::default()).unwrap_err().to_string();
        assert!(why.contains(&format!("{} cannot be read", folder.display())), "{why}");
    }

    #[test]
    fn a_file_that_is_missing_is_named_without_quotes() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        let missing = KubeconfigError::ReadConfig(missing, "/home/ann/.kube/config".into());
        let why = in_pod(&missing).unwrap_err().to_string();
        assert!(why.contains(": the kubeconfig /home/ann/.kube/config cannot be read: "), "{why}");
    }

    #[test]
    fn what_the_context_names_must_be_there() {
        for (context, expected) in [
            ("{name: b, context: {cluster: a}}", "current-context \"a\""),
            ("{name: a, context: {cluster: b}}", "the cluster \"b\""),
            ("{name: a, context: {cluster: a, user: b}}", "the user \"b\""),
            ("{name: a, context: {cluster: a, user: old}}", "the auth-provider \"gcp\""),
        ] {
            let file = format!(
                "{{current-context: a, contexts: [{context}], \
                 clusters: [{{name: a, cluster: {{server: \"https://a\"}}}}], \
                 users: [{{name: old, user: {{auth-provider: {{name: gcp, config: {{}}}}}}}}]}}"
            );
            let why = of_file(&Kubeconfig::from_yaml(&file).unwrap()).unwrap_err().to_string();
            assert!(why.contains(expected), "{why}");
        }
    }
}
