package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"strings"
)

const (
	entrySuffix     = ".sealed"
	temporarySuffix = ".tmp"

	// maxData bounds an entry. Token responses have kilobytes; a larger file is
	// not one of ours and is not read into memory.
	maxData = 4 << 20

	magic      = "RGSPOOL\x01" // the last byte is the version of the frame
	headerSize = len(magic) + 4 + 4
)

// errTorn means that a file is not one whole frame: its writer was interrupted,
// the disk damaged it, or somebody else wrote it.
var errTorn = errors.New("not a whole entry")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame precedes data with magic, length and CRC-32C, so that a torn write shows.
// Against forgery the caller's encryption stands, not this.
func frame(data []byte) []byte {
	out := make([]byte, 0, headerSize+len(data))
	out = append(out, magic...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	out = binary.BigEndian.AppendUint32(out, crc32.Checksum(data, castagnoli))
	return append(out, data...)
}

func unframe(framed []byte) ([]byte, error) {
	if len(framed) < headerSize || string(framed[:len(magic)]) != magic {
		return nil, errTorn
	}
	size := binary.BigEndian.Uint32(framed[len(magic):])
	sum := binary.BigEndian.Uint32(framed[len(magic)+4:])
	data := framed[headerSize:]
	if uint64(len(data)) != uint64(size) || crc32.Checksum(data, castagnoli) != sum {
		return nil, errTorn
	}
	return data, nil
}

func readFrame(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	framed, err := io.ReadAll(io.LimitReader(f, int64(headerSize+maxData+1)))
	if err != nil {
		return nil, err
	}
	return unframe(framed)
}

// nameOf returns the entry's name that a file's name carries, be the file an entry
// or a temporary one.
func nameOf(file string) (string, bool) {
	name, rest, _ := strings.Cut(file, ".")
	ours := "."+rest == entrySuffix || strings.HasSuffix(rest, temporarySuffix)
	return name, ours && entryName.MatchString(name)
}

func isEntry(file string) bool {
	name, ok := nameOf(file)
	return ok && file == name+entrySuffix
}
