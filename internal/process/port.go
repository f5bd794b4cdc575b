package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// NATSServer is the server of the version in go.mod, for Build.
const NATSServer = "github.com/nats-io/nats-server/v2"

// FreePort picks a port below those that systems give to outgoing connections:
// one of those could be taken while a server is down between kill and restart.
func FreePort() (string, error) {
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(10000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port, nil
		}
	}
	return "", errors.New("no free port between 20000 and 30000")
}
