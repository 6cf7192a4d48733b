//! The page of a bench: two passes against one stream, and both beside other tools.

use super::page::{Block, Page, Section};
use super::tables::{self, Table};
use super::{claim_2019, plots, provenance};
use crate::format::bytes;
use crate::plan::Maker;
use crate::record::{PeerRecord, Record};
use crate::stats::{self, Disturbance};

/// The limits of these figures; the long form is in `harness/METHODOLOGY.md`.
const THREATS: [&str; 7] = [
    "One machine. Ratios carry over to others better than times do; a slower disk makes two passes look worse, a faster one better.",
    "The tree is in the page cache when a run begins. These figures say nothing about a tree on a cold disk.",
    "onepass writes its image around the page cache where the filesystem lets it; the pipelines write through it and sync the file. \
     The suite `full` has a pipeline that writes as onepass does.",
    "Runs shorter than two seconds vary more from one to the next; the intervals are wider for them, and that is all that is done about it.",
    "Scratch space over time is seen on a filesystem that others may use as well; the peaks in the table are the packer's own account.",
    "The peers' tar has other bytes than ours (pax headers where a time is not a whole second, larger blocks); it holds the same files.",
    "Two passes are onepass's own, as parallel as its one stream: what is saved over the tools of 2019 is told by the peers, not by this ratio.",
];

/// The columns of the peers' table.
const PEERS: &str = "How many times as fast onepass is, with the interval of that ratio: from adjacent runs, ours beside the other tool's. Both have all \
                     threads, or both have one; a tool that has only one stands beside ours with one and with all in the same runs. \
                     Everything is compared within one format. Each tool's image was decoded once, untimed, and compared with the \
                     tree: entries, metadata and contents. One whose image differs by more than is known of its tool is not timed.";

/// The same of records whose peers had no runs of ours beside them.
const UNPAIRED: &str = "How many times as fast onepass is: with all cores, and with one thread, beside the same tool, which may use all cores. The runs \
                        were not adjacent: the ratio is a quotient of medians, and its interval is computed from theirs as if they \
                        were independent. Images of other tools were not compared with the tree.";

/// The figures of memory.
const MEMORY: &str = "The largest process is the peak of memory of the largest of the processes of the pipeline, and never less than the few \
                      megabytes of the program that starts it.";

/// The column of the memory of all processes of a peer.
const TOGETHER: &str = "Memory, together, is the sum of the peaks of the processes that were seen alive at one moment, where that was the most. They were looked \
                        at every 50 ms: what ends sooner is not seen, and what grows after the last look is not counted. Each peaks \
                        at its own moment, and pages that two of them share count twice, so the sum is mostly too high. onepass is one process.";

/// The unknown figures of a daemon's work.
const DAEMON: &str = "What LXD does for `lxc publish` is done by a daemon and its processes, on its own disk, which it does not wait for: only the \
                      time from the request to the answer is known. Processor time, memory, and what is read and written are not, and \
                      have no figures in the record; they are not zero.";

/// How the tree gets into LXD.
const CONTAINER: &str = "The tree is in LXD as `$CONTAINER`, which is never started: before anything was measured, `onepass pack --format \
                         unified --compression none`, `lxc image import`, `lxc init`. What LXD leaves out when it unpacks an image is \
                         not in what it publishes. After each run, untimed, the image is removed.";

/// The blocks below a plot.
fn beside(record: &Record, plot: &str, peers: &Table) -> Vec<Block> {
    match plot {
        "scratch.svg" => accounts(record).map(Block::Text).into_iter().collect(),
        "throughput.svg" if !peers.rows.is_empty() => beside_peers(record, peers),
        "order.svg" => {
            let warmth = warmth(record).map(Block::Text);
            let disturbance = disturbance(record).map(Block::Text);
            [Block::Table(tables::medians(record))].into_iter().chain(warmth).chain(disturbance).collect()
        }
        _ => Vec::new(),
    }
}

/// The table of the peers, and how to read it.
fn beside_peers(record: &Record, peers: &Table) -> Vec<Block> {
    let is_paired = record.run.peers.iter().any(|peer| peer.parallelism.is_some());
    let has_memory = record.samples.iter().any(|sample| sample.memory.is_some());
    let has_together = record.samples.iter().any(|sample| sample.memory_together.is_some());
    let first = if is_paired { PEERS } else { UNPAIRED };
    let texts = [Some(first), has_memory.then_some(MEMORY), has_together.then_some(TOGETHER)];
    let daemon = by_lxd(record).map(|_| DAEMON);
    let texts = texts.into_iter().chain([daemon]).flatten().map(|text| Block::Text(text.into()));
    let losses = tables::losses(record).map(Block::Table);
    std::iter::once(Block::Table(peers.clone())).chain(texts).chain(losses).collect()
}

/// Whether the packer's account of scratch space and the filesystem's agree.
fn accounts(record: &Record) -> Option<String> {
    let (most, far) = stats::accounts(record)?;
    let far = match far {
        0 => "in none of them by more than a hundredth or 2 MiB".to_owned(),
        far => format!("in {far} of them by MORE than a hundredth or 2 MiB"),
    };
    Some(format!(
        "The packer's own account of its peak, which is in the tables, and what was seen from outside are {} apart at most in all \
         timed runs, {far}.",
        bytes(most)
    ))
}

/// Whether the page cache was warm.
fn warmth(record: &Record) -> Option<String> {
    let (cold, all) = stats::cold(record)?;
    Some(match cold {
        0 => format!(
            "The page cache was warm: none of {all} timed runs fetched more than a hundredth of the tar from a disk."
        ),
        cold => format!(
            "The page cache was not always warm: {cold} of {all} timed runs fetched more than a hundredth of the tar from a disk. They \
             count as all others do."
        ),
    })
}

/// What took the machine away from the timed runs.
fn disturbance(record: &Record) -> Option<String> {
    let Disturbance { runs, suspended, steal } = stats::disturbance(record)?;
    let suspended = match suspended {
        0 => format!("The machine was suspended during none of {runs} timed runs."),
        suspended => {
            format!("The machine was SUSPENDED during {suspended} of {runs} timed runs. They count as all others do.")
        }
    };
    let steal = steal.map(|part| {
        format!(" In one run the hypervisor gave at most {:.1} % of the processors' time to others.", part * 100.0)
    });
    Some(suspended + &steal.unwrap_or_default())
}

/// The peers that were made by LXD, if there were any.
fn by_lxd(record: &Record) -> Option<&PeerRecord> {
    record.run.peers.iter().find(|peer| peer.maker == Maker::Lxd && peer.missing.is_none())
}

pub(super) fn page(record: &Record, verdict: &[String], comparison: &Table, peers: &Table) -> Page {
    let run = &record.run;
    let mut sections = vec![Section::new(
        "Two passes and one stream",
        vec![
            Block::Table(comparison.clone()),
            Block::Text(
                "Time: medians, and their difference. Ratio: time of single-stream ÷ time of two-pass, from pairs of adjacent runs; \
                 where a median is pulled by a few runs, it is nearer to the truth than they are. Scratch peak, bytes written \
                 and memory are the most of all runs; a difference below zero is what one stream saves. Without compression \
                 (none) there is nothing to do in a second pass, and the two are the same pass."
                    .into(),
            ),
        ],
    )];
    for plot in plots::all(record) {
        let file = plot.file;
        let mut section = Section::plot(plot);
        section.blocks.extend(beside(record, file, peers));
        sections.push(section);
    }
    if let Some(claims) = claim_2019::table(record) {
        sections.push(Section::new(
            "What was said in 2019",
            vec![Block::Table(claims), Block::Text(claim_2019::source(record))],
        ));
    }
    if let Some(floor) = tables::floor(record) {
        sections.push(Section::new(
            "How near to the floor",
            vec![
                Block::Table(floor),
                Block::Text(
                    "The floor is the processor time that no packer can save, divided by the cores: the encoder's library on \
                     the same pieces, sha256 of the image, and opening and reading the files – each alone, on all cores at \
                     once, in runs between the others. One hash runs on one core at a time, so no image is made faster than \
                     it is hashed. Writing to the disk, walking, framing and checking are not in the floor, but in the time."
                        .into(),
                ),
            ],
        ));
    }
    if let Some(noise) = tables::noise(record) {
        sections.push(Section::new(
            "Noise",
            vec![
                Block::Table(noise),
                Block::Text(
                    "What varies from one run to the next, as a standard deviation, while nothing is changed. Nothing is discarded. \
                     Two runs of a pair are adjacent, so that a slow minute slows both; where a pair varies more than its \
                     runs do, pairing did not help. No counter certifies a quiet machine: the width of the interval does."
                        .into(),
                ),
            ],
        ));
    }
    if let Some(likeness) = tables::likeness(record) {
        let text = "The tree is made, so that anybody can make it again. Sizes are in bytes, at percentiles of the files of a class or \
                    of the tree; ratios are uncompressed ÷ compressed. What is off by more than a twentieth (classes) or 3 % \
                    (the whole tar) is told.";
        sections.push(Section::new(
            "How near the fixture is to a real tree",
            vec![Block::Table(likeness), Block::Text(text.into())],
        ));
    }
    sections.push(Section::new("What was verified", vec![provenance::checked(&run.checks)]));
    sections
        .push(Section::new("What could fool you", vec![Block::List(THREATS.into_iter().map(String::from).collect())]));
    let runs = format!("suite {}, {} pairs for each case, shuffled with seed {}", run.suite, run.pairs, run.seed);
    sections.push(Section::new(
        "With what",
        vec![Block::Facts(provenance::facts(&run.environment, &record.samples, runs))],
    ));
    let peers: Vec<String> = run.peers.iter().map(|peer| format!("{}: `{}`", peer.name, peer.script)).collect();
    let threads = match peers.iter().any(|script| script.contains("$THREADS")) {
        true => "; `$THREADS` is the number of our threads beside them",
        false => "",
    };
    let mut commands = provenance::asked(&run.command);
    commands.extend([
        Block::Text(format!(
            "onepass: `onepass pack $ROOTFS --output $OUT --compression SPEC --strategy STRATEGY --threads N --json`. The \
             peers, run by `bash -o pipefail -c`{threads}:"
        )),
        Block::List(peers),
    ]);
    commands.extend(by_lxd(record).map(|_| Block::Text(CONTAINER.into())));
    commands.push(Block::Text(provenance::SOURCES.into()));
    sections.push(Section::new("The exact commands", commands));
    let subject = &run.subject;
    Page {
        name: format!("onepass bench · {} · {}", run.date, run.topic),
        title: "What one stream saves over two passes".into(),
        opening: format!(
            "A root filesystem is packed into a compressed tar that is named by the sha256 of its bytes. Two passes write the \
             tar to a temporary file, then read it back and compress it. One stream compresses while it reads: no temporary \
             file. Here both pack the same tree: {}, {} entries, a tar of {} (sha256 `{}`).",
            subject.name,
            subject.entries,
            bytes(subject.tar_size),
            subject.diff_id
        ),
        banner: provenance::banner(&run.environment),
        sound: run.holds(),
        verdict: verdict.to_vec(),
        sections,
    }
}
