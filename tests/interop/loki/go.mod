// What tools/loki-peer.sh builds: Grafana Loki 2.2.1, the last release under the Apache licence. The replacements are
// Loki's own, which Go takes from the main module only. json-iterator and reflect2 are newer than Loki's: those read
// a Go map's insides as they were, and crash with today's Go.
module skerry/interop/loki

go 1.26.0

require (
	github.com/grafana/loki v1.6.2-0.20210406003638-babea82ef558
	github.com/json-iterator/go v1.1.12
	github.com/modern-go/reflect2 v1.0.2
)

replace (
	github.com/hpcloud/tail => github.com/grafana/tail v0.0.0-20201004203643-7aa4e4a91f03
	github.com/Azure/azure-sdk-for-go => github.com/Azure/azure-sdk-for-go v36.2.0+incompatible
	k8s.io/client-go => k8s.io/client-go v0.19.4
	k8s.io/api => k8s.io/api v0.19.4
	github.com/hashicorp/consul => github.com/hashicorp/consul v1.5.1
	github.com/satori/go.uuid => github.com/satori/go.uuid v1.2.0
	github.com/gocql/gocql => github.com/grafana/gocql v0.0.0-20200605141915-ba5dc39ece85
	google.golang.org/grpc => google.golang.org/grpc v1.29.1
	github.com/bradfitz/gomemcache => github.com/themihai/gomemcache v0.0.0-20180902122335-24332e2d58ab
	github.com/go-openapi/errors => github.com/go-openapi/errors v0.19.4
	github.com/go-openapi/validate => github.com/go-openapi/validate v0.19.8
)
