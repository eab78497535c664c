//! Helm, 3 and 4, as a person runs them: the program, with values in a file.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::Output;
use crate::process::bound_to_this_process;

/// The names of the programs that `make tools` builds: Helm 4 and Helm 3.
pub const VERSIONS: [&str; 2] = ["helm", "helm3"];

/// One of the programs. It blocks the thread that it is called from.
#[derive(Clone, Debug)]
pub struct Helm {
    program: PathBuf,
    home: PathBuf,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// The program of this name in `tools`. What it keeps for itself goes into `home`. Without a
    /// kubeconfig it has no cluster.
    #[must_use]
    pub fn new(tools: &Path, name: &str, home: &Path, kubeconfig: Option<&Path>) -> Self {
        Self {
            program: tools.join(name),
            home: home.to_owned(),
            kubeconfig: kubeconfig.map(Path::to_owned),
        }
    }

    /// Runs it with these values. That it fails is no error here.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn run(&self, arguments: &[impl AsRef<OsStr>], values: &Value) -> Result<Output> {
        let mut command = bound_to_this_process(&self.program);
        command.args(arguments).env("HOME", &self.home).env_remove("KUBECONFIG");
        command.envs(self.kubeconfig.iter().map(|path| ("KUBECONFIG", path)));
        if !values.is_null() {
            command.args(["--values", "-"]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("start {}", self.program.display()))?;
        let mut stdin = child.stdin.take().context("the standard input is a pipe")?;
        // It may end without having read everything, and then says why itself.
        let _ = stdin.write_all(values.to_string().as_bytes());
        drop(stdin);
        let output = child.wait_with_output().context("wait for helm")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (success, stdout, stderr) =
            (output.status.success(), text(&output.stdout), text(&output.stderr));
        Ok(Output { success, stdout, stderr })
    }

    /// The objects that a chart makes of these values, as the release `lightsail-operator` in this
    /// namespace.
    ///
    /// # Errors
    ///
    /// What Helm says.
    pub fn template(&self, chart: &Path, namespace: &str, values: &Value) -> Result<Vec<Value>> {
        let chart = chart.to_string_lossy();
        let arguments = ["template", "lightsail-operator", &chart, "--namespace", namespace];
        objects(&self.run(&arguments, values)?.or_error()?)
    }
}

/// The objects of a YAML text.
///
/// # Errors
///
/// It is none, or a document in it is no object.
pub fn objects(text: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let object = Value::deserialize(document).context("read YAML")?;
        // Between two separators there may be nothing.
        if !object.is_null() {
            ensure!(object["kind"].is_string(), "this is no object: {object}");
            objects.push(object);
        }
    }
    Ok(objects)
}
