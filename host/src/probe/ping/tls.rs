//! TLS for pings: the certificate is held against trusted roots, and when it expires is noted whether it passes or not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::HttpTarget;
use super::ask::Fault;

/// Where certificates are read from: `None` for the system's own.
type Roots = Option<PathBuf>;

/// What certificates are held against, read once for each file that is named.
#[derive(Debug, Default)]
pub struct Trust {
    verifiers: Mutex<HashMap<Roots, Arc<WebPkiServerVerifier>>>,
}

impl Trust {
    async fn verifier(&self, roots: &Roots) -> Result<Arc<WebPkiServerVerifier>, Fault> {
        let known = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner).get(roots).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let from = roots.clone();
        // A hundred and fifty files, and perhaps on a slow disk.
        let read = tokio::task::spawn_blocking(move || read_roots(from.as_deref()));
        let store = read.await.map_err(|_| Fault::wrong("the trusted certificates cannot be read"))?;
        let store = store.map_err(|why| Fault::wrong(format!("the trusted certificates cannot be read: {why}")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
            .build()
            .map_err(|error| Fault::wrong(format!("no certificate can be verified: {error}")))?;
        self.verifiers.lock().unwrap_or_else(PoisonError::into_inner).insert(roots.clone(), Arc::clone(&verifier));
        Ok(verifier)
    }
}

fn read_roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    match file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| error.to_string())?;
                store.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        None => _ = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    if store.is_empty() {
        return Err("there are none".to_owned());
    }
    Ok(store)
}

/// Shakes hands. Gives also when the certificate that was shown expires, in seconds since the epoch.
pub(super) async fn handshake(
    stream: TcpStream,
    target: &HttpTarget,
    trust: &Trust,
) -> (Result<TlsStream<TcpStream>, Fault>, Option<i64>) {
    let noted = Arc::<Mutex<Option<i64>>>::default();
    let result = shake(stream, target, trust, &noted).await;
    let expires = *noted.lock().unwrap_or_else(PoisonError::into_inner);
    let result = result.map_err(|fault| match expires {
        Some(at) if fault.detail == EXPIRED => Fault::wrong(format!("{EXPIRED} on {}", day(at))),
        _ => fault,
    });
    (result, expires)
}

/// The beginning of the sentence about it.
const EXPIRED: &str = "its certificate expired";

async fn shake(
    stream: TcpStream,
    target: &HttpTarget,
    trust: &Trust,
    noted: &Arc<Mutex<Option<i64>>>,
) -> Result<TlsStream<TcpStream>, Fault> {
    let inner = trust.verifier(&target.ca_file).await?;
    let verifier = Noting { inner, expires: Arc::clone(noted) };
    // A configuration for each handshake, so that none is shortened by a resumed session: the certificate is wanted.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::wrong(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| Fault::wrong(format!("`{}` cannot be in a certificate", target.host)))?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => refused(error),
            None => Fault::io("no TLS handshake", &error),
        }
    })
}

fn refused(error: &rustls::Error) -> Fault {
    use rustls::Error::{InvalidCertificate, InvalidMessage};
    match error {
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            Fault::wrong(EXPIRED)
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            Fault::wrong("its certificate is not valid yet")
        }
        InvalidCertificate(CertificateError::UnknownIssuer) => {
            Fault::wrong("its certificate is signed by nobody who is trusted (`ping_expect.ca_file` names others)")
        }
        InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            Fault::wrong("its certificate is for another name")
        }
        InvalidMessage(_) => Fault::wrong("it does not speak TLS"),
        error => Fault::wrong(format!("no TLS handshake: {error}")),
    }
}

fn day(unix_seconds: i64) -> String {
    chrono::DateTime::from_timestamp(unix_seconds, 0)
        .map_or_else(|| unix_seconds.to_string(), |at| at.format("%Y-%m-%d").to_string())
}

/// Verifies as webpki does, and notes what was shown.
#[derive(Debug)]
struct Noting {
    inner: Arc<WebPkiServerVerifier>,
    expires: Arc<Mutex<Option<i64>>>,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(end_entity) {
            let expires = certificate.validity().not_after.timestamp();
            *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(expires);
        }
        self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
