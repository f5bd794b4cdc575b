package doctor

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/handlers"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
)

// keyFacts are about the key file.
type keyFacts struct {
	File string
	// Err is why it cannot be used: seal.ErrNoKeys, ErrReadable, ErrMalformed or the system's.
	Err    error
	Sample sample

	keys *seal.Keys
}

// sample is what became of opening some of the stored links.
type sample struct {
	// Opened, and the names of those that did not open.
	Opened int
	Shut   []string
	// Err is why no more were read.
	Err error
}

func lookKeys(file string) keyFacts {
	keys, err := seal.Load(file)
	return keyFacts{File: file, Err: err, keys: keys}
}

// sampleSize is how many links are opened, spread over all that are stored.
const sampleSize = 24

// sample opens some links. It reads single messages, never a list of all keys.
func (n *natsConn) sample(ctx context.Context, keys *seal.Keys) (s sample) {
	if keys == nil {
		return s
	}
	ctx, cancel := n.limited(ctx)
	defer cancel()
	bucket := n.bus.Names().Links()
	stream, err := n.bus.JetStream().Stream(ctx, "KV_"+bucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return s // said of the stream already
	}
	if err != nil {
		s.Err = err
		return s
	}
	state := stream.CachedInfo().State
	step := (state.LastSeq-state.FirstSeq)/sampleSize + 1
	for at := max(state.FirstSeq, 1); at <= state.LastSeq && s.Err == nil; {
		at = s.next(ctx, stream, bucket, keys, at) + step
	}
	return s
}

// next opens the first link at or after a sequence, and returns where that was.
func (s *sample) next(ctx context.Context, stream jetstream.Stream, bucket string, keys *seal.Keys, at uint64) uint64 {
	m, err := stream.GetMsg(ctx, at, jetstream.WithGetMsgSubject("$KV."+bucket+".>"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return ^uint64(0) >> 1 // none behind it
	}
	if err != nil {
		s.Err = err
		return at
	}
	var l links.Link
	if json.Unmarshal(m.Data, &l) != nil || len(l.Sealed) == 0 {
		return m.Sequence // a marker of what was removed, or a link without tokens
	}
	if handlers.TokensOpen(keys, l) != nil {
		s.Shut = append(s.Shut, l.Address.String())
	} else {
		s.Opened++
	}
	return m.Sequence
}
