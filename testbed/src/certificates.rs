//! The certificates and keys of one control plane, made anew for each and thrown away with it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::private_file;

/// A certificate with its key, both in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Paths of the files that the servers read, and the identities of their clients.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    /// The authority's certificate in PEM.
    pub(crate) authority: String,
    pub(crate) authority_file: PathBuf,
    pub(crate) server_file: PathBuf,
    pub(crate) server_key_file: PathBuf,
    pub(crate) service_account_key_file: PathBuf,
    pub(crate) service_account_public_file: PathBuf,
    pub(crate) admin: Identity,
    pub(crate) controller_manager: Identity,
}

impl Certificates {
    /// Makes all of them and writes the files into `directory`.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let authority = authority()?;
        let server = sign(&authority, &server_params()?)?;
        let service_accounts = KeyPair::generate().context("generate a key")?;
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = directory.join(name);
            private_file::write(&path, text)
                .with_context(|| format!("write {}", path.display()))?;
            Ok(path)
        };
        Ok(Self {
            authority_file: write("ca.pem", &authority.pem())?,
            authority: authority.pem(),
            server_file: write("server.pem", &server.certificate)?,
            server_key_file: write("server.key", &server.key)?,
            service_account_key_file: write(
                "service-accounts.key",
                &service_accounts.serialize_pem(),
            )?,
            service_account_public_file: write(
                "service-accounts.pub",
                &service_accounts.public_key_pem(),
            )?,
            admin: sign(&authority, &client_params("admin", Some("system:masters"))?)?,
            controller_manager: sign(
                &authority,
                &client_params("system:kube-controller-manager", None)?,
            )?,
        })
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = named_params(&[], "testbed", None)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().context("generate a key")?;
    CertifiedIssuer::self_signed(params, key).context("sign the authority's certificate")
}

/// For etcd and kube-apiserver. etcd's gateway is a client of etcd with this very certificate.
fn server_params() -> Result<CertificateParams> {
    let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let mut params = named_params(&names, "kube-apiserver", None)?;
    // The second is the first address of the service network: the Service "kubernetes".
    let addresses = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, 1)];
    params
        .subject_alt_names
        .extend(addresses.map(|address| SanType::IpAddress(IpAddr::V4(address))));
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn client_params(user: &str, group: Option<&str>) -> Result<CertificateParams> {
    let mut params = named_params(&[], user, group)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn named_params(
    names: &[&str],
    common: &str,
    organization: Option<&str>,
) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).context("name a certificate")?;
    params.distinguished_name.push(DnType::CommonName, common);
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    Ok(params)
}

fn sign(authority: &CertifiedIssuer<'_, KeyPair>, params: &CertificateParams) -> Result<Identity> {
    let key = KeyPair::generate().context("generate a key")?;
    let certificate = params.signed_by(&key, authority).context("sign a certificate")?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}
