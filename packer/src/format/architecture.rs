//! Processor architectures: their names in LXD and OCI, and the one that a program was built for.

use std::fmt;
use std::str::FromStr;

/// The processor architecture of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    I686,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm with hardware floating point.
    Armv7l,
    /// 32-bit Arm without.
    Armv6l,
    /// 64-bit POWER, little-endian.
    Ppc64le,
    /// 64-bit POWER, big-endian.
    Ppc64,
    /// 64-bit z/Architecture.
    S390x,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit LoongArch.
    Loongarch64,
    /// 64-bit MIPS, little-endian.
    Mips64le,
    /// 32-bit MIPS, little-endian.
    Mipsle,
}

/// The names of one architecture.
struct Names {
    /// In the kernel (`uname -m`), and so in LXD and Incus (`shared/osarch`).
    lxd: &'static str,
    /// In Go (`GOARCH`), and so in the OCI image specification.
    oci: &'static str,
    /// The variant in the OCI image specification.
    variant: Option<&'static str>,
    /// In Debian.
    debian: &'static str,
}

impl Architecture {
    /// All architectures.
    pub const ALL: [Architecture; 12] = [
        Architecture::X86_64,
        Architecture::I686,
        Architecture::Aarch64,
        Architecture::Armv7l,
        Architecture::Armv6l,
        Architecture::Ppc64le,
        Architecture::Ppc64,
        Architecture::S390x,
        Architecture::Riscv64,
        Architecture::Loongarch64,
        Architecture::Mips64le,
        Architecture::Mipsle,
    ];

    fn names(self) -> Names {
        let (lxd, oci, variant, debian) = match self {
            Architecture::X86_64 => ("x86_64", "amd64", None, "amd64"),
            Architecture::I686 => ("i686", "386", None, "i386"),
            Architecture::Aarch64 => ("aarch64", "arm64", None, "arm64"),
            Architecture::Armv7l => ("armv7l", "arm", Some("v7"), "armhf"),
            Architecture::Armv6l => ("armv6l", "arm", Some("v6"), "armel"),
            Architecture::Ppc64le => ("ppc64le", "ppc64le", None, "ppc64el"),
            Architecture::Ppc64 => ("ppc64", "ppc64", None, "ppc64"),
            Architecture::S390x => ("s390x", "s390x", None, "s390x"),
            Architecture::Riscv64 => ("riscv64", "riscv64", None, "riscv64"),
            Architecture::Loongarch64 => ("loongarch64", "loong64", None, "loong64"),
            Architecture::Mips64le => ("mips64", "mips64le", None, "mips64el"),
            Architecture::Mipsle => ("mips", "mipsle", None, "mipsel"),
        };
        Names { lxd, oci, variant, debian }
    }

    /// The name in LXD and Incus: `x86_64`.
    #[must_use]
    pub fn lxd(self) -> &'static str {
        self.names().lxd
    }

    /// The name in the OCI image specification: `amd64`.
    #[must_use]
    pub fn oci(self) -> &'static str {
        self.names().oci
    }

    /// The variant in the OCI image specification: `v7`.
    #[must_use]
    pub fn variant(self) -> Option<&'static str> {
        self.names().variant
    }

    /// The architecture of an ELF program, by at least the first [`HEADER`] bytes of its file. `None` for another file, or an unknown
    /// machine.
    ///
    /// Source: System V ABI, [ELF Header](https://gabi.xinuos.com/elf/02-eheader.html), and the supplements of the machines.
    pub(crate) fn of_program(header: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = header.first_chunk()?;
        if !header.starts_with(b"\x7fELF") {
            return None;
        }
        let (wide, little) = (header[4] == 2, header[5] == 1);
        let machine = [header[18], header[19]];
        let machine = if little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
        // `e_flags` of a 32-bit header; EF_ARM_ABI_FLOAT_HARD.
        let hard_float = header[37] & 0x04 != 0;
        match (machine, wide, little) {
            (62, true, true) => Some(Architecture::X86_64),
            (3, false, true) => Some(Architecture::I686),
            (183, true, true) => Some(Architecture::Aarch64),
            (40, false, true) if hard_float => Some(Architecture::Armv7l),
            (40, false, true) => Some(Architecture::Armv6l),
            (21, true, true) => Some(Architecture::Ppc64le),
            (21, true, false) => Some(Architecture::Ppc64),
            (22, true, false) => Some(Architecture::S390x),
            (243, true, true) => Some(Architecture::Riscv64),
            (258, true, true) => Some(Architecture::Loongarch64),
            (8, true, true) => Some(Architecture::Mips64le),
            (8, false, true) => Some(Architecture::Mipsle),
            _ => None,
        }
    }
}

/// The bytes of a program that tell its architecture: the header of a 32-bit one.
pub(crate) const HEADER: usize = 52;

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lxd())
    }
}

/// The error for a text that names no known [`Architecture`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an architecture that is known: x86_64, i686, aarch64, armv7l, armv6l, ppc64le, ppc64, s390x, riscv64, \
         loongarch64, mips64, mips, or what Debian and Go call them"
)]
pub struct InvalidArchitecture(String);

impl FromStr for Architecture {
    type Err = InvalidArchitecture;

    /// Parses the name in LXD, Go or Debian. `arm` is the one with hardware floating point.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |architecture: &Architecture| {
            let Names { lxd, oci, debian, .. } = architecture.names();
            [lxd, oci, debian].contains(&text)
        };
        let found = Architecture::ALL.into_iter().find(named);
        found.ok_or_else(|| InvalidArchitecture(text.escape_debug().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read() {
        for architecture in Architecture::ALL {
            let Names { lxd, debian, .. } = architecture.names();
            assert_eq!(lxd.parse(), Ok(architecture));
            assert_eq!(debian.parse(), Ok(architecture));
        }
        for (text, expected) in
            [("386", Architecture::I686), ("arm", Architecture::Armv7l), ("arm64", Architecture::Aarch64)]
        {
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["", "x86", "AMD64", "vax", "x86_64 ", "\u{1b}[31m"] {
            let error = text.parse::<Architecture>().unwrap_err().to_string();
            assert!(error.contains("is not an architecture") && !error.contains('\u{1b}'), "{error}");
        }
    }

    /// The header as a linker writes it.
    fn header(class: u8, data: u8, machine: u16, flags: u32) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data, 1]);
        let (machine, flags) = if data == 1 {
            (machine.to_le_bytes(), flags.to_le_bytes())
        } else {
            (machine.to_be_bytes(), flags.to_be_bytes())
        };
        header[18..20].copy_from_slice(&machine);
        header[36..40].copy_from_slice(&flags);
        header
    }

    #[test]
    fn programs_tell_what_they_are_for() {
        for (program, expected) in [
            (header(2, 1, 62, 0), Some(Architecture::X86_64)),
            (header(1, 1, 40, 0x0500_0400), Some(Architecture::Armv7l)),
            (header(1, 1, 40, 0x0500_0200), Some(Architecture::Armv6l)),
            (header(2, 2, 22, 0), Some(Architecture::S390x)),
            (header(2, 2, 21, 0), Some(Architecture::Ppc64)),
            (header(2, 1, 21, 2), Some(Architecture::Ppc64le)),
            // x32 programs, and unknown machines.
            (header(1, 1, 62, 0), None),
            (header(2, 1, 9_999, 0), None),
            (b"#!/bin/sh\n".repeat(9), None),
            (header(2, 1, 62, 0)[..HEADER - 1].to_vec(), None),
        ] {
            assert_eq!(Architecture::of_program(&program), expected);
        }
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(Architecture::of_program(&own).map(Architecture::lxd), Some(std::env::consts::ARCH));
    }
}
