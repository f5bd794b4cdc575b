package stand

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of /proc/<pid>/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU is the processor time that the process has used.
func (p *Process) CPU() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(" "))
	words := bytes.Fields(rest) // words[0] is the third of proc(5): the state
	if len(words) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(string(words[11]))
	system, _ := strconv.Atoi(string(words[12]))
	return time.Duration(user+system) * tick
}

// Memory is what the process has resident.
func (p *Process) Memory() (m Memory) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return m
	}
	for line := range bytes.Lines(status) {
		var kB Bytes
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kB); n == 1 {
			m.Peak = kB << 10
		}
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &kB); n == 1 {
			m.Now = kB << 10
		}
	}
	return m
}
