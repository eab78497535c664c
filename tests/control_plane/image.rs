//! The image: what is in it, and the operator at work in a container, with no more rights than a
//! pod of the restricted level has.
//!
//! `make test` checks an image of the development binary, `make test-all` that of the release.

#![expect(clippy::print_stdout, reason = "the size is what a run of it tells")]

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::Kubeconfig;
use lightsail_operator::api::{HostKeyReset, LightsailKeyPair};
use secrecy::ExposeSecret;
use serde_json::Value;
use testbed::operator::Operator;

use crate::bed::{Bed, imported, public_key, reset, set};
use crate::resets::wait_complete;

/// Podman with an image in a storage of its own, which goes with it.
struct Image {
    name: String,
    storage: tempfile::TempDir,
}

impl Image {
    fn build() -> Self {
        let storage = tempfile::tempdir().unwrap();
        let folder = storage.path().display();
        // The driver that works everywhere: layers are plain folders.
        let settings = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{folder}/images\"\nrunroot = \
             \"{folder}/run\"\n"
        );
        std::fs::write(storage.path().join("storage.conf"), settings).unwrap();
        let mut image = Self { name: String::new(), storage };
        image.name = text(&image.run(script("image.sh").arg(binary()).arg("tested")));
        image
    }

    fn settings(&self) -> (String, String) {
        (
            "CONTAINERS_STORAGE_CONF".to_owned(),
            self.storage.path().join("storage.conf").display().to_string(),
        )
    }

    fn run(&self, command: &mut Command) -> Output {
        command.env("IMAGE_TOOL", "podman").envs([self.settings()]).output().unwrap()
    }

    fn podman(&self, arguments: &[&str]) -> Output {
        self.run(Command::new("podman").args(["--events-backend", "file"]).args(arguments))
    }

    fn inspect(&self) -> Value {
        let images: Value =
            serde_json::from_str(&text(&self.podman(&["image", "inspect", &self.name]))).unwrap();
        images[0].clone()
    }

    /// The only layer, as a tar file.
    fn layer(&self) -> PathBuf {
        let folder = self.storage.path().join("saved");
        text(&self.podman(&[
            "save",
            "--quiet",
            "--format",
            "oci-dir",
            "--output",
            folder.to_str().unwrap(),
            &self.name,
        ]));
        let blob =
            |digest: &Value| folder.join("blobs").join(digest.as_str().unwrap().replace(':', "/"));
        let read =
            |path: &Path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap();
        let index = read(&folder.join("index.json"));
        let manifest = read(&blob(&index["manifests"][0]["digest"]));
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 1);
        blob(&layers[0]["digest"])
    }
}

/// A file in a layer.
struct File {
    mode: String,
    owner: String,
    size: u64,
    path: String,
}

fn files(layer: &Path) -> Vec<File> {
    let list = text(
        &Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--file"])
            .arg(layer)
            .output()
            .unwrap(),
    );
    let entries =
        list.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let file = |entry: Vec<String>| File {
        mode: entry[0].clone(),
        owner: entry[1].clone(),
        size: entry[2].parse().unwrap(),
        path: entry[5..].join(" "),
    };
    entries.map(file).filter(|file| !file.mode.starts_with('d')).collect()
}

/// A container that does not outlive its test.
struct Container<'a> {
    image: &'a Image,
    name: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // It fails if it has ended, as it should have.
        self.image.podman(&["rm", "--force", "--time", "0", &self.name]);
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn script(name: &str) -> Command {
    Command::new(root().join("testbed/scripts").join(name))
}

fn binary() -> PathBuf {
    std::env::var_os("IMAGE_BINARY")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_lightsail-operator").into())
        .into()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_image_runs_as_a_restricted_pod() {
    let bed = Bed::new("image").await;
    bed.region.add_instance("web-1");
    let image = Image::build();
    let container = Container { image: &image, name: bed.namespace.clone() };

    // As in a pod: the token and what goes with it in a folder, the API server by two variables,
    // the operator's own Lease.
    let mut options = bed.options(None).await;
    let mount = image.storage.path().join("service-account");
    let server =
        mount_service_account(&Kubeconfig::read_from(&options.kubeconfig).unwrap(), &mount);
    set(&mut options, "--leader-election", "true");
    let lease = bed.grant_lease().await;
    options.arguments.extend(["--lease-name".to_owned(), lease.to_owned()]);
    options.binary = root().join("testbed/scripts/run-image.sh");
    for (name, value) in &mut options.environment {
        if name == "AWS_ENDPOINT_URL" {
            // So that a name is looked up.
            *value = value.replace("127.0.0.1", "localhost");
        }
    }
    let port = server.rsplit(':').next().unwrap().to_owned();
    options.environment.extend([
        image.settings(),
        ("IMAGE".to_owned(), image.name.clone()),
        ("CONTAINER".to_owned(), container.name.clone()),
        ("SERVICE_ACCOUNT".to_owned(), mount.display().to_string()),
        ("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), port),
    ]);
    // Where podman looks for its own things if root does not run it.
    for name in ["HOME", "XDG_RUNTIME_DIR"] {
        options.environment.extend(std::env::var(name).map(|value| (name.to_owned(), value)));
    }
    let mut operator = Operator::start(options).await.unwrap();

    bed.create::<LightsailKeyPair>("fleet", &imported(&public_key("ed25519"))).await;
    bed.wait_ready::<LightsailKeyPair>("fleet", "Imported").await;
    bed.create::<HostKeyReset>("first", &reset()).await;
    wait_complete(&bed, "first").await;
    assert_eq!(bed.region.known_host_keys_resets("web-1"), 1);
    bed.delete::<LightsailKeyPair>("fleet").await;
    bed.wait_gone::<LightsailKeyPair>("fleet").await;
    assert_eq!(bed.calls("DeleteKeyPair"), 1);

    // As the kernel sees it: the user, no capability to be had, no new privileges, and a root that
    // is mounted read-only.
    let pid = text(&image.podman(&["inspect", "--format", "{{.State.Pid}}", &container.name]));
    let process = Path::new("/proc").join(pid);
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(&field(capabilities), 16), Ok(0), "{capabilities}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(ids_within(&process.join("uid_map"), &field("Uid")), [65532].into());
    assert_eq!(ids_within(&process.join("gid_map"), &field("Gid")), [65532].into());
    let mounts = std::fs::read_to_string(process.join("mounts")).unwrap();
    let root = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/")).unwrap();
    assert!(root.split(' ').nth(3).unwrap().split(',').any(|option| option == "ro"), "{root}");

    // SIGTERM reaches it, and it ends well.
    assert!(operator.stop().await.unwrap().success());
}

/// The first process of a container is not ended by signals that it does not handle.
#[test]
fn an_export_in_a_container_ends_at_ctrl_c() {
    let image = Image::build();
    let container = Container { image: &image, name: format!("export-{}", std::process::id()) };
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = script("run-image.sh");
    command.args(["export", "--region", "eu-west-1"]).envs([image.settings()]);
    command.env("IMAGE", &image.name).env("CONTAINER", &container.name);
    command.env("SERVICE_ACCOUNT", image.storage.path()).env_remove("AWS_CA_BUNDLE");
    command.env("AWS_ENDPOINT_URL", format!("http://{}", silent.local_addr().unwrap()));
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let export = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    text(&image.podman(&["kill", "--signal", "INT", &container.name]));
    let output = export.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(130), &b""[..]), "{output:?}");
}

#[test]
fn the_image_holds_the_binary_and_what_it_needs() {
    let image = Image::build();
    let layer = image.layer();
    let files = files(&layer);
    let paths = |select: &dyn Fn(&File) -> bool| -> BTreeSet<String> {
        files.iter().filter(|file| select(file)).map(|file| file.path.clone()).collect()
    };
    // All are plain files of root that nobody else can write.
    let plain = |file: &File| {
        ["-rwxr-xr-x", "-rw-r--r--"].contains(&file.mode.as_str()) && file.owner == "0/0"
    };
    assert_eq!(paths(&|file| !plain(file)), BTreeSet::new());

    // What can be run is the binary and its libraries, so there is no shell.
    let libraries = text(&Command::new("ldd").arg(binary()).output().unwrap());
    let libraries =
        libraries.split_whitespace().filter_map(|word| word.strip_prefix('/').map(str::to_owned));
    let expected: BTreeSet<String> = libraries.chain(["lightsail-operator".to_owned()]).collect();
    assert!(expected.len() > 2);
    assert_eq!(paths(&|file| file.mode.contains('x')), expected);

    // The rest is data, and what scanners and lawyers read of Debian's packages.
    let authorities = "etc/ssl/certs/ca-certificates.crt";
    let data = ["etc/group", "etc/nsswitch.conf", "etc/os-release", "etc/passwd", authorities]
        .map(str::to_owned);
    let documents = ["usr/share/doc/", "var/lib/dpkg/status.d/"];
    let is_document = |file: &File| documents.iter().any(|folder| file.path.starts_with(folder));
    assert_eq!(paths(&|file| !file.mode.contains('x') && !is_document(file)), data.into());

    // Who is trusted is pinned. This machine may trust more.
    let python = std::env::var("TESTBED_PYTHON").unwrap();
    let pinned = text(&Command::new(python).args(["-m", "certifi"]).output().unwrap());
    let shipped = text(
        &Command::new("tar")
            .args(["--extract", "--to-stdout", "--file"])
            .arg(&layer)
            .arg(authorities)
            .output()
            .unwrap(),
    );
    assert!(shipped == std::fs::read_to_string(pinned).unwrap().trim());

    let config = &image.inspect()["Config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/lightsail-operator"]));
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "8080/tcp": {} }));
    let label = |name: &str| {
        config["Labels"][format!("org.opencontainers.image.{name}")].as_str().unwrap().to_owned()
    };
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("source"), env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert_eq!(label("description"), env!("CARGO_PKG_DESCRIPTION"));
    assert_eq!(label("title"), env!("CARGO_PKG_NAME"));

    // The same binary gives the same image.
    assert_eq!(Image::build().inspect()["Digest"], image.inspect()["Digest"]);
    let total: u64 = files.iter().map(|file| file.size).sum();
    println!(
        "image: {total} bytes in {} files, of which the binary {}",
        files.len(),
        std::fs::metadata(binary()).unwrap().len()
    );
}

/// Writes what a pod finds in `/var/run/secrets/kubernetes.io/serviceaccount`; returns the URL of
/// the API server.
fn mount_service_account(config: &Kubeconfig, folder: &Path) -> String {
    let cluster = config.clusters[0].cluster.clone().unwrap();
    let user = config.auth_infos[0].auth_info.clone().unwrap();
    let authority = STANDARD.decode(cluster.certificate_authority_data.unwrap()).unwrap();
    let token = user.token.unwrap().expose_secret().as_bytes().to_vec();
    std::fs::create_dir(folder).unwrap();
    // Any user can read them, as the kubelet has it for a container whose user it is not told.
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    for (name, content) in
        [("ca.crt", authority), ("token", token), ("namespace", b"lightsail-operator".to_vec())]
    {
        std::fs::write(folder.join(name), content).unwrap();
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    cluster.server.unwrap()
}

/// What the ids of a process in `/proc/PID/status` are within its user namespace; podman makes one
/// if root does not run it.
fn ids_within(map: &Path, ids: &str) -> BTreeSet<u32> {
    let map = std::fs::read_to_string(map).unwrap();
    let numbers = |text: &str| {
        text.split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<u32>>()
    };
    let ranges: Vec<Vec<u32>> = map.lines().map(numbers).collect();
    let within = |id: u32| {
        ranges
            .iter()
            .find(|range| (range[1]..=range[1].saturating_add(range[2] - 1)).contains(&id))
            .map(|range| id - range[1] + range[0])
    };
    numbers(ids).into_iter().map(|id| within(id).unwrap()).collect()
}
