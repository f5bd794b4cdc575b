package fleet

import (
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/regrant/regrant/config"
	"github.com/regrant/regrant/providers"
)

// WriteConfig writes the cell's configuration beside its keys, for workers in
// processes of their own, and returns the file's path.
func (c *Cell) WriteConfig() (string, error) {
	path := filepath.Join(c.Config.Dir, "regrant.yaml")
	return path, WriteFile(path, c.Config)
}

// WriteFile writes a configuration as a file that commands read.
func WriteFile(path string, c config.Config) error {
	text, err := yaml.Marshal(struct {
		config.Config `yaml:",inline"`
		Providers     map[string]providers.Profile `yaml:"providers"`
	}{c, c.Providers})
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
