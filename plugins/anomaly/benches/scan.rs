//! How fast the scan is natively: a log with nothing in it, the same by counting line ends only (what the memory
//! gives), and a log full of errors. In the component the same code runs; see the host's benchmark for that.

#![expect(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ghostd_anomaly::scan::{Options, Scan};
use std::hint::black_box;

/// One block of the size that the collector reads, repeated.
const BLOCK_BYTES: usize = 1 << 20;
/// What one measurement reads.
const TOTAL_BYTES: u64 = 200 << 20;

/// A mebibyte of whole lines.
fn block(line: impl Fn(usize) -> String) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_BYTES + 512);
    for number in 0.. {
        block.extend_from_slice(line(number).as_bytes());
        if block.len() >= BLOCK_BYTES {
            break;
        }
    }
    block
}

fn quiet(number: usize) -> String {
    format!(
        "2024-03-03 07:00:{:02}.{:03} INFO  [http-nio-8080-exec-{}] c.e.shop.OrderService - order {number} of customer {} stored in {} ms\n",
        number % 60,
        number % 1000,
        number % 16,
        number * 7919 % 100_000,
        number % 300
    )
}

fn broken(number: usize) -> String {
    format!(
        "2024-03-03 07:00:{:02}.{:03} ERROR [http-nio-8080-exec-{}] c.e.shop.OrderService - order {number} of customer {} could not be stored: timeout after {} ms\n",
        number % 60,
        number % 1000,
        number % 16,
        number * 7919 % 100_000,
        number % 300
    )
}

fn scan(block: &[u8]) -> u64 {
    let mut events = 0;
    let mut scan = Scan::new(Options::default());
    for _ in 0..TOTAL_BYTES / BLOCK_BYTES as u64 {
        scan.feed(block, &mut |_| events += 1);
    }
    scan.finish(&mut |_| events += 1);
    events
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan of 200 MiB");
    group.sample_size(10).throughput(Throughput::Bytes(TOTAL_BYTES));
    let text = block(quiet);
    group.bench_function("quiet", |b| b.iter(|| scan(black_box(&text))));
    group.bench_function("quiet, line ends only", |b| {
        b.iter(|| {
            (0..TOTAL_BYTES / BLOCK_BYTES as u64)
                .map(|_| memchr::memchr_iter(b'\n', black_box(&text)).count())
                .sum::<usize>()
        });
    });
    let text = block(broken);
    group.bench_function("every line an error", |b| b.iter(|| scan(black_box(&text))));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
