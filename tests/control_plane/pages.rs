//! The commands of the pages. README.md is followed in `docs.rs`, and each page of docs/how-to in
//! `how_to`; all others are followed here, from top to bottom, on a control plane of their own,
//! since they speak of all objects and of the CRDs. The operator works beside it, with the samples.
//!
//! No command is left out. Where a program is not here, or must not do its work, [`PROGRAMS`] says
//! why, and what is checked instead.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use tempfile::TempDir;
use testbed::cluster::{Cluster, Output};
use testbed::control_plane::ControlPlane;
use testbed::operator::{Operator, OperatorOptions};
use testbed::process::bound_to_this_process;
use testbed::simulator::{Options, Role, Simulator};

use crate::bed::{ACCOUNT, REGION, public_key};
use crate::docs::{CHART, run};
use crate::how_to::reader::{AWS, write_program};
use crate::markdown::{Block, blocks, pages, read, root};

/// A page that is followed here. Its YAML is saved as `yaml/1.yaml` and so on.
struct Page {
    path: &'static str,
    /// What a reader has done before.
    before: &'static str,
    /// What its commands must print.
    shows: &'static [&'static str],
    /// What must be so afterwards, and what makes room for the next page.
    after: &'static str,
}

const fn page(path: &'static str, shows: &'static [&'static str]) -> Page {
    Page { path, before: "", shows, after: "" }
}

/// In an order that works: the last ones rename the owner, and remove what is there.
const PAGES: &[Page] = &[
    page("SECURITY.md", &["install.yaml: OK"]),
    Page {
        after: "kubectl wait --for=condition=Ready lskp/old-eu-west-1 --timeout=60s
            grep --quiet old-eu-west-1 prod.yaml",
        ..page("docs/export.md", &["old-eu-west-1 created", "MANAGED BY"])
    },
    Page {
        before: "kubectl create namespace argocd
            cp --recursive deploy/samples lightsail",
        ..page(
            "docs/gitops.md",
            &[
                "configmap/argocd-cm serverside-applied",
                "resource.customizations.health.lightsail-operator.dev_LightsailKeyPair: ",
                "resource.customizations.health.lightsail-operator.dev_HostKeyReset: ",
                "resource.customizations.health.lightsail-operator.dev_LightsailAccount: ",
            ],
        )
    },
    page("docs/hostkeyreset.md", &["condition met", "SHA256:", "DeleteKnownHostKeys"]),
    page("docs/iam.md", &["TagResource"]),
    page("docs/install.md", &["successfully rolled out", "\"keyPairs\""]),
    page("docs/operations.md", &["lightsail-operator", "arn:aws:lightsail:"]),
    page("docs/simulator.md", &["\"fleet\"", "ImportKeyPair"]),
    page(
        "docs/troubleshooting.md",
        &["Events:", "ok", "fleet patched", "fleet annotated", "\"operation\": \"ImportKeyPair\""],
    ),
    Page {
        // The name is the sample's until then.
        before: "kubectl patch lskp fleet --type merge \
              --patch '{\"spec\":{\"deletionPolicy\":\"Delete\",\"suspend\":false}}'
            kubectl delete lskp fleet
            kubectl apply -f yaml/1.yaml",
        after: "[[ $(kubectl get secret aws-team-a --namespace lightsail-operator --output \
              jsonpath='{.metadata.labels.*} {.data.aws_access_key_id}') == \
              \"production-team-a $(printf AKIAI44QH8DHBEXAMPLE | base64)\" ]]
            kubectl apply -f yaml/2.yaml
            kubectl wait --for=condition=Ready lskp/fleet --namespace team-a --timeout=60s
            kubectl delete -f yaml/2.yaml -f yaml/1.yaml",
        ..page("docs/lightsailaccount.md", &["production-team-a condition met"])
    },
    page("CONTRIBUTING.md", &["cargo build"]),
    Page {
        before: "kubectl delete lskp --all --namespace team-a",
        after: "[[ -z $(kubectl get crd --output name) ]]",
        ..page("charts/lightsail-operator/README.md", &["customresourcedefinition"])
    },
];

/// What stands on a page, and what it is here.
const HERE: &[(&str, &str)] = &[
    (CHART, "charts/lightsail-operator"),
    // The operator is installed, and works beside the cluster.
    (
        concat!(
            "\"https://github.com/OWNER/lightsail-operator//deploy/base?ref=v",
            env!("CARGO_PKG_VERSION"),
            "\""
        ),
        "deploy/base --dry-run=server --force-conflicts",
    ),
    ("/etc/ssh/ssh_host_ed25519_key.pub", "home/.ssh/old.pub"),
    ("AAAA… fleet", "$(cut --delimiter ' ' --fields 2 home/.ssh/old.pub) fleet"),
    // What runs this test.
    ("testbed run --apply testbed/deploy -- ", ""),
];

/// Programs in another's place, why, and what they do instead.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("aws", "only Lightsail is simulated: others must get a valid request", AWS),
    ("lightsail-operator", "it is not installed", r#"exec @OPERATOR@ "$@""#),
    (
        "docker",
        "the image is not there: its program runs without it",
        r#"if [[ $1 == run ]]; then
             until [[ $1 == ghcr.io/OWNER/lightsail-operator:@VERSION@ ]]; do shift; done
             exec @OPERATOR@ "${@:2}"
           fi
           [[ "$1 $2 $3" == "buildx imagetools inspect" ]]
           echo sha256:0123"#,
    ),
    (
        "helm",
        "a release would be another operator: the chart is rendered",
        r#"[[ $1 == install || $1 == upgrade || $1 == template ]]
           shift
           exec @TOOLS@/helm template "${@/--reuse-values/--debug}""#,
    ),
    (
        "kubectl",
        "there are no pods: the log is the operator's, and curl goes to its port",
        r#"kubectl=@TOOLS@/kubectl
           value() {
             until [[ $2 == "$1" ]]; do set -- "$1" "${@:3}"; done
             echo "$3"
           }
           case $1 in
           logs)
             "$kubectl" "$@" 2> /dev/null
             "$kubectl" get deployment --namespace "$(value --namespace "$@")" \
               --selector "$(value --selector "$@")" --output name | grep --quiet .
             exec cat @LOG@ ;;
           port-forward)
             ports=$("$kubectl" get "$4" --namespace "$(value --namespace "$@")" \
               --output jsonpath=' {..containerPort} {..port} ')
             [[ $ports == *" ${5##*:} "* ]]
             exec ln --symbolic "addresses/${4#*/}" forwarded ;;
           esac
           exec "$kubectl" "$@""#,
    ),
    (
        "curl",
        "what is at a forwarded port is at another one here; an error of HTTP is an error",
        r#"if [[ $* == *//127.0.0.1:8080/* ]]; then
             for _ in {1..300}; do [[ ! -e forwarded ]] || break; sleep 0.1; done
             set -- "${@/127.0.0.1:8080/$(< forwarded)}"
           fi
           exec curl --fail --silent --show-error "$@""#,
    ),
    (
        "make",
        "it would build all of this: the targets must be there",
        r#"[[ $* == "--silent env" ]] || set -- --dry-run "$@"
           exec env --unset MAKEFLAGS make "$@""#,
    ),
    (
        "cargo",
        "it would compile all of this: tests of the name must be there",
        r#"name=${*: -1} name=${name#test(} name=${name%)}
           exec grep --recursive --quiet --extended-regexp "(mod|fn) \w*$name" src tests"#,
    ),
    ("cosign", "there is no release: the workflow must make what is verified", RELEASED),
    ("gh", "there is no release: the workflow must make what is verified", RELEASED),
];

const RELEASED: &str = r#"
[[ "$1 $2" == "verify "* || "$1 $2 $3" == "attestation verify "* ]]
for argument; do
  case $argument in
  *ghcr.io/OWNER/*)
    name=${argument##*ghcr.io/OWNER/} name=${name%%[:@]*}
    grep --quiet "[$]\(owner\|charts\)/${name#charts/}\b" .github/workflows/release.yml ;;
  */.github/*@*)
    file=.github/${argument##*/.github/}
    [[ -e ${file%@*} ]] ;;
  esac
done"#;

/// The roles that were bound must be there. The next page begins without what this one made.
const AFTER_EACH: &str = "
roles=$(kubectl get rolebinding --namespace team-a --output jsonpath='{.items[*].roleRef.name}'
  kubectl get clusterrolebinding lightsail-accounts --ignore-not-found \\
    --output jsonpath=' {.roleRef.name}')
for role in $roles; do kubectl get clusterrole \"$role\"; done
kubectl delete rolebinding --all --namespace team-a
kubectl delete clusterrolebinding lightsail-accounts --ignore-not-found
rm --force forwarded";

/// What the reader has, besides a checkout. Of Argo CD's chart, this is what the page uses.
const FILES: &[(&str, &str)] = &[
    ("argo/argo-cd/Chart.yaml", "apiVersion: v2\nname: argo-cd\nversion: 1.0.0\n"),
    (
        "argo/argo-cd/templates/argocd-cm.yaml",
        "apiVersion: v1\nkind: ConfigMap\ndata: {{- toYaml .Values.configs.cm | nindent 2 }}\n",
    ),
    ("install.yaml", ""),
    ("aws.env", "aws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=a-secret\n"),
    ("new.env", "aws_access_key_id=AKIAI44QH8DHBEXAMPLE\naws_secret_access_key=another\n"),
    // `docs.rs` renders the chart with the values of all pages.
    ("values.yaml", ""),
];

/// The part of this page about the end is followed in `docs.rs`, but for what is AWS's.
const UNINSTALL: (&str, &str) = ("docs/operations.md", "\n## Uninstall\n");

fn is_command(block: &Block) -> bool {
    ["sh", "console"].contains(&block.info.as_str())
}

/// The commands of a page that are followed here.
fn commands_here(path: &str) -> Vec<Block> {
    let text = read(Path::new(path));
    let Some((part, end)) = text.split_once(UNINSTALL.1).filter(|_| path == UNINSTALL.0) else {
        return blocks(&text);
    };
    let of_aws = blocks(end).into_iter().filter(|block| block.text.starts_with("aws "));
    blocks(part).into_iter().chain(of_aws).collect()
}

#[test]
fn every_page_with_commands_is_followed() {
    let how_to = [
        include_str!("how_to/mod.rs"),
        include_str!("how_to/install.rs"),
        include_str!("how_to/terraform.rs"),
    ]
    .concat();
    let (mut all, mut texts) = (0, String::new());
    for path in pages() {
        let text = read(&path);
        let path = path.display().to_string();
        if !blocks(&text).iter().any(is_command) {
            continue;
        }
        let is_followed = match path.strip_prefix("docs/how-to/") {
            Some(name) => how_to.contains(&format!("\"{name}\"")),
            None => path == "README.md" || PAGES.iter().any(|page| page.path == path),
        };
        assert!(is_followed, "{path}: no test follows it");
        all += 1;
        texts += &text;
    }
    assert!(all > PAGES.len() + 10, "{all} pages");
    for (on_page, _) in HERE {
        assert!(texts.contains(on_page), "no page has {on_page}");
    }
    for (program, ..) in PROGRAMS {
        assert!(texts.contains(&format!("{program} ")), "no page uses {program}");
    }
    let makefile = read(Path::new("Makefile"));
    assert!(makefile.contains("/testbed run --apply testbed/deploy -- "), "what runs this test");
}

/// The simulator as its page starts it. Dropping it kills it.
struct Alone {
    child: Child,
    /// The lines to paste.
    lines: String,
}

impl Alone {
    fn start(block: &Block) -> Self {
        let (command, shown) = block.text.split_once('\n').unwrap();
        let arguments = command.strip_prefix("$ cargo run --quiet --package testbed -- ").unwrap();
        let operator = Path::new(env!("CARGO_BIN_EXE_lightsail-operator"));
        let mut child = bound_to_this_process(operator.with_file_name("testbed"))
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines: Vec<_> = lines.take(shown.lines().count()).map(Result::unwrap).collect();
        let name = |line: &str| line.split_once('=').unwrap().0.to_owned();
        let printed: Vec<_> = lines.iter().map(|line| name(line)).collect();
        assert_eq!(printed, shown.lines().map(name).collect::<Vec<_>>(), "{command}");
        Self { child, lines: lines.join("\n") }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody with a checkout, a cluster and AWS.
struct Reader {
    cluster: Cluster,
    simulator: Simulator,
    folder: PathBuf,
    // They end in this order.
    operator: Operator,
    _control_plane: ControlPlane,
    _root: TempDir,
}

impl Reader {
    async fn new() -> Self {
        let shared = Cluster::from_env().await.unwrap();
        let root = tempfile::tempdir_in(shared.directory()).unwrap();
        let folder = root.path().join("checkout");
        copy_checkout(&folder);
        let place = root.path().join("cluster");
        let control_plane = ControlPlane::start(shared.tools(), &place).await.unwrap();
        let cluster = Cluster::of(&control_plane).await.unwrap();
        // The log is searched for the keys beside it when all tests are over.
        let directory = shared.directory().join("tests/pages");
        std::fs::create_dir_all(&directory).unwrap();
        let issued_keys = Some(directory.join("issued"));
        let options = Options { issued_keys, ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let credentials = simulator.add_account(ACCOUNT);

        let apply = "kubectl apply --server-side --kustomize testbed/deploy
            kubectl wait --for=condition=Established crd --all --timeout=60s
            kubectl create namespace team-a";
        let output = run(&cluster, "default", &folder, apply).await;
        assert!(output.success, "{}", output.stderr);
        let kubeconfig = directory.join("kubeconfig");
        let account = "lightsail-operator";
        cluster.service_account_kubeconfig(account, account, &kubeconfig, None).await.unwrap();
        let log = directory.join("operator.log");
        let options = OperatorOptions {
            binary: env!("CARGO_BIN_EXE_lightsail-operator").into(),
            kubeconfig,
            arguments: vec!["--leader-election=false".to_owned()],
            environment: crate::bed::aws_environment(&simulator, &credentials),
            log: log.clone(),
        };
        let operator = Operator::start(options).await.unwrap();
        let reader = Self {
            cluster,
            simulator,
            folder,
            operator,
            _control_plane: control_plane,
            _root: root,
        };
        for (name, _, script) in PROGRAMS {
            let script = script
                .replace("@OPERATOR@", env!("CARGO_BIN_EXE_lightsail-operator"))
                .replace("@TOOLS@", &shared.tools().display().to_string())
                .replace("@LOG@", &log.display().to_string())
                .replace("@VERSION@", env!("CARGO_PKG_VERSION"));
            write_program(&reader.folder, name, &script);
        }
        let profile = |name: &str| {
            let (id, secret) = (&credentials.access_key_id, &credentials.secret_access_key);
            format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
        };
        reader.write("home/.aws/credentials", &(profile("default") + &profile("prod")));
        reader
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// What is there before the first page: key pairs in Lightsail and their keys in files, and
    /// the samples.
    async fn prepare(&self) {
        let region = self.simulator.region(ACCOUNT, REGION);
        region.add_instance("web-1");
        region.create_default_key_pair();
        let key = public_key("ed25519");
        region.import_key_pair("old", key.trim());
        for file in ["home/.ssh/old.pub", "keys/old.pub"] {
            self.write(file, &key);
        }
        self.write("made.pem", &region.create_key_pair("made").1);
        let role = Role {
            name: "lightsail".to_owned(),
            external_id: Some("team-a-4711".to_owned()),
            ..Role::default()
        };
        self.simulator.set_role(ACCOUNT, role, None).unwrap();
        for (name, text) in FILES {
            self.write(name, text);
        }
        let operator = self.operator.address().unwrap().to_string();
        self.write("addresses/lightsail-operator", &operator);
        let simulator = self.simulator.url();
        self.write("addresses/lightsail-simulator", simulator.strip_prefix("http://").unwrap());
        let samples = "sha256sum install.yaml > SHA256SUMS
            kubectl apply --kustomize deploy/samples
            kubectl wait --for=condition=Ready lskp,hkr --all --timeout=60s";
        self.sh("before the first page", samples).await;
    }

    async fn sh(&self, what: &str, script: &str) -> Output {
        let url = self.simulator.url();
        let script = format!(
            "unset ${{!AWS_*}}
             export PATH=$PWD/bin:$PATH HOME=$PWD/home AWS_ENDPOINT_URL={url} \
               AWS_EC2_METADATA_DISABLED=true\n{script}"
        );
        let output = run(&self.cluster, "default", &self.folder, &script).await;
        let Output { success, stdout, stderr } = &output;
        assert!(*success, "{what}\n{stdout}\n{stderr}");
        output
    }

    async fn follow(&self, page: &Page) {
        let (mut script, mut yaml, mut alone) = (String::new(), 0, None);
        for block in commands_here(page.path) {
            // Some commands end with an error that stops no script, as those before `&&` do.
            let checked = |text: &str| {
                let first = text.lines().next().unwrap().replace('\'', "");
                format!("echo '>>> {first}' >&2\n{text}\ncode=$?\n(exit $code)\n")
            };
            match block.info.as_str() {
                "sh" => script += &checked(&block.text),
                "console" => {
                    let simulator = Alone::start(&block);
                    script += &checked(&simulator.lines);
                    alone = Some(simulator);
                }
                "python" => {
                    let text = format!("\"$TESTBED_PYTHON\" << END\n{}END", block.text);
                    script += &checked(&text);
                }
                "yaml" => {
                    yaml += 1;
                    self.write(&format!("yaml/{yaml}.yaml"), &block.text);
                }
                // No commands.
                _ => {}
            }
        }
        let replace = |text: String, (on_page, here): &(&str, &str)| text.replace(on_page, here);
        let script = HERE.iter().fold(script, replace);
        self.sh(page.path, page.before).await;
        let Output { stdout, stderr, .. } = self.sh(page.path, &script).await;
        drop(alone);
        assert!(!stderr.contains("No resources found"), "{}: {stderr}", page.path);
        for words in page.shows {
            assert!(stdout.contains(words), "{}: no {words}\n{stdout}\n{stderr}", page.path);
        }
        self.sh(page.path, page.after).await;
        self.sh(page.path, AFTER_EACH).await;
    }
}

/// Copies the checkout into a folder, where commands may change it, as a repository of Git.
fn copy_checkout(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let script = "git ls-files -z | xargs --null cp --parents --target-directory \"$0\"
        cd \"$0\"
        git -c init.defaultBranch=main init --quiet
        git add --all";
    let mut bash = std::process::Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).arg(folder).current_dir(root());
    assert!(bash.status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_all_pages_can_be_followed() {
    let reader = Reader::new().await;
    reader.prepare().await;
    for page in PAGES {
        reader.follow(page).await;
        if page.path == "CONTRIBUTING.md" {
            let check = "testbed/scripts/check-release.sh 0 2>&1 || true";
            let said = reader.sh("the owner is renamed", check).await.stdout;
            assert!(said.contains("Cargo.toml") && !said.contains("put the owner"), "{said}");
        }
    }
}
