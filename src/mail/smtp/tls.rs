//! Encrypted connections: rustls with ring, without touching the process's own choice of a crypto library.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::options::SmtpOptions;

/// How the connections of a mailer are encrypted.
#[derive(Clone)]
pub(in crate::mail) struct Connector {
    pub(super) tls: TlsConnector,
    pub(super) name: ServerName<'static>,
}

/// What encrypts the connections to a server.
///
/// # Errors
///
/// The option that is at fault, and what is wrong with it.
pub(in crate::mail) fn connector(options: &SmtpOptions) -> Result<Connector, (&'static str, String)> {
    let bare = options.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|_| {
        ("host", format!("is {:?}, which no certificate can name; write the name of the server", options.host))
    })?;
    let roots = match &options.ca_file {
        Some(path) => file(path).map_err(|problem| ("ca_file", problem))?,
        None => system().map_err(|problem| ("tls", problem))?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ("tls", format!("cannot be had: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Connector { tls: TlsConnector::from(Arc::new(config)), name })
}

fn system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("needs root certificates, of which this system has none; install them (Debian: ca-certificates), \
            or name a file in ca_file"
            .into());
    }
    Ok(roots)
}

fn file(path: &Path) -> Result<RootCertStore, String> {
    let problem = |cause: &dyn std::fmt::Display| format!("is {}, which cannot be used: {cause}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(&error))? {
        let certificate = certificate.map_err(|error| problem(&error))?;
        roots.add(certificate).map_err(|error| problem(&error))?;
    }
    if roots.is_empty() { Err(problem(&"it holds no certificate")) } else { Ok(roots) }
}
