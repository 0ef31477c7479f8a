//! A client that costs next to nothing: it writes prepared requests and looks
//! no further into an answer than to find its end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{TENANTS, secret};

/// Whose budget each connection draws from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// All from one.
    Shared,
    /// Each from its own tenant's.
    Independent,
}

/// What came of it.
pub(crate) struct Round {
    pub(crate) took: Duration,
    pub(crate) times: Vec<Duration>,
}

/// Sends `requests` in all over `connections`, one after the other on each.
pub(crate) fn run(
    server: SocketAddr,
    load: Load,
    connections: usize,
    requests: usize,
) -> Result<Round> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clients = (0..connections).map(|index| {
            let tenant = match load {
                Load::Shared => 0,
                Load::Independent => index % TENANTS,
            };
            Client::connect(server, tenant)
        });
        let mut clients = try_join_all(clients).await?;
        let each = requests / connections;
        let start = Instant::now();
        let times = try_join_all(clients.iter_mut().map(|client| client.ask(each))).await?;
        Ok(Round { took: start.elapsed(), times: times.concat() })
    })
}

struct Client {
    stream: TcpStream,
    tenant: usize,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(server: SocketAddr, tenant: usize) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, tenant, answer: vec![0; 16 * 1024] })
    }

    async fn ask(&mut self, times: usize) -> Result<Vec<Duration>> {
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let request = self.request();
            let start = Instant::now();
            self.stream.write_all(request.as_bytes()).await?;
            self.read_answer().await?;
            taken.push(start.elapsed());
        }
        Ok(taken)
    }

    fn request(&self) -> String {
        let key = u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..));
        let body = format!(
            r#"{{"idempotency_key":"{key:032x}","subject":{{"tenant":"t{tenant}","workspace":"prod","agent":"bot"}},"action":{{"kind":"llm.completion","name":"gpt-4o-mini"}},"estimate":{{"unit":"TOKENS","amount":10}},"ttl_ms":3600000}}"#,
            tenant = self.tenant,
        );
        format!(
            "POST /v1/reservations HTTP/1.1\r\nhost: 127.0.0.1\r\nx-cycles-api-key: {}\r\nx-idempotency-key: {key:032x}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            secret(self.tenant),
            body.len(),
        )
    }

    async fn read_answer(&mut self) -> Result<()> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await?;
            ensure!(read > 0, "the server hung up");
            filled += read;
            let Some(head) = self.answer[..filled].windows(4).position(|end| end == b"\r\n\r\n")
            else {
                continue;
            };
            let text = str::from_utf8(&self.answer[..head])?;
            ensure!(text.starts_with("HTTP/1.1 200"), "not allowed: {text}");
            if filled >= head + 4 + content_length(text)? {
                return Ok(());
            }
        }
    }
}

fn content_length(head: &str) -> Result<usize> {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(length.context("an answer without a length")?.parse()?)
}
