package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// redraw is the least time between two drawings of a bar.
const redraw = 50 * time.Millisecond

// Progress shows how far a command is. Nil shows nothing.
type Progress struct{ bar *progressbar.ProgressBar }

// Progress begins a bar on standard error: what is done, how much of how much, and how
// long that will take. Where nobody looks, which is on anything but a terminal and with
// --json, it is nil.
func (c *Common) Progress(what string, total int) *Progress {
	if f, ok := c.Err.(*os.File); !ok || c.JSON || c.LogLevel == "debug" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return newProgress(c.Err, what, total)
}

func newProgress(w io.Writer, what string, total int) *Progress {
	return &Progress{progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(redraw), progressbar.OptionUseANSICodes(true))}
}

// Step says that one more is done. What cannot be drawn is not worth failing for.
func (p *Progress) Step() {
	if p != nil {
		_ = p.bar.Add(1)
	}
}

// End leaves the bar as it is and goes to the next line.
func (p *Progress) End() {
	if p != nil {
		_ = p.bar.Exit()
	}
}
