//! The archive of the tree of corners as a golden: its sha256, and the headers and records of the entries that have
//! attributes, read block by block.

use std::fs;

use sha2::{Digest, Sha256};

use crate::corners::packed;

/// What the table of the tree says gives these bytes, on any machine.
#[test]
fn the_archive_is_always_the_same() {
    let Some(packed) = packed() else { return };
    let tar = fs::read(&packed.image).unwrap();
    let digest: String = Sha256::digest(&tar).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(packed.record["fingerprint"], digest.as_str());
    insta::assert_snapshot!(digest, @"2888a1deb4d5d0a49162b68fed8476128f7e48965dec4ef3f146d68437eab67a");
}

#[test]
fn attributes_and_lists_are_these_records() {
    let Some(packed) = packed() else { return };
    let tar = fs::read(&packed.image).unwrap();
    let chosen = members(&tar)
        .filter(|member| ["./", "attributes/", "lists/"].iter().any(|start| member.name.starts_with(start.as_bytes())));
    let lines: Vec<String> = chosen.map(|member| member.line()).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    5 0751 2097152:1000 1500000000 ./
        uid=2097152
        mtime=1500000000.123456789
        SCHILY.xattr.user.top=t
    5 0755 0:0 1700000000 attributes/
        path=attributes/
        SCHILY.xattr.trusted.directory=\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f... (256 bytes)
        SCHILY.xattr.user.directory=d
    0 0755 1000:1000 1700000000 attributes/all
        path=attributes/all
        SCHILY.xattr.trusted.all=\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f... (256 bytes)
        SCHILY.xattr.user.all=\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f... (256 bytes)
    4 0644 0:0 1700000000 attributes/block
        path=attributes/block
        SCHILY.xattr.trusted.device=d%\n
    0 0755 1000:1000 1700000000 attributes/capability-2
        SCHILY.xattr.security.capability=\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00
    0 0755 1000:1000 1700000000 attributes/capability-3
        SCHILY.xattr.security.capability=\x01\x00\x00\x03\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00@B\x0f\x00
        SCHILY.xattr.user.other=o
    3 0644 0:0 1700000000 attributes/character
        path=attributes/character
        SCHILY.xattr.trusted.device=d%\n
    0 0755 1000:1000 1700000000 attributes/empty
        SCHILY.xattr.user.empty=
    6 0644 0:0 1700000000 attributes/fifo
        path=attributes/fifo
        SCHILY.xattr.trusted.fifo=\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f... (256 bytes)
    0 0644 0:0 1700000000 attributes/large
        path=attributes/large
        SCHILY.xattr.user.large=\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n... (3000 bytes)
    2 0777 0:0 1700000000 attributes/link -> nowhere
        path=attributes/link
        linkpath=nowhere
        SCHILY.xattr.trusted.a%3Db=link\n
        SCHILY.xattr.trusted.empty=
    2 0777 0:0 1700000000 attributes/link-record -> nowhere
        path=attributes/link-record
        linkpath=nowhere
        SCHILY.xattr.trusted.r=\n22 linkpath=elsewhere\n
    0 0644 0:0 1700000000 attributes/machine
        SCHILY.xattr.user.m=
    0 0644 0:0 1700000000 attributes/name-record
        path=attributes/name-record
        SCHILY.xattr.user.r\n18 path=elsewhere
    0 0755 1000:1000 1700000000 attributes/names
        SCHILY.xattr.user.%253D=3
        SCHILY.xattr.user.100%25=2
        SCHILY.xattr.user.%3D=
        SCHILY.xattr.user.a%3Db=1
        SCHILY.xattr.user.\xc3\xbc=4
    0 0755 1000:1000 1700000000 attributes/newlines
        path=attributes/newlines
        SCHILY.xattr.user.newline=\n
        SCHILY.xattr.user.record=one\n18 path=elsewhere\n
        SCHILY.xattr.user.z=z
    5 0755 0:0 1700000000 attributes/newlines-below/
        path=attributes/newlines-below/
        SCHILY.xattr.user.empty=
        SCHILY.xattr.user.newline=\n
    0 0644 0:0 1700000000 attributes/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
        path=attributes/nnnnn... (131 bytes)
        SCHILY.xattr.user.long\xc3\xbc=a\nb
    5 0755 0:0 1700000000 attributes/opaque/
        SCHILY.xattr.trusted.overlay.opaque=y
    0 0755 1000:1000 1700000000 attributes/order
        SCHILY.xattr.trusted.c=3
        SCHILY.xattr.user.B=4
        SCHILY.xattr.user.a=1
        SCHILY.xattr.user.a.a=5
        SCHILY.xattr.user.b=2
    0 0755 1000:1000 1700000000 attributes/signed
        path=attributes/signed
        SCHILY.xattr.security.evm=\x05\x02\xff\n
        SCHILY.xattr.security.ima=\x03\x04\xff\n
    0 0755 1000:1000 1700000000 attributes/zeros
        SCHILY.xattr.user.zero=\x00
        SCHILY.xattr.user.zeros=a\x00b\x00\x00
    5 0755 0:0 1700000000 lists/
    5 0774 0:0 1700000000 lists/access/
        SCHILY.acl.access=user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00... (44 bytes)
    5 2774 0:0 1700000000 lists/both/
        SCHILY.acl.access=user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--
        SCHILY.acl.default=user::rwx,user:0:-wx,user:2097152:--x,group::r-x,group:1000:rw-,mask::rwx,other::---
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00... (44 bytes)
        SCHILY.xattr.system.posix_acl_default=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x03\x00... (60 bytes)
    0 0774 0:0 1700000000 lists/both/below
        SCHILY.acl.access=user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00... (44 bytes)
    5 0755 0:0 1700000000 lists/default/
        SCHILY.acl.default=user::rwx,user:0:-wx,user:2097152:--x,group::r-x,group:1000:rw-,mask::rwx,other::---
        SCHILY.xattr.system.posix_acl_default=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x03\x00... (60 bytes)
    0 0644 0:0 1700000000 lists/default/plain
    5 0755 0:0 1700000000 lists/default/plain-directory/
    0 0600 0:0 1700000000 lists/default/plain-directory/below
    6 0774 0:0 1700000000 lists/fifo
        SCHILY.acl.access=user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00... (44 bytes)
    0 0774 0:0 1700000000 lists/file
        SCHILY.acl.access=user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00... (44 bytes)
    5 0770 0:0 1700000000 lists/large-id/
        SCHILY.acl.access=user::rwx,user:2147483648:r--,group::r-x,group:4294967294:rw-,mask::rwx,other::---
        SCHILY.acl.default=user::rwx,user:2147483648:r--,group::r-x,group:4294967294:rw-,mask::rwx,other::---
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x04\x00... (52 bytes)
        SCHILY.xattr.system.posix_acl_default=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x04\x00... (52 bytes)
    0 0774 0:0 1700000000 lists/with-attributes
        path=lists/with-attributes
        SCHILY.acl.access=user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--
        SCHILY.xattr.system.posix_acl_access=\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00... (44 bytes)
        SCHILY.xattr.user.l=\n
    "#);
}

/// A member as its header block has it, with the pax records before it.
struct Member<'a> {
    records: &'a [u8],
    block: &'a [u8],
    name: Vec<u8>,
}

fn members(mut tar: &[u8]) -> impl Iterator<Item = Member<'_>> {
    let mut records: &[u8] = b"";
    std::iter::from_fn(move || {
        loop {
            let (block, rest) = tar.split_at(512);
            if block.iter().all(|byte| *byte == 0) {
                assert_eq!(rest, [0; 512]);
                return None;
            }
            let size = usize::try_from(number(&block[124..136])).unwrap();
            tar = &rest[size.next_multiple_of(512)..];
            if block[156] == b'x' {
                records = &rest[..size];
                continue;
            }
            let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
            let name = [prefix, if prefix.is_empty() { b"" } else { b"/" }, name].concat();
            return Some(Member { records: std::mem::take(&mut records), block, name });
        }
    })
}

impl Member<'_> {
    fn line(&self) -> String {
        let octal = |field: &[u8]| number(field).to_string();
        let block = self.block;
        let mut line = format!(
            "{} {} {}:{} {} {}",
            char::from(block[156]),
            std::str::from_utf8(&block[103..107]).unwrap(),
            octal(&block[108..116]),
            octal(&block[116..124]),
            octal(&block[136..148]),
            shown(&self.name)
        );
        let link = text(&block[157..257]);
        if !link.is_empty() {
            line += &format!(" -> {}", shown(link));
        }
        let mut records = self.records;
        while !records.is_empty() {
            let digits = records.iter().position(|byte| *byte == b' ').unwrap();
            let length: usize = std::str::from_utf8(&records[..digits]).unwrap().parse().unwrap();
            let (record, rest) = records.split_at(length);
            assert_eq!(record.last(), Some(&b'\n'));
            let record = &record[digits + 1..length - 1];
            let key = record.iter().position(|byte| *byte == b'=').unwrap();
            line += &format!("\n    {}={}", record[..key].escape_ascii(), shown(&record[key + 1..]));
            records = rest;
        }
        line
    }
}

/// Octal digits, or base-256 after a first bit of one.
fn number(field: &[u8]) -> i128 {
    if field[0] & 0x80 == 0 {
        return i128::from_str_radix(std::str::from_utf8(text(field)).unwrap().trim(), 8).unwrap();
    }
    let first = if field[0] & 0x40 == 0 { i128::from(field[0] & 0x3f) } else { -1 };
    field[1..].iter().fold(first, |value, byte| (value << 8) | i128::from(*byte))
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap()
}

/// Bytes in printable form; of long ones the beginning.
fn shown(bytes: &[u8]) -> String {
    let text = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    if bytes.len() <= if text { 100 } else { 32 } {
        return bytes.escape_ascii().to_string();
    }
    format!("{}... ({} bytes)", bytes[..16].escape_ascii(), bytes.len())
}
