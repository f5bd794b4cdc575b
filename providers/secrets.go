package providers

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/regrant/regrant/secret"
)

// clientSecrets are the app's secrets, the one in use among them. While a secret
// is being rotated the provider knows only one of two, and which is learnt by an
// answer `invalid_client`: the next attempt then uses the next one. It is never
// tried within one attempt, for that would be a second presentation. The files are
// read again then: an operator who mends one need not restart the fleet.
type clientSecrets struct {
	files []string
	dir   string
	log   *slog.Logger

	now atomic.Pointer[secretSet]
}

// secretSet is what stood in the files, and the place of the one in use.
type secretSet struct {
	all []secret.Value
	at  int
}

func readSecrets(p Profile, dir string, log *slog.Logger) (*clientSecrets, error) {
	s := &clientSecrets{files: p.secretFiles(), dir: dir, log: log}
	all, err := s.read()
	s.now.Store(&secretSet{all: all})
	return s, err
}

func (s *clientSecrets) read() (all []secret.Value, err error) {
	for _, file := range s.files {
		v, err := readSecret(file, s.dir, s.log)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func readSecret(file, dir string, log *slog.Logger) (secret.Value, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return secret.Value{}, fmt.Errorf("client secret: %w: put the secret into that file, mode 0600", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		log.Warn("others on this host may read a client secret; chmod 0600", "file", file, "mode", info.Mode().Perm().String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return secret.Value{}, fmt.Errorf("client secret: %w", err)
	}
	v := secret.New(strings.TrimSpace(string(text)))
	if v.IsZero() {
		return secret.Value{}, fmt.Errorf("client secret: %s is empty: put the secret into it", file)
	}
	return v, nil
}

// known are all secrets that stood in the files when they were read last.
func (s *clientSecrets) known() []secret.Value { return s.now.Load().all }

// current returns the secret in use, and the set that it is of, for refused.
func (s *clientSecrets) current() (secret.Value, *secretSet) {
	set := s.now.Load()
	if len(set.all) == 0 {
		return secret.Value{}, set
	}
	return set.all[set.at], set
}

// refused moves on from the secret in use of a set, once, however many attempts
// used it: to what an operator has written meanwhile, or else to the next one.
func (s *clientSecrets) refused(set *secretSet) {
	if len(set.all) == 0 {
		return
	}
	next := &secretSet{all: set.all, at: (set.at + 1) % len(set.all)}
	all, err := s.read()
	switch {
	case err != nil:
		s.log.Warn("the client secret was refused and its file could not be read again", "err", err)
	case !slices.EqualFunc(all, set.all, secret.Value.Equal):
		next = &secretSet{all: all}
	}
	s.now.CompareAndSwap(set, next)
}
