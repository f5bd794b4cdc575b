package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// What Load refuses. Callers tell them apart: a missing file may be made, an
// unsafe or malformed one must never be replaced.
var (
	ErrNoKeys    = errors.New("no keys file")
	ErrReadable  = errors.New("keys file is open to other users")
	ErrMalformed = errors.New("keys file is malformed")
)

const (
	fileVersion = 1
	// maxFile is far beyond a hundred rotations, and keeps a wrong path from
	// reading a disk image into memory.
	maxFile = 1 << 20
)

// file is the keys file. Tink defines the keyset's JSON (proto3 JSON mapping).
type file struct {
	Version int             `json:"version"`
	Sealing json.RawMessage `json:"sealing"`
	Subject string          `json:"subject"` // standard base64, 32 bytes
	// Notes are by the sealing key's id; a file whose keys were never changed has none.
	Notes map[uint32]Note `json:"notes,omitempty"`
}

// Load reads a keys file that Save wrote. The mode is judged on the opened file,
// so the one that is checked is the one that is read; a symbolic link's own mode
// does not matter. Errors never quote the file's content.
func Load(path string) (*Keys, error) {
	data, stamp, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	keys, err := decodeFile(path, data)
	if err != nil {
		return nil, err
	}
	keys.path, keys.stamp = path, stamp
	return keys, nil
}

func decodeFile(path string, data []byte) (*Keys, error) {
	keys, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; restore it from a backup (new keys open nothing that these sealed)",
			ErrMalformed, path, err)
	}
	return keys, nil
}

func readPrivate(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w at %s: make one with `worker keys new`, or name the right path under keys.file",
			ErrNoKeys, path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open keys file: %w; it must belong to the user that runs the worker", err)
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("check keys file: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, nil, fmt.Errorf("read keys file: %w", err)
	}
	return data, info, nil
}

func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("check keys file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file; name the right path under keys.file", ErrMalformed, f.Name())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; run `chmod 600 %[2]s`", ErrReadable, f.Name(), mode)
	}
	return nil
}

// decode names the field that is wrong and nothing of its content: neither
// Tink's nor protojson's error is wrapped, which may quote key material.
func decode(data []byte) (*Keys, error) {
	parsed, err := parse(data)
	if err != nil {
		return nil, err
	}
	if parsed.Version != fileVersion {
		return nil, fmt.Errorf(`field "version": this release reads %d`, fileVersion)
	}
	subject, err := base64.StdEncoding.DecodeString(parsed.Subject)
	if err != nil || len(subject) != subjectKeySize {
		return nil, fmt.Errorf(`field "subject": want %d bytes in base64`, subjectKeySize)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(parsed.Sealing)))
	if err != nil {
		return nil, errors.New(`field "sealing": not a Tink keyset`)
	}
	keys, err := newKeys(handle, parsed.Notes, subject)
	if err != nil {
		return nil, errors.New(`field "sealing": not a keyset for AEAD`)
	}
	return keys, nil
}

func parse(data []byte) (file, error) {
	var parsed file
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&parsed)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return file{}, fmt.Errorf("field %q: wrong JSON type", wrongType.Field)
	case err != nil:
		return file{}, fmt.Errorf("not the JSON object that `worker keys new` writes, near byte %d", decoder.InputOffset())
	case len(bytes.TrimSpace(data[decoder.InputOffset():])) > 0:
		return file{}, fmt.Errorf("more text after the JSON object, from byte %d", decoder.InputOffset())
	}
	return parsed, nil
}

func (k *Keys) encode() ([]byte, error) {
	r := k.ring.Load()
	var sealing bytes.Buffer
	if err := insecurecleartextkeyset.Write(r.handle, keyset.NewJSONWriter(&sealing)); err != nil {
		return nil, fmt.Errorf("encode sealing keys: %w", err)
	}
	out, err := json.MarshalIndent(file{
		Version: fileVersion,
		Sealing: sealing.Bytes(),
		Subject: base64.StdEncoding.EncodeToString([]byte(k.subject.Reveal())),
		Notes:   r.notes,
	}, "", "  ")
	return append(out, '\n'), err
}
