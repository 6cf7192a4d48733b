//! Blocks: runs that are compared and so stand beside each other. Ours beside a peer, and the two pipelines of 2019.

use packer::Strategy;

use crate::plan::{Case, Parallelism, Work};
use crate::record::{PeerRecord, Run};

/// A row of runs. Each is compared with its neighbour.
#[derive(Clone, Debug)]
pub(super) struct Block<'a>(pub(super) Vec<Member<'a>>);

/// A run of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    pub(super) work: Work<'a>,
    /// The peer that it stands beside, for its sample; a peer beside ours has none.
    pub(super) beside: Option<&'a str>,
}

/// The pipelines that stand for LXD before the change of 2019 and after it.
const PIPELINES_OF_2019: [&str; 2] = ["files-gzip", "pipe-gzip"];

/// All blocks of a run: of each peer that is timed, and of the two pipelines.
pub(super) fn blocks(run: &Run) -> Vec<Block<'_>> {
    let timed = || run.peers.iter().filter(|peer| peer.untimed().is_none());
    let mut blocks: Vec<Block<'_>> = timed().flat_map(|peer| beside_ours(run, peer)).collect();
    let pipelines: Vec<&PeerRecord> =
        PIPELINES_OF_2019.iter().filter_map(|name| timed().find(|peer| peer.name == *name)).collect();
    if let [files, pipe] = pipelines[..] {
        let members = [(files, pipe), (pipe, files)];
        let members = members.map(|(peer, beside)| Member { work: work(peer, 1), beside: Some(&beside.name) });
        blocks.push(Block(members.to_vec()));
    }
    blocks
}

/// A peer as it is run with so many threads.
pub(super) fn work(peer: &PeerRecord, threads: usize) -> Work<'_> {
    Work::Peer { name: &peer.name, script: &peer.script, maker: peer.maker, threads }
}

/// The blocks of one peer. What has one thread stands between ours with one thread and ours with all.
fn beside_ours<'a>(run: &'a Run, peer: &'a PeerRecord) -> Vec<Block<'a>> {
    let ours = |case: &'a Case| Member { work: Work::Pack(case, Strategy::SingleStream), beside: Some(&peer.name) };
    let theirs = |threads| Member { work: work(peer, threads), beside: None };
    let mut cases: Vec<&Case> = run.cases.iter().filter(|case| case.compression == peer.like).collect();
    cases.sort_by_key(|case| case.threads);
    match (peer.parallelism.unwrap_or(Parallelism::Single), &cases[..]) {
        // No case of ours makes this format.
        (_, []) => vec![Block(vec![theirs(run.environment.cores)])],
        (Parallelism::Pinned, cases) => {
            cases.iter().map(|case| Block(vec![ours(case), theirs(case.threads)])).collect()
        }
        (Parallelism::Single, [few, .., many]) => vec![Block(vec![ours(few), theirs(1), ours(many)])],
        (Parallelism::Single, [case]) => vec![Block(vec![ours(case), theirs(1)])],
        (Parallelism::All, [.., many]) => vec![Block(vec![ours(many), theirs(run.environment.cores)])],
    }
}
