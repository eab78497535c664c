//! How the demo acts and looks: with `kubectl` and boto3, showing what it runs, and counting what
//! differs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::process::bound_to_this_process;
use testbed::simulator::{Region, Simulator};
use tokio::process::Command;

use crate::cli::report::Report;
use crate::cli::scene::{Scene, Settings};

/// All but the deletion of the default key pair takes a second or two.
const TIMEOUT: &str = "--timeout=60s";

/// The running scene, with what was found so far.
pub(super) struct Stage {
    pub(super) report: Report,
    scene: Scene,
    differences: usize,
}

impl Stage {
    pub(super) fn new(scene: Scene, report: Report) -> Self {
        Self { report, scene, differences: 0 }
    }

    pub(super) fn differences(&self) -> usize {
        self.differences
    }

    /// What Lightsail has.
    pub(super) fn region(&self) -> Region {
        self.scene.region()
    }

    /// All of AWS.
    pub(super) fn simulator(&self) -> &Simulator {
        &self.scene.simulator
    }

    pub(super) fn keep_directory(self) -> PathBuf {
        self.scene.keep_directory()
    }

    /// Tells a finding; `differs` says what is not as stated.
    pub(super) fn check(&mut self, statement: &str, differs: Option<String>) {
        self.differences += usize::from(differs.is_some());
        self.report.finding(statement, differs);
    }

    /// Tells whether a value is the one that it should be.
    pub(super) fn expect(&mut self, statement: &str, seen: &Value, wanted: &Value) {
        self.check(statement, (seen != wanted).then(|| format!("expected {wanted}, got {seen}")));
    }

    /// Runs kubectl and shows what it says. That it fails is a difference.
    pub(super) async fn show(&mut self, arguments: &[&str]) -> Result<()> {
        let output = self.scene.cluster.kubectl(arguments).await?;
        let said = if output.success { &output.stdout } else { &output.stderr };
        self.report.shown(&command_line(arguments), said);
        if !output.success {
            self.check("the command succeeds", Some("it fails".to_owned()));
        }
        Ok(())
    }

    /// Applies an object, and shows it.
    pub(super) async fn apply(&mut self, yaml: &str) -> Result<()> {
        let output = self.scene.cluster.kubectl_with_input(&["apply", "-f", "-"], yaml).await?;
        let said = if output.success { &output.stdout } else { &output.stderr };
        self.report.shown("kubectl apply -f - <<END", &format!("{yaml}END\n{said}"));
        if !output.success {
            self.check("the command succeeds", Some("it fails".to_owned()));
        }
        Ok(())
    }

    /// Runs `kubectl wait`, and tells how long it took.
    pub(super) async fn wait(&mut self, arguments: &[&str]) -> Result<()> {
        let arguments: Vec<&str> =
            std::iter::once("wait").chain(arguments.iter().copied()).chain([TIMEOUT]).collect();
        let started = Instant::now();
        let output = self.scene.cluster.kubectl(&arguments).await?;
        self.report.shown(&command_line(&arguments), &output.stdout);
        let differs = (!output.success).then(|| output.stderr.trim().to_owned());
        let seconds = started.elapsed().as_secs_f64();
        let statement = if output.success { "met" } else { "not met" };
        self.check(&format!("the condition was {statement} after {seconds:.1} s"), differs);
        self.scene.check_running()
    }

    /// Waits until a condition of a key pair has this reason.
    pub(super) async fn wait_for_reason(
        &mut self,
        name: &str,
        condition: &str,
        reason: &str,
    ) -> Result<()> {
        let condition = format!(
            "--for=jsonpath={{.status.conditions[?(@.type==\"{condition}\")].reason}}={reason}"
        );
        self.wait(&[&condition, &format!("lightsailkeypair/{name}")]).await
    }

    /// Gets an object without showing it.
    pub(super) async fn get(&self, kind: &str, name: &str) -> Result<Value> {
        let output = self
            .scene
            .cluster
            .kubectl(&["get", kind, name, "--ignore-not-found", "-o", "json"])
            .await?;
        let json = output.or_error().with_context(|| format!("get {kind} {name}"))?;
        if json.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&json).context("read what kubectl printed")
        }
    }

    pub(super) async fn status_of(&self, kind: &str, name: &str) -> Result<Value> {
        Ok(self.get(kind, name).await?["status"].take())
    }

    /// Runs the script that reads Lightsail with boto3, shows what it prints, and returns it.
    pub(super) async fn show_lightsail_view(&self, settings: &Settings) -> Result<Value> {
        let script = Path::new("testbed").join("python").join("lightsail_view.py");
        let mut command = self.with_aws(&settings.python);
        command.arg(settings.project.join(&script));
        let output = command.output().await.context("start Python")?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.success(),
            "{} {}: {stderr}",
            settings.python.display(),
            script.display()
        );
        self.report.shown(&format!("{} {}", settings.python.display(), script.display()), &stdout);
        serde_json::from_str(&stdout).context("read what the script printed")
    }

    /// Runs the operator's binary as somebody with the credentials does, and shows what it prints.
    pub(super) async fn show_operator(&mut self, arguments: &[&str]) -> Result<String> {
        let mut command = self.with_aws(&self.scene.operator.options().binary);
        let output = command.args(arguments).output().await.context("start the binary")?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let command = format!("lightsail-operator {}", arguments.join(" "));
        self.report.shown(&command, &format!("{stderr}{stdout}"));
        if !output.status.success() {
            self.check("the command succeeds", Some("it fails".to_owned()));
        }
        Ok(stdout)
    }

    /// A program that finds the simulator: with nobody's profiles, and no metadata service.
    fn with_aws(&self, program: &Path) -> Command {
        let mut command = Command::from(bound_to_this_process(program));
        command.env_clear().env("HOME", self.scene.cluster.directory());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
            .envs(self.scene.aws.iter().map(|(name, value)| (name, value)))
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// The command as a person would type it.
fn command_line(arguments: &[&str]) -> String {
    let is_plain = |argument: &str| {
        argument.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./,:".contains(c))
    };
    let quoted = arguments.iter().map(|argument| {
        if is_plain(argument) { (*argument).to_owned() } else { format!("'{argument}'") }
    });
    std::iter::once("kubectl".to_owned()).chain(quoted).collect::<Vec<_>>().join(" ")
}
