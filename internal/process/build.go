package process

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Build builds the command pkg, an import path or a path from the root of this
// module such as ./cmd/worker, with the build tags, and returns the program's path.
// Between runs the program stays in the user's cache directory, so that an unchanged
// one is not linked again.
func Build(pkg string, tags ...string) (string, error) { return build(pkg, tags) }

func build(pkg string, tags []string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := cacheDir(root, pkg, tags)
	if err != nil {
		return "", err
	}
	unlock, err := lockCache(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	program := filepath.Join(dir, programName(pkg))
	cmd := exec.Command("go", "build", "-o", program, "-tags", strings.Join(tags, ","), pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// cacheDir is apart for every checkout, so that two never run each other's code.
func cacheDir(root, pkg string, tags []string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(strings.Join(append([]string{root, pkg}, tags...), "\x00")))
	dir := filepath.Join(cache, "regrant-test", hex.EncodeToString(sum[:8]))
	return dir, os.MkdirAll(dir, 0o700)
}

// programName is the package's last element, which must not be a version.
func programName(pkg string) string {
	return path.Base(strings.TrimSuffix(pkg, "/v2"))
}

// lockCache keeps test binaries that run at the same time from building the
// same program over each other.
func lockCache(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}
