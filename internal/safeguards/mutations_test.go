package main

import (
	"os"
	"strings"
	"testing"
)

// Taking them out takes a minute; that the list fits the code is seen at once.
func TestEverySafeguardIsStillWhereTheListSays(t *testing.T) {
	t.Chdir("../..")
	for _, m := range mutations {
		if _, err := m.apply(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

func TestEverySafeguardHasItsLineInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/safeguards.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations {
		if !strings.Contains(string(text), "| "+m.name+" | "+m.model+" | `"+m.test+"` |") {
			t.Errorf("docs/safeguards.md does not tell of %q as make safeguards prints it", m.name)
		}
	}
}
