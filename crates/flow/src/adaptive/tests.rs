use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use proptest::prelude::*;

use super::window::{Outcome, Ticket, Window};
use super::{Limiter, Permit};
use crate::Tasks;

const MILLI: Duration = Duration::from_millis(1);

fn outcome(number: u8) -> Outcome {
    match number {
        0 => Outcome::Throttled,
        1 => Outcome::Failed,
        2 => Outcome::Unknown,
        3 => Outcome::Success(None),
        number => Outcome::Success(Some(MILLI * u32::from(number))),
    }
}

fn say(permit: Permit, outcome: Outcome) {
    match outcome {
        Outcome::Success(Some(latency)) => permit.success(latency),
        Outcome::Success(None) => permit.success_untimed(),
        Outcome::Throttled => permit.throttled(),
        Outcome::Failed => permit.failed(),
        Outcome::Unknown => drop(permit),
    }
}

/// A server with a client that keeps as many requests in flight as it may; the oldest is answered first.
struct Server {
    window: Window,
    requests: VecDeque<(Ticket, usize)>,
}

impl Server {
    fn new(window: Window) -> Self {
        Self { window, requests: VecDeque::new() }
    }

    /// Answers one request; `answer` is told how many were in flight when it began.
    fn step(&mut self, answer: impl FnOnce(usize) -> Outcome) {
        while self.window.in_flight() < self.window.limit() {
            let ticket = self.window.begin();
            self.requests.push_back((ticket, self.window.in_flight()));
        }
        let (ticket, in_flight) = self.requests.pop_front().unwrap();
        self.window.end(ticket, answer(in_flight));
    }
}

/// What a server that does `capacity` at once, in 10 ms each, takes for the last of `in_flight` requests.
fn queued(capacity: usize, in_flight: usize) -> Duration {
    (10 * MILLI).mul_f64((in_flight as f64 / capacity as f64).max(1.0))
}

#[test]
fn a_window_of_successes_raises_by_one() {
    let mut server = Server::new(Window::new(1, 4, 64));
    for limit in 4..20 {
        for _ in 0..limit {
            assert_eq!(server.window.limit(), limit);
            server.step(|_| Outcome::Success(Some(MILLI)));
        }
    }
    assert_eq!(server.window.limit(), 20);
}

#[test]
fn what_is_not_used_is_not_raised() {
    let mut window = Window::new(1, 4, 64);
    for _ in 0..1_000 {
        let tickets = [window.begin(), window.begin(), window.begin()];
        for ticket in tickets {
            window.end(ticket, Outcome::Success(Some(MILLI)));
        }
    }
    assert_eq!(window.limit(), 4);
}

#[test]
fn a_burst_of_refusals_is_one_cut() {
    let mut window = Window::new(1, 16, 64);
    let tickets: Vec<_> = (0..16).map(|_| window.begin()).collect();
    for ticket in tickets {
        window.end(ticket, Outcome::Throttled);
    }
    assert_eq!(window.limit(), 8);
    let ticket = window.begin();
    window.end(ticket, Outcome::Throttled);
    assert_eq!(window.limit(), 4);
}

#[test]
fn failures_hold_the_limit_back_and_do_not_cut_it() {
    let mut server = Server::new(Window::new(1, 4, 64));
    for step in 0..1_000 {
        server.step(|_| if step % 2 == 0 { Outcome::Success(None) } else { Outcome::Failed });
    }
    assert_eq!(server.window.limit(), 4);
}

#[test]
fn a_path_that_has_become_slow_for_good_costs_one_cut() {
    let mut server = Server::new(Window::new(1, 32, 64));
    let mut least = usize::MAX;
    for step in 0..20_000 {
        let latency = if step < 2_000 { MILLI } else { 10 * MILLI };
        server.step(|_| Outcome::Success(Some(latency)));
        least = least.min(server.window.limit());
    }
    assert!(least >= 16, "cut to {least}");
    assert_eq!(server.window.limit(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_limit_stays_between_floor_and_ceiling(
        floor in 0_usize..10, start in 0_usize..100, ceiling in 0_usize..100,
        outcomes in prop::collection::vec(0_u8..40, 0..2_000),
    ) {
        let mut server = Server::new(Window::new(floor, start, ceiling));
        let (least, most) = (floor.max(1), ceiling.max(floor).max(1));
        for number in outcomes {
            server.step(|_| outcome(number));
            prop_assert!((least..=most).contains(&server.window.limit()));
        }
    }

    #[test]
    fn a_server_that_refuses_is_met_with_half_of_what_it_takes_or_more(
        capacity in 1_usize..80, start in 1_usize..200,
    ) {
        let mut server = Server::new(Window::new(1, start, 200));
        for step in 0..30_000 {
            server.step(|in_flight| {
                if in_flight > capacity { Outcome::Throttled } else { Outcome::Success(Some(10 * MILLI)) }
            });
            if step > 20_000 {
                let limit = server.window.limit();
                prop_assert!(limit >= capacity.div_ceil(2).max(1) && limit <= capacity + 1, "{limit}");
            }
        }
    }

    #[test]
    fn a_server_that_queues_is_met_with_all_it_takes_and_not_far_more(
        capacity in 2_usize..40,
        start in 1_usize..100,
        noise in prop::collection::vec(0.8..1.2_f64, 997),
    ) {
        let mut server = Server::new(Window::new(1, start, 1_000));
        let (mut least, mut most) = (usize::MAX, 0);
        for step in 0..60_000 {
            let noise = noise[step % noise.len()];
            server.step(|in_flight| Outcome::Success(Some(queued(capacity, in_flight).mul_f64(noise))));
            if step > 40_000 {
                least = least.min(server.window.limit());
                most = most.max(server.window.limit());
            }
        }
        prop_assert!(least >= capacity / 2 && most >= capacity, "{least} to {most}");
        // What it does not take at once is not piled up: at few requests a span is many windows, hence the 28.
        prop_assert!(most <= 3 * capacity + 28, "{least} to {most}");
    }

    #[test]
    fn noise_does_not_choke_a_server_that_has_room(
        noise in prop::collection::vec(prop_oneof![9 => 0.5..1.5_f64, 1 => 3.0..6.0_f64], 997),
    ) {
        let mut server = Server::new(Window::new(1, 8, 64));
        for step in 0..20_000 {
            server.step(|_| Outcome::Success(Some(MILLI.mul_f64(noise[step % noise.len()]))));
        }
        prop_assert_eq!(server.window.limit(), 64);
    }

    #[test]
    fn a_server_that_stalls_now_and_then_is_not_choked(
        stalls in prop::collection::vec((400_usize..1_000, 2_u32..1_000), 40),
    ) {
        let mut server = Server::new(Window::new(1, 8, 64));
        let mut most = 0;
        for (calm, times) in stalls {
            for _ in 0..calm {
                server.step(|_| Outcome::Success(Some(MILLI)));
            }
            // All that is in flight waits.
            for _ in 0..server.window.limit() {
                server.step(|_| Outcome::Success(Some(MILLI * times)));
                prop_assert!(server.window.limit() >= most);
                most = server.window.limit();
            }
        }
        prop_assert_eq!(server.window.limit(), 64);
    }

    #[test]
    fn permits_and_window_agree(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), 0_u8..8), 0..600)) {
        let limiter = Limiter::new(1, 6, 20);
        let mut out: Vec<Permit> = Vec::new();
        for (take, which, number) in steps {
            let (limit, in_flight) = (limiter.limit(), limiter.in_flight());
            prop_assert_eq!(in_flight, out.len());
            if take {
                let permit = limiter.try_acquire();
                prop_assert_eq!(permit.is_some(), in_flight < limit);
                out.extend(permit);
            } else if !out.is_empty() {
                say(out.swap_remove(which.index(out.len())), outcome(number));
            }
        }
        out.clear();
        let all: Vec<_> = std::iter::from_fn(|| limiter.try_acquire()).collect();
        prop_assert_eq!(all.len(), limiter.limit());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_keep_the_limit() {
    let limiter = Limiter::new(2, 5, 9);
    let tasks = Tasks::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for number in 0..2_000_u32 {
        let (limiter, now, most) = (limiter.clone(), now.clone(), most.clone());
        drop(tasks.spawn(async move {
            let permit = limiter.acquire().await;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            say(permit, outcome((number % 40) as u8));
        }));
    }
    tasks.close().await;
    assert!(most.load(Ordering::SeqCst) <= 9);
    assert_eq!(limiter.in_flight(), 0);
    let all: Vec<_> = std::iter::from_fn(|| limiter.try_acquire()).collect();
    assert_eq!(all.len(), limiter.limit());
}

#[tokio::test]
async fn who_waits_is_served_in_the_order_of_coming() {
    let limiter = Limiter::new(1, 3, 3);
    let order = Mutex::new(Vec::new());
    join_all((0..50).map(|number| {
        let (limiter, order) = (&limiter, &order);
        async move {
            let permit = limiter.acquire().await;
            order.lock().unwrap().push(number);
            assert!(limiter.in_flight() <= 3);
            tokio::task::yield_now().await;
            permit.success(MILLI);
        }
    }))
    .await;
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_gives_up_waiting_has_taken_nothing() {
    let limiter = Limiter::new(1, 1, 1);
    let held = limiter.acquire().await;
    let mut first = Box::pin(limiter.acquire());
    let mut second = Box::pin(limiter.acquire());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    drop(held);
    // The first was woken and never looked: its turn goes on to the second.
    drop(first);
    drop(second.now_or_never().expect("a turn"));
    assert_eq!(limiter.in_flight(), 0);
    assert!(limiter.try_acquire().is_some());
}

#[tokio::test]
async fn a_raise_wakes_who_waits() {
    let limiter = Limiter::new(1, 1, 2);
    let held = limiter.acquire().await;
    let (mut first, mut second) = (Box::pin(limiter.acquire()), Box::pin(limiter.acquire()));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    held.success(MILLI);
    let both = (first.now_or_never(), second.now_or_never());
    assert!(both.0.is_some() && both.1.is_some());
    assert_eq!((limiter.limit(), limiter.in_flight()), (2, 2));
}

#[tokio::test]
async fn after_a_cut_nobody_begins_before_there_is_room_again() {
    let limiter = Limiter::new(1, 4, 4);
    let mut held: Vec<_> = (0..4).map_while(|_| limiter.try_acquire()).collect();
    held.pop().unwrap().throttled();
    assert_eq!((limiter.limit(), limiter.in_flight()), (2, 3));
    assert!(limiter.try_acquire().is_none());
    drop(held.pop());
    assert!(limiter.try_acquire().is_none());
    drop(held.pop());
    assert!(limiter.try_acquire().is_some());
}
