package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkPut measures Put against what no save can do without, appending and
// syncing the same bytes, in turns so that both meet the same disk.
func BenchmarkPut(b *testing.B) {
	data := make([]byte, 4<<10)
	s := open(b, b.TempDir(), "w1")
	bare, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	var putting, writing time.Duration
	n := 0
	for b.Loop() {
		n++
		started := time.Now()
		if err := s.Put(fmt.Sprint("p", n), data); err != nil {
			b.Fatal(err)
		}
		put := time.Now()
		_, err := bare.Write(data)
		if err := errors.Join(err, bare.Sync()); err != nil {
			b.Fatal(err)
		}
		putting, writing = putting+put.Sub(started), writing+time.Since(put)
	}
	b.ReportMetric(float64(putting.Microseconds())/float64(n), "put-µs")
	b.ReportMetric(float64(writing.Microseconds())/float64(n), "write+fsync-µs")
	b.ReportMetric(float64(putting)/float64(writing), "ratio")
}

// BenchmarkPutParallel shows how far one flush serves many.
func BenchmarkPutParallel(b *testing.B) {
	data := make([]byte, 4<<10)
	s := open(b, b.TempDir(), "w1")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		me := time.Now().UnixNano()
		for n := 0; pb.Next(); n++ {
			name := fmt.Sprintf("%d-%d", me, n)
			if err := s.Put(name, data); err != nil {
				b.Error(err)
			}
			if err := s.Remove(name); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkAdopt(b *testing.B) {
	root := b.TempDir()
	s := open(b, root, "w1")
	for b.Loop() {
		b.StopTimer()
		dead := open(b, root, "w2")
		for n := range 100 {
			if err := dead.Put(fmt.Sprint("a", n), make([]byte, 4<<10)); err != nil {
				b.Fatal(err)
			}
		}
		_ = dead.Close()
		b.StartTimer()
		entries, err := s.Adopt()
		if err != nil || len(entries) != 100 {
			b.Fatal(len(entries), err)
		}
		b.StopTimer()
		for _, e := range entries {
			_ = s.Remove(e.Name)
		}
		b.StartTimer()
	}
}
