package stand

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Server is the running server of a name, such as nats; nil: there is none.
func (s *Stand) Server(name string) *Process {
	i := slices.IndexFunc(s.servers, func(p *Process) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return s.servers[i]
}

// Anew ends a server, which may write what it has, and starts it again in the same
// place. It returns how long the new one took to be ready.
func (s *Stand) Anew(ctx context.Context, name string) (time.Duration, error) {
	p := s.Server(name)
	if p == nil {
		return 0, fmt.Errorf("there is no server %s", name)
	}
	if err := p.End(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	err := p.Restart()
	return time.Since(began), err
}
