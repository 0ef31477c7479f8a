//! Replaces the key of a client that runs.

use crate::client::CyclesClient;
use crate::error::Error;

impl CyclesClient {
    /// Further calls of this client and its clones carry `api_key`, which must
    /// be of the same tenant: what is not booked yet is booked with it, and what
    /// was refused because of the former key is tried at once.
    ///
    /// Journalled records stay where they are if a tenant is configured. If not,
    /// they move to the new key's directory, where its next client finds them.
    /// [`config`](Self::config) still shows the key that the client was made with.
    ///
    /// # Errors
    /// [`Error::Config`] for a key that is empty or that no header can carry,
    /// and in process, where calls carry none.
    pub fn set_api_key(&self, api_key: impl AsRef<str>) -> Result<(), Error> {
        let api_key = api_key.as_ref();
        self.authority().set_api_key(api_key)?;
        self.remember_key(api_key);
        if let Some(journal) = self.journal() {
            journal.set_api_key(api_key);
        }
        self.replay().wake(self);
        Ok(())
    }
}
