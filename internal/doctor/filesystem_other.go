//go:build !linux

package doctor

// fileSystem knows nothing of other systems' files.
func fileSystem(string) (name string, free uint64) { return "", 0 }
