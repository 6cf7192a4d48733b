//! The options of a pack that decide what becomes of the tree's entries; comparing an image with a tree takes them as well.

use crate::api::pack::Pack;
use crate::tree::filter::Exclusion;
use crate::tree::id_map::OwnerPolicy;
use crate::tree::xattr::filter::XattrGlob;

impl Pack {
    /// Leaves out the entries that match, and everything below directories that match. If the first name of a hard-linked file is
    /// left out, its next name has the content. What is left out may change during the pack. Default: nothing is left out. Calls add up.
    #[must_use]
    pub fn exclude(mut self, exclusions: impl IntoIterator<Item = Exclusion>) -> Self {
        self.rules.exclusions.extend(exclusions);
        self
    }

    /// Keeps the extended attributes whose names match one of these globs, and no others. Default: all but those that belong to the
    /// host, such as `security.selinux`, which any glob here brings back if it matches; `METADATA.md` has the list. Calls add up.
    #[must_use]
    pub fn include_xattrs(mut self, globs: impl IntoIterator<Item = XattrGlob>) -> Self {
        self.rules.xattrs.include.extend(globs);
        self
    }

    /// Leaves out the extended attributes whose names match one of these globs, also those that
    /// [`include_xattrs`](Self::include_xattrs) keeps. Default: none beside those of the host. Calls add up.
    ///
    /// Without its ACL, the permissions of an entry's group are the mask of the ACL, which may be more than the group had.
    #[must_use]
    pub fn exclude_xattrs(mut self, globs: impl IntoIterator<Item = XattrGlob>) -> Self {
        self.rules.xattrs.exclude.extend(globs);
        self
    }

    /// Sets the owners of the entries in the archive. Default: [`OwnerPolicy::Preserve`].
    #[must_use]
    pub fn owners(mut self, owners: OwnerPolicy) -> Self {
        self.rules.owners = owners;
        self
    }

    /// Replaces later modification times by this one, in seconds since 1970. Default: no time is replaced.
    #[must_use]
    pub fn clamp_mtime(mut self, latest: i64) -> Self {
        self.rules.latest = Some(latest);
        self
    }

    /// Packs the content of mount points below the tree. Default: off; they are listed in [`Image::mounts_skipped`](crate::Image::mounts_skipped).
    #[must_use]
    pub fn cross_mounts(mut self, cross_mounts: bool) -> Self {
        self.rules.cross_mounts = cross_mounts;
        self
    }
}
