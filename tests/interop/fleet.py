# SPDX-License-Identifier: GPL-3.0-or-later
"""Several machines on one: each worker in a network namespace of its own, all on one bridge.

    setUpModule = fleet.enter        everything from here on happens in a network that only we see
    tearDownModule = fleet.leave     the kernel takes namespaces, bridge and cables away with their processes

PostgreSQL (on a small disk of its own, a tmpfs) and an S3 server listen on 127.0.0.1 and on the bridge's address,
which exists in our namespace only. Nothing has a name in /run/netns, so nothing can be left behind there.
"""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import world
from world import harness

sys.path.append(str(world.ROOT / "tests" / "postgres"))   # last: it has a test_postgres of its own
import cluster  # noqa: E402
from s3_servers import REGION, SeaweedFS  # noqa: E402

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
HUB = "10.213.77.1"
LEASE_S = 4
STATE = {}


def shell(command):
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}")
    return done.stdout


def libc_call(name, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != 0:
        raise AssertionError(f"{name} failed: {os.strerror(ctypes.get_errno())} (these tests need root)")


def enter():
    STATE["before"] = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
    libc_call("unshare", CLONE_NEWNET | CLONE_NEWNS)
    try:
        shell("mount --make-rprivate /")  # our small disks are seen by nobody else, and go with us
        shell("ip link set lo up && ip link add hub type bridge && ip addr add %s/24 dev hub && ip link set hub up" % HUB)
        STATE["db"] = Database()
        STATE["s3"] = Objects()
    except BaseException:
        leave()
        raise


def leave():
    for name in ("db", "s3"):
        if name in STATE:
            STATE.pop(name).close()
    for kind, before in zip((CLONE_NEWNET, CLONE_NEWNS), STATE.pop("before")):
        libc_call("setns", before, kind)
        os.close(before)


def fill(folder):
    """Leaves no byte on the disk of a folder."""
    fd = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    for size in (1 << 20, 4096, 1):
        try:
            while True:
                os.write(fd, bytes(size))
        except OSError:
            pass
    os.close(fd)


class Database(cluster.Cluster):
    """On 127.0.0.1 and on the bridge; its data on a disk of 400 MiB, so that it can be filled."""

    def __init__(self):
        super().__init__(durable=True, settings=["wal_level=minimal", "max_wal_senders=0", "max_wal_size=64MB",
                                                 "min_wal_size=32MB"])
        self.__enter__()

    def __enter__(self):
        place = pathlib.Path(tempfile.mkdtemp(prefix="skerry-disk-"))
        shell(f"mount -t tmpfs -o size=400m,mode=1777 tmpfs {place}")
        self.place = place
        before, tempfile.tempdir = tempfile.tempdir, str(place)
        try:
            super().__enter__()
        finally:
            tempfile.tempdir = before
        with open(self.folder / "data" / "pg_hba.conf", "a") as hba:
            hba.write("host all all 10.213.77.0/24 scram-sha-256\n")
        self.stop()
        self.settings.append(f"listen_addresses=127.0.0.1,{HUB}")
        self.start()
        self.hub_url = self.url.replace("127.0.0.1", HUB)
        return self

    def close(self):
        self.__exit__()
        shell(f"umount {self.place}")
        self.place.rmdir()

    def restart(self):
        self.stop(signal.SIGINT)
        self.start()

    def processes(self):
        """Its main process and all below it."""
        out = [self.process.pid]
        for pid in out:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
            out += [int(x) for x in children.read_text().split()] if children.exists() else []
        return out

    def signal_all(self, how):
        for pid in self.processes():
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass

    def fill(self):
        fill(self.place)

    def make_room(self):
        (self.place / "ballast").unlink()
        if self.process.poll() is not None:  # PostgreSQL ends itself when it cannot write its log
            self.start()


class Objects(SeaweedFS):
    @property
    def hub_endpoint(self):
        return f"http://{HUB}:{self.ports[0]}"

    def command(self):
        return [c.replace("-ip.bind=127.0.0.1", "-ip.bind=0.0.0.0") for c in super().command()]


def shared(schema, place):
    """Settings of a process; place "hub" or an address in the machine."""
    db, s3 = STATE["db"], STATE["s3"]
    return {"SKERRY_DB": f"{db.url if place == 'hub' else db.hub_url}?options=-csearch_path%3D{schema}",
            "SKERRY_BLOBS": f"s3://fleet/{schema}", "SKERRY_S3_REGION": REGION, "SKERRY_S3_CREATE_BUCKET": "true",
            "SKERRY_S3_ENDPOINT": s3.endpoint if place == "hub" else s3.hub_endpoint,
            "SKERRY_S3_ACCESS_KEY": s3.access, "SKERRY_S3_SECRET_KEY": s3.secret,
            "SKERRY_LEASE_SECONDS": str(LEASE_S), "CHESS_CHECKPOINT_SECONDS": "0.2"}


class Machine:
    """A network namespace with a cable to the bridge, held by a process that sleeps."""

    def __init__(self, number):
        self.number, self.name = number, f"w{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "100000"], stdin=subprocess.DEVNULL)
        own = os.readlink("/proc/self/ns/net")
        world.wait_until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, "a namespace of its own")
        self.inside = f"nsenter -t {self.holder.pid} -n "
        shell(f"ip link add {self.name} type veth peer name eth0 netns {self.holder.pid}")
        shell(f"ip link set {self.name} master hub up")
        shell(self.inside + f"ip addr add 10.213.77.{number + 10}/24 dev eth0")
        shell(self.inside + "ip link set lo up")
        shell(self.inside + "ip link set eth0 up")

    def cut(self):
        shell(f"ip link set {self.name} down")

    def join(self):
        shell(f"ip link set {self.name} up")

    def close(self):
        self.holder.kill()
        self.holder.wait()


class Worker:
    """skerry work on a machine. `files` is its data folder, a tmpfs when disk_mib is given."""

    def __init__(self, machine, schema, disk_mib=None, **env):
        self.machine, self.schema, self.env, self.process = machine, schema, env, None
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"skerry-{machine.name}-"))
        self.is_mount = bool(disk_mib)
        if disk_mib:
            shell(f"mount -t tmpfs -o size={disk_mib}m tmpfs {self.home}")
        self.start()

    def start(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SKERRY_", "API_"))}
        env.update(shared(self.schema, "machine"), SKERRY_HOME=str(self.home), SKERRY_WORKER_NAME=self.machine.name,
                   SKERRY_DRAIN_SECONDS="2")
        env.update({**self.env, **more})
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*self.machine.inside.split(), harness.BINARY, "work"], env=env,
                                        cwd=self.home, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        return self

    def text(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def signal(self, how):
        self.process.send_signal(how)

    def fill(self):
        fill(self.home)

    def make_room(self):
        (self.home / "ballast").unlink()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=60):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)

    def close(self):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        self.output.close()
        if self.is_mount:
            shell(f"umount {self.home}")
        shutil.rmtree(self.home, ignore_errors=True)


class Fleet:
    """A server in the hub that starts work but leaves it to others, and workers on machines."""

    def __init__(self, count, **env):
        self.schema = f"fleet_{os.getpid()}_{int(time.monotonic() * 1000)}"
        STATE["db"].sql(f"CREATE SCHEMA {self.schema}")
        self.machines, self.workers, self.server = [], [], None
        try:
            self.server = harness.Server(env={**shared(self.schema, "hub"), "SKERRY_WORKER_NAME": "hub"})
            for i in range(count):
                self.machines.append(Machine(i + 1))
                self.workers.append(Worker(self.machines[i], self.schema, **env))
            self.all_there(count)
        except BaseException:
            self.close()
            raise

    def all_there(self, count):
        world.wait_until(lambda: len([w for w in self.listed() if w["role"] == "work" and w["state"] == "active"]) >= count,
                         "all workers announcing themselves")

    def close(self):
        for x in self.workers + self.machines:
            x.close()
        server, self.server = self.server, None
        if server:
            server.close()
        STATE["db"].sql(f"DROP SCHEMA {self.schema} CASCADE")

    def listed(self):
        return self.server.get("/v1/workers").json()["items"]

    def sql(self, text):
        return STATE["db"].sql(text, schema=self.schema)

    def drain_hub(self):
        """The server answers, and leaves jobs that others can do to them."""
        self.server.post("/v1/workers/hub/control", {"action": "drain"})
        world.wait_until(lambda: any(w["name"] == "hub" and w["state"] == "draining" for w in self.listed()), "draining")

    def resume_hub(self):
        self.server.post("/v1/workers/hub/control", {"action": "resume"})

    def job(self, job_id):
        return self.server.get(f"/v1/jobs/{job_id}").json()

    def holder(self, job_id):
        """The worker that has the job, or None."""
        rows = self.sql(f"SELECT w.name FROM jobs j JOIN workers w ON w.worker = j.worker "
                        f"WHERE j.id = '{job_id}' AND j.state = 'running'")
        return next((w for w in self.workers if rows and w.machine.name == rows[0][0]), None)

    def wait_holder(self, job_id, other_than=None, timeout_s=60):
        def held():
            worker = self.holder(job_id)
            return worker if worker is not other_than else None
        return world.wait_until(held, "a worker taking the job", timeout_s)

    def wait_cursor(self, job_id):
        """Until a checkpoint is there."""
        return world.wait_until(lambda: self.sql(f"SELECT resume_cursor FROM jobs WHERE id = '{job_id}' "
                                                 "AND resume_cursor IS NOT NULL"), "a checkpoint")

    def wait_done(self, job_id, timeout_s=120):
        def ended():
            try:
                job = self.job(job_id)
            except (OSError, json.JSONDecodeError, KeyError):
                return None
            return job if job.get("status") in ("succeeded", "failed", "stopped") else None
        return world.wait_until(ended, f"the end of job {job_id}", timeout_s)
