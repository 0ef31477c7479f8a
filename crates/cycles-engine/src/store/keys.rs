//! API keys: only the SHA-256 of a secret is kept.

use std::collections::HashMap;
use std::sync::Arc;

use cycles_protocol::Principal;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A key without its secret.
#[derive(Debug)]
pub(crate) struct ApiKey {
    pub(crate) principal: Principal,
    /// The last moment at which it works; a seed's key always does.
    pub(crate) expires_at: Option<i64>,
}

type Hash = [u8; 32];
type Prefix = [u8; 8];
type Bucket = Vec<(Hash, Arc<ApiKey>)>;

/// All keys. They are found by the first bytes of the secret's hash, which say
/// nothing about the secret, and compared whole in constant time.
#[derive(Debug, Default)]
pub(crate) struct Keys(RwLock<HashMap<Prefix, Bucket>>);

impl Keys {
    /// Adds a key; `false` when the secret is taken.
    pub(crate) fn insert(&self, secret: &str, key: ApiKey) -> bool {
        let hash = hash(secret);
        let mut keys = self.0.write();
        let bucket = keys.entry(prefix(&hash)).or_default();
        if bucket.iter().any(|(known, _)| *known == hash) {
            return false;
        }
        bucket.push((hash, Arc::new(key)));
        true
    }

    pub(crate) fn find(&self, secret: &str) -> Option<Arc<ApiKey>> {
        let hash = hash(secret);
        let keys = self.0.read();
        let mut bucket = keys.get(&prefix(&hash))?.iter();
        bucket.find(|(known, _)| bool::from(known.ct_eq(&hash))).map(|(_, key)| Arc::clone(key))
    }
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret).into()
}

fn prefix(hash: &Hash) -> Prefix {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&hash[..8]);
    prefix
}
