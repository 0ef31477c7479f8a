//! [`Patience`]: a connection whose client has to take its answers in time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::limits;

/// A stream that fails once an answer has waited to be taken for
/// [`limits::ANSWER_WRITE`]; hyper itself would wait for ever.
pub(crate) struct Patience<S> {
    stream: S,
    /// Runs from the first write that found no room until all was written.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Patience<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, limit: None }
    }

    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), context) {
            return Poll::Ready(done);
        }
        // A socket's patience is real time, whatever clock the authority runs on.
        let limit = self.limit.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + limits::ANSWER_WRITE))
        });
        ready!(limit.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was not taken")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written(context, |stream, context| stream.poll_write(context, data))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written(context, |stream, context| stream.poll_write_vectored(context, data))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // hyper flushes when it has nothing left to write, and not before.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.limit = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn every_answer_has_its_own_time_to_be_taken_and_no_more() {
        let (server, mut client) = tokio::io::duplex(4);
        let mut server = Patience::new(server);
        for _ in 0..3 {
            let write = async {
                server.write_all(&[0; 8]).await?;
                server.flush().await
            };
            let read = async {
                tokio::time::advance(limits::ANSWER_WRITE * 2 / 3).await;
                client.read_exact(&mut [0; 8]).await
            };
            let (written, read) = tokio::join!(write, read);
            written.unwrap();
            read.unwrap();
        }
        // A byte now and then does not buy more time.
        let start = Instant::now();
        let write = server.write_all(&[0; 1000]);
        let read = async {
            loop {
                tokio::time::advance(limits::ANSWER_WRITE / 4).await;
                client.read_exact(&mut [0; 1]).await.unwrap();
            }
        };
        let error = tokio::select! {
            written = write => written.unwrap_err(),
            () = read => unreachable!("the client reads for ever"),
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < limits::ANSWER_WRITE * 2, "{:?}", start.elapsed());
    }
}
