package stand

import "fmt"

// Memory is what a process has resident, in bytes: now, and at most so far.
type Memory struct {
	Now  Bytes `json:"now"`
	Peak Bytes `json:"peak"`
}

// String is the memory for people.
func (m Memory) String() string { return fmt.Sprintf("%s, at most %s", m.Now, m.Peak) }

// Bytes is an amount of memory.
type Bytes int64

// String is the amount in MB of 2^20 bytes.
func (b Bytes) String() string { return fmt.Sprintf("%.0f MB", float64(b)/(1<<20)) }
