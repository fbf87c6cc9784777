//! `link`: a bad network, for benchmarks by hand and by script.

use std::net::SocketAddr;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use longshore_link::{Conditions, CutWay, Cuts, Link};

/// Forward TCP connections over a bad network.
#[derive(Parser)]
struct Arguments {
    /// Where to listen, such as 127.0.0.1:9000
    listen: SocketAddr,
    /// Where connections go
    target: SocketAddr,
    /// Milliseconds that each byte is late, each way
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Bytes a second, each way
    #[arg(long)]
    rate: Option<u64>,
    /// Cut each connection after so many bytes from the target, drawn from FROM..TO
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    cut: Option<Range<u64>>,
    /// What is drawn follows from this
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("two numbers with .. between them")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    Ok(number(from)?..number(to)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cuts = arguments.cut.map(|after| Cuts { after, way: CutWay::Down, most: u64::MAX });
    let delay = Duration::from_millis(arguments.delay_ms);
    let conditions =
        Conditions { seed: arguments.seed, delay, rate: arguments.rate, cuts, ..Conditions::default() };
    match run(arguments.listen, arguments.target, conditions).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(listen: SocketAddr, target: SocketAddr, conditions: Conditions) -> std::io::Result<()> {
    let link = Link::listen(listen, target, conditions).await?;
    report(&format!("{} -> {target}", link.address()));
    tokio::signal::ctrl_c().await?;
    report(&format!("{:?}", link.counts()));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a program talks")]
fn report(text: &str) {
    eprintln!("{text}");
}
