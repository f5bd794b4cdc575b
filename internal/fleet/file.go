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
	text, err := yaml.Marshal(struct {
		config.Config `yaml:",inline"`
		Providers     map[string]providers.Profile `yaml:"providers"`
	}{c.Config, c.Config.Providers})
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Config.Dir, "regrant.yaml")
	return path, os.WriteFile(path, text, 0o600)
}
