//! Servers that give AWS credentials, as far as clients need them: a container's (ECS, EKS Pod
//! Identity), the instance's metadata, IAM Identity Center's portal and its OIDC.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::bed::ACCOUNT;
use testbed::simulator::{Session, Simulator};

/// One server that plays all of them.
pub(crate) struct CredentialServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    simulator: Simulator,
    /// Whose credentials it gives.
    role: String,
    /// How long the credentials that it gives are good.
    life: Duration,
    /// Answers with this status instead.
    status: Option<u16>,
    /// Answers with this text instead, whatever it is asked for.
    text: Option<&'static str>,
    /// The keys that it gives end with a line break.
    is_broken: bool,
    /// How many of those it has given.
    broken: usize,
}

/// What whoever asks has to present.
pub(crate) const TOKEN: &str = "a-token-of-the-pod";

impl CredentialServer {
    pub(crate) async fn start(ip: IpAddr, simulator: Simulator, life: Duration) -> Self {
        let listener = tokio::net::TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            simulator,
            role: "node-role".to_owned(),
            life,
            status: None,
            text: None,
            is_broken: false,
            broken: 0,
        }));
        let state = Arc::clone(&shared);
        let answer = move |request: Request| {
            let response = state.lock().answer(&request);
            std::future::ready(response)
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set_role(&self, role: &str) {
        role.clone_into(&mut self.shared.lock().role);
    }

    pub(crate) fn set_status(&self, status: Option<u16>) {
        self.shared.lock().status = status;
    }

    pub(crate) fn set_text(&self, text: Option<&'static str>) {
        self.shared.lock().text = text;
    }

    pub(crate) fn set_broken(&self, is_broken: bool) {
        self.shared.lock().is_broken = is_broken;
    }

    pub(crate) fn broken(&self) -> usize {
        self.shared.lock().broken
    }
}

impl Shared {
    fn answer(&mut self, request: &Request) -> Response {
        let (method, path) = (request.method().as_str(), request.uri().path());
        if let Some(status) = self.status {
            return refuse(status);
        }
        if let Some(text) = self.text.filter(|_| method != "PUT") {
            return text.into_response();
        }
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let Session { credentials, token, expires } =
            self.simulator.add_session(ACCOUNT, &self.role, self.life);
        let (mut id, secret) = (credentials.access_key_id, credentials.secret_access_key);
        if self.is_broken {
            id.push('\n');
            self.broken += 1;
        }
        let container = json!({
            "AccessKeyId": id,
            "SecretAccessKey": secret,
            "Token": token,
            "Expiration": Timestamp::try_from(expires).unwrap().to_string(),
            "Code": "Success",
        });
        match (method, path) {
            ("GET", "/container") if header("authorization") == Some(TOKEN) => json_of(&container),
            ("PUT", "/latest/api/token") => {
                let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
                (ttl, TOKEN).into_response()
            }
            ("GET", path) if path.starts_with("/latest/meta-data/iam/security-credentials") => {
                if header("x-aws-ec2-metadata-token") != Some(TOKEN) {
                    return refuse(401);
                }
                if path.ends_with("/node-role") {
                    json_of(&container)
                } else {
                    "node-role".into_response()
                }
            }
            ("GET", "/federation/credentials")
                if header("x-amz-sso_bearer_token") == Some(TOKEN) =>
            {
                json_of(&json!({ "roleCredentials": {
                    "accessKeyId": id,
                    "secretAccessKey": secret,
                    "sessionToken": token,
                    "expiration": Timestamp::try_from(expires).unwrap().as_millisecond(),
                } }))
            }
            ("POST", "/token") => json_of(&json!({
                "accessToken": TOKEN, "expiresIn": 3_600, "refreshToken": "r", "tokenType": "Bearer",
            })),
            _ => refuse(403),
        }
    }
}

fn refuse(status: u16) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

fn json_of(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}
