//! Requests over one connection, which may break at any moment.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes; a server that is dead breaks the connection.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts to connect to a server that is about to come back.
const PAUSE: Duration = Duration::from_millis(5);

/// A connection that is made anew whenever it broke.
pub(crate) struct Connection {
    server: SocketAddr,
    key: &'static str,
    stream: Option<BufReader<TcpStream>>,
    /// How often it broke.
    pub(crate) broken: u64,
}

impl Connection {
    pub(crate) const fn new(server: SocketAddr, key: &'static str) -> Self {
        Self { server, key, stream: None, broken: 0 }
    }

    /// Posts until there is an answer that is certain: not one of the server's
    /// own troubles. Repeats byte for byte.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        loop {
            match self.once(path, body) {
                Ok((status, answer)) if status < 500 => return (status, answer),
                Ok(_) => {}
                Err(_) => {
                    self.broken += u64::from(self.stream.is_some());
                    self.stream = None;
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn once(&mut self, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let stream = if let Some(stream) = &mut self.stream {
            stream
        } else {
            let stream = TcpStream::connect(self.server)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            self.stream.insert(BufReader::new(stream))
        };
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: crash\r\nx-cycles-api-key: {}\r\ncontent-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes())?;
        answer(stream)
    }
}

fn answer(stream: &mut impl BufRead) -> io::Result<(u16, Value)> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
    let mut length = 0;
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().map_err(|_| broken())?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, serde_json::from_slice(&body).map_err(|_| broken())?))
}
