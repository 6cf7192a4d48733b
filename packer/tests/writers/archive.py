"""Writes the tree in a directory as a tar, as Python's tarfile does it: FORMAT DIRECTORY FILE."""

import os
import sys
import tarfile
from decimal import Decimal

form, directory, file = sys.argv[1:]


def exact(member):
    """Times as they are: tarfile keeps them as floats, and writes very small ones with an exponent."""
    found = os.lstat(os.path.join(directory, member.name))
    member.mtime = found.st_mtime_ns // 10**9
    if found.st_mtime_ns % 10**9:
        member.pax_headers["mtime"] = f"{Decimal(found.st_mtime_ns).scaleb(-9):f}"
    return member


with tarfile.open(file, "w", format=getattr(tarfile, form), encoding="utf-8", errors="surrogateescape") as archive:
    archive.add(directory, arcname=".", filter=exact)
