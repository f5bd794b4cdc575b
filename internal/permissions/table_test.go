package permissions_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// row is something that one could do, and the users who may; nobody else may. The table
// is written by hand, apart from what grants: each says independently what is right.
type row struct {
	what    string
	subject string
	users   string
}

// users are the columns.
var users = strings.Fields("admin operator worker reporter reader-1 reader-2 subscriber callback owner")

var publishing = []row{
	{"report a dead token of link A", "regrant.in.default.op.A.token-expired", "operator reporter reader-1"},
	{"report a dead token of link B", "regrant.in.default.op.B.token-expired", "operator reporter reader-2"},
	{"report one at another provider", "regrant.in.default.other.A.token-expired", "operator"},
	{"report one of another tenant", "regrant.in.other.op.A.token-expired", "operator"},
	{"report a completed consent", "regrant.in.default.op.A.reconsent-completed", "operator callback"},
	{"ask to revoke", "regrant.in.default.op.A.logout-requested", "operator worker callback"},
	{"decide on a held replacement", "regrant.in.default.op.A.link-replacement-decided", "operator callback"},

	{"ask for the bearer of link A", "regrant.api.default.op.A.token", "reader-1"},
	{"ask for the bearer of link B", "regrant.api.default.op.B.token", "reader-2"},
	{"ask for a bearer of another tenant", "regrant.api.other.op.A.token", ""},
	{"ask what would become of an input", "regrant.api.default.op.A.explain", "operator"},
	{"ask what a link is", "regrant.api.default.op.A.show", "operator callback"},
	{"ask all workers for their keys", "regrant.api._.keys", "operator"},
	{"begin a consent", "regrant.api.default.consent-begin", "callback"},
	{"list a user's links", "regrant.api.default.list", "callback"},
	{"hand over tokens", "regrant.api.default.stage", ""},
	{"ask for a user's password", "regrant.credentials.default.op.A", "worker"},

	{"announce", "regrant.out.default.op.A.token-rotated", "operator worker"},
	{"announce past the stream", "regrant.live.default.op.A.token-rotated", ""},
	{"arm a link's timer", "regrant.timer.default.op.A", "operator worker"},
	{"fire a link's timer", "regrant.due.default.op.A", ""},
	{"bury an input", "regrant.dead.in.default.op.A.token-expired", "worker"},
	{"bury an output", "regrant.dead.out.default.op.A.token-rotated", "worker subscriber"},
	{"bury an output of another tenant", "regrant.dead.out.other.op.A.token-rotated", "worker"},

	{"write to the audit that a bearer was read", "regrant.audit.token-read.default.op.A", "worker"},
	{"write to the audit that a link was revoked", "regrant.audit.revoked.default.op.A", "worker"},
	{"write to the audit what an operator does", "regrant.audit.replayed._._._", "operator"},
	{"write to the audit that keys were rotated", "regrant.audit.keys-rotated._._._", "operator"},
	{"write to the audit that a cell was provisioned", "regrant.audit.provisioned._._._", "admin"},
	{"write to the audit what nobody does", "regrant.audit.anything._._._", ""},

	{"write a link's record", "$KV.regrant_links.default.op.A", "operator worker"},
	{"write the index", "$KV.regrant_index.subject.default.x", "operator worker"},
	{"write a consent flow", "$KV.regrant_consents.x", "operator worker"},
	{"suspend an app", "$KV.regrant_apps.op", "worker"},
	{"write into another cell's bucket", "$KV.other_links.default.op.A", ""},
	{"read a link's record", "$JS.API.DIRECT.GET.KV_regrant_links.$KV.regrant_links.default.op.A", "operator worker"},
	{"read a link's record from the leader", "$JS.API.STREAM.MSG.GET.KV_regrant_links", "operator worker"},
	{"read a consent flow", "$JS.API.STREAM.MSG.GET.KV_regrant_consents", "operator worker"},
	{"read the record of an app", "$JS.API.STREAM.MSG.GET.KV_regrant_apps", "worker"},
	{"follow the records", "$JS.API.CONSUMER.CREATE.KV_regrant_links.x", "worker"},
	{"read an input", "$JS.API.STREAM.MSG.GET.REGRANT_IN", "operator"},
	{"read a dead letter", "$JS.API.STREAM.MSG.GET.REGRANT_DEAD", "operator"},
	{"read a link's last output", "$JS.API.DIRECT.GET.REGRANT_OUT.regrant.out.default.op.A.>", "operator worker"},
	{"read the audit", "$JS.API.STREAM.MSG.GET.REGRANT_AUDIT", "operator"},
	{"read the audit in order", "$JS.API.CONSUMER.CREATE.REGRANT_AUDIT.x", "operator"},
	{"read outputs in order", "$JS.API.CONSUMER.CREATE.REGRANT_OUT.x", "operator"},
	{"read inputs in order", "$JS.API.CONSUMER.CREATE.REGRANT_IN.x", "admin operator"},
	{"take inputs", "$JS.API.CONSUMER.MSG.NEXT.REGRANT_IN.worker-op", "operator worker"},
	{"settle an input", "$JS.ACK.REGRANT_IN.worker-op.1.1.1.1.1", "worker"},
	{"settle an input, as newer servers write it", "$JS.ACK._.hash.REGRANT_IN.worker-op.1.1.1.1.1.r", "worker"},
	{"take due timers", "$JS.API.CONSUMER.MSG.NEXT.REGRANT_TIMER.due-op", "worker"},
	{"remove the workers' consumer", "$JS.API.CONSUMER.DELETE.REGRANT_IN.worker-op", "operator"},
	{"remove the timers' consumer", "$JS.API.CONSUMER.DELETE.REGRANT_TIMER.due-op", ""},
	{"look at a stream's settings", "$JS.API.STREAM.INFO.REGRANT_IN", "admin operator worker"},
	{"look at the account", "$JS.API.INFO", "admin operator"},
	{"list the streams", "$JS.API.STREAM.LIST", ""},

	{"create a stream of the cell", "$JS.API.STREAM.CREATE.REGRANT_IN", "admin"},
	{"change a stream of the cell", "$JS.API.STREAM.UPDATE.KV_regrant_links", "admin"},
	{"create any other stream", "$JS.API.STREAM.CREATE.X", ""},
	{"delete a stream", "$JS.API.STREAM.DELETE.REGRANT_IN", ""},
	{"purge a stream", "$JS.API.STREAM.PURGE.REGRANT_OUT", ""},
	{"delete the audit", "$JS.API.STREAM.DELETE.REGRANT_AUDIT", ""},
	{"purge the audit", "$JS.API.STREAM.PURGE.REGRANT_AUDIT", ""},
	{"delete an entry of the audit", "$JS.API.STREAM.MSG.DELETE.REGRANT_AUDIT", ""},
	{"delete a link's record", "$JS.API.STREAM.MSG.DELETE.KV_regrant_links", ""},
	{"drop a dead letter", "$JS.API.STREAM.MSG.DELETE.REGRANT_DEAD", "operator"},
	{"restore a stream", "$JS.API.STREAM.RESTORE.KV_regrant_links", ""},
	{"copy a stream", "$JS.API.STREAM.SNAPSHOT.KV_regrant_links", ""},

	{"look at the subscription `prompts`", "$JS.CELL.API.CONSUMER.INFO.REGRANT_OUT.sub-default-prompts", "subscriber"},
	{"make it", "$JS.CELL.API.CONSUMER.CREATE.REGRANT_OUT.sub-default-prompts", "subscriber"},
	{"take its events", "$JS.CELL.API.CONSUMER.MSG.NEXT.REGRANT_OUT.sub-default-prompts", "subscriber"},
	{"settle one", "$JS.ACK.REGRANT_OUT.sub-default-prompts.1.1.1.1.1", "subscriber"},
	{"remove it", "$JS.CELL.API.CONSUMER.DELETE.REGRANT_OUT.sub-default-prompts", ""},
	{"take another subscription's events", "$JS.CELL.API.CONSUMER.MSG.NEXT.REGRANT_OUT.sub-default-others", ""},
	{"make another subscription", "$JS.CELL.API.CONSUMER.CREATE.REGRANT_OUT.sub-default-others", ""},
	{"settle another subscription's event", "$JS.ACK.REGRANT_OUT.sub-default-others.1.1.1.1.1", ""},
	{"subscribe to inputs", "$JS.CELL.API.CONSUMER.CREATE.REGRANT_IN.sub-default-prompts", ""},
	{"read records from the services' account", "$JS.CELL.API.STREAM.MSG.GET.KV_regrant_links", ""},

	{"answer for a worker", "_INBOX_regrant_reader-1.x", ""},
	{"answer a worker", "_INBOX_regrant_worker.x", ""},
	{"answer an operator", "_INBOX_regrant_operator.x", "worker"},
	{"answer another account", "_R_.x", "worker"},
	{"publish anything else", "anything.else", ""},
	{"ask the system", "$SYS.REQ.SERVER.PING.JSZ", ""},
}

var listening = []row{
	{"hear everything", ">", ""},
	{"hear replies of whoever has no inbox prefix", "_INBOX.>", ""},
	{"hear replies between accounts", "_R_.>", ""},
	{"hear writes of records", "$KV.>", ""},
	{"hear JetStream's API", "$JS.>", ""},
	{"hear the system", "$SYS.>", ""},
	{"hear an admin's replies", "_INBOX_regrant_admin.>", "admin"},
	{"hear an operator's replies", "_INBOX_regrant_operator.>", "operator"},
	{"hear a worker's replies", "_INBOX_regrant_worker.>", "worker"},
	{"hear the bearers that reader-1 is given", "_INBOX_regrant_reader-1.>", "reader-1"},
	{"hear the bearers that reader-2 is given", "_INBOX_regrant_reader-2.>", "reader-2"},
	{"hear inputs, which hold authorization codes", "regrant.in.>", ""},
	{"hear what the API is asked, which may be tokens", "regrant.api.>", "worker"},
	{"hear outputs before they are stored", "regrant.out.>", ""},
	{"hear all outputs", "regrant.live.>", "worker"},
	{"hear the outputs of link A", "regrant.live.default.op.A.*", "worker reader-1"},
	{"hear the outputs of all links", "regrant.live.default.op.*.*", "worker"},
	{"hear the audit", "regrant.audit.>", ""},
	{"be asked for passwords", "regrant.credentials.default.op.*", "owner"},
	{"be asked for everybody's passwords", "regrant.credentials.>", ""},
	{"tell the server's statistics of services", "$SRV.>", "worker"},
}

func (r row) may(user string) bool { return slices.Contains(strings.Fields(r.users), user) }

// document is docs/permissions.md.
func document(t *testing.T) []byte {
	t.Helper()
	var out strings.Builder
	out.WriteString(`# Who may do what

Generated (` + "`make permissions`" + `) from a table that tests hold against real servers: each user below logs in at a nats-server with
the accounts of [nats.conf](nats.conf), or at a redis-server with its ACL, and tries each line. What is not marked is refused.
` + "`worker permissions --role ROLE`" + ` prints what to configure, for nats-server, nsc (` + "`--format nsc`" + `) or Redis (` + "`--format redis`" + `).

Reader-1 reads link A, reader-2 link B. Subscriber, callback, owner, reporter and readers are in the services' account.
`)
	section(&out, "Publishes", "subject", users, publishing)
	section(&out, "Listens", "subject", users, listening)
	section(&out, "Redis", "command", redisUsers, redisRows())
	return []byte(out.String())
}

func section(out *strings.Builder, title, what string, columns []string, rows []row) {
	fmt.Fprintf(out, "\n## %s\n\n| | %s | %s |\n|---|---|%s\n", title, what, strings.Join(columns, " | "), strings.Repeat(":-:|", len(columns)))
	for _, r := range rows {
		fmt.Fprintf(out, "| %s | `%s` |", r.what, r.subject)
		for _, u := range columns {
			if r.may(u) {
				out.WriteString(" ✓ |")
			} else {
				out.WriteString(" |")
			}
		}
		out.WriteString("\n")
	}
}
