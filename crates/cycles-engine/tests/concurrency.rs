//! Many threads, one budget: never more than it holds, and all that it holds.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::sync::Barrier;
use std::sync::atomic::{AtomicI64, Ordering};

use cycles_protocol::ErrorCode;
use fixture::{budget, client, create, start};

const THREADS: usize = 64;

#[test]
fn sixty_four_threads_get_exactly_the_budget() {
    let (engine, _) = start(fixture::SEED);
    let (granted, charged) = (AtomicI64::new(0), AtomicI64::new(0));
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (client, barrier) = (client(&engine), &barrier);
            let (granted, charged) = (&granted, &charged);
            scope.spawn(move || {
                barrier.wait();
                // 3 does not divide 1000, so the last grants are contended.
                let amount = if thread % 2 == 0 { 3 } else { 1 };
                loop {
                    match client.reserve(create(amount)) {
                        Ok(held) => {
                            granted.fetch_add(amount, Ordering::Relaxed);
                            let id = held.reservation_id.unwrap();
                            client.commit(&id, amount).unwrap();
                            charged.fetch_add(amount, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert_eq!(error.code(), ErrorCode::BudgetExceeded);
                            return;
                        }
                    }
                }
            });
        }
    });
    let after = budget(&engine, "tenant:acme");
    assert_eq!(granted.load(Ordering::Relaxed), 1_000);
    assert_eq!((after.spent.amount, after.reserved.amount, after.remaining.amount), (1_000, 0, 0));
    assert_eq!(charged.load(Ordering::Relaxed), 1_000);
}

#[test]
fn the_same_key_from_many_threads_is_one_reservation() {
    let (engine, _) = start(fixture::SEED);
    let barrier = Barrier::new(THREADS);
    let ids: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (client, barrier) = (client(&engine), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let request = fixture::create_with("one", 7, None);
                    client.reserve(request).unwrap().reservation_id.unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(budget(&engine, "tenant:acme").reserved.amount, 7);
}
