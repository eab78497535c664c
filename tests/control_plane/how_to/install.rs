//! The pages of docs/how-to about the installation: the chart is rendered with the values of the
//! page, and the operator runs as that Deployment says, in a simulated AWS that has the roles and
//! policies of the page.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use lightsail_operator::api::LightsailKeyPair;
use serde_json::{Value, json};
use testbed::operator::{Operator, OperatorOptions};
use testbed::simulator::{Credentials, Pod, Role, WebIdentity};

use super::reader::{AWS, Reader};
use crate::bed::{ACCOUNT, Bed, REGION, wait_for, wait_metric};
use crate::credential_servers::{CredentialServer, TOKEN};
use crate::credentials::web_identity_token;
use crate::docs::{CHART, chart, documents};
use crate::markdown::{blocks, read, root};
use crate::network_servers::{HOST, Proxy, behind_tls};
use crate::networks::simulator_address;

const NAMESPACE: &str = "lightsail-operator";
const HOUR: Duration = Duration::from_hours(1);

/// A reader of one of these pages, in a checkout, with the programs that they use.
async fn reader(name: &str, page: &'static str) -> (Reader, OperatorOptions) {
    let bed = Bed::new(name).await;
    let mut options = bed.options(None).await;
    // The policies are for the tags of this cluster.
    let at = options.arguments.iter().position(|it| it == "--cluster-id").unwrap();
    options.arguments.drain(at..at + 2);
    let tools = bed.cluster.tools().display().to_string();
    let log = options.log.display().to_string();
    let mut reader = Reader::new(bed, page);
    reader.reads(CHART, &chart());
    let install = "[[ $1 == install || $1 == upgrade ]]";
    let template = format!("exec {tools}/helm template \"${{@:2}}\" > rendered.yaml");
    reader.program("helm", &format!("{install}\n{template}"));
    // The operator runs beside the cluster, and not in pods.
    let kubectl = format!("exec {tools}/kubectl \"$@\"");
    reader.program("kubectl", &format!("[[ $1 == logs ]] && exec cat {log}\n{kubectl}"));
    reader.program_with_aws("aws", AWS).await;
    // No package registry has it.
    reader.program("eksctl", "exit 0");
    let policy = "docs/iam/key-pairs.json";
    reader.write(policy, &std::fs::read_to_string(root().join(policy)).unwrap());
    (reader, options)
}

/// An object that the chart rendered.
fn rendered(reader: &Reader, kind: &str) -> Value {
    let all = documents(&reader.read("rendered.yaml"));
    all.into_iter().find(|object| object["kind"] == kind).unwrap()
}

/// The environment of the container, with what it takes from Secrets.
async fn environment(reader: &Reader) -> Vec<(String, String)> {
    let secrets: Api<Secret> = Api::namespaced(reader.bed.cluster.client(), NAMESPACE);
    let container = &rendered(reader, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let mut all = Vec::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let secret = source["secretRef"]["name"].as_str().unwrap();
        let values = secrets.get(secret).await.unwrap().data.unwrap().into_iter();
        all.extend(values.map(|(name, value)| (name, String::from_utf8(value.0).unwrap())));
    }
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap().to_owned();
        let from = &variable["valueFrom"]["secretKeyRef"];
        if let Some(value) = variable["value"].as_str() {
            all.push((name, value.to_owned()));
        } else if let Some(secret) = from["name"].as_str() {
            let data = secrets.get(secret).await.unwrap().data.unwrap();
            match data.get(from["key"].as_str().unwrap()) {
                Some(value) => all.push((name, String::from_utf8(value.0.clone()).unwrap())),
                None => assert_eq!(from["optional"], true, "{name}"),
            }
        }
    }
    all
}

/// Starts the operator with the environment of the Deployment and what EKS adds, and nothing else
/// of AWS but the address and the region of the simulator.
async fn start(reader: &Reader, options: &OperatorOptions, added: &[(&str, String)]) -> Operator {
    let mut options = options.clone();
    let arguments = &rendered(reader, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let pin = format!("--aws-account-id={ACCOUNT}");
    assert!(arguments["args"].as_array().unwrap().iter().any(|it| *it == pin), "{arguments}");
    options.arguments.push(pin);
    options.environment.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    options.environment.extend(environment(reader).await);
    for (name, value) in added {
        options.environment.retain(|(other, _)| other != name);
        options.environment.push(((*name).to_owned(), value.clone()));
    }
    Operator::start(options).await.unwrap()
}

/// Who asked Lightsail for anything.
fn callers(reader: &Reader) -> BTreeSet<String> {
    let requests = reader.bed.simulator.requests().into_iter();
    requests.filter(|it| it.operation == "ImportKeyPair").map(|it| it.principal).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn irsa() {
    let (mut reader, options) = reader("irsa", "irsa.md").await;
    reader.follow_until("helm install").await;

    let trust: Value = serde_json::from_str(&reader.read("trust.json")).unwrap();
    let statement = &trust["Statement"][0];
    let provider = statement["Principal"]["Federated"].as_str().unwrap();
    let (_, provider) = provider.split_once(":oidc-provider/").unwrap();
    let trusted = |claim: &str| {
        let condition = &statement["Condition"]["StringEquals"][format!("{provider}:{claim}")];
        condition.as_str().unwrap().to_owned()
    };
    let issuer = format!("https://{provider}");
    let web_identity = Some(WebIdentity {
        issuer: issuer.clone(),
        subject: trusted("sub"),
        audience: trusted("aud"),
    });
    let role = Role { name: NAMESPACE.to_owned(), web_identity, ..Role::default() };
    let policy = reader.read("key-pairs.json");
    reader.bed.simulator.set_role(ACCOUNT, role, Some(&policy)).unwrap();

    // What the webhook of EKS reads, and what it adds.
    let account = rendered(&reader, "ServiceAccount");
    let role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].as_str().unwrap();
    let pod = &rendered(&reader, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    let name = account["metadata"]["name"].as_str().unwrap();
    let token = web_identity_token(&issuer, &format!("system:serviceaccount:{NAMESPACE}:{name}"));
    let file = options.log.with_file_name("token");
    std::fs::write(&file, token).unwrap();
    let added = [
        ("AWS_ROLE_ARN", role.to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string()),
    ];
    let _operator = start(&reader, &options, &added).await;
    reader.follow().await;
    let caller = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{NAMESPACE}/{NAMESPACE}");
    assert_eq!(callers(&reader), BTreeSet::from([caller]));
    assert_eq!(reader.bed.region.find_key_pair("first"), None, "deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pod_identity() {
    let (mut reader, options) = reader("pod-identity-page", "pod-identity.md").await;
    reader.follow_until("helm install").await;

    let simulator = &reader.bed.simulator;
    let trust_policy = Some(reader.read("trust.json"));
    let role = Role { name: NAMESPACE.to_owned(), trust_policy, ..Role::default() };
    let policy = reader.read("key-pairs.json");
    simulator.set_role(ACCOUNT, role, Some(&policy)).unwrap();
    // The agent may assume the role, with tags and without.
    for disable_session_tags in [true, false] {
        let pod = Pod {
            cluster_arn: format!("arn:aws:eks:{REGION}:{ACCOUNT}:cluster/prod"),
            namespace: NAMESPACE.to_owned(),
            service_account: NAMESPACE.to_owned(),
            name: format!("{NAMESPACE}-5d8f7c9b6d-x2x7k"),
            uid: "b7a1c5d0-5b7e-4f7c-9a51-0d4f1f0c5a7e".to_owned(),
            disable_session_tags,
        };
        simulator.add_pod_session(ACCOUNT, NAMESPACE, &pod, HOUR).unwrap();
    }
    assert_eq!(rendered(&reader, "ServiceAccount")["metadata"]["name"], NAMESPACE);
    let agent =
        CredentialServer::start(IpAddr::V4(Ipv4Addr::LOCALHOST), simulator.clone(), HOUR).await;
    agent.set_role(NAMESPACE);
    let token = options.log.with_file_name("token");
    std::fs::write(&token, TOKEN).unwrap();
    let added = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/container", agent.url())),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.display().to_string()),
    ];
    let _operator = start(&reader, &options, &added).await;
    reader.follow().await;
    let role = format!(":assumed-role/{NAMESPACE}/");
    let callers = callers(&reader);
    assert!(callers.len() == 1 && callers.iter().all(|it| it.contains(&role)), "{callers:?}");
    assert_eq!(reader.bed.region.find_key_pair("first"), None, "deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_key_in_a_secret_which_is_replaced() {
    let (mut reader, options) = reader("secret-page", "secret.md").await;
    let (first, second) = (
        ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY"),
    );
    for (id, secret) in [first, second] {
        let (access_key_id, secret_access_key) = (id.to_owned(), secret.to_owned());
        let credentials = Credentials { access_key_id, secret_access_key };
        reader.bed.simulator.add_credentials(ACCOUNT, &credentials);
    }
    reader.follow_until("helm install").await;
    let policy = reader.read("key-pairs.json");
    reader.bed.simulator.set_policy(ACCOUNT, Some(&policy)).unwrap();
    let mut operator = start(&reader, &options, &[]).await;
    // What restarted pods get.
    reader.follow_until("kubectl replace").await;
    let now = environment(&reader).await;
    let has = |name: &str, value: &str| now.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("AWS_ACCESS_KEY_ID", second.0) && has("AWS_SECRET_ACCESS_KEY", second.1));
    operator.stop().await.unwrap();
    let _operator = start(&reader, &options, &[]).await;
    let before = reader.bed.calls("GetKeyPairs") + reader.bed.calls("GetKeyPair");
    reader.follow().await;
    let is_read =
        async || reader.bed.calls("GetKeyPairs") + reader.bed.calls("GetKeyPair") > before;
    wait_for("a read with the second key", is_read).await;
}

/// Builds the overlay, and has the API server check it: applied, it would change what other tests
/// use.
const KUSTOMIZE: &str = r#"if [[ $* == *"--kustomize ." ]]; then
  @KUBECTL@ kustomize . > rendered.yaml
  exec @KUBECTL@ apply --server-side --dry-run=server -f rendered.yaml
fi
exec @KUBECTL@ "$@""#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_helm() {
    const PAGE: &str = "without-helm.md";
    let bed = Bed::new("kustomize").await;
    let options = bed.options(None).await;
    let kubectl = bed.cluster.tools().join("kubectl").display().to_string();
    let mut reader = Reader::new(bed, PAGE);
    reader.program("kubectl", &KUSTOMIZE.replace("@KUBECTL@", &kubectl));
    reader.reads("../lightsail-operator/", "checkout/");
    let of_checkout = "deploy/base crds charts/lightsail-operator";
    let root = root().display();
    let copy = format!("mkdir checkout; (cd {root}; tar -c {of_checkout}) | tar -x -C checkout");
    assert!(reader.sh(&copy).await.success);
    // Another page has a Secret of that name.
    let name = "lightsail-aws-of-kustomize";
    reader.reads("lightsail-aws", name);
    let keys = options.environment.iter().filter(|(name, _)| name.contains("ACCESS_KEY"));
    let lines: Vec<_> = keys.map(|(name, value)| format!("{name}={value}")).collect();
    reader.write("aws.env", &lines.join("\n"));
    let create =
        format!("kubectl create secret generic {name} -n {NAMESPACE} --from-env-file aws.env");
    assert!(reader.sh(&create).await.success);

    reader.follow_until("kubectl apply --server-side --kustomize .").await;
    let container = &rendered(&reader, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let image = format!("registry.example.com/lightsail-operator:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container["image"], image);
    assert!(!reader.read("rendered.yaml").contains("/OWNER/"));
    let _operator = start(&reader, &options, &[]).await;
    // Another page says how to write them.
    let repository = "registry.example.com/lightsail-operator";
    reader.write("values.yaml", &format!("image:\n  repository: {repository}\n"));
    reader.follow().await;
    assert!(reader.read("rendered.yaml").contains(&format!("image: \"{repository}:")));

    // With IRSA, a patch is another one.
    let fragment = blocks(&read(&Path::new("docs/how-to").join(PAGE)));
    let fragment = &fragment.iter().find(|block| block.info == "yaml fragment").unwrap().text;
    let mut overlay = documents(&reader.read("kustomization.yaml")).remove(0);
    overlay["patches"][1] = documents(fragment)[0]["patches"][0].clone();
    reader.write("kustomization.yaml", &overlay.to_string());
    assert!(reader.sh("kubectl apply --server-side --kustomize .").await.success);
    let annotations = &rendered(&reader, "ServiceAccount")["metadata"]["annotations"];
    let role = format!("arn:aws:iam::{ACCOUNT}:role/{NAMESPACE}");
    assert_eq!(annotations["eks.amazonaws.com/role-arn"], role);
    let container = &rendered(&reader, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert!(container["envFrom"].is_null(), "{container}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_and_a_private_ca() {
    let (mut reader, options) = reader("proxy-page", "proxy-and-private-ca.md").await;
    let (tls, ca) = behind_tls(simulator_address(&reader.bed)).await;
    let proxy = Proxy::start(200, tls).await;
    reader.reads("proxy.example.com:3128", &proxy.address.to_string());
    reader.write("ca.pem", &ca);
    reader.follow_until("helm install").await;

    // What the pod has at the path of AWS_CA_BUNDLE.
    let environment = environment(&reader).await;
    let (_, bundle) = environment.iter().find(|(name, _)| name == "AWS_CA_BUNDLE").unwrap();
    let pod = &rendered(&reader, "Deployment")["spec"]["template"]["spec"];
    let mount = &pod["containers"][0]["volumeMounts"][0];
    let (folder, file) = bundle.rsplit_once('/').unwrap();
    assert_eq!(mount["mountPath"], folder);
    let volume = &pod["volumes"][0];
    assert_eq!(volume["name"], mount["name"]);
    let name = volume["configMap"]["name"].as_str().unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(reader.bed.cluster.client(), NAMESPACE);
    let mounted = options.log.with_file_name("mounted.pem");
    std::fs::write(&mounted, &maps.get(name).await.unwrap().data.unwrap()[file]).unwrap();
    let egress = rendered(&reader, "NetworkPolicy")["spec"]["egress"].to_string();
    assert!(egress.contains("3128"), "{egress}");

    let mut added = vec![
        ("AWS_CA_BUNDLE", mounted.display().to_string()),
        ("AWS_ENDPOINT_URL", format!("https://{HOST}")),
    ];
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let mut all = options.environment.iter();
        added.push((name, all.find(|(other, _)| other == name).unwrap().1.clone()));
    }
    let _operator = start(&reader, &options, &added).await;
    reader.follow().await;
    let connected = BTreeSet::from([format!("CONNECT {HOST}:443 HTTP/1.1")]);
    assert_eq!(proxy.first_lines(), connected);
}

/// Starts an operator for the objects that the rendered Deployment names.
async fn start_shard(reader: &Reader, options: &OperatorOptions) -> Operator {
    let deployment = rendered(reader, "Deployment");
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let mut all = arguments.as_array().unwrap().iter().map(|it| it.as_str().unwrap());
    let selector = all.find(|it| it.starts_with("--watch-label-selector=")).unwrap();
    let mut options = options.clone();
    options.arguments.push(selector.to_owned());
    options.log.set_file_name(format!("{}.log", deployment["metadata"]["name"].as_str().unwrap()));
    Operator::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_divided_among_operators() {
    let (mut reader, options) = reader("several-operators", "several-operators.md").await;
    let mut first = Operator::start(options.clone()).await.unwrap();
    let generated = json!({ "type": "Generated", "region": REGION });
    for name in ["fleet", "web"] {
        reader.bed.create::<LightsailKeyPair>(name, &generated).await;
        reader.bed.wait_ready::<LightsailKeyPair>(name, "Generated").await;
    }
    let changes = reader.bed.changes();
    // There is a Deployment of one operator.
    let tools = reader.bed.cluster.tools().display().to_string();
    let rollout = "[[ $* == *deployment/lightsail-operator-b* ]] && exit 0";
    reader.program("kubectl", &format!("{rollout}\nexec {tools}/kubectl \"$@\""));

    reader.follow_until("helm upgrade").await;
    first.stop().await.unwrap();
    let first = start_shard(&reader, &options).await;
    reader.follow_until("helm install").await;
    let second = start_shard(&reader, &options).await;
    let has = |count: usize| {
        let labels = r#"kind="LightsailKeyPair",ready="true",reason="Generated""#;
        format!("lightsail_operator_objects{{{labels}}} {count}")
    };
    wait_metric(&second, &has(2)).await;
    reader.follow().await;
    // Each has one, and nothing was changed in Lightsail on the way.
    wait_metric(&first, &has(1)).await;
    wait_metric(&second, &has(1)).await;
    assert_eq!(reader.bed.changes(), changes);
}
