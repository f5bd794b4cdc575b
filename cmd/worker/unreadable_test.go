package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/regrant/regrant/internal/testenv"
	"github.com/regrant/regrant/links"
	"github.com/regrant/regrant/seal"
)

// A record of a newer version, or a damaged one, hides no other from an operator, and no
// command that passed over it ends as if it had seen all.
func TestCommandsPassOverWhatTheyCannotRead(t *testing.T) {
	t.Parallel()
	const n = 3
	r := newToReseal(t, n)
	old, damaged := r.rotates(), r.made[0]
	s, err := r.cell.Store.Latest(t.Context(), damaged.Address)
	ok(t, err)
	kv, err := r.cell.Bus.JetStream().KeyValue(t.Context(), r.cell.Bus.Names().Links())
	ok(t, err)
	_, err = kv.Put(t.Context(), damaged.Token(), []byte(`{"v":99}`))
	ok(t, err)

	r.failsBecause(damaged.Token(), "keys", "list")
	said := r.failsBecause(damaged.Token(), "links", "list")
	for _, other := range r.made[1:] {
		if !strings.Contains(said, other.Link) {
			t.Errorf("link %s is not listed beside it: %s", other.Link, said)
		}
	}
	r.failsBecause(damaged.Address.String(), "links", "list", "--user", s.Link.User)
	r.failsBecause(damaged.Token(), "keys", "reseal")
	for _, other := range r.made[1:] {
		l, err := r.cell.Link(t.Context(), other.Address)
		ok(t, err)
		if key, _ := seal.KeyOf(l.Sealed); key == old {
			t.Errorf("link %s still needs key %d", other.Link, old)
		}
	}
	r.failsBecause(damaged.Token(), "keys", "destroy", fmt.Sprint(old), "--workers=0", "--stopped-hosts-empty")
	r.failsBecause(damaged.Token(), "links", "restored", "--backup-time=0s")
	for _, other := range r.made[1:] {
		if l, err := r.cell.Link(t.Context(), other.Address); err != nil || l.Status != links.Uncertain {
			t.Errorf("link %s is %s after the restore, %v", other.Link, l.Status, err)
		}
	}
}

// failsBecause runs a command of the worker, which must say which record it means.
func (r *toReseal) failsBecause(record string, line ...string) (said string) {
	r.Helper()
	p := testenv.Start(r.T, testenv.Command{Path: "worker", Args: append(line, "--config", r.config)})
	err := p.Wait()
	if said = p.Output(); err == nil || !strings.Contains(said, "unreadable") || !strings.Contains(said, record) {
		r.Errorf("worker %s: %v; it said %s", strings.Join(line, " "), err, said)
	}
	return said
}
