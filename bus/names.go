package bus

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/regrant/regrant/events"
)

// Names derives every name of a cell from its prefix. The zero value means
// events.DefaultPrefix.
type Names struct{ Prefix string }

var prefixForm = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*$`)

// Validate reports a prefix that cannot be part of subjects and stream names.
func (n Names) Validate() error {
	if !prefixForm.MatchString(n.prefix()) {
		return fmt.Errorf("nats.prefix %q is not lower-case words joined by dots: change it, for example to %q", n.Prefix, events.DefaultPrefix)
	}
	return nil
}

// Subjects builds and parses the subjects of the cell.
func (n Names) Subjects() events.Subjects { return events.Subjects{Prefix: n.prefix()} }

// In, Timer, Out, Dead and Audit name the streams.
func (n Names) In() string    { return n.stream("IN") }
func (n Names) Timer() string { return n.stream("TIMER") }
func (n Names) Out() string   { return n.stream("OUT") }
func (n Names) Dead() string  { return n.stream("DEAD") }
func (n Names) Audit() string { return n.stream("AUDIT") }

// Links, Index, Consents and Apps name the key-value buckets.
func (n Names) Links() string    { return n.token() + "_links" }
func (n Names) Index() string    { return n.token() + "_index" }
func (n Names) Consents() string { return n.token() + "_consents" }
func (n Names) Apps() string     { return n.token() + "_apps" }

// WorkerConsumer is the durable consumer of a provider's inputs.
func (n Names) WorkerConsumer(provider string) string { return "worker-" + provider }

// DueConsumer is the durable consumer of a provider's due events.
func (n Names) DueConsumer(provider string) string { return "due-" + provider }

// SubscriptionConsumer is the durable consumer of a service's subscription. Tenants share
// the stream of outputs.
func (n Names) SubscriptionConsumer(tenant, name string) string { return "sub-" + tenant + "-" + name }

// BucketStream is the stream below a bucket.
func BucketStream(bucket string) string { return "KV_" + bucket }

// BucketKeys are the subjects of a bucket's keys.
func BucketKeys(bucket string) string { return "$KV." + bucket + ".>" }

// InboxPrefix is where replies to clients of a role arrive: each role's own, so
// that a permission to read replies is not one to read everybody's replies.
func (n Names) InboxPrefix(role string) string { return "_INBOX_" + n.token() + "_" + role }

func (n Names) prefix() string {
	if n.Prefix == "" {
		return events.DefaultPrefix
	}
	return n.Prefix
}

// token is the prefix without dots, which streams and buckets must not have.
func (n Names) token() string { return strings.ReplaceAll(n.prefix(), ".", "_") }

func (n Names) stream(kind string) string { return strings.ToUpper(n.token()) + "_" + kind }
