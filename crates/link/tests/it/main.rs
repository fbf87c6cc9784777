//! The link, between a peer and a target of these tests.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; helpers are no test functions to clippy"
)]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use longshore_flow::Tasks;
use longshore_link::{Conditions, CutWay, Cuts, Dice, Link};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const KIB: usize = 1024;

/// A target that sends back what it gets; it ends with the handle.
struct Echo {
    address: SocketAddr,
    tasks: Tasks,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let inner = tasks.clone();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                inner.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _broken = tokio::io::copy(&mut from, &mut to).await;
                    let _broken = to.shutdown().await;
                });
            }
        });
        Self { address, tasks }
    }
}

/// Sends bytes and reads what comes back, as far as it goes.
async fn send(link: &Link, bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut back = Vec::new();
    let sending = async {
        to.write_all(bytes).await?;
        to.shutdown().await
    };
    let reading = async { from.read_to_end(&mut back).await };
    let (sent, read) = tokio::join!(sending, reading);
    (back, sent.and(read.map(drop)))
}

#[tokio::test]
async fn what_passes_is_whole_and_counted() {
    let echo = Echo::start().await;
    let link = Link::start(echo.address, Conditions::default()).await.unwrap();
    let bytes: Vec<u8> = (0..700 * KIB).map(|at| at as u8).collect();
    let (back, ended) = send(&link, &bytes).await;
    ended.unwrap();
    assert!(back == bytes);
    let counts = link.counts();
    assert_eq!((counts.up, counts.down), (bytes.len() as u64, bytes.len() as u64));
    assert_eq!((counts.connections, counts.cuts, counts.refused), (1, 0, 0));
}

#[tokio::test]
async fn a_delay_is_no_lack_of_bandwidth() {
    let echo = Echo::start().await;
    let delay = Duration::from_millis(60);
    let link = Link::start(echo.address, Conditions { delay, ..Conditions::default() }).await.unwrap();
    let start = Instant::now();
    // Piece by piece these would take 60 ms each.
    let (back, ended) = send(&link, &vec![7; 4096 * KIB]).await;
    ended.unwrap();
    assert_eq!(back.len(), 4096 * KIB);
    assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_rate_is_kept() {
    let echo = Echo::start().await;
    let conditions = Conditions { rate: Some(1_000_000), ..Conditions::default() };
    let link = Link::start(echo.address, conditions).await.unwrap();
    let start = Instant::now();
    let (back, ended) = send(&link, &[7; 100_000]).await;
    ended.unwrap();
    assert_eq!(back.len(), 100_000);
    assert!(start.elapsed() >= Duration::from_millis(99), "{:?}", start.elapsed());
}

#[tokio::test]
async fn cuts_come_where_the_seed_says() {
    let echo = Echo::start().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let cuts = Cuts { after: 0..50_000, way: CutWay::Down, most: 8 };
        let conditions = Conditions { seed: 7, cuts: Some(cuts), ..Conditions::default() };
        let link = Link::start(echo.address, conditions).await.unwrap();
        let mut downs = Vec::new();
        for _ in 0..10 {
            let before = link.counts().down;
            let (back, _) = send(&link, &[1; 100_000]).await;
            assert!(back.len() as u64 <= link.counts().down - before);
            downs.push(link.counts().down - before);
        }
        assert_eq!(link.counts().cuts, 8);
        assert!(downs[..8].iter().all(|down| *down < 50_000), "{downs:?}");
        assert_eq!(downs[8..], [100_000, 100_000], "no more than were asked for");
        runs.push(downs);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn bytes_of_the_other_way_cut_nothing() {
    let echo = Echo::start().await;
    let cuts = Cuts { after: 10..11, way: CutWay::Up, most: 1 };
    let conditions = Conditions { cuts: Some(cuts), ..Conditions::default() };
    let link = Link::start(echo.address, conditions).await.unwrap();
    let (back, _) = send(&link, &[1; 1000]).await;
    assert!(back.len() <= 10);
    assert_eq!(link.counts().up, 10);
}

#[tokio::test]
async fn a_stall_holds_and_lets_go() {
    let echo = Echo::start().await;
    let link = Link::start(echo.address, Conditions::default()).await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    let mut answer = [0; 4];
    stream.write_all(b"ping").await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    link.stall(true);
    stream.write_all(b"pong").await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut answer)).await;
    assert!(waited.is_err());
    link.stall(false);
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"pong");
}

#[tokio::test]
async fn connections_are_refused_and_cut_by_hand() {
    let echo = Echo::start().await;
    let link = Link::start(echo.address, Conditions::default()).await.unwrap();
    let mut open = TcpStream::connect(link.address()).await.unwrap();
    open.write_all(b"ping").await.unwrap();
    open.read_exact(&mut [0; 4]).await.unwrap();
    link.refuse(true);
    let (back, _) = send(&link, b"x").await;
    assert!(back.is_empty());
    assert_eq!(link.counts().refused, 1);
    link.cut_all();
    assert!(matches!(open.read(&mut [0; 4]).await, Ok(0) | Err(_)));
    assert_eq!(link.counts().cuts, 1);
    link.refuse(false);
    let (back, ended) = send(&link, b"again").await;
    ended.unwrap();
    assert_eq!(back, b"again");
}

#[tokio::test]
async fn what_waits_out_a_stall_goes_where_the_link_points_then() {
    let (gone, there) = (Echo::start().await, Echo::start().await);
    let address = gone.address;
    let link = Link::start(address, Conditions::default()).await.unwrap();
    link.stall(true);
    let mut waiting = std::pin::pin!(send(&link, b"hello"));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    drop(gone);
    link.retarget(there.address);
    link.stall(false);
    let (back, ended) = waiting.await;
    ended.unwrap();
    assert_eq!(back, b"hello");
}

#[test]
fn dice_of_one_seed_differ_by_number() {
    let rolls: Vec<u64> = (0..100).map(|number| Dice::of(1, number).roll()).collect();
    let mut apart = rolls.clone();
    apart.sort_unstable();
    apart.dedup();
    assert_eq!(apart.len(), rolls.len());
    assert_eq!(Dice::of(1, 5).roll(), rolls[5]);
    assert_eq!(Dice::new(3).within(&(4..4)), 4);
}
