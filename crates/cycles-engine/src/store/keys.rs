//! API keys: only the SHA-256 of a secret is kept.

use std::sync::Arc;

use cycles_protocol::Principal;
use cycles_protocol::control;
use hashbrown::HashMap;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A key without its secret.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Whose it is, and what it may do.
    pub principal: Principal,
    /// The last moment at which it works; a seed's key always does.
    pub expires_at: Option<i64>,
    /// What listings show; active until it is revoked, whatever the time.
    pub record: control::ApiKey,
}

/// What is kept of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

type Prefix = u64;
type Bucket = Vec<(KeyHash, Arc<ApiKey>)>;

impl KeyHash {
    /// Of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    fn prefix(&self) -> Prefix {
        self.words()[0]
    }

    fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        std::array::from_fn(|index| u64::from_ne_bytes(words[index]))
    }

    /// In constant time, by words: it is asked with every call.
    fn is(&self, other: &Self) -> bool {
        self.words().ct_eq(&other.words()).into()
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash")
    }
}

/// All keys. They are found by the first bytes of the secret's hash, which say
/// nothing about the secret, and compared whole in constant time.
#[derive(Debug, Default)]
pub(crate) struct Keys(RwLock<HashMap<Prefix, Bucket>>);

impl Keys {
    /// Adds a key; `false` when the secret is taken.
    pub(crate) fn insert(&self, hash: KeyHash, key: ApiKey) -> bool {
        let mut keys = self.0.write();
        let bucket = keys.entry(hash.prefix()).or_default();
        if bucket.iter().any(|(known, _)| *known == hash) {
            return false;
        }
        bucket.push((hash, Arc::new(key)));
        true
    }

    /// Puts these in the place of all that there are, at once: nobody is refused
    /// meanwhile.
    pub(crate) fn restore(&self, all: impl IntoIterator<Item = (KeyHash, ApiKey)>) {
        let keys = Self::default();
        for (hash, key) in all {
            keys.insert(hash, key);
        }
        *self.0.write() = keys.0.into_inner();
    }

    pub(crate) fn find(&self, hash: &KeyHash) -> Option<Arc<ApiKey>> {
        let keys = self.0.read();
        let mut bucket = keys.get(&hash.prefix())?.iter();
        bucket.find(|(known, _)| known.is(hash)).map(|(_, key)| Arc::clone(key))
    }

    /// Every key.
    pub(crate) fn all(&self) -> Vec<Arc<ApiKey>> {
        self.0.read().values().flatten().map(|(_, key)| Arc::clone(key)).collect()
    }

    /// Whose the key of that id is.
    pub(crate) fn tenant_of(&self, key_id: &str) -> Option<String> {
        let keys = self.0.read();
        let mut all = keys.values().flatten();
        let (_, key) = all.find(|(_, key)| key.record.key_id == key_id)?;
        Some(key.record.tenant_id.clone())
    }

    /// Runs `change` on the key of that id, and answers the key as it is then.
    pub(crate) fn change<E>(
        &self,
        key_id: &str,
        change: impl FnOnce(&mut ApiKey) -> Result<(), E>,
    ) -> Result<Option<Arc<ApiKey>>, E> {
        let mut keys = self.0.write();
        let mut all = keys.values_mut().flatten();
        let Some((_, key)) = all.find(|(_, key)| key.record.key_id == key_id) else {
            return Ok(None);
        };
        change(Arc::make_mut(key))?;
        Ok(Some(Arc::clone(key)))
    }

    /// Runs `change` on every key, and answers those that it says it changed.
    pub(crate) fn change_all(
        &self,
        mut change: impl FnMut(&mut ApiKey) -> bool,
    ) -> Vec<Arc<ApiKey>> {
        let mut keys = self.0.write();
        let all = keys.values_mut().flatten();
        let changed =
            all.filter_map(|(_, key)| change(Arc::make_mut(key)).then(|| Arc::clone(key)));
        changed.collect()
    }
}
