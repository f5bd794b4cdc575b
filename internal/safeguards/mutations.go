package main

import "slices"

// mutation takes one safeguard out.
type mutation struct {
	// name is the safeguard; model its step in docs/model, if it has one.
	name, model string
	// file holds from exactly once; to replaces it.
	file, from, to string
	// pkg and test are what must fail.
	pkg, test string
	// unseen says why the simulation cannot see it gone; empty: it can.
	unseen string
}

const (
	handlersPkg  = "./handlers/"
	busPkg       = "./bus/"
	linksPkg     = "./links/"
	consentsPkg  = "./consents/"
	providersPkg = "./providers/"
)

var mutations = slices.Concat(ofRefresh, ofReconsent, ofGrants, ofProfiles)

// ofRefresh are the safeguards of a refresh, and of what both share.
var ofRefresh = []mutation{
	{
		name: "intent by compare-and-set", model: "M_NOINTENT", file: "handlers/judge.go",
		from: "		written.Revision, err = h.Store.Update(ctx, written.Link, stored.Revision)\n",
		to: "		if latest, failed := h.Store.Latest(ctx, next.Address); failed == nil {\n			stored.Revision = latest.Revision\n		}\n" +
			"		written.Revision, err = h.Store.Update(ctx, written.Link, stored.Revision)\n",
		pkg: handlersPkg, test: "TestTwoWorkersReadTheSameRecordAndOnePresents",
	},
	{
		name: "attempt and generation are checked at the commit", model: "M_NOCHECK", file: "links/outcome.go",
		from: "	case c.Generation != l.Generation || !l.Lists(c.Attempt) || l.Status == Quarantined:\n",
		to:   "	case l.Status == Quarantined:\n",
		pkg:  handlersPkg, test: "TestASecondSuccessOfOneGenerationIsKept",
	},
	{
		name: "ack after the outbox", model: "M_ACKEARLY", file: "handlers/finish.go",
		from: "	h.logger(j.addr).Warn(\"not finished; the message is kept and tried again\", \"err\", err)\n	return inbox.Later(h.Budget.LockRenew)\n",
		to:   "	return inbox.Done()\n",
		pkg:  handlersPkg, test: "TestAReportIsNotStaleForTheWorkerWhosePublishFailed",
	},
	{
		name: "who finds a newer generation publishes it before the ack", model: "M_ACKEARLY", file: "handlers/finish.go",
		from: "	if err := h.fin.finish(ctx, l, everythingMayBeStored, j.trigger.Timer); err != nil {\n",
		to:   "	if err := error(nil); err != nil {\n",
		pkg:  handlersPkg, test: "TestARedeliveryBetweenACommitAndItsFailedPublish",
	},
	{
		name: "idempotent commit", file: "links/outcome.go",
		from: "	case l.Committed(c.Attempt):\n", to: "	case false && l.Committed(c.Attempt):\n",
		pkg: handlersPkg, test: "TestAnAdoptedAnswerIsNotCommittedTwice",
	},
	{
		name: "outbox before the map of known generations", model: "M_MAPEARLY", file: "handlers/finish.go",
		from: "	if err := f.publish(ctx, l, unsent); err != nil {\n",
		to:   "	f.known.learn(l.Address, fact{generation: l.Generation})\n	if err := f.publish(ctx, l, unsent); err != nil {\n",
		pkg:  handlersPkg, test: "TestAReportIsNotStaleForTheWorkerWhosePublishFailed",
	},
	{
		name: "stale guard", file: "handlers/token_expired.go",
		from: "	if h.known.of(a).generation > generation {\n", to: "	if false {\n",
		pkg: handlersPkg, test: "TestAStaleReportIsSettledWithoutARead",
	},
	{
		name: "expected sequence on timers", model: "M_TIMERSEQ", file: "bus/timer.go",
		from: "	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(replaces, 10))\n", to: "",
		pkg: busPkg, test: "TestASlowWorkersOlderTimerIsRefused",
	},
	{
		name: "only the own attempt is cleared", model: "M_CLEAROTHER", file: "links/refresh.go",
		from: "return a.ID == attempt })", to: "return true })",
		pkg: handlersPkg, test: "TestASecondAttemptIsNotSentWhileTheFirstMayHaveBeen",
	},
	{
		name: "with other attempts listed the link stays refreshing", model: "W_CLEARSTATE", file: "links/refresh.go",
		from: "		return l.schedule(at, DueRepeat), true", to: "		l.Status = Active\n		return l.schedule(at, DueRetry), true",
		pkg: handlersPkg, test: "TestASecondAttemptIsNotSentWhileTheFirstMayHaveBeen",
	},
	{
		name: "grace counts from the first intent", model: "W_GRACEWATCH", file: "links/decide.go",
		from: "After(l.FirstIntentAt.Add(v.Rules.Window))", to: "After(v.Now.Add(v.Rules.Window))",
		pkg: handlersPkg, test: "TestAGraceWindowIsJudgedByTheFirstIntentsTime",
	},
	{
		name: "a deadline begins before its window is asked about", file: "handlers/present.go",
		from: "j.began.Add(p.DeadlineFor(request.Grant))", to: "h.Clock().Add(p.DeadlineFor(request.Grant))",
		pkg: handlersPkg, test: "TestTheStoresClockMayAnswerLate",
	},
	{
		name: "a connection without an answer is reset", file: "providers/conn.go",
		from: "	guarded.linger(0)\n", to: "",
		pkg: providersPkg, test: "TestARequestIsNotDeliveredAfterItsDeadline",
	},
	{
		name: "an unknown outcome is judged by the store's clock", file: "links/outcome.go",
		from: "	l.Status = Uncertain\n	return l.settleUncertain(v.StoreNow, o)\n", to: "	l.Status = Uncertain\n	return l.settleUncertain(v.Now, o)\n",
		pkg: handlersPkg, test: "TestAnUnknownOutcomeIsJudgedByTheStoresClock",
	},
	{
		name: "no successor is handed out while a newer attempt may be unsent", file: "links/outcome.go",
		from: "	case r.Replay == UntilSuccessorUsed && ", to: "	case false && r.Replay == UntilSuccessorUsed && ",
		pkg: handlersPkg, test: "TestNoSuccessorIsHandedOutBeforeANewerAttemptIsSent",
	},
	{
		name: "only first deliveries collapse", model: "W_COLLAPSE", file: "handlers/flights.go",
		from: "return ok && delivered == 1 && under", to: "return ok && under",
		pkg: handlersPkg, test: "TestAFlightsOwnMessageIsRedeliveredToItsProcess",
	},
	{
		name: "no report collapses into a replay", file: "handlers/token_expired.go",
		from: "	if !first.IsZero() {", to: "	if false && !first.IsZero() {",
		pkg: handlersPkg, test: "TestALiveReportDoesNotCollapseIntoAReplay",
	},
	{
		name: "no report collapses into a mistake", file: "handlers/flights.go",
		from: "	if !f.sure || f.reason", to: "	if f.reason",
		pkg: handlersPkg, test: "TestAReportDoesNotCollapseIntoAMistake",
	},
	{
		name: "no report collapses into what was a mistake", file: "handlers/flights.go",
		from: " && l.CommittedAt.Before(storedAt)\n", to: "\n",
		pkg: handlersPkg, test: "TestAReportDoesNotCollapseIntoWhatWasAMistake",
	},
	{
		name: "the spool file stays until the outbox is confirmed", model: "W_SPOOLEARLY", file: "handlers/save.go",
		from: "	if err := s.ahead.over(h.fin).finish(ctx, l, was.EventNumber+1, false); err != nil {\n",
		to:   "	_ = h.Spool.Remove(s.Attempt)\n	if err := s.ahead.over(h.fin).finish(ctx, l, was.EventNumber+1, false); err != nil {\n",
		pkg:  handlersPkg, test: "TestAnUncertainVerdictThenTheLateCommitAndACrashBeforeItsOutbox",
	},
	{
		name: "the spooled answer is a save", file: "handlers/save.go",
		from: "		return h.Spool.Put(s.Attempt, data)\n", to: "		_ = data\n		return nil\n",
		pkg: handlersPkg, test: "TestAnUncertainVerdictThenTheLateCommitAndACrashBeforeItsOutbox",
	},
	{
		name: "every entry of the outbox, in order", model: "W_OUTORDER", file: "handlers/finish.go",
		from: "range owed {", to: "range owed[max(0, len(owed)-1):] {",
		pkg: handlersPkg, test: "TestAnUncertainVerdictThenTheLateCommitAndACrashBeforeItsOutbox",
	},
	{
		name: "timer before outbox", model: "W_FINISHORDER", file: "handlers/finish.go",
		from: "	if err := f.arm(ctx, l, rearm); err != nil {\n",
		to:   "	if err := f.publish(ctx, l, unsent); err != nil {\n		return err\n	}\n	if err := f.arm(ctx, l, rearm); err != nil {\n",
		pkg:  handlersPkg, test: "TestTheTimerIsArmedBeforeTheGenerationIsAnnounced",
	},
	{
		name: "a writer arms its timer whatever the record says by then", model: "W_REARM", file: "handlers/finish.go",
		from: "	if err := h.fin.finish(ctx, l, was.EventNumber+1, j.trigger.Timer); err != nil {\n",
		to: "	if now, err := h.Store.Latest(ctx, l.Address); err == nil && now.Link.Status == links.Refreshing {\n		l.Due = links.Link{}.Due\n	}\n" +
			"	if err := h.fin.finish(ctx, l, was.EventNumber+1, j.trigger.Timer); err != nil {\n",
		pkg: handlersPkg, test: "TestAClearedAttemptsTimerIsArmedAlthoughTheLinkIsRefreshingAgain",
	},
	{
		name: "a fired timer is armed again whatever memory says", file: "handlers/finish.go",
		from: "(!rearm && f.known", to: "(f.known",
		pkg: handlersPkg, test: "TestTheReconcilerArmsWhatThisProcessRemembersAsArmed",
	},
	{
		name: "another's attempt is watched for a patience", file: "handlers/sights.go",
		from: "got.first.Add(s.patience * time.Duration(patiences))", to: "got.first.Add(0 * time.Duration(patiences))",
		pkg: handlersPkg, test: "TestAnUncertainVerdictThenTheLateCommitAndACrashBeforeItsOutbox",
	},
	{
		name: "an unknown fingerprint is looked up where writes are decided", file: "handlers/run.go",
		from: "	if j.fresh || j.trigger.Leading() {\n", to: "	if j.fresh {\n",
		pkg: handlersPkg, test: "TestTheNewestBearerIsNotStaleBecauseAFollowerLags",
	},
	{
		name: "a bearer that was refused is not said to live", file: "links/outcome.go",
		from: "r.PreviousStillValid && !l.Refused", to: "r.PreviousStillValid",
		pkg: linksPkg, test: "TestARefusedBearerIsNotSaidToLive",
	},
}
