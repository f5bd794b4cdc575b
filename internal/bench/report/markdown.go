package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// What stands between these lines is written here; the rest of the file is people's.
const (
	begins = "<!-- written by make bench, from here -->\n"
	ends   = "<!-- to here -->\n"
)

func (r Report) writeMarkdown(file string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, rest, found := strings.Cut(string(text), begins)
	_, after, closed := strings.Cut(rest, ends)
	if found && !closed {
		return fmt.Errorf("%s has lost the line %q: put it back after the table", file, strings.TrimSpace(ends))
	}
	var out bytes.Buffer
	out.WriteString(before + begins)
	r.markdown(&out)
	out.WriteString(ends + after)
	return os.WriteFile(file, out.Bytes(), 0o600)
}

func (r Report) markdown(out io.Writer) {
	fmt.Fprintf(out, "\n%s, commit %s: `make bench`, median of %d rounds.  \n%s  \n%s\n\n", r.When.Format("2 January 2006"), r.Commit, r.Rounds, r.Machine, strings.Join(r.Versions, ", "))
	fmt.Fprintf(out, "![measured against the bars](%s)\n\n", filePlot)
	Table(out, r.Lines, true)
	said := map[int]bool{}
	for _, l := range r.Lines {
		if l.Commit != "" && !said[l.Row] {
			fmt.Fprintf(out, "\nRow %d is from another run: %s, commit %s.\n", l.Row, l.When.Format("2 January 2006"), l.Commit)
			said[l.Row] = true
		}
	}
	fmt.Fprintln(out)
}

// Table writes the lines as Markdown. Where they are not judged, they were measured
// too briefly to say more than that everything runs.
func Table(out io.Writer, lines []Line, judged bool) {
	fmt.Fprint(out, "| row | what | bar | measured | | presentations per expiry | for orientation |\n|---|---|---|---|---|---|---|\n")
	for _, l := range lines {
		verdict := "not judged"
		if judged {
			verdict = l.verdict()
		}
		fmt.Fprintf(out, "| %d | %s | %s | %s | %s | %s | %s |\n", l.Row, l.What, l.Bound(), l.Figure(), verdict, l.shown(), l.Detail)
	}
}

func (l Line) verdict() string {
	if l.Met() {
		return "met"
	}
	return "**not met**"
}

func (l Line) shown() string {
	if l.Presentations == 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g", l.Presentations)
}
