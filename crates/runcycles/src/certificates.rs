//! Certificate authorities that are trusted besides the platform's.

use std::path::{Path, PathBuf};

use cycles_protocol::Error;
use reqwest::Certificate;

/// Where they come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificates {
    /// A file of PEM certificates, read when a connection is first needed.
    pub(crate) file: Option<PathBuf>,
    /// PEM certificates.
    pub(crate) pem: Vec<u8>,
}

impl Certificates {
    /// Reads them.
    ///
    /// # Errors
    /// Kind `Config`, naming the file or the setting.
    pub(crate) fn read(&self) -> Result<Vec<Certificate>, Error> {
        let mut all = Vec::new();
        if let Some(path) = &self.file {
            all.extend(from_file(path)?);
        }
        if !self.pem.is_empty() {
            all.extend(parse(&self.pem, "ca_certificate_pem")?);
        }
        Ok(all)
    }
}

fn from_file(path: &Path) -> Result<Vec<Certificate>, Error> {
    let pem = std::fs::read(path).map_err(|error| {
        Error::config(format!("ca_file cannot be read path={} reason={error}", path.display()))
    })?;
    parse(&pem, &format!("ca_file path={}", path.display()))
}

fn parse(pem: &[u8], source: &str) -> Result<Vec<Certificate>, Error> {
    let refuse = |reason: &str| {
        Error::config(format!(
            "no PEM certificate can be read; it must have a -----BEGIN CERTIFICATE----- block reason={reason} setting={source}"
        ))
    };
    let found = Certificate::from_pem_bundle(pem).map_err(|error| refuse(&error.to_string()))?;
    if found.is_empty() { Err(refuse("none found")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        let missing = Certificates { file: Some("/no/such/ca.pem".into()), pem: Vec::new() };
        let error = missing.read().unwrap_err();
        assert!(error.message().contains("ca_file cannot be read path=/no/such/ca.pem"), "{error}");
        for pem in ["hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            let broken = Certificates { file: None, pem: pem.into() };
            let error = broken.read().unwrap_err();
            assert!(error.message().contains("ca_certificate_pem"), "{error}");
        }
        assert!(Certificates::default().read().unwrap().is_empty());
    }
}
