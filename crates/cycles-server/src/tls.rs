//! [`TlsIdentity`]: the certificate that a server shows.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key: TLS 1.2 and 1.3, HTTP/1.1 inside.
#[derive(Clone)]
pub struct TlsIdentity {
    acceptor: TlsAcceptor,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsIdentity")
    }
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// No certificate could be read.
    #[error("no PEM certificate can be read; it must have a -----BEGIN CERTIFICATE----- block")]
    Certificate,
    /// No key could be read.
    #[error(
        "no PEM private key can be read; it must have a -----BEGIN … PRIVATE KEY----- block, unencrypted"
    )]
    Key,
    /// They do not go together, or no connection could be made with them.
    #[error("certificate and key cannot be used together reason={0}")]
    Pair(String),
}

impl TlsIdentity {
    /// Reads a chain of certificates, the server's own first, and its key.
    ///
    /// # Errors
    /// Which of the two is wrong, or that they do not go together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
        let pair = |error: tokio_rustls::rustls::Error| TlsError::Pair(error.to_string());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(pair)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(crate) const fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}
