# SPDX-License-Identifier: GPL-3.0-or-later
"""A gigabyte up and down through the artifact proxy of a server, over a plain socket, and what the disk and
SHA-256 would give alone (BENCH_BYTES: of a smaller file). The same client for both servers; memory is that of all processes of a server."""
import hashlib
import mmap
import os
import socket
import threading
import time

BYTES = int(os.environ.get("BENCH_BYTES", 1 << 30)) & -(1 << 20)
PIECE = 1 << 20
PROXY = "/api/2.0/mlflow-artifacts/artifacts/0/bench"


def tree(pid):
    """The process and all below it."""
    pids, parents = [pid], {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat") as f:
                parents.setdefault(int(f.read().rpartition(")")[2].split()[1]), []).append(int(name))
        except (OSError, ValueError):
            continue
    for p in pids:
        pids += parents.get(p, [])
    return pids


def resident_mb(pid):
    total = 0
    for p in tree(pid):
        try:
            with open(f"/proc/{p}/statm") as f:
                total += int(f.read().split()[1]) * mmap.PAGESIZE
        except OSError:
            continue
    return total / 1e6


class Growth:
    """The most that resident memory grew inside a with block, looked at fifty times a second."""

    def __init__(self, pid):
        self.pid, self.ended, self.mb = pid, threading.Event(), 0.0

    def watch(self):
        while not self.ended.wait(0.02):
            self.mb = max(self.mb, resident_mb(self.pid) - self.before)

    def __enter__(self):
        self.before = resident_mb(self.pid)
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def read_head(c):
    head = b""
    while b"\r\n\r\n" not in head:
        got = c.recv(65536)
        if not got:
            raise RuntimeError("the server closed the connection")
        head += got
    head, _, rest = head.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(head.split(b"\r\n")[0].decode())
    return head, len(rest)


def upload(port, name, block):
    """MB/s, from the first byte to the reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as c:
        start = time.perf_counter()
        c.sendall(f"PUT {PROXY}/{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {BYTES}\r\n\r\n".encode())
        for _ in range(BYTES // PIECE):
            c.sendall(block)
        read_head(c)
        return BYTES / 1e6 / (time.perf_counter() - start)


def download(port, name):
    buffer = bytearray(1 << 18)
    with socket.create_connection(("127.0.0.1", port), timeout=600) as c:
        start = time.perf_counter()
        c.sendall(f"GET {PROXY}/{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        _, got = read_head(c)
        while got < BYTES:
            n = c.recv_into(buffer)
            if n == 0:
                raise RuntimeError(f"the server sent {got} of {BYTES} bytes")
            got += n
        return BYTES / 1e6 / (time.perf_counter() - start)


def measure(pid, port, rounds):
    """{"up","down"}: the best MB/s; {"up_mb","down_mb"}: the largest growth."""
    block, out = os.urandom(PIECE), {"up": 0, "down": 0, "up_mb": 0, "down_mb": 0}
    for i in range(rounds):
        with Growth(pid) as growth:
            out["up"] = max(out["up"], upload(port, f"big{i}.bin", block))
        out["up_mb"] = max(out["up_mb"], growth.mb)
        with Growth(pid) as growth:
            out["down"] = max(out["down"], download(port, f"big{i}.bin"))
        out["down_mb"] = max(out["down_mb"], growth.mb)
    return out


def disk(folder, flags, rounds):
    """MB/s of writing and syncing a gigabyte."""
    best, block = 0, mmap.mmap(-1, PIECE)
    block.write(os.urandom(PIECE))
    for _ in range(rounds):
        path = os.path.join(folder, "disk.bin")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
        start = time.perf_counter()
        for _ in range(BYTES // PIECE):
            os.write(fd, block)
        os.fsync(fd)
        best = max(best, BYTES / 1e6 / (time.perf_counter() - start))
        os.close(fd)
        os.unlink(path)
    return best


def digest():
    block, h = bytes(PIECE), hashlib.sha256()
    start = time.perf_counter()
    for _ in range(BYTES // PIECE):
        h.update(block)
    return BYTES / 1e6 / (time.perf_counter() - start)
