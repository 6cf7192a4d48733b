//! The sizes that the pipeline works in, by codec. Each was chosen by measurements on Debian trees.

use crate::codec::Compression;
use crate::segment::sizes::Sizes;

/// The average framed sizes of segments. They are part of what decides an image's bytes.
///
/// Large segments make small images; small segments let the workers of a small tree end together.
pub(crate) fn segment_sizes(compression: Compression) -> Sizes {
    let always = |size| Sizes { first: size, largest: size };
    match compression {
        // 1.41 GB in 1, ½, ¼ MiB: 412.5, 413.1, 414.3 MB in the same time; `gzip -6` makes 413.6. 8 MB are fastest with ¼ MiB.
        Compression::Gzip(_) => Sizes { first: 256 << 10, largest: 512 << 10 },
        Compression::None | Compression::Squashfs | Compression::External(..) => always(1 << 20),
        // 1.41 GB in 4, 3.5, 3 MiB: 386.9, 391.3, 391.5 MB in the same time; `zstd -3` makes 388.1. Small first segments cost 1 to 4.5 %.
        Compression::Zstd(_) => always(4 << 20),
        // 173 MB at level 6 in 16, 8, 4 MiB: 39.5, 40.3, 41.7 MB; `xz -T2` makes 39.8.
        Compression::Xz(_) => always(16 << 20),
    }
}

/// How many segments a worker takes at once.
pub(crate) fn batch_size(compression: Compression) -> usize {
    match compression {
        // Two streams at once are walked in 9 % of the time of compressing at level 5, one after the other in 13 %.
        Compression::Gzip(_) => 2,
        Compression::None
        | Compression::Zstd(_)
        | Compression::Xz(_)
        | Compression::Squashfs
        | Compression::External(..) => 1,
    }
}

/// How many finished batches of each worker may wait for the sink.
///
/// Enough that a slow batch does not stop the other workers, and no more, since each may be as large as before it was compressed.
pub(crate) fn window(compression: Compression) -> usize {
    match compression {
        // With 3 a pack of 1.41 GB took 3.23 s instead of 3.24, and 45 MB of memory instead of 38.
        Compression::Zstd(_) => 1,
        Compression::None
        | Compression::Gzip(_)
        | Compression::Xz(_)
        | Compression::Squashfs
        | Compression::External(..) => 3,
    }
}

/// How many hashed pieces may wait for the writer. With 0, each is handed over when the writer is ready.
pub(crate) fn write_queue(compression: Compression) -> usize {
    (window(compression) - 1) * batch_size(compression)
}
