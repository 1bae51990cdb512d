# SPDX-License-Identifier: GPL-3.0-or-later
"""What the outbox sends to, for real, on loopback: an OpenTelemetry collector that writes files, VictoriaLogs behind
Loki's push protocol, Grafana Loki itself, one Kafka broker, plain or with TLS and passwords. Built and fetched by
tools/outbox-peers.sh and tools/loki-peer.sh."""
import glob
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from s3_servers import free_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "build" / "outbox-peers"
START_S = 120


class Peer:
    """Starts, stops and starts again on the same data."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skerry-outbox-peer-"))
        self.ports = free_ports(2)
        self.process = None
        self.prepare()
        self.start()

    def prepare(self):
        pass

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.ports[0]), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{type(self).__name__} did not start: "
                             + (self.folder / "log").read_text(errors="replace")[-1500:])

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def close(self):
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.ports[0]}"


class BlackHole:
    """An address that swallows packets, as behind a firewall: nobody takes the connections that wait there, there is
    no room for more, and so the kernel drops whoever knocks."""

    def __init__(self, port):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(0)
        self.port, self.waiting = port, []
        while not self.swallows():
            pass

    def swallows(self):
        """Is a connection neither taken nor refused?"""
        one = socket.socket()
        one.settimeout(0.5)
        try:
            one.connect(("127.0.0.1", self.port))
        except TimeoutError:
            one.close()
            return True
        self.waiting.append(one)
        return False

    def close(self):
        for one in [*self.waiting, self.listener]:
            one.close()


class Collector(Peer):
    def prepare(self):
        files = {name: str(self.folder / f"{name}.jsonl") for name in ("logs", "traces")}
        (self.folder / "config.yaml").write_text(json.dumps({
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{self.ports[0]}"}}}},
            "exporters": {f"file/{name}": {"path": path, "flush_interval": "100ms"} for name, path in files.items()},
            "service": {"telemetry": {"metrics": {"level": "none"}},
                        "pipelines": {name: {"receivers": ["otlp"], "exporters": [f"file/{name}"]} for name in files}}}))

    def command(self):
        return [str(PEERS / "bin" / "collector"), "--config", str(self.folder / "config.yaml")]

    def lines(self, name):
        """What the collector understood, one message a line, as the official JSON of the protocol."""
        file = self.folder / f"{name}.jsonl"
        return [line for line in file.read_text().splitlines() if line] if file.exists() else []


class VictoriaLogs(Peer):
    def command(self):
        return [str(PEERS / "bin" / "victoria-logs"), f"-httpListenAddr=127.0.0.1:{self.ports[0]}",
                f"-storageDataPath={self.folder}/data", "-loki.maxRequestSize=8MB"]

    def query(self, text):
        body = urllib.parse.urlencode({"query": text}).encode()
        with urllib.request.urlopen(f"{self.url}/select/logsql/query", body, timeout=30) as reply:
            return [json.loads(line) for line in reply.read().splitlines() if line]


class Loki(Peer):
    """One process with a filesystem store, a ring in memory and a write-ahead log; its limits are those that it comes
    with, except that more than half a megabyte a second is too fast for it, and a quarter of one at once too much: less than
    our batches have."""

    def prepare(self):
        ring = {"kvstore": {"store": "inmemory"}}
        folder = str(self.folder)
        (self.folder / "loki.yaml").write_text(json.dumps({  # JSON is YAML
            "auth_enabled": False,
            "server": {"http_listen_address": "127.0.0.1", "http_listen_port": self.ports[0],
                       "grpc_listen_address": "127.0.0.1", "grpc_listen_port": self.ports[1]},
            "ingester": {"lifecycler": {"address": "127.0.0.1", "ring": {**ring, "replication_factor": 1}, "final_sleep": "0s",
                                        "min_ready_duration": "0s"},
                         "wal": {"enabled": True, "dir": folder + "/wal"}, "max_transfer_retries": 0},
            "schema_config": {"configs": [{"from": "2020-10-24", "store": "boltdb-shipper", "object_store": "filesystem",
                                           "schema": "v11", "index": {"prefix": "index_", "period": "24h"}}]},
            "storage_config": {"boltdb_shipper": {"active_index_directory": folder + "/index", "shared_store": "filesystem",
                                                  "cache_location": folder + "/cache"},
                               "filesystem": {"directory": folder + "/chunks"}},
            "compactor": {"working_directory": folder + "/compactor", "shared_store": "filesystem"},
            "limits_config": {"reject_old_samples": True, "reject_old_samples_max_age": "168h",
                              "max_entries_limit_per_query": 100000, "ingestion_rate_mb": 0.5, "ingestion_burst_size_mb": 0.25}}))

    def command(self):
        return [str(ROOT / "build" / "loki-peer" / "bin" / "loki"), "-config.file", str(self.folder / "loki.yaml")]

    def ask(self, path, **query):
        with urllib.request.urlopen(f"{self.url}/{path}?{urllib.parse.urlencode(query)}", timeout=30) as reply:
            return reply.read().decode()

    def query_range(self, query, **more):
        """[(labels, [[nanoseconds, line]...])...], oldest first."""
        now_s = time.time()
        reply = json.loads(self.ask("loki/api/v1/query_range", query=query, start=int((now_s - 30 * 86400) * 1e9),
                                    end=int((now_s + 60) * 1e9), limit=100000, direction="forward", **more))
        return [(s.get("stream", s.get("metric")), s["values"]) for s in reply["data"]["result"]]

    def refused(self, reason):
        """How many lines it did not take for a reason, as its own metrics say."""
        return sum(float(line.rpartition(" ")[2]) for line in self.ask("metrics").splitlines()
                   if line.startswith("loki_discarded_samples_total") and f'reason="{reason}"' in line)


class Kafka(Peer):
    def java(self, *args):
        jars = os.pathsep.join(sorted(glob.glob(str(PEERS / "kafka" / "*.jar"))))
        return ["java", "-Xmx256m", "-cp", jars, *args]

    more_listeners, more_protocols, more_settings, more_format = "", "", "", ()

    def prepare(self):
        broker, controller = self.ports[:2]
        (self.folder / "server.properties").write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}{self.more_listeners}\n"
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{broker}{self.more_listeners}\n"
            "controller.listener.names=CONTROLLER\n"
            f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{self.more_protocols}\n"
            + self.more_settings +
            f"log.dirs={self.folder}/data\n"
            "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n"
            "transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\nmessage.max.bytes=20000\n")
        with open(self.folder / "log", "ab") as log:
            subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c",
                                     "server.properties", *self.more_format), cwd=self.folder, check=True, stdout=log, stderr=log)

    def command(self):
        return self.java("kafka.Kafka", "server.properties")

    @property
    def brokers(self):
        return f"127.0.0.1:{self.ports[0]}"

    def messages(self, topic):
        """All of a topic, read by a client that is not ours and not librdkafka."""
        import kafka
        consumer = kafka.KafkaConsumer(topic, bootstrap_servers=self.brokers, auto_offset_reset="earliest",
                                       consumer_timeout_ms=4000)
        try:
            return list(consumer)
        finally:
            consumer.close()


class SecureKafka(Kafka):
    """With a listener for strangers beside the plain one: TLS by a certificate of our own authority, and a user
    "skerry" that PLAIN and SCRAM know by a password with what settings and properties have to quote."""
    user, password = "skerry", "k4fka-s3cret pa$$word%;="

    def prepare(self):
        self.ports += free_ports(1)
        self.authority, broker = self.certificates()
        self.more_listeners = f",STRANGERS://127.0.0.1:{self.ports[2]}"
        self.more_protocols = ",STRANGERS:SASL_SSL"
        self.more_settings = (
            "inter.broker.listener.name=PLAINTEXT\nsasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n"
            f"ssl.keystore.type=PEM\nssl.keystore.location={broker}\n"
            "listener.name.strangers.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required "
            f'user_{self.user}="{self.password}";\n'
            + "".join(f"listener.name.strangers.scram-sha-{n}.sasl.jaas.config="
                      "org.apache.kafka.common.security.scram.ScramLoginModule required;\n" for n in (256, 512)))
        self.more_format = [x for n in (256, 512)
                            for x in ("-S", f'SCRAM-SHA-{n}=[name={self.user},password="{self.password}"]')]
        super().prepare()

    def certificates(self):
        """An authority's certificate, and a file with the broker's own key and certificate."""
        def openssl(*args):
            subprocess.run(["openssl", *args], cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=an authority", "-keyout", "ca.key",
                "-out", "ca.pem")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "broker.key", "-out", "broker.csr")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "names", "-out", "broker.crt")
        both = self.folder / "broker.pem"
        both.write_text((self.folder / "broker.key").read_text() + (self.folder / "broker.crt").read_text())
        return self.folder / "ca.pem", both

    @property
    def secure_brokers(self):
        return f"127.0.0.1:{self.ports[2]}"


def newer_librdkafka(folder):
    """A folder that holds the library of a Python package, under the name that programs look for."""
    package = pathlib.Path(importlib.util.find_spec("confluent_kafka").origin).parent
    library = next((package.parent / "confluent_kafka.libs").glob("librdkafka-*.so.1"))
    (folder / "librdkafka.so.1").symlink_to(library)
    return folder
