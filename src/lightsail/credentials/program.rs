//! A program that provides credentials (`credential_process`). The SDK neither ends one that takes
//! too long nor limits its output.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>

use std::process::Stdio;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::attributes::AccountId;
use k8s_openapi::jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// More bytes than any credentials have.
const LARGEST: u64 = 64 * 1024;

/// The credentials that the program prints. If this is dropped before it ends, the program is
/// killed, with all that it has started.
///
/// # Errors
/// It cannot be run, fails, or prints something else. No error contains its output.
pub(super) async fn credentials(
    command: &str,
    account_id: Option<&str>,
) -> Result<Credentials, String> {
    let failed = |error: std::io::Error| format!("credential_process cannot be run: {error}");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let mut group = KilledOnDrop(group);
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LARGEST + 1).read_to_end(&mut output).await.map_err(failed)?;
    }
    if output.len() as u64 > LARGEST {
        return Err(format!("credential_process prints more than {LARGEST} bytes"));
    }
    let status = child.wait().await.map_err(failed)?;
    group.0 = None;
    if !status.success() {
        return Err(format!("credential_process ended with {status}"));
    }
    parse(&output, account_id).map_err(|why| format!("the output of credential_process {why}"))
}

/// A group of processes.
struct KilledOnDrop(Option<Pid>);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The credentials in the output. The case of names does not matter, as for the SDK.
fn parse(output: &[u8], account_id: Option<&str>) -> Result<Credentials, String> {
    let object: Map<String, Value> =
        serde_json::from_slice(output).map_err(|_| "is not a JSON object".to_owned())?;
    let find = |wanted: &str| {
        let mut members = object.iter().filter(|(_, value)| !value.is_null());
        members.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let text = |name: &str| {
        let unusable = || format!("has {name}, but not as text");
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(unusable);
        find(name).map(text).transpose()
    };
    let missing = |name: &str| format!("has no {name}");
    let version = find("Version").ok_or_else(|| missing("Version"))?;
    if version.as_i64() != Some(1) {
        return Err("has a Version other than 1".to_owned());
    }
    let id = text("AccessKeyId")?.ok_or_else(|| missing("AccessKeyId"))?;
    let secret = text("SecretAccessKey")?.ok_or_else(|| missing("SecretAccessKey"))?;
    let expiry = text("Expiration")?.map(|time| time.parse::<Timestamp>());
    let expiry =
        expiry.transpose().map_err(|_| "has an Expiration that is not a time".to_owned())?;
    let account_id = text("AccountId")?.or_else(|| account_id.map(str::to_owned));
    let mut credentials = Credentials::builder()
        .access_key_id(id)
        .secret_access_key(secret)
        .provider_name("CredentialProcess");
    credentials.set_session_token(text("SessionToken")?);
    credentials.set_expiry(expiry.map(SystemTime::from));
    credentials.set_account_id(account_id.map(AccountId::from));
    Ok(credentials.build())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_output_is_credentials_or_an_error_without_them() {
        let good = r#"{"Version": 1, "AccessKeyId": "id", "SecretAccessKey": "PW", "x": [],
            "sessiontoken": "t", "Expiration": "2026-05-02T18:36:00+02:00", "AccountId": null}"#;
        let found = parse(good.as_bytes(), Some("123456789012")).unwrap();
        assert_eq!((found.access_key_id(), found.secret_access_key()), ("id", "PW"));
        assert_eq!(found.session_token(), Some("t"));
        assert_eq!(found.account_id().unwrap().as_str(), "123456789012");
        let expiry = Timestamp::try_from(found.expiry().unwrap()).unwrap();
        assert_eq!(expiry.to_string(), "2026-05-02T16:36:00Z");
        for (output, expected) in [
            ("PW", "is not a JSON object"),
            ("", "is not a JSON object"),
            ("[\"PW\"]", "is not a JSON object"),
            (r#"{"AccessKeyId": "PW", "SecretAccessKey": "PW"}"#, "has no Version"),
            (r#"{"Version": 2, "SecretAccessKey": "PW"}"#, "has a Version other than 1"),
            (r#"{"Version": "1", "SecretAccessKey": "PW"}"#, "has a Version other than 1"),
            (r#"{"Version": 1, "SecretAccessKey": "PW"}"#, "has no AccessKeyId"),
            (r#"{"Version": 1, "AccessKeyId": "PW"}"#, "has no SecretAccessKey"),
            (r#"{"Version": 1, "AccessKeyId": 1}"#, "has AccessKeyId, but not as text"),
            (
                r#"{"Version": 1, "AccessKeyId": "", "SecretAccessKey": "PW", "Expiration": "PW"}"#,
                "has an Expiration that is not a time",
            ),
        ] {
            assert_eq!(parse(output.as_bytes(), None).unwrap_err(), expected, "{output}");
        }
    }

    #[tokio::test]
    async fn what_a_program_prints_is_bounded_and_never_told() {
        for (command, expected) in [
            ("echo PW >&2; exit 3", "credential_process ended with exit status: 3"),
            ("/nonexistent/tool --password PW", "credential_process ended with exit status: 127"),
            ("yes PW", "credential_process prints more than 65536 bytes"),
            ("echo PW", "the output of credential_process is not a JSON object"),
            ("kill -9 $$", "credential_process ended with signal: 9 (SIGKILL)"),
        ] {
            assert_eq!(credentials(command, None).await.unwrap_err(), expected, "{command}");
        }
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let command = format!("sleep 600 & echo $! $$ > {}; wait", pids.display());
        let running = tokio::spawn(async move { credentials(&command, None).await });
        let pids = loop {
            let text = std::fs::read_to_string(&pids).unwrap_or_default();
            if text.ends_with('\n') {
                break text;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        for pid in pids.split_whitespace() {
            let status = format!("/proc/{pid}/stat");
            // A process that has ended and has not been reaped yet is in the state Z.
            let runs = || std::fs::read_to_string(&status).is_ok_and(|text| !text.contains(") Z"));
            while runs() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}
