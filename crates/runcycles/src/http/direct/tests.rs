use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::*;

const KEEP_IDLE: Duration = Duration::from_secs(60);

/// A server that answers each request with the next of its answers, as it stands.
struct Fake {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
    /// Closes a connection that has brought [`GONE`].
    close: Arc<Notify>,
}

impl Fake {
    async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let [connections, closed, answered]: [Arc<AtomicUsize>; 3] = Default::default();
        let (count, gone) = (Arc::clone(&connections), Arc::clone(&closed));
        let close = Arc::new(Notify::new());
        let go = Arc::clone(&close);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (answered, gone) = (Arc::clone(&answered), Arc::clone(&gone));
                let go = Arc::clone(&go);
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    while stream.read(&mut request).await? > 0 {
                        let answer = answers[answered.fetch_add(1, Ordering::SeqCst)];
                        match answer {
                            END => break,
                            NONE => continue,
                            _ => {}
                        }
                        if answer == ENDLESS {
                            stream.write_all(ENDLESS.as_bytes()).await?;
                            let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
                            loop {
                                stream.write_all(chunk.as_bytes()).await?;
                            }
                        }
                        stream.write_all(answer.as_bytes()).await?;
                        if answer == GONE {
                            go.notified().await;
                            break;
                        }
                    }
                    drop(stream);
                    gone.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(())
                });
            }
        });
        Self { address, connections, closed, close }
    }

    fn direct(&self, keep_idle: Duration) -> Direct {
        let server = Server::in_the_clear(&format!("http://{}/api", self.address)).unwrap();
        Direct::new(server, Duration::from_secs(5), keep_idle)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Closes the connection that has brought [`GONE`].
    async fn close(&self) {
        self.close.notify_one();
        while self.closed.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

const ONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none";
const TWO: &str =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\ntw\r\n1\r\no\r\n0\r\n\r\n";
/// The request stays without an answer.
const NONE: &str = "none";
/// The connection is closed instead.
const END: &str = "";
const LAST: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlast";

/// An answer on a connection that is closed without a word, some time after it.
const GONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngone";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn outgoing() -> Outgoing {
    let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"{}"));
    Outgoing { method: Method::POST, target: "/v1/decide".into(), headers, body }
}

async fn ask(direct: &Direct) -> Result<String, Failure> {
    let answer = direct.send(outgoing()).await?;
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

async fn answer(direct: &Direct) -> String {
    ask(direct).await.ok().unwrap()
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let fake = Fake::answering(&[ONE, TWO, ONE]).await;
    let direct = fake.direct(KEEP_IDLE);
    assert_eq!([answer(&direct).await, answer(&direct).await], ["one", "two"]);
    assert_eq!(answer(&direct).await, "one");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn requests_at_once_have_connections_of_their_own() {
    let fake = Fake::answering(&[ONE, ONE]).await;
    let direct = fake.direct(KEEP_IDLE);
    tokio::join!(answer(&direct), answer(&direct));
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_replaced() {
    let fake = Fake::answering(&[LAST, ONE]).await;
    let direct = fake.direct(KEEP_IDLE);
    assert_eq!([answer(&direct).await, answer(&direct).await], ["last", "one"]);
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_replaced() {
    let fake = Fake::answering(&[ONE, TWO]).await;
    let direct = fake.direct(Duration::ZERO);
    assert_eq!([answer(&direct).await, answer(&direct).await], ["one", "two"]);
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn an_answer_is_never_another_request_s() {
    let fake = Fake::answering(&[NONE, TWO]).await;
    let direct = fake.direct(KEEP_IDLE);
    let given_up = tokio::time::timeout(Duration::from_millis(20), ask(&direct)).await;
    assert!(given_up.is_err());
    assert_eq!(answer(&direct).await, "two");
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_failure_of_unknown_outcome() {
    let fake = Fake::answering(&[END]).await;
    let failure = ask(&fake.direct(KEEP_IDLE)).await.err().unwrap();
    assert!(matches!(failure, Failure::Broken(_)));
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again() {
    let fake = Fake::answering(&[ONE, END, TWO]).await;
    let direct = fake.direct(KEEP_IDLE);
    assert_eq!(answer(&direct).await, "one");
    assert!(matches!(ask(&direct).await, Err(Failure::Broken(_))));
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_request_that_found_its_connection_closed_is_given_back() {
    let fake = Fake::answering(&[GONE]).await;
    let direct = fake.direct(KEEP_IDLE);
    let mut connection = direct.connect().await.ok().unwrap();
    let request = || direct.addressed(outgoing()).ok().unwrap();
    assert_eq!(connection.exchange(request()).await.ok().unwrap().body(), "gone");
    fake.close().await;
    tokio::task::yield_now().await;
    let unanswered = connection.exchange(request()).await.err().unwrap();
    assert!(matches!(unanswered.failure, Failure::Connect(_)), "nothing was sent");
    assert_eq!(unanswered.unsent.unwrap().uri(), "/api/v1/decide");
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let fake = Fake::answering(&[ENDLESS, ONE]).await;
    let direct = fake.direct(KEEP_IDLE);
    let failure = ask(&direct).await.err().unwrap();
    assert!(matches!(failure, Failure::Broken(reason) if reason.contains("longer than")));
    assert_eq!(answer(&direct).await, "one");
}

fn server() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_connection_is_not_used_in_another_runtime() {
    let (server, one, other) = (server(), one_thread(), one_thread());
    let fake = server.block_on(Fake::answering(&[ONE, TWO, ONE, TWO]));
    let direct = fake.direct(KEEP_IDLE);
    assert_eq!(one.block_on(answer(&direct)), "one");
    assert_eq!(other.block_on(answer(&direct)), "two");
    assert_eq!(one.block_on(answer(&direct)), "one");
    assert_eq!(fake.connections(), 2);
    // Those of a runtime that is gone are only dropped.
    drop(one);
    assert_eq!(one_thread().block_on(answer(&direct)), "two");
    assert_eq!(fake.connections(), 3);
}

#[test]
fn a_connection_that_was_closed_while_nobody_looked_is_replaced() {
    let (server, client) = (server(), one_thread());
    let fake = server.block_on(Fake::answering(&[GONE, ONE]));
    let direct = fake.direct(KEEP_IDLE);
    assert_eq!(client.block_on(answer(&direct)), "gone");
    server.block_on(fake.close());
    assert_eq!(client.block_on(answer(&direct)), "one");
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_reached() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server::in_the_clear(&format!("http://{address}")).unwrap();
    let direct = Direct::new(server, Duration::from_secs(5), KEEP_IDLE);
    let failure = ask(&direct).await.err().unwrap();
    assert!(matches!(failure, Failure::Connect(reason) if reason.contains("refused")));
}

#[test]
fn what_is_spoken_to_in_the_clear() {
    for (base_url, host, prefix) in [
        ("http://h", "h", ""),
        ("http://H:80/", "h", ""),
        ("http://127.0.0.1:7878", "127.0.0.1:7878", ""),
        ("http://[::1]:7878/a/b/", "[::1]:7878", "/a/b"),
    ] {
        let server = Server::in_the_clear(base_url).unwrap();
        assert_eq!((server.host.to_str().unwrap(), &*server.prefix), (host, prefix), "{base_url}");
    }
    for base_url in ["https://h", "http://user@h", "http://user:password@h", "no url"] {
        assert!(Server::in_the_clear(base_url).is_none(), "{base_url}");
    }
}
