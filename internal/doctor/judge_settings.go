package doctor

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/regrant/regrant/bus"
)

// byProvision mends what the server lets a client change.
const byProvision = "run `worker provision`"

// judgeSetting says what it means that one setting is not as planned.
func judgeSetting(c, storage *check, k kind, s bus.PlacedStream, d bus.Setting) {
	name, is := s.Want.Name, d.String()
	switch d.Name {
	case "storage":
		storage.find(Unsafe, name, is+": a restart of nats-server loses "+k.lost(), again(k, name))
	case "retention":
		fix := byProvision
		if d.Have == jetstream.WorkQueuePolicy { // the one that the server lets nobody leave
			fix = again(k, name)
		}
		storage.find(Unsafe, name, is+": messages go before their time, and with them "+k.lost(), fix)
	case "max_age":
		judgeAge(c, storage, k, s, is)
	case "max_msgs_per_subject":
		judgeHistory(c, storage, k, name, is)
	case "discard":
		if k.bucket() {
			storage.find(Unsafe, name, is+": a full bucket makes room by throwing away the oldest of "+k.lost(), byProvision)
			return
		}
		c.find(Warn, name, is+": once it is full, it refuses what is new", byProvision)
	case "deny_delete", "deny_purge":
		if k == "audit" {
			c.find(Unsafe, name, is+": whoever may call JetStream can take entries out, so the audit proves nothing", byProvision)
			return
		}
		c.find(Warn, name, is+": records can be removed one by one", byProvision)
	case "num_replicas":
		c.find(Unsafe, name, is+": the loss of one disk may be the loss of "+k.lost(), byProvision+", or correct nats.replicas")
	case "duplicate_window":
		c.find(Warn, name, is+": "+windowCosts(k), byProvision)
	case "republish":
		c.find(Error, name, is+": services and workers are not told of new generations, and go on with dead bearers", byProvision)
	case "allow_msg_schedules", "allow_msg_ttl", "allow_rollup_hdrs":
		c.find(Error, name, is+": workers refuse to start, since "+featureFor(k), byProvision)
	default:
		c.find(Error, name, is+": workers refuse to start", byProvision)
	}
}

func judgeAge(c, storage *check, k kind, s bus.PlacedStream, is string) {
	have, want := s.Have.Config.MaxAge, s.Want.MaxAge
	switch {
	case want == 0:
		storage.find(Unsafe, s.Want.Name, is+": the server deletes what is older, and with it "+k.lost(), byProvision)
	case have > 0 && have < want:
		c.find(Warn, s.Want.Name, is+": after that the server deletes "+k.lost(), byProvision)
	default:
		c.find(Warn, s.Want.Name, is+": it grows for longer than planned", byProvision)
	}
}

func judgeHistory(c, storage *check, k kind, name, is string) {
	if k.bucket() {
		c.find(Warn, name, is+": every record is kept several times, spent tokens included", byProvision)
		return
	}
	storage.find(Unsafe, name, is+": a new message of a link deletes an older one, and with it "+k.lost(), byProvision)
}

func windowCosts(k kind) string {
	if k == "in" {
		return "a report that comes after the refresh it asked for may be taken for a repetition of an older one"
	}
	return "what is published again after a lost confirmation may be stored twice, so subscribers see duplicates"
}

func featureFor(k kind) string {
	if k == "consents" {
		return "flows that nobody finished would stay for ever"
	}
	return "timers could not be armed, replaced or cleared away"
}

// judgeStrays looks at what provisioning leaves to operators, where it harms.
func judgeStrays(c, storage *check, k kind, have *jetstream.StreamInfo) {
	cfg, edit := have.Config, "run `nats stream edit "+have.Config.Name
	if cfg.PersistMode == jetstream.AsyncPersistMode {
		storage.find(Unsafe, cfg.Name, "persist_mode is async: writes are confirmed before they are stored, whatever sync_interval says", again(k, cfg.Name))
	}
	if cfg.NoAck {
		storage.find(Unsafe, cfg.Name, "no_ack is true: nothing that is written is confirmed, so every write counts as unknown", edit+" --ack`")
	}
	if cfg.MaxMsgs > 0 {
		status, costs := Unsafe, "it deletes "+k.lost()
		if cfg.Discard == jetstream.DiscardNew {
			status, costs = Warn, "it refuses new records"
		}
		storage.find(status, cfg.Name, fmt.Sprintf("max_msgs is %d: from there on %s", cfg.MaxMsgs, costs), edit+" --max-msgs=-1`")
	}
	if cfg.MaxBytes > 0 && float64(have.State.Bytes) >= fullAt*float64(cfg.MaxBytes) {
		storage.find(Unsafe, cfg.Name, fmt.Sprintf("%d of max_bytes %d are used: a full stream deletes or refuses %s", have.State.Bytes, cfg.MaxBytes, k.lost()), edit+" --max-bytes=-1`, or give it more")
	}
	if cfg.MaxMsgSize > 0 && cfg.MaxMsgSize < leastPayload {
		c.find(Unsafe, cfg.Name, fmt.Sprintf("max_msg_size is %d: a larger record is refused, and an answer that cannot be stored waits in the spool for ever", cfg.MaxMsgSize), edit+" --max-msg-size=-1`")
	}
	if cfg.Sealed {
		c.find(Error, cfg.Name, "is sealed: nothing can be written any more", again(k, cfg.Name))
	}
	if cfg.Mirror != nil || len(cfg.Sources) > 0 || cfg.SubjectTransform != nil {
		c.find(Unsafe, cfg.Name, "takes or renames messages from elsewhere: records appear that no worker decided on", again(k, cfg.Name))
	}
	if have.State.Lost != nil && len(have.State.Lost.Msgs) > 0 {
		storage.find(Unsafe, cfg.Name, fmt.Sprintf("the server lost %d messages to damaged files, and with them %s", len(have.State.Lost.Msgs), k.lost()), "treat it as a restored store: check the disk, restore the stream from a backup, and ask for new consents where links fail")
	}
}

func judgeConsumers(f natsFacts) []Finding {
	c := check{name: "nats-consumers"}
	for _, x := range f.Consumers {
		name := x.Stream + "/" + x.Want.Durable
		switch {
		case bus.Missing(x.Err):
			c.find(Error, name, "is not there: nobody takes its messages", byProvision)
		case x.Err != nil:
			c.find(Unknown, name, "cannot be looked at: "+x.Err.Error(), "allow these credentials to publish to $JS.API.CONSUMER.INFO."+x.Stream+"."+x.Want.Durable)
		default:
			for _, d := range x.Differences() {
				judgeConsumerSetting(&c, name, x, d)
			}
			judgeConsumerStrays(&c, name, x)
		}
	}
	return c.or("consumers are as provisioning would make them")
}

func judgeConsumerSetting(c *check, name string, x bus.PlacedConsumer, d bus.Setting) {
	is := d.String()
	switch d.Name {
	case "max_deliver":
		c.find(Unsafe, name, is+": after so many deliveries the server drops a report in silence, and its link stays dead", byProvision)
	case "ack_wait":
		c.find(Warn, name, is+", which is twice lock_ttl: messages in work are delivered again, or those of a dead worker late", "give every worker of the cell the same lock_ttl, then "+byProvision)
	case "max_ack_pending":
		c.find(Warn, name, is+": the fleet may hold fewer messages at a time than it can work on", byProvision)
	case "filter_subject":
		c.find(Error, name, is+": it takes other messages than its provider's", byProvision)
	default: // the server lets neither be changed
		c.find(Error, name, is+": reports are skipped, or settled before they are handled", "run `nats consumer rm "+x.Stream+" "+x.Want.Durable+"`, then `worker provision`: what is delivered again is recognised")
	}
}

func judgeConsumerStrays(c *check, name string, x bus.PlacedConsumer) {
	have := x.Have.Config
	command := x.Stream + " " + x.Want.Durable
	anew := "run `nats consumer rm " + command + "`, then `worker provision`: what is delivered again is recognised"
	if x.Have.Paused {
		c.find(Error, name, fmt.Sprintf("is paused for another %v: its reports wait", x.Have.PauseRemaining.Round(time.Second)), "run `nats consumer resume "+command+"`")
	}
	if have.HeadersOnly || have.DeliverSubject != "" {
		c.find(Error, name, "delivers headers only, or pushes: workers cannot take its messages", anew)
	}
	if len(have.BackOff) > 0 {
		c.find(Warn, name, "backoff takes the place of ack_wait: messages in work are delivered again", anew)
	}
	if have.InactiveThreshold > 0 {
		c.find(Unsafe, name, fmt.Sprintf("inactive_threshold is %v: without workers for so long it is removed, and with it what was acknowledged", have.InactiveThreshold), anew)
	}
	if have.MemoryStorage {
		c.find(Warn, name, "its state is in memory: after a restart of nats-server everything is delivered again", anew)
	}
}
