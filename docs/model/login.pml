/*
 * Whose login is it: consents that meet in the subject index, as a Promela model. Section 6 of the
 * design from the exchange's answer on; refresh.pml has the exchange beside the refreshes of one link.
 * README.md says what is abstracted away and how to run the checks; check.sh runs all of them.
 *
 * Two links exist: L (1) of user A with login 1, M (2) of user A or B with login 2. NF consent flows,
 * each begun for L, for M or for a new link, bring one of the logins; links 3.. are their reserved ids.
 * There is no lock. A worker may stop for any time or crash before every step, an input may be in the
 * hands of both workers and come again after it was acked: all of that free and without a bound.
 *
 * Configuration, all by -D:
 *   NW workers, NF flows, POLICY=REPLACE|HOLD|KEEP on a different login
 *   REQ1..REQ3=1|2|3 (L, M, new), SUB1..SUB3=1|2 (login), USERM=0|1 (M's user), USERN=0|1 (a new link's); left out: any
 *   UNKNOWN=f    the login of flow f cannot be compared with its link's own
 *   CODE         the exchange too: one code, one presentation; left out, a flow begins exchanged
 *   GIVEBACK     the claim of a hold that was rejected or dropped is deleted, its order with it
 *   ONERULING    a new ruling forgets whom the one before displaced
 *   RERULE       whoever resumes before the claim rules again
 *   LOSTCLAIM    whoever loses the claim rules again, also if it was lost to the same flow's other worker
 *   LOGOUT=x     a logout of link x, at any time
 *   REFRESH      a refresh of L, answered at any time
 *   COVER=c      reachability: a quiescent state in which c holds must be found
 *   M_...        a step left out on purpose: must give a counterexample
 *   W_...        a first wording of the design or of the code, where it said less than is needed: ditto
 */
#ifndef NW
#define NW 2
#endif
#ifndef NF
#define NF 2
#endif
#define L 1
#define M 2
#define RES(f) (2 + (f))           /* the id reserved by flow f; also the link that a new flow asks for */
#define NL (2 + NF)
#define B(i) (1 << (i))

/* a link's status */
#define ABSENT 0
#define STUB 1                     /* made for the exchange of a new link: consent_required, generation 0 */
#define ACTIVE 2                   /* stands for all that are not ended */
#define REPLACED 3
#define SUPERSEDED 4
#define REVOKED 5
/* a flow's */
#define PENDING 0
#define PRESENTED 1
#define LOST 2                     /* failed, outcome unknown: an answer may still come */
#define EXCHANGED 3
#define HELD 4
#define APPROVED 5                 /* exchanged, with the approval */
#define APPLIED 6
#define FAILED 7
/* policies, and what becomes of the requested link */
#define REPLACE 0
#define HOLD 1
#define KEEP 2
#define STAYS 2
#ifndef POLICY
#define POLICY REPLACE
#endif
#define INPUT 1                    /* duties: the flow's input, a decision, an answer in the spool */
#define DECISION 2
#define SPOOL 4

/* ---- links: one record each ---- */
byte st[NL + 1], sub[NL + 1], user[NL + 1], cons[NL + 1], gen[NL + 1];
byte lord[NL + 1];                 /* order of what changed the link last: its consent, its loss, its logout */
byte closed[(NL + 1) * (NF + 1)];  /* the newest ruling of a flow that was given up on the way to it */
byte xopen[NL + 1];                /* the flow whose exchange is open */
byte hold[NL + 1], hord[NL + 1];   /* the flow that waits for a decision; order of the last that did */
byte evA[NL + 1], evL[NL + 1], evF[NL + 1];  /* events, by flow: applied here, lost to, failed */

/* ---- the subject index: one entry each ---- */
byte iown[3], iord[3], ifl[3], irev[3];

/* ---- flows ---- */
byte rq[NF + 1], lg[NF + 1], who[NF + 1];    /* requested link, login, user */
byte fs[NF + 1], ord[NF + 1];
byte rn[NF + 1], tg[NF + 1], fate[NF + 1], rr[NF + 1], dp[NF + 1];  /* the ruling: its number, its target (0: nobody) */
#ifdef CODE
byte lfresh[NL + 1];               /* who has read the newest revision of a link; kept for the exchange's intent only */
#endif
byte ffresh[NF + 1];               /* who has read the newest revision */
byte duty[NF + 1];
bit shown[NF + 1];

byte told = 0;                     /* held flows whose link has said so: they can be decided */
byte clock = 0;                    /* the order of presented writes and of logouts */
byte idle = 0;
bit busy = 0, rbusy = 0;           /* a logout under way; a refresh */
byte claimed = 0;                  /* flows that have claimed their login */

#ifdef CODE
/* the exchange's intent is written at the revision of the link that was read before the flow was */
#ifdef W_READORDER
#define READFIRST true
#else
#define READFIRST (lfresh[rq[f]] & B(w))
#endif
#define lread(x) lfresh[x] = lfresh[x] | B(w)
#define lforget(x) lfresh[x] = lfresh[x] & ~B(w)
#define lwrote(x) lfresh[x] = 0
#else
#define lread(x) skip
#define lforget(x) skip
#define lwrote(x) skip
#endif
#define NREV 7                      /* writes of one index entry; a run that needs more is cut off */
#ifndef NRUL
#define NRUL 4                      /* rulings of a flow: more are not needed */
#endif
#ifdef RERULE
#define MAYRULE(f) (rn[f] < NRUL)   /* unless it is ruled again for nothing: then ditto */
#else
#define MAYRULE(f) true
#endif
#ifdef REFRESH
#define counted(x) cons[x]++; gen[x]++
#else
#define counted(x) skip
#endif
#define live(x) (st[x] == ACTIVE)
#define ended(x) (st[x] >= REPLACED)
#define isnew(f) (rq[f] == RES(f))
#define fwrote(f, w) ffresh[f] = B(w)
#define has(x, f) (evA[x] & B(f))
#if NF > 2
#define given(f) (has(1, f) || has(2, f) || has(3, f) || has(4, f) || has(5, f))
#else
#define given(f) (has(1, f) || has(2, f) || has(3, f) || has(4, f))
#endif

#ifdef M_NOORDER
#define newer(a, b) false
#else
#define newer(a, b) ((a) > (b))
#endif
#define owners(x, f) ((x) != rq[f] && (x) != RES(f))    /* the target was the login's owner, and live */
#define refusal(x, f) closed[(x) * (NF + 1) + (f)]
#ifdef W_CLOSELATE
#define KEPTOPEN (t != 0)
#else
#define KEPTOPEN false
#endif
#ifdef RERULE
#define STANDS false
#else
#define STANDS (rv == irev[lg[f]])
#endif
#if defined(W_BYNAME) || defined(W_FINAL)
#define refuses(x, f, n) (refusal(x, f) != 0)
#else
#define refuses(x, f, n) (refusal(x, f) >= (n))
#endif
/* what the ruling rested on is not so any more: it is ruled again */
#define outdated(x, f, n) (newer(lord[x], ord[f]) || refuses(x, f, n) || owners(x, f) && !live(x))
#ifdef M_NOIDEM
#define IDEM false
#else
#define IDEM has(t, f)
#endif
/* a link loses its login or its place to flow g's target; legal from every status */
inline lose(x, g, o, how) {
	if
	:: st[x] == ABSENT || newer(lord[x], o)
	:: else ->
		if
		:: !ended(x) ->
			assert((claimed & B(g)) || given(g));         /* nobody loses anything to a flow that never got it */
			st[x] = how; lwrote(x); evL[x] = evL[x] | B(g)
		:: else                                           /* a consent older than this does not bring it back */
		fi;
		if :: o > lord[x] -> lord[x] = o :: else fi
	fi
}
#ifdef UNKNOWN
#define incomparable(f) ((f) == UNKNOWN)
#else
#define incomparable(f) false
#endif
#ifndef W_NOINDEXORDER
#define INEWER newer(iord[lg[f]], ord[f])
#else
#define INEWER false
#endif
#ifdef W_SKIPCLAIM
#define CLAIMED (iown[lg[f]] == t)
#else
#define CLAIMED (iown[lg[f]] == t && (ifl[lg[f]] == f || INEWER))   /* by this flow, or by a newer one for the same link */
#endif
#ifdef M_NOSECONDLOOK
#define SECONDLOOK false
#else
#define SECONDLOOK true
#endif
#define LOOK ow = iown[lg[f]]; g = ifl[lg[f]]; oo = iord[lg[f]]
inline displace(x) {
	if
#ifdef W_BLIND
	:: x != t && live(x) && sub[x] == lg[f] -> lose(x, f, ord[f], SUPERSEDED)
	:: x == t && x != ow && live(x) && sub[x] == lg[f] -> lose(x, g, oo, SUPERSEDED)
#else
	:: x != ow && live(x) && sub[x] == lg[f] -> lose(x, g, oo, SUPERSEDED)
#endif
	:: else
	fi
}
/* the target that the ruling named is closed to it and to those before it */
inline shut(x) {
#ifdef W_NOFENCE
	skip
#else
#ifdef W_FENCEORDER
	if :: lord[x] < ord[f] -> lord[x] = ord[f] :: else fi;
#endif
	if :: refusal(x, f) < n -> refusal(x, f) = n :: else fi;
	lwrote(x); if :: st[x] == ABSENT -> st[x] = SUPERSEDED :: else fi
#endif
}
/* the end of a hold is in the flow: approved or dropped, never both */
inline drophold(i, p) {
	if :: tg[i] != RES(i) || isnew(i) -> fs[i] = APPLIED :: else -> fs[i] = FAILED fi;
	fwrote(i, p)
}

#ifdef LOGOUT
/* the user has logged out of the owner since, and with it of what it would have got */
#define OUT (ow != 0 && ow != r && st[ow] == REVOKED && user[ow] == who[f] && sub[ow] == s && newer(lord[ow], ord[f]))
#else
#define OUT false
#endif
#ifdef W_LIVEONLY
#define DISPLACED ow
#else
#define DISPLACED oo
#endif
#define PROMISED (fa == HOLD && t == RES(f) && !isnew(f) && s0 != APPROVED)   /* the target has to wait for a decision */
#define TAKEN iown[lg[f]] = t; ifl[lg[f]] = f; iord[lg[f]] = ord[f]; irev[lg[f]]++; claimed = claimed | B(f)
/* the decision table: live and comparison of the requested link, owner of the login, policy; g is the target so far */
inline judge() {
	r = rq[f]; s = lg[f]; oo = ow;                      /* who claimed it last may not be born yet */
	g = t; if :: PROMISED -> g = 0 :: else fi;
	if :: OUT -> over = 1 :: else fi;
	if :: ow != 0 && !(live(ow) && sub[ow] == s) -> ow = 0 :: else fi;
	if
	:: over || newer(lord[r], ord[f]) || ow != 0 && newer(lord[ow], ord[f]) -> over = 1; t = 0; fa = STAYS
	:: else ->
		fa = STAYS;
		if
		:: !live(r) && ow != 0 && ow != r && user[ow] == who[f] -> t = ow; fa = REPLACE
		:: !live(r) && !(ow != 0 && ow != r && user[ow] == who[f]) -> t = r
		:: live(r) && incomparable(f) && ow != 0 && ow != r && user[ow] == who[f] -> t = ow; fa = POLICY
		:: live(r) && incomparable(f) && !(ow != 0 && ow != r && user[ow] == who[f]) -> t = r
		:: live(r) && !incomparable(f) && sub[r] == s -> t = r
		:: live(r) && !incomparable(f) && sub[r] != s ->
			fa = POLICY;
			if
			:: ow != 0 && ow != r && user[ow] == who[f] -> t = ow
			:: else -> t = RES(f)
			fi
		fi;
#ifdef ONERULING
		dis = 0;
#endif
		if :: DISPLACED != 0 && DISPLACED != t -> dis = dis | B(DISPLACED) :: else fi
	fi;
	r = 0; s = 0; oo = 0
}

#ifdef W_DROPSNEWER
#define KEEPS(g) false
#else
#define KEEPS(g) (ord[g] > ord[f])    /* the hold is of a newer consent than this one */
#endif
/* workers are alike: of two that are idle the first takes; an ended flow's input again, at any time */
#define FIRST(w) ((w) == 0 || !(idle & (B(w) - 1)))
#define TOOLATE (newer(lord[rq[f]], ord[f]) || newer(hord[rq[f]], ord[f]))
#define TAKE(i) :: d_step { (duty[i] || fs[i] >= APPLIED) && FIRST(w) -> f = i; k = duty[i]; lread(rq[i]); idle = idle & ~B(w) }
#define CRASH :: goto wait

proctype Worker(byte w)
{
	byte f = 0, k = 0, n = 0, t = 0, rv = 0, ow = 0, oo = 0, dis = 0, fa = 0, s0 = 0, g = 0, r = 0, s = 0;
	bit over = 0, mine = 0;

wait: skip; d_step {
		if :: f -> ffresh[f] = ffresh[f] & ~B(w); lforget(rq[f]) :: else fi;
		idle = idle | B(w); f = 0; k = 0; n = 0; t = 0; rv = 0; ow = 0; oo = 0; dis = 0; fa = 0; s0 = 0; g = 0; over = 0; mine = 0 };
end:	if
	TAKE(1)
	TAKE(2)
#if NF > 2
	TAKE(3)
#endif
	fi;

again:	if
	CRASH
	:: d_step { true -> ffresh[f] = ffresh[f] | B(w); s0 = fs[f]; n = rn[f]; t = tg[f]; rv = rr[f]; dis = dp[f]; fa = fate[f];
		ow = 0; oo = 0; g = 0; over = 0; mine = ((s0 == EXCHANGED || s0 == APPROVED) && t != 0 && has(t, f)) }
	fi;
	if
#ifdef CODE
	:: s0 == PENDING -> goto open
	:: s0 == PRESENTED && (duty[f] & SPOOL) -> goto save
	:: s0 == PRESENTED -> goto give_up
	:: s0 == LOST && (duty[f] & SPOOL) -> goto save
	:: s0 == LOST && !(duty[f] & SPOOL) -> goto close
#endif
	:: s0 == EXCHANGED || s0 == APPROVED -> goto applied
#if POLICY == 1
	:: s0 == HELD -> goto pointer
#endif
	:: s0 == APPLIED -> goto close
	:: s0 == FAILED -> goto close
	fi;

#ifdef CODE
	/* 1. the exchange's intent on the requested link, one at a time */
open:	if
	CRASH
	:: d_step { READFIRST && (xopen[rq[f]] == 0 || xopen[rq[f]] == f) ->
			xopen[rq[f]] = f; lwrote(rq[f]); if :: st[rq[f]] == ABSENT -> st[rq[f]] = STUB :: else fi }
	:: !(READFIRST && (xopen[rq[f]] == 0 || xopen[rq[f]] == f)) -> goto wait
	fi;
	/* 2. this compare-and-set alone makes the code one-use; its place in the bucket is the order */
	if
	CRASH
#ifdef M_CODE
	:: d_step { fs[f] <= PRESENTED -> if :: fs[f] == PENDING -> clock++; ord[f] = clock :: else fi; fs[f] = PRESENTED; fwrote(f, w) }
#else
	:: d_step { fs[f] == PENDING -> fs[f] = PRESENTED; clock++; ord[f] = clock; fwrote(f, w) }
#endif
	:: fs[f] != PENDING -> goto again
	fi;
	/* 3, 4. one POST; its answer is saved, or lost with the worker */
	if
	CRASH
	:: d_step { true -> assert(!shown[f]); shown[f] = 1 }
	fi;
	if
	CRASH
	:: d_step { true -> duty[f] = duty[f] | SPOOL; k = k | SPOOL }
	:: goto declined
	fi;
	/* 5. */
save:	if
	CRASH
	:: d_step { fs[f] == PRESENTED || fs[f] == LOST -> fs[f] = EXCHANGED; fwrote(f, w) }
	:: fs[f] != PRESENTED && fs[f] != LOST
	fi;
	goto again;

	/* past its budget: own observation, so it may be wrong about a worker that was stopped */
give_up: if
	CRASH
	:: d_step { fs[f] == PRESENTED -> fs[f] = LOST; fwrote(f, w) }
	:: fs[f] != PRESENTED
	fi;
	goto again;
declined: if
	CRASH
	:: d_step { fs[f] == PRESENTED || fs[f] == LOST -> fs[f] = FAILED; fwrote(f, w) }
	:: fs[f] != PRESENTED && fs[f] != LOST
	fi;
	goto again;

#endif
	/* 7. the ruling. What the target has already is not judged again. */
applied:
	if
	:: mine -> mine = 0; n = 0; rv = 0; goto sweep
	:: !mine && n != 0 && t == 0 -> over = 1; n = 0; goto sweep       /* it was ruled that nobody gets it */
	:: !mine && t == 0 && n == 0 -> goto rule
	:: !mine && t != 0
	fi;
#ifdef M_NOCLAIM
	goto own;
#endif
	/* it stands while the index is as it saw it */
index:	if
	CRASH
	:: CLAIMED -> rv = 0; goto drop
	:: d_step { !CLAIMED && iown[lg[f]] == t -> rv = irev[lg[f]] } goto claim
	:: iown[lg[f]] != t && STANDS && !INEWER -> goto claim
	:: !CLAIMED && iown[lg[f]] != t && (!STANDS || INEWER)
	fi;
rule:	if
	CRASH
	:: d_step { true -> ow = iown[lg[f]]; rv = irev[lg[f]]; over = INEWER; mine = (t == RES(f) && !isnew(f) && ow == t && ifl[lg[f]] == f) }
	fi;
	if
	CRASH
	:: d_step { !mine && s0 != APPROVED -> judge() }
	:: d_step { !mine && s0 == APPROVED -> g = t; t = 0; fa = STAYS; over = 1 }   /* the claim is all that it can lose */
	:: d_step { mine -> g = 0 }                                                /* claimed: a worker that knows no other may be making it */
	fi;
	ow = 0; mine = 0;
	/* where the tokens go elsewhere now, the target that there was is closed first: a worker that was stopped before
	   step 9 finds it so, and nobody looks after that one once the flow has ended. Unless it was faster. */
	if
	:: g == 0 || g == t || KEPTOPEN
	:: g != 0 && g != t && !KEPTOPEN ->
		if
		CRASH
		:: has(g, f) -> goto again
		:: d_step { !has(g, f) -> shut(g) }
		fi
	fi;
	if
	CRASH
	:: d_step { (ffresh[f] & B(w)) && MAYRULE(f) -> g = 0;
		assert(rn[f] < NRUL);                              /* what sends a ruling back comes to an end */
#ifdef M_NORULING
		fate[f] = fa; n = 1;
#else
		rn[f]++; n = rn[f]; tg[f] = t; rr[f] = rv; fate[f] = fa;
		dp[f] = dis;
#endif
		fwrote(f, w) }
	:: !(ffresh[f] & B(w)) -> goto again
	fi;
	if :: over -> n = 0; rv = 0; goto sweep :: else fi;
#ifdef M_NOCLAIM
	claimed = claimed | B(f); goto drop;
#endif
	/* 8. the claim: the later owner wins, whoever finishes first */
claim:	if
	CRASH
	:: CLAIMED -> skip
#ifdef M_LOCKONLY
	:: d_step { !CLAIMED && irev[lg[f]] < NREV -> TAKEN }
#else
	:: d_step { !CLAIMED && irev[lg[f]] == rv && irev[lg[f]] < NREV -> TAKEN }
#ifdef LOSTCLAIM
	:: irev[lg[f]] != rv -> goto rule
#else
	:: irev[lg[f]] != rv -> goto again
#endif
#endif
	fi;
	rv = 0;

	/* 9. the target's record. A hold of an older consent ends first, in its own flow. */
drop:	if :: fa == HOLD && t == RES(f) && !isnew(f) && s0 != APPROVED -> goto sweep :: else fi;
#ifdef M_OTHERFIRST
	if
	CRASH
	:: d_step { true -> if :: fa == REPLACE && rq[f] != t -> lose(rq[f], f, ord[f], REPLACED) :: else fi }
	fi;
#endif
own:
#if POLICY == 1
	if
	CRASH
	:: d_step { IDEM || !outdated(t, f, n) -> g = hold[t]; if :: g == f || (g && KEEPS(g)) -> g = 0 :: else fi }
	:: !IDEM && outdated(t, f, n) -> goto rule
	fi;
	if
	:: g == 0
#ifdef W_DROPAFTER
	:: g != 0
#else
	:: g != 0 -> if CRASH :: d_step { true -> if :: fs[g] == HELD -> assert(ord[g] < ord[f]); drophold(g, w) :: else fi } fi
#endif
	fi;
#endif
	if
	CRASH
	:: d_step { IDEM -> skip }
#ifdef W_FINAL
	:: !IDEM && refuses(t, f, n) -> over = 1; g = 0; n = 0; goto sweep
	:: !IDEM && !refuses(t, f, n) && outdated(t, f, n) -> goto rule
#else
	:: !IDEM && outdated(t, f, n) -> goto rule
#endif
	:: d_step { !IDEM && !outdated(t, f, n) && (hold[t] == 0 || hold[t] == g || hold[t] == f || KEEPS(hold[t])) ->
		assert(lord[t] <= ord[f]);                     /* an older consent never overwrites */
		assert(!given(f));                             /* nor any one twice, here or elsewhere */
		if :: hold[t] == g -> hold[t] = 0 :: else fi;
		st[t] = ACTIVE; sub[t] = lg[f]; user[t] = who[f]; counted(t); lord[t] = ord[f];
		evA[t] = evA[t] | B(f);
		lwrote(t); if :: xopen[t] == f -> xopen[t] = 0 :: else fi }
	:: !IDEM && !outdated(t, f, n) && !(hold[t] == 0 || hold[t] == g || hold[t] == f || KEEPS(hold[t])) -> goto own
	fi;
#ifdef W_DROPAFTER
	if
	:: g == 0
	:: g != 0 -> if CRASH :: d_step { true -> if :: fs[g] == HELD -> drophold(g, w) :: else fi } fi
	fi;
#endif
	g = 0; n = 0;

	/* 10, 11. One look at the index after the own record was written; then who lost the login there learns of it,
	   from the index: the displaced, and the target itself if somebody claimed after us. */
sweep:	if
	CRASH
	:: d_step { true -> LOOK; if :: t != 0 && has(t, f) && SECONDLOOK -> dis = dis | B(t) :: else fi }
	fi;
	do
	:: dis & B(1) -> if CRASH :: d_step { true -> dis = dis & ~B(1); displace(1) } fi
	:: dis & B(2) -> if CRASH :: d_step { true -> dis = dis & ~B(2); displace(2) } fi
	:: dis & B(3) -> if CRASH :: d_step { true -> dis = dis & ~B(3); displace(3) } fi
	:: dis & B(4) -> if CRASH :: d_step { true -> dis = dis & ~B(4); displace(4) } fi
#if NF > 2
	:: dis & B(5) -> if CRASH :: d_step { true -> dis = dis & ~B(5); displace(5) } fi
#endif
	:: !(dis & (B(1) | B(2) | B(3) | B(4) | B(5))) -> break
	od;
	skip; d_step { ow = 0; oo = 0; g = 0 };
	if
	:: over -> goto overtaken
	:: !over && fa == HOLD -> goto end_flow
	:: else
	fi;
requested:
#if POLICY == 1
	if
	CRASH
	:: d_step { true -> g = hold[rq[f]]; if :: g == f || fa == STAYS || rq[f] == t || (g && KEEPS(g)) -> g = 0 :: else fi }
	fi;
	if
	:: g == 0
	:: g != 0 -> if CRASH :: d_step { true -> if :: fs[g] == HELD -> assert(ord[g] < ord[f]); drophold(g, w) :: else fi } fi
	fi;
#endif
	if
	CRASH
	:: d_step { hold[rq[f]] == 0 || hold[rq[f]] == g || hold[rq[f]] == f || fa == STAYS || rq[f] == t || KEEPS(hold[rq[f]]) ->
		if
		:: fa == REPLACE && rq[f] != t -> lose(rq[f], f, ord[f], REPLACED)
		:: else
		fi;
		if :: g && hold[rq[f]] == g -> hold[rq[f]] = 0 :: else fi;
		if :: hold[rq[f]] == f -> hold[rq[f]] = 0 :: else fi;
		if :: xopen[rq[f]] == f -> xopen[rq[f]] = 0; lwrote(rq[f]) :: else fi }
	:: !(hold[rq[f]] == 0 || hold[rq[f]] == g || hold[rq[f]] == f || fa == STAYS || rq[f] == t || KEEPS(hold[rq[f]])) -> goto requested
	fi;
	g = 0;

	/* 12. */
end_flow:
#ifdef W_HELDLATE
	if
	:: fa == HOLD && s0 != APPROVED -> if CRASH :: d_step { true ->
		if :: hord[rq[f]] < ord[f] && !TOOLATE -> hold[rq[f]] = f; hord[rq[f]] = ord[f]; told = told | B(f) :: else fi } fi
	:: else
	fi;
#endif

	if
	CRASH
	:: d_step { (ffresh[f] & B(w)) && fa != HOLD -> fs[f] = APPLIED; fwrote(f, w) }
	:: d_step { (ffresh[f] & B(w)) && fa == HOLD && s0 != APPROVED -> fs[f] = HELD; fwrote(f, w) }
	:: d_step { (ffresh[f] & B(w)) && fa == HOLD && s0 == APPROVED -> fate[f] = REPLACE; fa = REPLACE; fwrote(f, w); mine = 1 }
	:: !(ffresh[f] & B(w)) -> goto again
	fi;
	if
	:: mine -> mine = 0; goto requested
	:: else
	fi;
	if
	:: fa == HOLD -> goto again
	:: else -> goto ack
	fi;

	/* it was ruled so, and what it displaced knows */
overtaken:
	if
	CRASH
	:: d_step { (ffresh[f] & B(w)) -> fs[f] = FAILED; fwrote(f, w) }
	:: !(ffresh[f] & B(w))
	fi;
	goto again;

#if POLICY == 1
	/* a held flow is held before the link says so: whoever meets the hold can end it in the flow */
pointer: if
	CRASH
	:: d_step { true -> g = hold[rq[f]]; if :: g == f || (g && KEEPS(g)) -> g = 0 :: else fi }
	fi;
	if
	:: g == 0
	:: g != 0 -> if CRASH :: d_step { true -> if :: fs[g] == HELD -> assert(ord[g] < ord[f]); drophold(g, w) :: else fi } fi
	fi;
	if
	CRASH
	:: d_step { hord[rq[f]] == ord[f] -> if :: xopen[rq[f]] == f -> xopen[rq[f]] = 0; lwrote(rq[f]) :: else fi }
	:: d_step { hord[rq[f]] != ord[f] && TOOLATE -> over = 1 }
	:: d_step { hord[rq[f]] != ord[f] && !TOOLATE && (hold[rq[f]] == 0 || hold[rq[f]] == g) ->
		hold[rq[f]] = f; hord[rq[f]] = ord[f]; told = told | B(f); lwrote(rq[f]); if :: xopen[rq[f]] == f -> xopen[rq[f]] = 0 :: else fi }
	:: hord[rq[f]] != ord[f] && !TOOLATE && !(hold[rq[f]] == 0 || hold[rq[f]] == g) -> goto pointer
	fi;
	g = 0;
	if
	:: !over -> goto ack
	:: over -> if CRASH :: d_step { true -> if :: fs[f] == HELD -> drophold(f, w) :: else fi } fi
	fi;
	goto again;

#endif
close:	if
	CRASH
	:: d_step { true -> if :: xopen[rq[f]] == f -> xopen[rq[f]] = 0; lwrote(rq[f]) :: else fi;
		if :: hold[rq[f]] == f -> hold[rq[f]] = 0 :: else fi; if :: s0 != APPLIED -> evF[rq[f]] = evF[rq[f]] | B(f) :: else fi }
	fi;
#ifdef GIVEBACK
	if
	CRASH
	:: d_step { true ->
		if
		:: s0 == FAILED && (told & B(f)) && iown[lg[f]] == RES(f) -> iown[lg[f]] = 0; iord[lg[f]] = 0; ifl[lg[f]] = 0; irev[lg[f]]++
		:: else
		fi }
	fi;
#endif
ack:	if
	CRASH
	:: d_step { true -> duty[f] = duty[f] & ~k }
	fi;
	goto wait
}

/* Staged tokens: a flow that begins exchanged. Its place in the order is that of this write. */
#define ARRIVE(i) \
	:: d_step { fs[i] == PENDING -> clock++; ord[i] = clock; fs[i] = EXCHANGED; duty[i] = INPUT; \
		if :: st[rq[i]] == ABSENT -> st[rq[i]] = STUB :: else fi }
#define DECIDE(i) \
	:: d_step { fs[i] == HELD && (told & B(i)) -> fs[i] = APPROVED; duty[i] = duty[i] | DECISION; ffresh[i] = 0 } \
	:: d_step { fs[i] == HELD && (told & B(i)) -> \
		if :: tg[i] != RES(i) -> fs[i] = APPLIED :: else -> fs[i] = FAILED fi; duty[i] = duty[i] | DECISION; ffresh[i] = 0 }

#ifdef LOGOUT
proctype Logout(byte x)
{
	byte at = 0, g = 0, rv = 0;
end: skip; d_step { st[x] != ABSENT -> busy = 1 };
again: skip; d_step { clock++; at = clock };
drop: skip; d_step { g = hold[x] };
	if :: g -> d_step { if :: fs[g] == HELD -> drophold(g, NW) :: else fi } :: else fi;
	if
	:: d_step { hold[x] == 0 || hold[x] == g -> hold[x] = 0; st[x] = REVOKED; lwrote(x); xopen[x] = 0; if :: at > lord[x] -> lord[x] = at :: else fi }
	:: hold[x] != 0 && hold[x] != g -> goto drop
	fi;
#ifdef W_RELEASE
index: skip; d_step { if :: sub[x] && iown[sub[x]] == x -> rv = irev[sub[x]] :: else -> rv = 0 fi };
	if
	:: rv == 0 -> skip
	:: rv != 0 && irev[sub[x]] != rv -> goto index
	:: d_step { rv != 0 && irev[sub[x]] == rv -> iown[sub[x]] = 0; irev[sub[x]]++;
#ifdef W_FORGETS
		iord[sub[x]] = 0; ifl[sub[x]] = 0
#endif
		}
	fi;
#endif
	d_step { at = 0; rv = 0; g = 0; busy = 0 }
}
#endif

#ifdef REFRESH
proctype Refresh(byte x)
{
	byte c = 0, n = 0;
end: skip; d_step { live(x) && xopen[x] == 0 -> c = cons[x]; n = gen[x]; rbusy = 1 };
	d_step {
		if
#ifdef M_LATEBACK
		:: true -> assert(n + 1 > gen[x] && c >= cons[x]); gen[x] = n + 1; cons[x] = c; st[x] = ACTIVE
#else
		:: live(x) && cons[x] == c && gen[x] == n -> gen[x]++
		:: else                                              /* late: kept, never served */
#endif
		fi;
		c = 0; n = 0; rbusy = 0 }
}
#endif

/* what must be reachable */
#define LOST_AGAIN (fs[1] == APPLIED && st[3] == SUPERSEDED)
#define OVERTAKEN (fs[1] == FAILED || fs[2] == FAILED)
#define TOOK_BACK (fs[2] == APPLIED && refusal(tg[2], 2))
#define APPROVED_FIRST (has(3, 1) && has(1, 2))
#define settled(i) (fs[i] == PENDING || fs[i] >= LOST && fs[i] != EXCHANGED && fs[i] != APPROVED)
#define top(i, j) (lg[i] != lg[j] || fs[j] != APPLIED || ord[j] <= ord[i])
#define quiescent (idle == B(NW) - 1 && !busy && !rbusy && duty[1] == 0 && duty[2] == 0 && (NF < 3 || duty[NF] == 0))

/* of every login at most one live link, and it is the one that the index names */
inline one_owner(x) { assert(!live(x) || sub[x] == 0 || iown[sub[x]] == x) }
#define outrun(i, j) (lg[j] == lg[i] && (claimed & B(j)) && ord[j] > ord[i])
#ifdef LOGOUT
#define loggedout(i) (lord[LOGOUT] > ord[i] && user[LOGOUT] == who[i])
#else
#define loggedout(i) false
#endif
inline flow_ended(i) {
	assert(settled(i));
	assert(xopen[1] != i && xopen[2] != i && xopen[RES(i)] != i);
	assert(fs[i] != HELD || hold[rq[i]] == i);
	/* what was applied is served, unless something newer ended it */
	assert(fs[i] != APPLIED || has(tg[i], i));
	assert(fs[i] != APPLIED || lord[tg[i]] > ord[i] || st[tg[i]] == REVOKED || (live(tg[i]) && sub[tg[i]] == lg[i] && iown[lg[i]] == tg[i]));
	/* nor is anything older served in its place */
	assert(fs[i] != APPLIED || iown[lg[i]] == 0 || !live(iown[lg[i]]) || sub[iown[lg[i]]] != lg[i] || lord[iown[lg[i]]] >= ord[i]);
	/* what failed left no trace but its event */
	assert(fs[i] != FAILED && fs[i] != LOST || (evF[rq[i]] & B(i)) || hord[rq[i]] >= ord[i]);
	assert(fs[i] != FAILED || !given(i));
	/* nothing is given up but for something newer; a hold that was decided is no matter of that */
	assert(fs[i] != FAILED || rn[i] == 0 || tg[i] != 0 && fate[i] == HOLD || lord[rq[i]] > ord[i] || loggedout(i) || outrun(i, 1) || outrun(i, 2) || outrun(i, NF));
	assert(!(evL[1] & B(i)) || st[1] != REPLACED || lord[1] != ord[i] || fs[i] == APPLIED);
	assert(!(evL[2] & B(i)) || st[2] != REPLACED || lord[2] != ord[i] || fs[i] == APPLIED)
}

proctype Environment()
{
end:	do
#ifndef CODE
	ARRIVE(1)
	ARRIVE(2)
#if NF > 2
	ARRIVE(3)
#endif
#endif
#if POLICY == 1
	DECIDE(1)
	DECIDE(2)
#if NF > 2
	DECIDE(3)
#endif
#endif
	:: d_step { quiescent ->
#ifdef COVER
			assert(!(COVER));
#else
			one_owner(1); one_owner(2); one_owner(3); one_owner(4);
			flow_ended(1); flow_ended(2);
#if NF > 2
			one_owner(5); flow_ended(3);
#endif
			assert(hold[1] == 0 || fs[hold[1]] == HELD); assert(hold[2] == 0 || fs[hold[2]] == HELD)
#endif
		}
	od
}

#ifdef USERN
#define ANYUSER(i) who[i] = USERN
#else
#define ANYUSER(i) if :: who[i] = 0 :: who[i] = 1 fi
#endif
inline begin(i, wanted, login) {
	if :: (wanted == 0 || wanted == 1) -> rq[i] = 1; who[i] = user[1]
	:: (wanted == 0 || wanted == 2) -> rq[i] = 2; who[i] = user[2]
	:: (wanted == 0 || wanted == 3) -> rq[i] = RES(i); ANYUSER(i)
	fi;
	if :: (login == 0 || login == 1) -> lg[i] = 1 :: (login == 0 || login == 2) -> lg[i] = 2 fi;
	user[RES(i)] = who[i]
#ifdef CODE
	; duty[i] = INPUT
#endif

}
#ifndef REQ1
#define REQ1 0
#endif
#ifndef REQ2
#define REQ2 0
#endif
#ifndef REQ3
#define REQ3 0
#endif
#ifndef SUB1
#define SUB1 0
#endif
#ifndef SUB2
#define SUB2 0
#endif
#ifndef SUB3
#define SUB3 0
#endif

init {
	atomic {
		st[1] = ACTIVE; sub[1] = 1; cons[1] = 1; gen[1] = 1; iown[1] = 1; irev[1] = 1;
		st[2] = ACTIVE; sub[2] = 2; cons[2] = 1; gen[2] = 1; iown[2] = 2; irev[2] = 1;
#ifdef USERM
		user[2] = USERM;
#else
		if :: user[2] = 0 :: user[2] = 1 fi;
#endif
		begin(1, REQ1, SUB1);
		begin(2, REQ2, SUB2);
#if NF > 2
		begin(3, REQ3, SUB3);
#endif
		run Worker(0); run Worker(1);
#if NW > 2
		run Worker(2);
#endif
#ifdef LOGOUT
		run Logout(LOGOUT);
#endif
#ifdef REFRESH
		run Refresh(1);
#endif
		run Environment()
	}
}
