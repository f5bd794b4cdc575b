package permissions

import (
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// ownAPI is JetStream's API in the account that has the streams; servicesAPI is where
// the services' account has what it imports of it (client.Config.JetStreamAPI).
const (
	ownAPI      api = jetstream.DefaultAPIPrefix
	servicesAPI api = "$JS.CELL.API."
)

// ackSubjects is what precedes the stream in a reply subject by which a consumer's
// message is acknowledged: as servers write it, and with domain and account before it,
// as newer ones may.
var ackSubjects = []string{"$JS.ACK.", "$JS.ACK.*.*."}

// monitoring is where NATS services are asked for their statistics.
const monitoring = "$SRV.>"

// api builds the subjects of JetStream's API under its prefix.
type api string

func (a api) at(words ...string) string { return string(a) + strings.Join(words, ".") }

// look is the right to a stream's settings and state. For a bucket, the names of its
// keys are part of that.
func (a api) look(streams ...string) []string {
	return each(streams, func(stream string) []string { return []string{a.at("STREAM.INFO", stream)} })
}

// read is the right to a stream's messages, one at a time.
func (a api) read(streams ...string) []string {
	return each(streams, func(stream string) []string {
		return []string{a.at("STREAM.MSG.GET", stream), a.at("DIRECT.GET", stream), a.at("DIRECT.GET", stream, ">")}
	})
}

// follow is the right to make, use and remove consumers of a stream, of any name.
func (a api) follow(streams ...string) []string {
	return each(streams, func(stream string) []string {
		return append(a.make(stream, "*"), a.at("CONSUMER.DELETE", stream, "*"), a.at("CONSUMER.MSG.NEXT", stream, "*"))
	})
}

// make is the right to create or change a consumer. What it selects is in the request,
// where no permission reaches; one filter may stand in the subject too.
func (a api) make(stream, consumer string) []string {
	return []string{
		a.at("CONSUMER.INFO", stream, consumer), a.at("CONSUMER.CREATE", stream, consumer), a.at("CONSUMER.CREATE", stream, consumer, ">"),
	}
}

// take is the right to a consumer's messages and to acknowledge them.
func (a api) take(stream, consumer string) []string {
	return append([]string{a.at("CONSUMER.INFO", stream, consumer), a.at("CONSUMER.MSG.NEXT", stream, consumer)}, acks(stream, consumer)...)
}

func acks(words ...string) []string {
	return each(ackSubjects, func(prefix string) []string { return []string{prefix + strings.Join(words, ".") + ".>"} })
}

func each[T any](of []T, rights func(T) []string) (all []string) {
	for _, one := range of {
		all = append(all, rights(one)...)
	}
	return all
}
