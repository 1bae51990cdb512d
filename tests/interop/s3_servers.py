# SPDX-License-Identifier: GPL-3.0-or-later
"""Real S3 servers on loopback: SeaweedFS (from PyPI) and versitygw (built with Go by tools/s3-peers.sh).

Each knows how to start, stop and start again on the same data. Their keys are made for each run.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGION = "test-region-1"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class S3Server:
    def __init__(self, tls=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-s3-peer-"))
        self.access, self.secret = "AKID" + uuid.uuid4().hex[:16].upper(), uuid.uuid4().hex
        self.tls = tls  # (certificate, key)
        self.process = None
        self.ports = free_ports(8)
        self.start()

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.ports[0]}"

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), env={**os.environ, **self.environment()},
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.ports[0]), 1).close()
                if self.is_ready():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{type(self).__name__} did not start: "
                             + (self.folder / "log").read_text(errors="replace")[-1500:])

    def is_ready(self):
        return True

    def environment(self):
        return {}

    def stop(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self):
        """boto3, the client we compare with."""
        import boto3
        from botocore.config import Config
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=self.access,
                            aws_secret_access_key=self.secret,
                            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 10}))


class SeaweedFS(S3Server):
    def command(self):
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "s3.json").write_text(
            '{"identities":[{"name":"t","credentials":[{"accessKey":"%s","secretKey":"%s"}],'
            '"actions":["Admin","Read","Write","List"]}]}' % (self.access, self.secret))
        s3, master, volume, filer, *grpc = self.ports
        return [str(pathlib.Path(sys.executable).parent / "weed"), "server", f"-dir={self.folder}/data", "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1", f"-master.port={master}", f"-master.port.grpc={grpc[0]}", f"-volume.port={volume}",
                f"-volume.port.grpc={grpc[1]}", "-filer", f"-filer.port={filer}", f"-filer.port.grpc={grpc[2]}", "-s3",
                f"-s3.port={s3}", f"-s3.port.grpc={grpc[3]}", f"-s3.config={self.folder}/s3.json",
                "-master.volumeSizeLimitMB=256", "-volume.max=40",
                "-s3.port.iceberg=0", "-s3.port.lance=0"]  # these two have fixed ports, and nobody asks them

    def is_ready(self):
        """Its S3 answers before there is a volume to write to."""
        log = (self.folder / "log").read_text(errors="replace")
        return log.count("volume server") > 0 and self.writes()

    def writes(self):
        try:
            client = self.client()
            if "ready" not in {b["Name"] for b in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="x", Body=b"x")
            return True
        except Exception:
            return False


class VersityGW(S3Server):
    def command(self):
        (self.folder / "data").mkdir(exist_ok=True)
        tls = ["--cert", self.tls[0], "--key", self.tls[1]] if self.tls else []
        return [str(ROOT / "build" / "s3-peers" / "bin" / "versitygw"), "--port", f"127.0.0.1:{self.ports[0]}", "--region",
                REGION, "--keep-alive", "--quiet", *tls, "posix", str(self.folder / "data")]

    def environment(self):
        return {"ROOT_ACCESS_KEY": self.access, "ROOT_SECRET_KEY": self.secret}
