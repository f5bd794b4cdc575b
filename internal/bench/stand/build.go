package stand

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// build builds a command of this module, or of one that it requires, into dir.
func build(ctx context.Context, dir, name, pkg string, flags ...string) (string, error) {
	program := filepath.Join(dir, name)
	args := append([]string{"build"}, flags...)
	out, err := exec.CommandContext(ctx, "go", append(args, "-o", program, pkg)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s\nRun this from inside the module, with its dependencies at hand", pkg, err, out)
	}
	return program, nil
}
