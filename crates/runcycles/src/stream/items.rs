//! A stream of items under a hold.

use futures_util::stream::{self, Stream, TryStream, TryStreamExt};

use super::{Flow, StreamReservation};

impl StreamReservation {
    /// Lets `items` through as long as the hold lasts, and settles: commits at
    /// the end and where the hold is used up, and [aborts](Self::abort) at an
    /// error and when it is dropped before its end.
    ///
    /// Usage is counted by the caller, on a clone of this handle, before an item
    /// is handed on. That the stream was cut is seen by
    /// [`is_cut`](Self::is_cut).
    pub fn watch<S>(self, items: S) -> impl Stream<Item = Result<S::Ok, S::Error>> + Send
    where
        S: TryStream + Send + Unpin,
        S::Ok: Send,
        S::Error: Send,
    {
        stream::try_unfold((Watched(self), items), |(watched, mut items)| async move {
            let handle = &watched.0;
            if !matches!(handle.proceed().await, Flow::Continue) {
                handle.finish().await;
                return Ok(None);
            }
            let next = tokio::select! {
                biased;
                next = handle.around(items.try_next()) => next,
                _ = handle.lost() => Ok(None),
            };
            match next {
                Ok(Some(item)) => Ok(Some((item, (watched, items)))),
                Ok(None) => {
                    handle.finish().await;
                    Ok(None)
                }
                Err(error) => {
                    handle.abort("stream failed").await;
                    Err(error)
                }
            }
        })
    }
}

/// Aborts the stream when the items are not wanted any more, whoever else has
/// the handle.
struct Watched(StreamReservation);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.stream.abandon();
    }
}
