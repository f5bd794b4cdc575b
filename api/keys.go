package api

// VerbKeys asks every worker of a cell which sealing keys it has. It is for operators,
// and no tenant's: see events.Subjects.APIEveryone.
const VerbKeys = "keys"

// WorkerKeys is what one worker says of its sealing keys: their ids, which are no
// secret.
type WorkerKeys struct {
	Worker string `json:"worker"`
	// Primary is the key that this worker seals with, for SealsFor seconds now.
	Primary  uint32 `json:"primary"`
	SealsFor int64  `json:"seals_for"`
	// Has are the keys that it opens with.
	Has []uint32 `json:"has"`
	// Spooled counts the answers on this worker's disk, those of dead siblings included,
	// by the key that they are sealed under; 0 stands for those that do not say.
	Spooled map[uint32]int `json:"spooled,omitempty"`
}
