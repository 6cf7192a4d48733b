//! Each stage alone, on a tenth of the fixture `debian-base`: `cargo bench -p benches --bench stages`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{Fixture, Profile};
use packer::{Compression, stages};

fn stages(criterion: &mut Criterion) {
    let root = tempfile::tempdir().expect("a directory for the fixture");
    let scale = "0.1".parse().expect("a scale");
    let made = Fixture::new(Profile::DebianBase).scale(scale).create(root.path()).expect("the fixture");

    let mut group = criterion.benchmark_group("walk");
    group.throughput(Throughput::Elements(made.entries));
    group.bench_function("entries", |bencher| bencher.iter(|| black_box(stages::walk(root.path()).expect("a walk"))));
    group.finish();

    for compression in ["none", "gzip:1", "gzip:5", "gzip:6", "gzip:9", "zstd:1", "zstd:3", "zstd:9"] {
        let compression: Compression = compression.parse().expect("a compression");
        let segments = framed(root.path(), compression);
        let bytes: usize = segments.iter().map(Vec::len).sum();
        if compression == Compression::None {
            let mut group = criterion.benchmark_group("frame");
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function("none", |bencher| bencher.iter(|| framed(root.path(), compression).len()));
            group.finish();
            let mut group = criterion.benchmark_group("hash");
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function("sha256", |bencher| bencher.iter(|| stages::hash(&segments)));
            group.finish();
            continue;
        }
        let mut group = criterion.benchmark_group("encode");
        group.sample_size(10).throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(compression.to_string(), |bencher| {
            bencher.iter(|| stages::encode(compression, &segments).expect("an encoder"));
        });
        group.finish();
    }
}

fn framed(rootfs: &Path, compression: Compression) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    stages::frame(rootfs, compression, |bytes| segments.push(bytes.to_vec())).expect("frames");
    segments
}

criterion_group!(benches, stages);
criterion_main!(benches);
