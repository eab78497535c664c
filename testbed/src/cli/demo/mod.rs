//! `testbed demo`: the samples on a fresh control plane, shown as a person would read them, and
//! checked.
//!
//! Every command that is shown is the command that ran. What differs from what it should be is told
//! where it is seen, and makes the demo fail at the end; it goes on until then, since what follows
//! tells more.

mod checks;
mod samples;
mod stage;
mod teams;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::simulator::KeyPair;

use self::samples::{DEFAULT, GENERATED, GENERATED_SECRET, IMPORTED, RESET, SECRET};
use self::stage::Stage;
use super::interrupts::{Interrupts, exit_code_of};
use super::report::Report;
use super::scene::{ADOPTED, INSTANCE, Scene, Settings};
use super::simulator::REGION;

const FIRST_MEANT: &str = "web-1-2026-11-25";
const NOT_MEANT: &str = "web-1-2026-11-26";

/// No key has it but by a chance of 1 in 2¹²⁸.
const WRONG_FINGERPRINT: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

pub(super) async fn demo(settings: &Settings) -> Result<ExitCode> {
    let mut interrupts = Interrupts::listen()?;
    tokio::select! {
        code = play(settings) => code,
        signal = interrupts.next() => Ok(exit_code_of(signal)),
    }
}

async fn play(settings: &Settings) -> Result<ExitCode> {
    let started = Instant::now();
    let report = Report::on_stdout();
    report.section("1. A real control plane, a simulated Lightsail, and the operator");
    let scene = Scene::start(settings, report).await?;
    report.line(&format!(
        "  Lightsail has the instance web-1, the default key pair and a key pair {ADOPTED} in \
            {REGION}, made by somebody else."
    ));

    let mut stage = Stage::new(scene, report);
    let outcome = scenes(&mut stage, settings).await;
    let differences = stage.differences();
    let seconds = started.elapsed().as_secs_f64();
    if outcome.is_ok() && differences == 0 {
        report.section(&format!("Everything is as expected, after {seconds:.0} s."));
        return Ok(ExitCode::SUCCESS);
    }
    let kept = stage.keep_directory();
    report.section(&format!(
        "Not everything is as expected: {differences} differences, marked above; logs: {}",
        kept.display()
    ));
    outcome.map(|()| ExitCode::FAILURE)
}

async fn scenes(stage: &mut Stage, settings: &Settings) -> Result<()> {
    apply_samples(stage, settings).await?;
    look_at_key_pairs(stage).await?;
    look_at_reset(stage).await?;
    reset_only_the_instance_that_is_meant(stage).await?;
    let fingerprint = refuse_deletion(stage).await?;
    allow_deletion(stage, &fingerprint).await?;
    look_with_boto3(stage, settings).await?;
    teams::two_teams(stage).await?;
    export(stage).await
}

async fn apply_samples(stage: &mut Stage, settings: &Settings) -> Result<()> {
    stage.report.section("2. Four key pairs and a reset of host keys are applied");
    let samples = settings.project.join("deploy").join("samples");
    stage.show(&["apply", "-k", &samples.to_string_lossy()]).await?;
    stage.wait(&["--for=condition=Ready", "lightsailkeypairs", "--all"]).await?;
    stage.wait(&["--for=condition=Complete", "hostkeyresets", "--all"]).await
}

async fn look_at_key_pairs(stage: &mut Stage) -> Result<()> {
    stage.report.section("3. The results");
    stage.show(&["get", "lskp,hkr", "-o", "wide"]).await?;
    let status = stage.status_of("lskp", IMPORTED).await?;
    let in_lightsail = stage.region().find_key_pair(IMPORTED).map(|pair| pair.fingerprint);
    stage.expect(
        &format!("Lightsail has {IMPORTED}, and the object's status has its fingerprint"),
        &status["fingerprint"],
        &json!(in_lightsail),
    );
    stage.expect(
        &format!("{IMPORTED} was imported by its object"),
        &status["origin"],
        &json!("Imported"),
    );

    let status = stage.status_of("lskp", ADOPTED).await?;
    stage.expect(
        &format!("{ADOPTED} already existed with this key, and stays if its object is deleted"),
        &json!([status["origin"], status["effectiveDeletionPolicy"]]),
        &json!(["Adopted", "Retain"]),
    );
    let secret = stage.get("secret", GENERATED_SECRET).await?;
    let differs = checks::secret_differs(&secret, stage.region().find_key_pair(GENERATED).as_ref());
    stage.check(
        &format!("{GENERATED} was generated: the Secret {GENERATED_SECRET} has its private key"),
        differs,
    );

    // `describe` shows sizes only.
    stage.show(&["describe", "secret", SECRET]).await?;
    let secret = stage.get("secret", SECRET).await?;
    let differs = checks::secret_differs(&secret, stage.region().find_default_key_pair().as_ref());
    stage.check("the Secret holds the default key pair, and nothing else", differs);
    Ok(())
}

async fn look_at_reset(stage: &mut Stage) -> Result<()> {
    stage.report.section("4. What the reset did in Lightsail");
    let columns = "INSTANCE:.spec.instanceName,OPERATION:.status.operations[0].id,\
                   TYPE:.status.operations[0].type,\
                   STATUS:.status.operations[0].status,STARTED:.status.startTime,\
                   COMPLETED:.status.completionTime";
    stage.show(&["get", "hkr", RESET, "-o", &format!("custom-columns={columns}")]).await?;
    let status = stage.status_of("hkr", RESET).await?;
    let operations = stage.region().operations_for(INSTANCE);
    let resets: Vec<&str> = operations
        .iter()
        .filter(|operation| operation.operation_type == "DeleteKnownHostKeys")
        .map(|operation| operation.id.as_str())
        .collect();
    let recorded: Vec<&Value> =
        status["operations"].as_array().into_iter().flatten().map(|it| &it["id"]).collect();
    stage.expect(
        "Lightsail did this once, and the object's status has the record",
        &json!(recorded),
        &json!(resets),
    );
    stage.expect("it was one operation", &json!(resets.len()), &json!(1));
    Ok(())
}

/// A precondition that holds, and the same one when somebody has launched the instance again under
/// its name.
async fn reset_only_the_instance_that_is_meant(stage: &mut Stage) -> Result<()> {
    stage.report.section("5. A reset for one instance, and not for another instance with its name");
    let arn = stage.region().find_instance_arn(INSTANCE).context("Lightsail has the instance")?;
    stage.apply(&reset_of(FIRST_MEANT, &arn)).await?;
    stage.wait(&["--for=condition=Complete", &format!("hkr/{FIRST_MEANT}")]).await?;
    stage.region().remove_instance(INSTANCE);
    stage.region().add_instance(INSTANCE);
    stage.report.line(&format!(
        "  Somebody deletes {INSTANCE}, and launches another instance under that name."
    ));
    stage.apply(&reset_of(NOT_MEANT, &arn)).await?;
    stage.wait(&["--for=condition=Failed", &format!("hkr/{NOT_MEANT}")]).await?;
    stage.show(&["get", "hkr"]).await?;
    let message = "jsonpath={.status.conditions[?(@.type==\"Failed\")].message}";
    stage.show(&["get", "hkr", NOT_MEANT, "-o", message]).await?;
    let status = stage.status_of("hkr", NOT_MEANT).await?;
    let reason =
        status["conditions"].as_array().into_iter().flatten().find(|it| it["type"] == "Failed");
    stage.expect(
        "it failed for that reason",
        &json!(reason.map(|it| &it["reason"])),
        &json!("PreconditionFailed"),
    );
    let resets = stage.region().known_host_keys_resets(INSTANCE);
    stage.expect("the new instance's host keys were left alone", &json!(resets), &json!(0));
    Ok(())
}

fn reset_of(name: &str, instance_arn: &str) -> String {
    format!(
        "apiVersion: lightsail-operator.dev/v1alpha1
kind: HostKeyReset
metadata:
  name: {name}
  namespace: default
spec:
  region: {REGION}
  instanceName: {INSTANCE}
  reason: sshd keys rotated on web-1, CHG-1240
  preconditions:
    instanceARN: {instance_arn}
"
    )
}

/// Returns the fingerprint that would have been the right one.
async fn refuse_deletion(stage: &mut Stage) -> Result<String> {
    stage.report.section("6. A deletion of the default key pair, with the wrong fingerprint");
    let before = stage.region().find_default_key_pair();
    want_absent(stage, WRONG_FINGERPRINT).await?;
    stage.wait_for_reason(DEFAULT, "Stalled", "FingerprintMismatch").await?;
    stage.show(&["get", "lskp", DEFAULT]).await?;
    let message = "jsonpath={.status.conditions[?(@.type==\"Stalled\")].message}";
    stage.show(&["get", "lskp", DEFAULT, "-o", message]).await?;
    let after = stage.region().find_default_key_pair();
    let identity = |pair: Option<&KeyPair>| json!(pair.map(|pair| [&pair.arn, &pair.fingerprint]));
    let statement = "the default key pair is still there, as it was";
    stage.expect(statement, &identity(after.as_ref()), &identity(before.as_ref()));
    before.map(|pair| pair.fingerprint).context("Lightsail had no default key pair")
}

async fn allow_deletion(stage: &mut Stage, fingerprint: &str) -> Result<()> {
    stage.report.section("7. The deletion again, with the right fingerprint");
    want_absent(stage, fingerprint).await?;
    stage.wait_for_reason(DEFAULT, "Ready", "Absent").await?;
    stage.show(&["get", "lskp", DEFAULT]).await?;
    let left = stage.region().find_default_key_pair();
    stage.check(
        "Lightsail has no default key pair any more",
        left.map(|pair| format!("it has {}", pair.arn)),
    );
    let secret = stage.get("secret", SECRET).await?;
    let has_key = secret["data"]["ssh-privatekey"].is_string();
    stage.check(
        "the Secret still holds its private key",
        (!has_key).then(|| "it does not".to_owned()),
    );
    Ok(())
}

async fn want_absent(stage: &mut Stage, fingerprint: &str) -> Result<()> {
    let patch =
        json!({"spec": {"ensure": "Absent", "expectedFingerprint": fingerprint}}).to_string();
    stage.show(&["patch", "lskp", DEFAULT, "--type=merge", "-p", &patch]).await?;
    Ok(())
}

async fn look_with_boto3(stage: &mut Stage, settings: &Settings) -> Result<()> {
    stage.report.section("8. The final state of Lightsail, read with boto3");
    let view = stage.show_lightsail_view(settings).await?;
    let pairs = stage.region().key_pairs();
    stage.check(
        "three key pairs with their owners, and two resets of host keys that succeeded",
        checks::view_differs(&view, &pairs),
    );
    Ok(())
}

async fn export(stage: &mut Stage) -> Result<()> {
    stage.report.section("10. All key pairs in a region, and which cluster manages them");
    stage.region().create_key_pair("by-hand");
    let table = stage.show_operator(&["export", "--region", REGION, "--output", "table"]).await?;
    let is_managed = |name: &str| table.contains(&format!("/default/{name}\n"));
    stage.check(
        "each key pair of an object has its owner, and the one made by hand has none",
        (![GENERATED, IMPORTED, ADOPTED].into_iter().all(is_managed) || is_managed("by-hand"))
            .then(|| "the table differs".to_owned()),
    );
    Ok(())
}
