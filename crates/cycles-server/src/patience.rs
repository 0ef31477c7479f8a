//! [`Patience`]: a connection whose client has to ask and to take its answers in
//! time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::limits;

/// A stream that fails once an answer has waited to be taken for
/// [`limits::ANSWER_WRITE`], and once its client has been idle, or has not come to
/// the end of a request, for [`limits::HEAD_READ`].
///
/// hyper has no limit for the first, and a timer for each request for the second.
pub(crate) struct Patience<S> {
    stream: S,
    /// Runs from the first write that found no room until all was written.
    limit: Option<Pin<Box<Sleep>>>,
    /// When the request began that is being read, or else the last answer ended.
    since: Instant,
    is_asking: bool,
    is_answering: bool,
    /// Set to the end of some wait; it is moved when it comes and not before, so
    /// that requests set no timer.
    alarm: Pin<Box<Sleep>>,
}

impl<S: AsyncWrite + Unpin> Patience<S> {
    pub(crate) fn new(stream: S) -> Self {
        let since = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(since + limits::HEAD_READ));
        Self { stream, limit: None, since, is_asking: false, is_answering: false, alarm }
    }

    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), context) {
            self.is_answering = true;
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
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            // A byte now and then does not buy more time: only the first one counts.
            if !std::mem::replace(&mut self.is_asking, true) {
                self.since = Instant::now();
            }
            return Poll::Ready(read);
        }
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let until = self.since + limits::HEAD_READ;
            if Instant::now() >= until {
                let error = io::Error::new(io::ErrorKind::TimedOut, "the client did not ask");
                return Poll::Ready(Err(error));
            }
            self.alarm.as_mut().reset(until);
        }
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
        if std::mem::take(&mut self.is_answering) {
            (self.since, self.is_asking) = (Instant::now(), false);
        }
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
    async fn idle_and_slow_clients_are_given_up_and_others_are_not() {
        let (server, mut client) = tokio::io::duplex(64);
        let mut server = Patience::new(server);
        // Each request and each pause has its own time.
        for _ in 0..3 {
            tokio::time::advance(limits::HEAD_READ * 2 / 3).await;
            client.write_all(b"ab").await.unwrap();
            server.read_exact(&mut [0; 1]).await.unwrap();
            tokio::time::advance(limits::HEAD_READ * 2 / 3).await;
            server.read_exact(&mut [0; 1]).await.unwrap();
            server.write_all(b"c").await.unwrap();
            server.flush().await.unwrap();
        }
        let start = Instant::now();
        let error = server.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((limits::HEAD_READ..limits::HEAD_READ * 2).contains(&start.elapsed()));

        let (server, mut client) = tokio::io::duplex(64);
        let mut server = Patience::new(server);
        let start = Instant::now();
        let drip = async {
            loop {
                client.write_all(b"a").await.unwrap();
                tokio::time::sleep_until(Instant::now() + limits::HEAD_READ / 4).await;
            }
        };
        let read = async {
            loop {
                if let Err(error) = server.read_exact(&mut [0; 1]).await {
                    return error;
                }
            }
        };
        let error = tokio::select! {
            error = read => error,
            () = drip => unreachable!("the client drips for ever"),
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() < limits::HEAD_READ * 2, "{:?}", start.elapsed());
    }

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
                tokio::time::sleep_until(Instant::now() + limits::ANSWER_WRITE / 4).await;
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
