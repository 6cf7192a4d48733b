//! Whole packs of both strategies, on a tenth of the fixture `debian-base`: `cargo bench -p benches --bench packs`.

use std::num::NonZeroUsize;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Fixture, Profile};
use packer::{Compression, Pack, Strategy};

fn packs(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a directory for the fixture");
    let scale = "0.1".parse().expect("a scale");
    let fixture = Fixture::new(Profile::DebianBase).scale(scale).create(root.path()).expect("the fixture");
    let output = || tempfile::tempdir().expect("an output directory");

    for strategy in Strategy::ALL {
        let mut group = criterion.benchmark_group(strategy.name());
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(5))
            .throughput(Throughput::Elements(fixture.entries));
        for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
            // Without compression both strategies are one pass.
            if compression == Compression::None && strategy == Strategy::TwoPass {
                continue;
            }
            for threads in [1, 2] {
                let pack = Pack::new(root.path())
                    .compression(compression)
                    .strategy(strategy)
                    .threads(NonZeroUsize::new(threads).expect("a thread"));
                // An image that is already there would be compared, not published: each pack has its own directory.
                group.bench_function(format!("{compression}, threads {threads}"), |bencher| {
                    bencher.iter_batched(
                        output,
                        |output| {
                            pack.publish(output.path()).expect("an image");
                            output
                        },
                        BatchSize::PerIteration,
                    );
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, packs);
criterion_main!(benches);
