package main

// ofGrants are the safeguards of chains of grants, and of the guards around them.
var ofGrants = []mutation{
	{
		name: "a dead grant is not presented until an answer makes it good", file: "links/grants.go",
		from: "	case slices.Contains(l.Spent, g):\n", to: "	case false:\n",
		pkg: linksPkg, test: "TestADeadRefreshTokenStaysDeadBesideAGoodKey",
	},
	{
		name: "a lost refresh token is not presented beside another grant's answer", file: "links/grants.go",
		from: "	case !g.Renewed && r.Replay != Safe && ", to: "	case false && ",
		pkg: linksPkg, test: "TestALostRefreshTokenIsNotPresentedBesideAnotherGrantsAnswer",
	},
	{
		name: "a refresh token that is listed is repeated by its rule alone", file: "links/decide.go",
		from: "		if g != GrantRefreshToken || !l.presents(g) {\n", to: "		if true {\n",
		pkg: linksPkg, test: "TestALostAnswerFallsBackWithoutAnotherPresentation",
	},
	{
		name: "that a refresh token was presented is never forgotten", file: "links/refresh.go",
		from: "return a.By() != GrantRefreshToken })\n", to: "return true })\n",
		pkg: linksPkg, test: "TestThatARefreshTokenWasPresentedIsNeverForgotten",
	},
	{
		name: "an absent owner is not asked for each report", file: "links/grants.go",
		from: "		return !now.Before(l.Awaiting.AskedAt.Add(r.askAgain())) || ", to: "		return true || ",
		pkg: handlersPkg, test: "TestAStormDoesNotAskAnAbsentOwnerForEachReport",
	},
	{
		name: "an absent owner is called for once", file: "links/grants.go",
		from: "	if l.Awaiting.Told {\n", to: "	if false {\n",
		pkg: handlersPkg, test: "TestASessionThatIsGoneIsCalledForOnce",
	},
	{
		name: "credentials are asked for before the intent", file: "handlers/present.go",
		from: "	request, err := h.request(ctx, stored.Link, a.By(), tokens)\n",
		to:   "	if stored, err = h.update(ctx, StepIntent, stored, stored.Link.Begin(a, true, h.rules[j.addr.Provider])); err != nil {\n		return h.notWritten(j, err)\n	}\n	request, err := h.request(ctx, stored.Link, a.By(), tokens)\n",
		pkg:  handlersPkg, test: "TestAnAskThatWasNotCarriedIsRepeated",
	},
	{
		name: "credentials that are missing are judged on the server's clock", file: "handlers/grants.go",
		from: "	rules, now := h.rules[l.Provider], h.now(j)\n", to: "	rules, now := h.rules[l.Provider], h.Clock()\n",
		pkg: handlersPkg, test: "TestASlowClockDoesNotSendALinkWithoutCredentialsInCircles",
	},
	{
		name: "no password is asked for while an exchange is open", file: "links/decide.go",
		from: " || l.Awaiting != nil):\n", to: "):\n",
		pkg: linksPkg, test: "TestNoPasswordIsAskedForWhileACodeIsExchanged",
	},
	{
		name: "a wrong password gives an unknown outcome no more time", file: "links/outcome.go",
		from: "l.Status != Uncertain && l.AnswersUntil.IsZero()", to: "l.Status != Uncertain",
		pkg: linksPkg, test: "TestAWrongPasswordGivesAnUnknownOutcomeNoMoreTime",
	},
	{
		name: "refreshing stops where fresh bearers are refused", file: "links/decide.go",
		from: "	if l.Seen(t).rejected(v.Rules, v.Now) {\n", to: "	if false {\n",
		pkg: linksPkg, test: "TestRefreshingStopsWhereFreshTokensAreRefused",
	},
	{
		name: "a refused bearer counts once", file: "links/refresh.go",
		from: "	l.Attempts = bounded(", to: "	l = l.counted(r, a.At)\n	l.Attempts = bounded(",
		pkg: linksPkg, test: "TestARefusedBearerCountsOnce",
	},
	{
		name: "verdicts are held while many grants die", file: "handlers/present.go",
		from: "	case next.Status == links.ConsentRequired && (held || ", to: "	case next.Status == links.ConsentRequired && (false || ",
		pkg: handlersPkg, test: "TestADeadGrantAmongManyIsNotBelievedAtOnce",
	},
	{
		name: "what was heard in doubt is tried again", file: "links/decide.go",
		from: "l.doubted(v.Rules).next(v.Rules, v.Now); ok {\n", to: "l.doubted(v.Rules).next(v.Rules, v.Now); ok && grant == \"\" {\n",
		pkg: handlersPkg, test: "TestASpikeOfDeadGrantsCostsNobodyAPrompt",
	},
	{
		name: "what may not be shown twice is not, also when it was heard in doubt", file: "links/grants.go",
		from: "	if shown && r.Replay != Safe {\n", to: "	if shown && r.Replay == Safe {\n",
		pkg: linksPkg, test: "TestAHeldVerdictGivesTheWholeChainAnotherTry",
	},
	{
		name: "a suspended app admits no attempt, and nothing is intended", file: "handlers/present.go",
		from: "	ad, v, ok := h.admit(ctx, j)\n	if !ok {\n", to: "	ad, v, ok := h.admit(ctx, j)\n	if !ok && v.After < 0 {\n",
		pkg: handlersPkg, test: "TestNothingIsIntendedWhileTheAppIsSuspended",
	},
	{
		name: "links that share a token share a lock", file: "handlers/grants.go",
		from: "	if by == \"\" || by == providers.LockByLink {\n", to: "	if by != \"none\" {\n",
		pkg: handlersPkg, test: "TestLinksThatShareATokenShareALock",
	},
	{
		name: "a refusal is of one ruling and those before it", file: "links/fence.go",
		from: "r.Consent == consent && ruling <= r.Ruling", to: "r.Consent == consent",
		pkg: linksPkg, test: "TestALinkIsClosedToTheRulingsThatWereGivenUp",
	},
}
