package provider

import (
	"strconv"
	"strings"
)

// Token is what a token of this provider says.
type Token struct {
	Cell, Link string
	Generation uint64
}

// Refresh is the one-time token that obtains the next generation.
func (t Token) Refresh() string { return "r." + t.text() }

// Access is the bearer.
func (t Token) Access() string { return "a." + t.text() }

func (t Token) text() string {
	return t.Cell + "." + t.Link + "." + strconv.FormatUint(t.Generation, 10)
}

func (t Token) next() Token {
	t.Generation++
	return t
}

// parse reads a refresh token.
func parse(text string) (Token, bool) {
	words := strings.Split(text, ".")
	if len(words) != 4 || words[0] != "r" {
		return Token{}, false
	}
	generation, err := strconv.ParseUint(words[3], 10, 64)
	return Token{words[1], words[2], generation}, err == nil
}
