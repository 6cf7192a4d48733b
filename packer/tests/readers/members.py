"""Lists the members of a tar as Python's tarfile reads them: one JSON object a line, bytes in hexadecimal."""

import hashlib
import json
import sys
import tarfile
from decimal import Decimal


def raw(text):
    return text.encode("utf-8", "surrogateescape").hex()


with tarfile.open(sys.argv[1], "r:", encoding="utf-8", errors="surrogateescape") as archive:
    for member in archive:
        content = archive.extractfile(member).read() if member.isreg() else b""
        # The record, not the float that tarfile makes of it.
        mtime = Decimal(member.pax_headers.get("mtime", str(member.mtime)))
        listed = {
            "path": raw(member.name),
            "kind": member.type.decode("ascii"),
            "mode": member.mode,
            "owner": [member.uid, member.gid],
            "mtime": list(divmod(int(mtime * 10**9), 10**9)),
            "size": member.size,
            "sha256": hashlib.sha256(content).hexdigest(),
            "link": raw(member.linkname),
            "device": [member.devmajor, member.devminor],
            "records": {raw(key): raw(value) for key, value in member.pax_headers.items()},
        }
        print(json.dumps(listed))
