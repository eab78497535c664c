//! The files of AWS profiles (`AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`). They are read
//! here, because the SDK treats a file that it cannot read as empty, and then takes credentials
//! from another source.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use aws_config::profile::{ProfileSet, load};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_types::os_shim_internal::{Env, Fs};
use tokio::io::AsyncReadExt;

use crate::config::Environment;

/// More bytes than anybody writes by hand.
const LARGEST: u64 = 1024 * 1024;

/// The two files, as they are now, and the name of the profile.
#[derive(Clone, Debug)]
pub(in crate::lightsail) struct ProfileFiles {
    config: File,
    credentials: File,
    name: Result<Option<String>, String>,
}

/// A file: its text, or why there is none. A file that is not named explicitly may be missing.
#[derive(Clone, Debug)]
struct File {
    kind: EnvConfigFileKind,
    /// What it is called in messages.
    called: String,
    text: Result<String, String>,
}

impl ProfileFiles {
    /// Reads the files that the environment names, or else those in `~/.aws`.
    pub(in crate::lightsail) async fn read(environment: &Environment) -> Self {
        let (config, credentials) = (EnvConfigFileKind::Config, EnvConfigFileKind::Credentials);
        Self {
            config: File::read(config, "AWS_CONFIG_FILE", "~/.aws/config", environment).await,
            credentials: File::read(
                credentials,
                "AWS_SHARED_CREDENTIALS_FILE",
                "~/.aws/credentials",
                environment,
            )
            .await,
            name: environment.text("AWS_PROFILE").map(|name| name.map(str::to_owned)),
        }
    }

    /// The files as the SDK reads them. An unusable file is empty.
    #[must_use]
    pub(in crate::lightsail) fn for_sdk(&self) -> EnvConfigFiles {
        let mut files = EnvConfigFiles::builder();
        for file in [&self.config, &self.credentials] {
            files = files.with_contents(file.kind, file.text.as_deref().unwrap_or_default());
        }
        files.build()
    }

    /// The profile that `AWS_PROFILE` names.
    ///
    /// # Errors
    /// It names none.
    pub(super) fn named(&self) -> Result<Option<&str>, &String> {
        self.name.as_ref().map(Option::as_deref)
    }

    /// The name of the profile that is used.
    #[must_use]
    pub(in crate::lightsail) fn profile(&self) -> String {
        self.named().ok().flatten().unwrap_or("default").to_owned()
    }

    /// Whether the environment or the profile asks for FIPS endpoints.
    pub(in crate::lightsail) async fn use_fips(&self, environment: &Environment) -> bool {
        let variable = environment.text("AWS_USE_FIPS_ENDPOINT").ok().flatten();
        let profiles = self.profiles().await.ok();
        let profile = profiles.as_ref().and_then(|all| all.get_profile(&self.profile()));
        let value = variable.or_else(|| profile?.get("use_fips_endpoint"));
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// What makes a file unusable.
    pub(in crate::lightsail) async fn problem(&self) -> Option<String> {
        for file in [&self.config, &self.credentials] {
            if let Err(why) = file.profiles().await {
                return Some(format!("{} {why}", file.called));
            }
        }
        None
    }

    /// The profiles of both files together.
    pub(super) async fn profiles(&self) -> Result<ProfileSet, String> {
        if let Some(problem) = self.problem().await {
            return Err(problem);
        }
        // Each of them could be parsed.
        parse(&self.for_sdk()).await
    }

    /// Whether the configuration has a section without the word that makes it a profile.
    pub(super) fn has_bare_section(&self, name: &str) -> bool {
        let text = self.config.text.as_deref().unwrap_or_default();
        text.lines().any(|line| line.trim() == format!("[{name}]"))
    }
}

impl File {
    async fn read(
        kind: EnvConfigFileKind,
        variable: &str,
        default: &str,
        environment: &Environment,
    ) -> Self {
        let named = environment.get(variable);
        let home = environment.get("HOME").map(PathBuf::from);
        let path = path(named.unwrap_or(OsStr::new(default)), home);
        let called = match named {
            Some(_) => format!("{variable} ({})", path.display()),
            None => default.to_owned(),
        };
        let bytes = read(path).await;
        Self { kind, called, text: text(bytes, named.is_some()) }
    }

    async fn profiles(&self) -> Result<ProfileSet, String> {
        let text = self.text.as_ref().map_err(Clone::clone)?;
        parse(&EnvConfigFiles::builder().with_contents(self.kind, text).build()).await
    }
}

/// A path that begins with `~/` is in the home directory.
fn path(path: &OsStr, home: Option<PathBuf>) -> PathBuf {
    let path = PathBuf::from(path);
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

async fn read(path: PathBuf) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    tokio::fs::File::open(path).await?.take(LARGEST + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// The content of a file, or why it cannot be used.
fn text(bytes: io::Result<Vec<u8>>, is_named: bool) -> Result<String, String> {
    let bytes = match bytes {
        Ok(bytes) => bytes,
        // Most machines and containers have no file there, or none for this user.
        Err(_) if !is_named => return Ok(String::new()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if bytes.len() as u64 > LARGEST {
        return Err(format!("has more than {LARGEST} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        format!("is not text in UTF-8 (line {line}); save it as UTF-8")
    })?;
    // Editors on Windows write a byte order mark.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// As the SDK parses them, which for contents reads no file.
async fn parse(files: &EnvConfigFiles) -> Result<ProfileSet, String> {
    let nothing = (Fs::from_slice(&[]), Env::from_slice(&[]));
    load(&nothing.0, &nothing.1, files, None).await.map_err(|error| {
        let error = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        // `error parsing  on line 3:\n  Expected an '=' sign defining a property`
        let words = error.trim_start_matches("error parsing ").trim_start_matches(" on ");
        format!("cannot be parsed: {}", words.split_whitespace().collect::<Vec<_>>().join(" "))
    })
}

#[cfg(test)]
pub(super) fn files(config: &str, credentials: &str, name: Option<&str>) -> ProfileFiles {
    let file = |kind, called: &str, content: &str| File {
        kind,
        called: called.to_owned(),
        text: text(Ok(content.into()), true),
    };
    let of_credentials = EnvConfigFileKind::Credentials;
    ProfileFiles {
        config: file(EnvConfigFileKind::Config, "AWS_CONFIG_FILE", config),
        credentials: file(of_credentials, "AWS_SHARED_CREDENTIALS_FILE", credentials),
        name: Ok(name.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_named_has_to_be_there_and_to_be_text() {
        let missing = || Err(io::ErrorKind::NotFound.into());
        assert_eq!(text(missing(), false), Ok(String::new()));
        assert_eq!(text(Err(io::ErrorKind::PermissionDenied.into()), false), Ok(String::new()));
        for (bytes, why) in [
            (missing(), "cannot be read: entity not found"),
            (Err(io::ErrorKind::IsADirectory.into()), "cannot be read: is a directory"),
            (Ok(b"[default]\n# Zugang f\xfcr SECRET\n".to_vec()), "not text in UTF-8 (line 2)"),
            (Ok(vec![b'x'; 1024 * 1024 + 1]), "more than 1048576 bytes"),
        ] {
            let said = text(bytes, true).unwrap_err();
            assert!(said.contains(why) && !said.contains("SECRET"), "{said}");
        }
        assert_eq!(text(Ok("\u{feff}[default]".into()), true), Ok("[default]".to_owned()));
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        let path = |text: &str, home: Option<&str>| path(OsStr::new(text), home.map(PathBuf::from));
        assert_eq!(path("~/.aws/config", Some("/home/a")), PathBuf::from("/home/a/.aws/config"));
        assert_eq!(path("~/.aws/config", None), PathBuf::from("~/.aws/config"));
        assert_eq!(path("/~/config", Some("/home/a")), PathBuf::from("/~/config"));
    }

    #[tokio::test]
    async fn the_variable_for_fips_comes_before_the_profile() {
        let name = "AWS_USE_FIPS_ENDPOINT";
        for (profile, variable, expected) in [
            ("", "", false),
            ("", "true", true),
            ("use_fips_endpoint = true", "", true),
            ("use_fips_endpoint = true", "false", false),
        ] {
            let files = files(&format!("[default]\n{profile}"), "", None);
            let found = files.use_fips(&[(name, variable)].into()).await;
            assert_eq!(found, expected, "{profile} {variable}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_parsed_is_named_with_its_line() {
        for (config, credentials, expected) in [
            ("[profile p\nSECRET", "", "AWS_CONFIG_FILE cannot be parsed: line 1: Profile"),
            ("SECRET = x", "", "AWS_CONFIG_FILE cannot be parsed: line 1: Expected a profile"),
            (
                "[default]",
                "[default]\naws_access_key_id = SECRET\naws_secret_access_key SECRET",
                "AWS_SHARED_CREDENTIALS_FILE cannot be parsed: line 3: Expected an '=' sign",
            ),
        ] {
            let problem = files(config, credentials, None).problem().await.unwrap();
            assert!(problem.starts_with(expected) && !problem.contains("SECRET"), "{problem}");
        }
        assert_eq!(files("[default]\r\na = b\r\n", "", None).problem().await, None);
    }
}
