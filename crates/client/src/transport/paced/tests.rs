use std::sync::Arc;
use std::time::Duration;

use longshore_flow::Rate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::Paced;

/// Moves so many bytes each way over one paced connection, and returns how long that took in tokio's time.
async fn moved(bytes: usize, per_second: u64) -> Duration {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let rate = Arc::new(Rate::new(per_second, Duration::from_millis(1)));
    let mut near = Paced::new(near, rate);
    let start = Instant::now();
    let content: Vec<u8> = (0..=255).cycle().take(bytes).collect();
    let mut came = vec![0; bytes];
    tokio::join!(async { near.write_all(&content).await.unwrap() }, async {
        far.read_exact(&mut came).await.unwrap();
    });
    assert!(came == content);
    tokio::join!(async { far.write_all(&content).await.unwrap() }, async {
        came.fill(0);
        near.read_exact(&mut came).await.unwrap();
    });
    assert!(came == content);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn bytes_of_both_ways_keep_to_one_rate() {
    // The time is tokio's, which moves only while all wait: what the bucket asked for, exactly.
    let took = moved(1 << 20, 1 << 20).await;
    let (least, most) = (Duration::from_millis(1_900), Duration::from_millis(2_100));
    assert!((least..most).contains(&took), "{took:?}");
}
