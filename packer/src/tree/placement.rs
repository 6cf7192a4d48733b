//! Where the tree stands in the archive. The format decides it, the walk follows it.

/// Where the tree stands in the archive, and which names its reader treats in a special way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Stands before every path: nothing, or a directory with its slash.
    pub(crate) prefix: &'static [u8],
    /// Whether the reader leaves out everything below `dev`, as LXD and Incus do (`--exclude=dev/*`). Then no other name may be a
    /// hard link to a file there.
    pub(crate) unpacked_without_dev: bool,
    /// Whether the archive is a layer, in which a file `.wh.NAME` (a whiteout) removes NAME.
    pub(crate) is_layer: bool,
}

impl Placement {
    /// Whether the reader would take a file of this name for a whiteout.
    pub(crate) fn is_whiteout(self, name: &[u8]) -> bool {
        self.is_layer && name.starts_with(b".wh.")
    }

    /// Whether the file at `path` may be a hard link, or the target of one.
    pub(crate) fn allows_hard_link(self, path: &[u8]) -> bool {
        !(self.unpacked_without_dev && path.starts_with(b"dev/"))
    }
}
