package main

// ofReconsent are the safeguards of a consent flow.
var ofReconsent = []mutation{
	{
		name: "a code is presented by whoever wins its flow's compare-and-set", file: "handlers/flow.go",
		from: "		_, err := h.Flows.Update(ctx, next, s.Revision)\n",
		to:   "		if is, failed := h.Flows.Get(ctx, next.Key); failed == nil {\n			s.Revision = is.Revision\n		}\n		_, err := h.Flows.Update(ctx, next, s.Revision)\n",
		pkg:  handlersPkg, test: "TestTwoWorkersHaveACodeAndOnePresentsIt",
	},
	{
		name: "only a pending flow is presented", file: "consents/steps.go",
		from: "	if f.Status != Pending {\n", to: "	if false {\n",
		pkg: consentsPkg, test: "TestAFlowIsPresentedOnce",
		unseen: "whoever presents looked at the same record just before",
	},
	{
		name: "only the own presentation is taken back", file: "consents/steps.go",
		from: "	if f.Status != Presented || f.Attempt != attempt {\n", to: "	if f.Status != Presented {\n",
		pkg: consentsPkg, test: "TestOnlyTheOwnPresentationIsTakenBack",
		unseen: "whoever takes one back names the attempt of the record it has just read",
	},
	{
		name: "no refresh begins while an exchange is open", file: "links/decide.go",
		from: "	case l.Exchange != nil && (l.Status == Active || l.Status.open() || l.Awaiting != nil):\n", to: "	case false:\n",
		pkg: handlersPkg, test: "TestNoRefreshBeginsWhileACodeIsExchanged",
	},
	{
		name: "no grant is called dead while an exchange is open", file: "links/outcome.go",
		from: " && l.Status.open() && l.Exchange == nil\n", to: " && l.Status.open()\n",
		pkg: handlersPkg, test: "TestNoGrantIsCalledDeadWhileACodeIsExchanged",
	},
	{
		name: "an ID token bears its flow's nonce", file: "providers/idtoken.go",
		from: "	if nonce != \"\" && t.nonce != nonce {\n", to: "	if false {\n",
		pkg: providersPkg, test: "TestVerifyCodeReasons",
	},
	{
		name: "a state is its tenant's", file: "handlers/reconsent_completed.go",
		from: "	case f.Tenant != r.Tenant:\n", to: "	case false:\n",
		pkg: handlersPkg, test: "TestAStateIsGoodForItsOwnFlow",
	},
	{
		name: "a state is its link's", file: "handlers/reconsent_completed.go",
		from: "	case f.Link != r.Link:\n", to: "	case false:\n",
		pkg: handlersPkg, test: "TestAStateIsGoodForItsOwnFlow",
	},
	{
		name: "a state is its user's", file: "handlers/reconsent_completed.go",
		from: "	case r.user != \"\" && r.user != f.User:\n", to: "	case false:\n",
		pkg: handlersPkg, test: "TestAStateIsGoodForItsOwnFlow",
	},
	{
		name: "owners that an earlier ruling displaced stay displaced", file: "consents/steps.go",
		from: "			if !slices.Contains(r.Displaced, d) {\n", to: "			if false && !slices.Contains(r.Displaced, d) {\n",
		pkg: handlersPkg, test: "TestALostClaimForgetsNobodyWhomItDisplaced",
	},
	{
		name: "a flow that was overtaken finishes what it displaced", file: "handlers/flow.go",
		from: "	if err := h.finishAll(ctx, f.Concerns()[1:]); err != nil {\n", to: "	if err := error(nil); err != nil {\n",
		pkg: handlersPkg, test: "TestALostClaimForgetsNobodyWhomItDisplaced",
	},
	{
		name: "a login is claimed at the revision that was ruled on", file: "handlers/flow_apply.go",
		from: "	case owner.Address != r.Link && (owner.Revision != r.Revision || owner.Order.After(f.Order)):\n", to: "	case false:\n",
		pkg: handlersPkg, test: "TestAClaimIsMadeOnWhatWasRuledOn",
	},
	{
		name: "an older consent does not make a claim older", file: "handlers/flow_apply.go",
		from: "r.Link && !owner.Order.Before(f.Order):\n", to: "r.Link && owner.Order.Equal(f.Order):\n",
		pkg: handlersPkg, test: "TestAnOlderConsentDoesNotMakeAClaimOlder",
	},
	{
		name: "whoever made a link looks again who owns its login", file: "handlers/flow_apply.go",
		from: "h.claim, h.toTarget, h.displace, h.lookAgain,", to: "h.claim, h.toTarget, h.displace,",
		pkg: handlersPkg, test: "TestALinkThatIsMadeTooLateFindsItselfDisplaced",
	},
	{
		name: "a consent does not overwrite a newer one", file: "handlers/flow_apply.go",
		from: "		case l.Overtakes(f.Order), l.Refuses", to: "		case l.Refuses",
		pkg: handlersPkg, test: "TestAnOlderConsentDoesNotOverwriteANewerOne",
	},
	{
		name: "a link loses nothing to an older consent", file: "links/reconsent.go",
		from: "	return !l.ConsentOrder.IsZero() && l.ConsentOrder.After(order)\n", to: "	return false\n",
		pkg: handlersPkg, test: "TestALinkDoesNotLoseItsPlaceToAnOlderConsent",
	},
	{
		name: "an approval that is under way is not expired", file: "handlers/flow_hold.go",
		from: "			return nil, errApproved\n", to: "			return nil, nil\n",
		pkg: handlersPkg, test: "TestAnApprovalBeatsTheEndOfItsTerm",
	},
	{
		name: "a flow that has moved on is not opened", file: "handlers/flow_exchange.go",
		from: "		if err := h.stillAt(ctx, f); err != nil {\n", to: "		if err := error(nil); err != nil {\n",
		pkg: handlersPkg, test: "TestAFlowThatIsHeldByNowIsNotOpenedAgain",
	},
	{
		name: "an approved consent waits for the exchange that is open", file: "handlers/flow_rule.go",
		from: "	if !f.Approved {\n", to: "	if true {\n",
		pkg: handlersPkg, test: "TestAnApprovedConsentWaitsWhoeverTakesItUp",
	},
	{
		name: "a decision names the consent that it is about", file: "links/hold.go",
		from: "	case !l.Holds(consent):\n", to: "	case l.Hold == nil:\n",
		pkg: handlersPkg, test: "TestADecisionIsAboutTheConsentThatItNames",
	},
	{
		name: "other links' outboxes before the hold ends", file: "handlers/flow.go",
		from: "		func() error { return h.finishAll(ctx, others) },\n		func() error { return h.toRequested(ctx, j, f) },\n",
		to:   "		func() error { return h.toRequested(ctx, j, f) },\n		func() error { return h.finishAll(ctx, others) },\n",
		pkg:  handlersPkg, test: "TestAnApprovalThatIsCutShortOwesTheNewLinkNothing",
	},
	{
		name: "the disk is searched before a flow is given up", file: "handlers/flow.go",
		from: "	if err := h.Adopt(ctx); err != nil {\n", to: "	if err := error(nil); err != nil {\n",
		pkg: handlersPkg, test: "TestAnAnswerOnThisDiskIsFoundBeforeItsFlowIsGivenUp",
	},
	{
		name: "an answer is written until the store takes it", file: "handlers/flow_exchange.go",
		from: "		if err == nil || errors.Is(err, errForGood) || errors.Is(err, errBusy) || ctx.Err() != nil {\n",
		to:   "		if err == nil || !errors.Is(err, links.ErrConflict) {\n",
		pkg:  handlersPkg, test: "TestAnAnswerIsWrittenAgainToAStoreThatWasAway",
	},
	{
		name: "an overtaken flow's target stays closed to it", model: "W_NOFENCE", file: "handlers/flow_apply.go",
		from: " l.Refuses(f.ID, r.Number),", to: "",
		pkg: handlersPkg, test: "TestAnOvertakenFlowStaysOvertaken",
	},
	{
		name: "a replayed logout is as old as its request", file: "handlers/logout_requested.go",
		from: "	if !at.IsZero() && ", to: "	if at.IsZero() && ",
		pkg: handlersPkg, test: "TestAReplayedLogoutEndsNoLinkThatConsentedSince",
	},
	{
		name: "a replay is as old as its original", file: "handlers/logout_requested.go",
		from: "events.FirstStored(m.Header, m.StoredAt)", to: "m.StoredAt",
		pkg: handlersPkg, test: "TestAReplayedLogoutIsAsOldAsItsOriginal",
	},
	{
		name: "what a replay asks of other links is as old", file: "handlers/logout_user.go",
		from: "	asks.Follow(header, storedAt)\n", to: "",
		pkg: handlersPkg, test: "TestAReplayedLogoutIsAsOldAsItsOriginal",
	},
	{
		name: "what a logout asks of other links is as old", file: "events/replay.go",
		from: "	m.Header[HeaderFirstStored] = []string{first.UTC().Format(time.RFC3339Nano)}\n}\n\n// Run", to: "}\n\n// Run",
		pkg: handlersPkg, test: "TestWhatAUsersLogoutAsksOfOtherLinksIsAsOld",
	},
	{
		name: "whoever made a link looks for a logout of its user", file: "handlers/flow_apply.go",
		from: "h.lookAgain, h.outSince,", to: "h.lookAgain,",
		pkg: handlersPkg, test: "TestALinkThatAnEarlierConsentMakesEndsWithItsUsersLogout",
	},
	{
		name: "a logout of all links is noted before they are listed", file: "handlers/logout_user.go",
		from: "	if err := h.noteOut(ctx, l, j.storedAt); err != nil {\n", to: "	if err := error(nil); err != nil {\n",
		pkg: handlersPkg, test: "TestAConsentThatIsRuledOnAfterItsUsersLogoutMakesNoLink",
	},
	{
		name: "a replayed logout ends no link that was made since", file: "links/reconsent.go",
		from: "	case l.ConsentOrder.IsZero() && l.MadeAt.After(at):\n", to: "	case false:\n",
		pkg: handlersPkg, test: "TestAReplayedLogoutEndsNoLinkThatWasMadeSince",
	},
	{
		name: "a report that is older than its bearer is not replayed on it", file: "links/decide.go",
		from: "t.First.Before(l.CommittedAt)", to: "false",
		pkg: handlersPkg, test: "TestAnEarlyReportIsNotReplayedOnALaterGeneration",
	},
	{
		name: "the age of a bearer is told by the store's clock", file: "links/decide.go",
		from: "t.First.Before(l.CommittedAt)", to: "t.First.Before(l.IssuedAt)",
		pkg: handlersPkg, test: "TestAnEarlyReportIsNotReplayedOnALaterGeneration",
	},
	{
		name: "a decision that is older than its hold is not replayed on it", file: "links/hold.go",
		from: "!first.IsZero() && first.Before(l.Hold.At)", to: "false",
		pkg: handlersPkg, test: "TestAnEarlyDecisionIsNotReplayedOnALaterHold",
	},
}
