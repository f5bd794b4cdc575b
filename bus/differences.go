package bus

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Setting is one thing that a cell depends on, where it is not as it should be. What
// an operator may tune (limits in bytes, placement, compression) is not among them.
type Setting struct {
	// Name is the server's own. A subject that is missing is one too, with a Want of nil.
	Name       string
	Have, Want any
}

// String words the difference.
func (s Setting) String() string {
	if s.Want == nil {
		return fmt.Sprintf("%s is %v", s.Name, s.Have)
	}
	return fmt.Sprintf("%s is %v, want %v", s.Name, s.Have, s.Want)
}

// differing are the settings that are not as they should be.
func differing(all []Setting) []Setting {
	return slices.DeleteFunc(all, func(s Setting) bool { return s.Have == s.Want })
}

// streamDifferences compares a stream with its plan. More subjects than planned
// are no difference: another worker of the cell may serve other providers.
func streamDifferences(have, want jetstream.StreamConfig) []Setting {
	out := differing([]Setting{
		{"storage", have.Storage, want.Storage},
		{"retention", have.Retention, want.Retention},
		{"num_replicas", have.Replicas, want.Replicas},
		{"max_age", have.MaxAge, want.MaxAge},
		{"duplicate_window", have.Duplicates, want.Duplicates},
		{"max_msgs_per_subject", max(have.MaxMsgsPerSubject, 0), max(want.MaxMsgsPerSubject, 0)},
		{"discard", have.Discard, want.Discard},
		{"allow_direct", have.AllowDirect, want.AllowDirect},
		{"allow_rollup_hdrs", have.AllowRollup, want.AllowRollup},
		{"deny_delete", have.DenyDelete, want.DenyDelete},
		{"deny_purge", have.DenyPurge || !want.DenyPurge, true}, // more of it does no harm, and cannot be taken back
		{"allow_msg_schedules", have.AllowMsgSchedules, want.AllowMsgSchedules},
		{"allow_msg_ttl", have.AllowMsgTTL, want.AllowMsgTTL},
		{"subject_delete_marker_ttl", have.SubjectDeleteMarkerTTL, want.SubjectDeleteMarkerTTL},
		{"republish", republish(have), republish(want)},
	})
	for _, subject := range missing(have.Subjects, want.Subjects) {
		out = append(out, Setting{Name: "subject " + subject, Have: "missing"})
	}
	return out
}

func consumerDifferences(have, want jetstream.ConsumerConfig) []Setting {
	return differing([]Setting{
		{"filter_subject", have.FilterSubject, want.FilterSubject},
		{"deliver_policy", have.DeliverPolicy, want.DeliverPolicy},
		{"ack_policy", have.AckPolicy, want.AckPolicy},
		{"ack_wait", have.AckWait, want.AckWait},
		{"max_deliver", have.MaxDeliver, want.MaxDeliver},
		{"max_ack_pending", have.MaxAckPending, want.MaxAckPending},
	})
}

// merged is have with everything that the plan decides, and all subjects of both.
func merged(have, want jetstream.StreamConfig) jetstream.StreamConfig {
	out := have
	out.Subjects = append(slices.Clone(have.Subjects), missing(have.Subjects, want.Subjects)...)
	out.Storage, out.Retention, out.Replicas = want.Storage, want.Retention, want.Replicas
	out.MaxAge, out.Duplicates = want.MaxAge, want.Duplicates
	out.MaxMsgsPerSubject, out.Discard = want.MaxMsgsPerSubject, want.Discard
	out.AllowDirect, out.AllowRollup, out.DenyDelete = want.AllowDirect, want.AllowRollup, want.DenyDelete
	out.DenyPurge = have.DenyPurge || want.DenyPurge
	out.AllowMsgSchedules, out.AllowMsgTTL = want.AllowMsgSchedules, want.AllowMsgTTL
	out.SubjectDeleteMarkerTTL, out.RePublish = want.SubjectDeleteMarkerTTL, want.RePublish
	return out
}

// mergedConsumer is have with everything that the plan decides.
func mergedConsumer(have, want jetstream.ConsumerConfig) jetstream.ConsumerConfig {
	out := have
	out.FilterSubject, out.DeliverPolicy, out.AckPolicy = want.FilterSubject, want.DeliverPolicy, want.AckPolicy
	out.AckWait, out.MaxDeliver, out.MaxAckPending = want.AckWait, want.MaxDeliver, want.MaxAckPending
	return out
}

func missing(have, want []string) []string {
	var out []string
	for _, each := range want {
		if !slices.Contains(have, each) {
			out = append(out, each)
		}
	}
	return out
}

func republish(cfg jetstream.StreamConfig) string {
	if cfg.RePublish == nil {
		return "off"
	}
	return cfg.RePublish.Source + " to " + cfg.RePublish.Destination
}
