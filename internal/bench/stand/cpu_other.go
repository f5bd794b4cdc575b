//go:build !linux

package stand

import "time"

// CPU is the processor time that the process has used; 0 where it is not known.
func (p *Process) CPU() time.Duration { return 0 }
