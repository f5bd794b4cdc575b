package contest

import (
	"context"
	"io"

	"github.com/nats-io/nats.go/jetstream"
)

// Bare is K: consume and acknowledge. It returns when ctx has ended.
func Bare(ctx context.Context, s Spec, out io.Writer) error {
	conn, js, err := s.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := s.consume(ctx, js, out, func(m jetstream.Msg) { _ = m.Ack() }); err != nil {
		return err
	}
	return conn.Flush()
}
