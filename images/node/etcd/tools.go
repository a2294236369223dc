//go:build tools

// Package node names what images/node/Dockerfile builds, so that go.sum holds all of it.
package node

import _ "go.etcd.io/etcd/server/v3"
