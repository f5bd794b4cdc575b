package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// maxData bounds an entry. Token responses have kilobytes; a larger one is not ours.
const maxData = 4 << 20

// A record is a header, a name and, where an entry was put, its data. The header:
//
//	magic 4 · checksum 4 · kind 1 · length of the name 1 · length of the data 4 · time put 8
//
// The checksum is the CRC-32C of all that follows it, so that a torn write shows.
// Against forgery the caller's encryption stands, not this.
const (
	magic      = "RGS\x02" // the last byte is the version
	headerSize = len(magic) + 4 + 1 + 1 + 4 + 8
	sumAt      = len(magic)
	kindAt     = sumAt + 4
	nameAt     = kindAt + 1
	dataAt     = nameAt + 1
	timeAt     = dataAt + 4
)

// The kinds of records: an entry that was put, and the end of one.
const (
	kindPut    = 'P'
	kindRemove = 'R'
)

// errTorn means that bytes are not whole records: their writer was interrupted, the
// disk damaged them, or somebody else wrote them.
var errTorn = errors.New("not whole entries")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one line of a journal.
type record struct {
	kind byte
	name string
	at   time.Time
	data []byte
}

// append adds a record to what is to be written.
func (r record) append(to []byte) []byte {
	start := len(to)
	to = append(to, magic...)
	to = append(to, 0, 0, 0, 0, r.kind, byte(len(r.name)))
	to = binary.BigEndian.AppendUint32(to, uint32(len(r.data)))
	to = binary.BigEndian.AppendUint64(to, uint64(r.at.UnixNano()))
	to = append(append(to, r.name...), r.data...)
	binary.BigEndian.PutUint32(to[start+sumAt:], crc32.Checksum(to[start+kindAt:], castagnoli))
	return to
}

// first reads the record that text begins with, and how long it is.
func first(text []byte) (r record, size int, ok bool) {
	if len(text) < headerSize || string(text[:len(magic)]) != magic {
		return r, 0, false
	}
	names, long := int(text[nameAt]), int64(binary.BigEndian.Uint32(text[dataAt:]))
	if long > maxData || int64(len(text)) < int64(headerSize+names)+long {
		return r, 0, false
	}
	size = headerSize + names + int(long)
	if crc32.Checksum(text[kindAt:size], castagnoli) != binary.BigEndian.Uint32(text[sumAt:]) {
		return r, 0, false
	}
	r = record{
		kind: text[kindAt], name: string(text[headerSize : headerSize+names]),
		at: time.Unix(0, int64(binary.BigEndian.Uint64(text[timeAt:]))), data: text[headerSize+names : size],
	}
	return r, size, entryName.MatchString(r.name)
}

// parse reads all whole records of a journal, past damaged places too: the next
// record begins with its magic. It says errTorn where there are such.
func parse(text []byte) (all []record, err error) {
	for len(text) > 0 {
		r, size, ok := first(text)
		if ok {
			all, text = append(all, r), text[size:]
			continue
		}
		err = errTorn
		next := bytes.Index(text[1:], []byte(magic))
		if next < 0 {
			return all, err
		}
		text = text[1+next:]
	}
	return all, err
}
