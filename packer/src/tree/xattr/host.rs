//! Extended attributes that belong to the host or its filesystem, and not to the tree.
//!
//! Another machine gives the same tree others, or none. Packed, they would change the fingerprint, and be wrong wherever the image is
//! unpacked. `METADATA.md` has the list for users.

/// Whether an attribute belongs to the host whatever its value is.
pub(crate) fn is_name(name: &[u8]) -> bool {
    // overlayfs has its attributes in `user.` if it is mounted with `userxattr`.
    if let Some(own) = name.strip_prefix(b"trusted.overlay.").or_else(|| name.strip_prefix(b"user.overlay.")) {
        // File handles of the lower and upper layer, and counts and marks that go with their inodes.
        return [&b"origin"[..], b"upper", b"uuid", b"impure", b"nlink"].contains(&own);
    }
    // Labels that the policy of the host gives to every file.
    name == b"security.selinux"
        || name.starts_with(b"security.SMACK64")
        || name == b"security.csm"
        // An NFSv4 server lists an ACL for every file, also for plain permissions.
        || [&b"system.nfs4_acl"[..], b"system.nfs4_dacl", b"system.nfs4_sacl"].contains(&name)
        // Properties of btrfs, and ACLs in the on-disk form of xfs, which xfs lists to root beside the usual form.
        || name.starts_with(b"btrfs.")
        || name.starts_with(b"trusted.SGI_ACL_")
}

/// Whether an attribute belongs to the host with this value, of a name that may belong to the tree. The first byte of such a value is
/// its type (`enum evm_ima_xattr_type` of the kernel).
pub(crate) fn is_value(name: &[u8], value: &[u8]) -> bool {
    const IMA_SIGNATURE: u8 = 3;
    const IMA_VERITY_SIGNATURE: u8 = 6;
    const EVM_PORTABLE_SIGNATURE: u8 = 5;
    match name {
        // The kernel of a host that appraises files gives each a hash of its content. Only a signature comes with the file.
        b"security.ima" => !matches!(value.first(), Some(&(IMA_SIGNATURE | IMA_VERITY_SIGNATURE))),
        // All others contain the inode's number and generation: the HMAC, with a key of the host, and the older signature.
        b"security.evm" => value.first() != Some(&EVM_PORTABLE_SIGNATURE),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_host_are_known() {
        for name in [
            "security.selinux",
            "security.SMACK64",
            "security.SMACK64TRANSMUTE",
            "security.csm",
            "system.nfs4_acl",
            "system.nfs4_dacl",
            "system.nfs4_sacl",
            "btrfs.compression",
            "trusted.SGI_ACL_FILE",
            "trusted.SGI_ACL_DEFAULT",
            "trusted.overlay.origin",
            "trusted.overlay.upper",
            "user.overlay.uuid",
            "user.overlay.impure",
            "user.overlay.nlink",
        ] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
        for name in [
            "security.capability",
            "security.ima",
            "security.evm",
            "security.selinux2",
            "system.posix_acl_access",
            "trusted.overlay.opaque",
            "trusted.overlay.redirect",
            "trusted.overlay.metacopy",
            "user.overlay.whiteout",
            "user.overlay.originals",
            // One overlay on top of another: it belongs to what is in the lower one.
            "trusted.overlay.overlay.origin",
            "trusted.origin",
            "user.btrfs.compression",
        ] {
            assert!(!is_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn signatures_belong_to_the_file_and_hashes_to_the_host() {
        for (name, kept) in [("security.ima", &[3, 6][..]), ("security.evm", &[5]), ("user.a", &[0, 1, 2, 3, 4, 5, 6])]
        {
            for first in 0..=6 {
                assert_eq!(is_value(name.as_bytes(), &[first, 4, 0]), !kept.contains(&first), "{name} {first}");
            }
        }
        assert!(is_value(b"security.ima", b"") && is_value(b"security.evm", b""));
    }
}
