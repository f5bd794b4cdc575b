package doctor

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/regrant/regrant/bus"
	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/providers"
)

// configFacts are what the configuration says, and what is wrong with it as such.
type configFacts struct {
	Config config.Config
	// Invalid is why a worker refuses it, beside what is wrong with single providers.
	Invalid []error
	// Providers that a worker refuses, by name.
	Refused map[string]error
	// Files are the secret and key files of the providers.
	Files []secretFile
}

// secretFile is a file that only its owner should read.
type secretFile struct {
	Provider, Path string
	Mode           fs.FileMode
}

func lookConfig(c config.Config) configFacts {
	f := configFacts{Config: c, Refused: map[string]error{}}
	if err := (bus.Names{Prefix: c.NATS.Prefix}).Validate(); err != nil {
		f.Invalid = append(f.Invalid, err)
	}
	bare := c
	bare.Providers = nil
	if err := bare.Validate(); err != nil {
		f.Invalid = append(f.Invalid, err)
	}
	for _, name := range c.ProviderNames() {
		profile := c.Providers[name]
		p, err := providers.New(name, profile, providers.Options{Budget: c.Budget(), BaseDir: c.Dir, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			f.Refused[name] = err
			continue
		}
		p.Close()
		f.Files = append(f.Files, secretFiles(c.Dir, name, profile)...)
	}
	return f
}

// secretFiles are those of a provider that are there.
func secretFiles(dir, name string, p providers.Profile) (found []secretFile) {
	for _, path := range append([]string{p.ClientSecretFile, p.ClientKeyFile}, p.ClientSecretFiles...) {
		if path == "" {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if info, err := os.Stat(path); err == nil {
			found = append(found, secretFile{name, path, info.Mode().Perm()})
		}
	}
	return found
}
