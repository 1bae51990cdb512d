#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Gets what the outbox is tested against into build/outbox-peers: an OpenTelemetry collector and VictoriaLogs
# (which speaks Loki's push protocol), both built with Go, and Apache Kafka from Maven. With the Go on the
# PATH when it is new enough, else with the one that PyPI has (Debian 12's is too old).
# usage: tools/outbox-peers.sh VENV
set -eu
cd "$(dirname "$0")/.."
venv=${1:?the Python environment to install Go into}
peers=$PWD/build/outbox-peers
logs=v1.52.1
kafka=4.1.2
wanted="$logs $kafka $(cat tests/interop/collector/go.mod tests/interop/collector/main.go tests/interop/kafka.xml | cksum)"
[ "$(cat "$peers/installed.txt" 2>/dev/null)" = "$wanted" ] && exit 0

go=$(tools/go.sh "$venv" 26)
mkdir -p "$peers/bin"
echo "building an OpenTelemetry collector (once, some minutes)"
rm -rf "$peers/collector"
cp -r tests/interop/collector "$peers/collector"
(cd "$peers/collector" && "$go" mod tidy 2>/dev/null && "$go" build -o "$peers/bin/collector" .)
echo "building VictoriaLogs $logs (once, some minutes)"
GOBIN=$peers/bin "$go" install "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@$logs"
echo "getting Apache Kafka $kafka"
mvn -q -B -f tests/interop/kafka.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies \
    "-DkafkaVersion=$kafka" "-DoutputDirectory=$peers/kafka"
echo "$wanted" >"$peers/installed.txt"
