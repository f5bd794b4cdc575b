package providers

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/regrant/regrant/secret"
)

// clientSecrets are the app's secrets, the one in use among them. While a secret
// is being rotated the provider knows only one of two, and which is learnt by an
// answer `invalid_client`: the next attempt then uses the next one. It is never
// tried within one attempt, for that would be a second presentation.
type clientSecrets struct {
	all []secret.Value
	at  atomic.Int64
}

func readSecrets(p Profile, dir string, log *slog.Logger) (*clientSecrets, error) {
	s := &clientSecrets{}
	for _, file := range p.secretFiles() {
		v, err := readSecret(file, dir, log)
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, v)
	}
	return s, nil
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

// current returns the secret in use and its place, for refused.
func (s *clientSecrets) current() (secret.Value, int64) {
	if len(s.all) == 0 {
		return secret.Value{}, 0
	}
	at := s.at.Load()
	return s.all[at%int64(len(s.all))], at
}

// refused moves on from the secret at a place, once, however many attempts used it.
func (s *clientSecrets) refused(at int64) { s.at.CompareAndSwap(at, at+1) }
