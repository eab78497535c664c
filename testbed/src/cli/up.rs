//! `testbed up`: everything runs until Ctrl-C, for a person to try things.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use super::interrupts::{Interrupts, exit_code_of};
use super::report::Report;
use super::scene::{ADOPTED, INSTANCE, Scene, Settings};
use super::simulator::REGION;

/// How often to look whether all still runs.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn up(settings: &Settings) -> Result<ExitCode> {
    let report = Report::on_stdout();
    let mut interrupts = Interrupts::listen()?;
    report.section("Starting");
    let mut scene = tokio::select! {
        scene = Scene::start(settings, report) => scene?,
        signal = interrupts.next() => return Ok(exit_code_of(signal)),
    };
    tell(&scene, report);
    loop {
        tokio::select! {
            _ = interrupts.next() => break,
            () = tokio::time::sleep(LOOK) => {
                if let Err(error) = scene.check_running() {
                    let kept = scene.keep_directory();
                    return Err(error.context(format!("the logs are in {}", kept.display())));
                }
            }
        }
    }
    let end = async {
        drop(scene);
        Ok(())
    };
    report.step("ended", end).await?;
    Ok(ExitCode::SUCCESS)
}

fn tell(scene: &Scene, report: Report) {
    report.section("Running. Copy these lines into another shell:");
    report.line(&format!("export KUBECONFIG={}", scene.cluster.kubeconfig().display()));
    report.line(&format!("export PATH={}:$PATH", scene.cluster.tools().display()));
    for (name, value) in &scene.aws {
        report.line(&format!("export {name}={value}"));
    }
    report.section("Then for example:");
    report.line("kubectl apply -k deploy/samples");
    report.line("kubectl get lightsail -o wide");
    report.line(".venv/bin/python testbed/python/lightsail_view.py");
    report.line(&format!(
        "\nThe simulated Lightsail has the instance {INSTANCE}, a default key \
        pair and the key pair {ADOPTED} in {REGION}."
    ));
    report.line(&format!("The operator's log is {}.", scene.operator.options().log.display()));
    report.line("Press Ctrl-C to stop everything.");
}
