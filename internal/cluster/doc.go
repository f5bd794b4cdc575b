// Package cluster runs Regrant as it is laid out where a host may die: three
// nats-servers whose streams have three replicas, six redis-servers that are one
// cluster, four workers, all of them processes. Servers are killed in the middle of
// a storm of reports, and the provider's ledger is what it is judged by.
//
// docs/cluster.md has the figures. `make cluster` runs the long form.
package cluster
