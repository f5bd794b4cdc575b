package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestABarIsMet(t *testing.T) {
	for _, tt := range []struct {
		name string
		line Line
		want bool
	}{
		{"reached", Line{Value: 0.6, Bar: 0.6, Presentations: 1}, true},
		{"short of it", Line{Value: 0.59, Bar: 0.6, Presentations: 1}, false},
		{"not passed", Line{Value: 0.9, Bar: 1, AtMost: true}, true},
		{"passed", Line{Value: 1.1, Bar: 1, AtMost: true}, false},
		{"none allowed, none", Line{Value: 0, Bar: 0, AtMost: true}, true},
		{"presented twice", Line{Value: 2, Bar: 0.6, Presentations: 1.01}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.line.Met(); got != tt.want {
				t.Fatalf("met: %v", got)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for want, of := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {1, 4, 2, 3}} {
		if got := Median(of); got != want {
			t.Errorf("of %v: %v", of, got)
		}
	}
}

// A run of some rows leaves the others and what people wrote as they are.
func TestARunIsLaidOverTheLast(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, fileMarkdown)
	must(t, os.WriteFile(file, []byte("# Measured\n"+begins+ends+"\n## By people\n"), 0o600))
	first := Report{Commit: "aaa", When: time.Unix(0, 0), Rounds: 3, Lines: []Line{{Row: 1, What: "one", Value: 1}, {Row: 2, What: "old two", Value: 2, Rounds: []float64{1, 2, 3}}}}
	must(t, first.Write(dir))
	second := Report{Commit: "bbb", When: time.Unix(0, 0), Rounds: 3, Lines: []Line{{Row: 2, What: "new <two>", Value: 3}}}
	must(t, second.Write(dir))
	got, err := read(filepath.Join(dir, fileJSON))
	must(t, err)
	if len(got.Lines) != 2 || got.Lines[0].Commit != "aaa" || got.Lines[1].Commit != "" || got.Lines[1].Value != 3 {
		t.Fatalf("kept %+v", got.Lines)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	for _, want := range []string{"# Measured\n", "## By people\n", "Row 1 is from another run", "commit aaa", "new <two>"} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, text)
		}
	}
}

func TestAFileWithoutItsLastLineIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, fileMarkdown), []byte(begins+"by people"), 0o600))
	if err := (Report{}).Write(dir); err == nil || !strings.Contains(err.Error(), fileMarkdown) {
		t.Fatalf("got %v", err)
	}
}

func TestThePlotIsReadable(t *testing.T) {
	r := Report{Lines: []Line{{What: "a < b", Value: 100, Bar: 1}, {Value: 0.001, Bar: 1}, {AtMost: true}, {Value: 5, Bar: 0, AtMost: true}}}
	text := string(r.plot())
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Fatal(text)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
