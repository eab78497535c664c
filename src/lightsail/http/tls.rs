//! Which servers are trusted, and who issued the certificate of one that is not trusted.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::failure::UnknownIssuer;

/// Trusts the CAs of this file, or else the machine's.
pub(super) fn config(ca_bundle: Option<&Path>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match ca_bundle {
        None => {
            // Certificates that cannot be read are missing, and the first connection reports that.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        Some(file) => {
            let unread = || format!("AWS_CA_BUNDLE: {} cannot be read", file.display());
            let certificates = CertificateDer::pem_file_iter(file).with_context(unread)?;
            let (found, failed): (Vec<_>, Vec<_>) = certificates.partition(Result::is_ok);
            roots.add_parsable_certificates(found.into_iter().flatten());
            if let Some(Err(error)) = failed.into_iter().next().filter(|_| roots.is_empty()) {
                return Err(error).with_context(unread);
            }
            let file = file.display();
            anyhow::ensure!(!roots.is_empty(), "AWS_CA_BUNDLE: {file} has no certificates");
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = if roots.is_empty() {
        None
    } else {
        Some(WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build()?)
    };
    let verifier = Arc::new(Verifier { verifier, provider: provider.clone() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

const UNKNOWN: Error = Error::InvalidCertificate(CertificateError::UnknownIssuer);

/// Verifies as rustls does, and names an unknown issuer.
struct Verifier {
    /// `None` if no CA is trusted.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = || {
            let issuer = issuer(intermediates.last().unwrap_or(end_entity));
            let other = OtherError(Arc::new(UnknownIssuer(issuer)));
            Error::InvalidCertificate(CertificateError::Other(other))
        };
        let Some(verifier) = &self.verifier else { return Err(unknown()) };
        verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| if error == UNKNOWN { unknown() } else { error })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Who issued the last certificate that the server sent.
fn issuer(certificate: &CertificateDer<'_>) -> String {
    Certificate::from_der(certificate).map_or_else(
        |_| "its issuer cannot be read".to_owned(),
        |certificate| certificate.tbs_certificate.issuer.to_string(),
    )
}
