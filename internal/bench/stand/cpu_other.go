//go:build !linux

package stand

import "time"

// CPU is the processor time that the process has used; 0 where it is not known.
func (p *Process) CPU() time.Duration { return 0 }

// Memory is what the process has resident; nothing where it is not known.
func (p *Process) Memory() (m Memory) { return m }
