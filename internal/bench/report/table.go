package report

import (
	"fmt"
	"io"
)

// Table writes the lines as Markdown.
func Table(out io.Writer, lines []Line) {
	fmt.Fprint(out, "| row | what | bar | measured | | presentations per expiry | for orientation |\n|---|---|---|---|---|---|---|\n")
	for _, l := range lines {
		met := "**not met**"
		if l.Met() {
			met = "met"
		}
		shown := "–"
		if l.Presentations != 0 {
			shown = fmt.Sprintf("%.4g", l.Presentations)
		}
		fmt.Fprintf(out, "| %d | %s | %s | %s | %s | %s | %s |\n", l.Row, l.What, l.Bound(), l.Figure(), met, shown, l.Detail)
	}
}
