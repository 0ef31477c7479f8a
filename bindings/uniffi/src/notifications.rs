//! What happens in the background, taken in batches by a thread of the foreign side.

use std::sync::Arc;

use crate::error::json;

/// The queue of one client; it does not keep the client alive.
#[derive(Debug, uniffi::Object)]
pub struct NotificationQueue {
    queue: runcycles::Notifications,
}

#[uniffi::export]
impl NotificationQueue {
    /// What is there, as a JSON array.
    pub fn take(&self) -> String {
        json(&self.queue.take())
    }

    /// Waits for some; nothing comes any more once this is `None`.
    pub async fn next(&self) -> Option<String> {
        self.queue.next().await.map(|batch| json(&batch))
    }
}

impl NotificationQueue {
    pub(crate) fn of(queue: runcycles::Notifications) -> Arc<Self> {
        Arc::new(Self { queue })
    }
}
