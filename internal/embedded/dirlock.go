package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// dirLock keeps two servers from writing one store: the NATS server itself does
// not notice, and both would damage it. The kernel drops the lock with the
// process, however that ends.
type dirLock struct {
	file *os.File
	once sync.Once
	err  error
}

func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "server.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("store directory %s is in use by another server (%w): stop that one or choose another directory", dir, err)
	}
	return &dirLock{file: file}, nil
}

func (l *dirLock) unlock() error {
	l.once.Do(func() { l.err = l.file.Close() })
	return l.err
}
