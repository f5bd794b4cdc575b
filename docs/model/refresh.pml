/*
 * The token-refresh protocol of Regrant, one link, as a Promela model.
 * s4, s5, s6: the link, refreshing, reconsent of the design. README.md says what is
 * abstracted away and how to run the checks; check.sh runs all of them.
 *
 * Configuration, all by -D:
 *   NW workers, NR duplicate reports of generation 1, FAULTS (any mix of crash,
 *   redelivery while held, lost publish/reply/ack/request/response, not sent, lost input)
 *   GRACE     replay policy "grace" instead of "forbidden"
 *   XCHG      a reconsent runs beside the refreshes
 *   RENEW     the timer of generation 2 fires, so generation 3 is reached
 *   DISKLOSS  a crash may take the spool with it
 *   RECON     the reconciler runs and inputs may vanish; without it the inputs' redelivery
 *             and the spool alone must carry every duty
 *   DELAYREQ  a request may be carried out long after its sender gave it up (not promised)
 *   COVER=c   reachability: a quiescent state in which c holds must be found
 *   M_...     a step left out on purpose: must give a counterexample
 *   W_...     the first wording of the design, where it said less than is needed: ditto
 */
#ifndef NW
#define NW 2
#endif
#ifndef NR
#define NR 2
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef NA
#define NA 5                      /* attempt ids; a run that would need more is cut off */
#endif
#define T      NR                 /* message: the timer fired (link-due) */
#define X      (NR + 1)           /* message: reconsent-completed */
#define NM     (NR + 2)
#define NOMSG  (NR + 2)
#define NG     6                  /* generations: 1..3 by refreshing, one more by reconsent */
#define NE     9                  /* event numbers */
#define B(i)   (1 << (i))

/* link states (s4) */
#define ACTIVE 0
#define REFRESHING 1
#define UNCERTAIN 2
#define CONSENT_REQUIRED 3
/* consent flow (s6) */
#define PENDING 0
#define PRESENTED 1
#define APPLIED 2
#define FAILED 3
/* message at the broker */
#define NONE 0
#define UNACKED 1
#define ACKED 2
/* a request to the provider */
#define UNSENT 0
#define INFLIGHT 1
#define LOST 2
#define OK 3
#define DEAD 4
/* decisions after a read */
#define D_LATER 0
#define D_FINISH 1
#define D_INTENT 2
#define D_TAKE 3
#define D_EXPIRE 4
#define D_XINTENT 5
#define D_XFAIL 6

/* ---- the record (s4); a revision is modelled by `fresh`: who has read the newest one ---- */
byte st = ACTIVE, gen = 1, cons = 1;
byte listed = 0;                  /* attempts of this consent and generation, a set */
byte cur = 0;                     /* the newest of them */
bit  retry = 0;                   /* `due` has come: not sent, refused, or time to renew */
byte dv = 1;                      /* version of `due` */
byte ev = 0;                      /* event_no; events 1..ev were committed with the record */
bit  xopen = 0;                   /* the exchange's intent (s6) */
byte flow = PENDING, xatt = 0;    /* the flow and its attempt */
byte late = 0, cand = 0, done = 0;/* attempts whose answer was kept as late, as candidate, committed */
byte fresh = 0;

/* ---- attempts ---- */
byte na = 0;
byte acons[NA + 1], agen[NA + 1]; /* what the attempt presents */
byte req[NA + 1];
byte expired = 0;                 /* its whole budget is over, so its connection refuses writes (s5) */
byte flown = 0;                   /* in the hands of a live worker */
byte again = 0;                   /* allowed by the grace rule: its deadline ends with the window */

/* ---- provider ---- */
byte spent = 0, closed = 0;       /* by generation: token redeemed; grace window over */
byte shown = 0;                   /* by generation: credential presented */
byte codes = 0;                   /* attempts that present the code */
bit  codeshown = 0, oldfamilydead = 0, revoked = 0;

/* ---- NATS ---- */
byte msg[NM];                     /* NONE, UNACKED, ACKED */
byte held[NM];                    /* workers that hold a delivery, a set */
byte seen = 0;                    /* messages that were delivered at least once */
byte timer = 0;                   /* version of `due` that the armed timer stands for; 0: none */
bit  wake = 0;                    /* it fires soon, whatever the record says by then */
short out = 0;                    /* stored events, a set */
short raw = 0;                    /* events seen on the raw subject, stored or not */
byte evgen[NE];                   /* the generation that an event announces, or 0 */

/* ---- workers ---- */
byte known = 0;                   /* stale guard (s5 step 1), memory: workers that know "newer than generation 1" */
byte flight[NW];                  /* message being handled + 1; memory */
byte lock = 0;                    /* used by M_NOINTENT only */
byte idle = 0;
byte crash = 0;                   /* set by the environment, taken by the worker */
byte spool = 0, mine = 0, saved = 0; /* on disk; of these in the hands of a live worker; ever saved */

/* ---- bookkeeping ---- */
byte faults = FAULTS;
bit  dirty = 0, dirty2 = 0, ridle = 1, lostinput = 0;
byte latec = 0;                   /* attempts that committed from a state whose input was settled already */
bit  excused = 0;                 /* such a commit lost its spool before it was announced: only the reconciler is left */

#define FAULT   (faults > 0)
#define use     faults--

#define a_bit (a > 0 -> B(a) : 0)
inline wrote(p) { fresh = B(p); dirty = 1; dirty2 = 1 }
inline event(g) { ev++; assert(ev < NE); evgen[ev] = g }
inline forget(w) {
	mine = mine & ~a_bit; flown = flown & ~a_bit;
	if :: m < NM -> held[m] = held[m] & ~B(w) :: else fi;
	flight[w] = 0; m = NOMSG; a = 0; upto = 0; tv = 0; kg = 0; next = 0; byread = 0; soon = 0
}
/* the timer that this worker owes: for the `due` of the record as he wrote or read it */
inline look_due() {
	tv = ((st == ACTIVE || st == UNCERTAIN) && dv > 1 -> dv : 0);
	soon = (retry || st == UNCERTAIN)
}

#define stored(n) ((out & (B((n) + 1) - 2)) == (B((n) + 1) - 2))   /* events 1..n all stored */

/* Redelivery while somebody still holds it (AckWait over) is a fault; after `later` or a crash it is free. */
#define can(w, i)  (msg[i] == UNACKED && (held[i] == 0 || (FAULT && !(held[i] & B(w)))))
inline take(w, i) {
	if :: held[i] -> use :: else fi;
	held[i] = held[i] | B(w); seen = seen | B(i);
	m = i; flight[w] = i + 1; idle = idle & ~B(w)
}

/* s5: attempts are judged by budget; only own observation counts, so `expired` is a fact, not a clock. */
#ifdef M_WALLCLOCK
#define over(x) true
#else
#define over(x) (expired & B(x))
#endif

#ifdef M_NOINTENT
#define LISTED(x) true
#else
#define LISTED(x) (listed & B(x))
#endif

/* s5/s6: the answer of attempt a meets the record. One CAS, re-read and re-applied until it holds: atomic here. */
inline commit() {
	if
	:: done & B(a) -> skip                              /* idempotent by attempt */
	:: else ->
		if
		:: (codes & B(a)) ->
			if
#ifdef W_XLATE
			:: flow == FAILED -> spool = spool & ~B(a)      /* nobody says what becomes of it */
			:: cons == acons[a] && flow != FAILED ->
#else
			:: cons == acons[a] ->                          /* also from FAILED: no newer consent won */
#endif
				if :: flow == FAILED -> latec = latec | B(a) :: else fi;
				cons = acons[a] + 1; gen++; st = ACTIVE; listed = 0; cur = 0; retry = 0;
				xopen = 0; flow = APPLIED; done = done | B(a);
				event(gen); dv++; wrote(w)
			:: else -> late = late | B(a)
			fi
		:: else ->
			if
#ifdef M_NOCHECK
			:: true ->
#else
			:: LISTED(a) && cons == acons[a] && gen == agen[a] ->
#endif
				assert(acons[a] >= cons && agen[a] >= gen);     /* S2 */
				if :: st == UNCERTAIN || st == CONSENT_REQUIRED -> latec = latec | B(a) :: else fi;
				cons = acons[a]; gen = agen[a] + 1; st = ACTIVE; listed = 0; cur = 0; retry = 0;
				done = done | B(a); event(gen); dv++; wrote(w)
#ifndef M_NOCHECK
			:: (!LISTED(a) || gen != agen[a]) && cons == acons[a] -> cand = cand | B(a); wrote(w)
			:: cons != acons[a] -> late = late | B(a); wrote(w)
#endif
			fi
		fi
	fi;
#ifdef W_SPOOLEARLY
	spool = spool & ~B(a); mine = mine & ~B(a);
#endif
	upto = ev; look_due(); kg = gen; byread = 0;
#ifdef M_MAPEARLY
	if :: kg > 1 -> known = known | B(w) :: else fi;
#endif
}

/* what a worker does after reading the record (s5 step 4 and "Then", s6) */
inline decide() {
	fresh = fresh | B(w); upto = ev; look_due(); kg = gen; byread = 1;
	if
	:: m == X ->
		if
		:: flow == PENDING -> next = D_XINTENT
		:: flow == PRESENTED -> next = (over(xatt) -> D_XFAIL : D_LATER)
		:: else -> next = D_FINISH
		fi
	:: m < NR && gen > 1 -> next = D_FINISH               /* newer generation found by reading */
	:: else ->
		if
		:: st == REFRESHING -> next = (over(cur) -> D_TAKE : D_LATER)
		:: st == UNCERTAIN -> next = (m == T -> D_EXPIRE : D_FINISH)
		:: st == CONSENT_REQUIRED -> next = D_FINISH
		:: st == ACTIVE && xopen -> next = D_LATER          /* s6: no refresh starts */
		:: st == ACTIVE && !xopen && gen >= 3 -> next = D_FINISH  /* bound of the model */
		:: st == ACTIVE && !xopen && gen < 3 && m == T && !retry -> next = D_FINISH   /* not due */
		:: st == ACTIVE && !xopen && gen < 3 && !(m == T && !retry) -> next = D_INTENT
		fi
	fi
}

#ifdef GRACE
#ifdef W_GRACEWATCH
#define may_repeat true                                /* judged from own observation: window unknown */
#else
#define may_repeat (!(closed & B(gen)))                /* by the server's time of the first intent, with margin */
#endif
#else
#define may_repeat false
#endif

inline new_attempt() {
	na++; a = na; acons[a] = cons; agen[a] = gen; flown = flown | B(a)
}

#ifdef W_REARM
#define owes (tv > 0 && (st == ACTIVE || st == UNCERTAIN))   /* left out when the record is refreshing again by then */
#else
#define owes (tv > 0)
#endif

proctype Worker(byte w)
{
	byte m = NOMSG, a = 0, upto = 0, tv = 0, kg = 0, next = 0;
	bit byread = 0, soon = 0;
boot:
	{
	skip;
wait:	skip;
	d_step { forget(w);
#ifdef M_NOINTENT
		if :: lock == w + 1 -> lock = 0 :: else fi;
#endif
		idle = idle | B(w) };
	if
	:: d_step { can(w, 0) -> take(w, 0) }
#if NR > 1
	:: d_step { can(w, 1) -> take(w, 1) }
#endif
	:: d_step { can(w, T) -> take(w, T) }
	:: d_step { can(w, X) -> take(w, X) }
	:: d_step { (spool & ~mine) ->                      /* adopt an orphan (s5 spool); own one after a restart too */
			a = 1; do :: (spool & ~mine) & B(a) -> break :: else -> a++ od;
			mine = mine | B(a); idle = idle & ~B(w) };
		goto apply
	fi;

	/* s5 step 1: stale guard, reports only */
	if
	:: m < NR && (known & B(w)) -> goto ack
	:: else
	fi;

read:	skip;
	/* The lock may be granted to everybody (s2), so it is left out; only the lock-only mutation has one. */
#ifdef M_NOINTENT
	if
	:: d_step { lock == 0 || lock == w + 1 -> lock = w + 1 }
	:: d_step { FAULT && lock != 0 && lock != w + 1 -> use; lock = w + 1 }   /* failover, expiry: granted twice */
	:: lock != 0 && lock != w + 1 -> goto wait
	fi;
#endif
	d_step { decide() };
act:
	if
	:: next == D_LATER -> goto wait                     /* later(rest): a delayed nak */
	:: next == D_FINISH -> goto finish
	:: next == D_INTENT ->
#ifdef M_NOINTENT
		d_step { na < NA -> new_attempt(); cur = a }       /* lock only; the commit still compares */
#else
		d_step { na < NA ->
			if
			:: (fresh & B(w)) -> new_attempt(); listed = listed | B(a); cur = a; st = REFRESHING; retry = 0; wrote(w)
			:: else -> next = D_LATER
			fi };
		if :: next == D_LATER -> goto wait :: else fi
#endif
	:: next == D_TAKE ->                                /* ambiguous or past its budget: the replay rule */
		d_step { na < NA ->
			if
			:: !(fresh & B(w)) -> next = D_LATER
#ifdef M_CLEAROTHER
			:: (fresh & B(w)) -> listed = listed & ~B(cur); cur = 0; st = ACTIVE; retry = 1; dv++; wrote(w); next = D_FINISH
#else
			:: (fresh & B(w)) && may_repeat -> new_attempt(); again = again | B(a); listed = listed | B(a); cur = a; wrote(w)
			:: (fresh & B(w)) && !may_repeat -> st = UNCERTAIN; dv++; wrote(w); next = D_FINISH
#endif
			fi;
			upto = ev; look_due(); kg = gen };
		if
		:: next == D_LATER -> goto wait
		:: next == D_FINISH -> goto finish
		:: else
		fi
	:: next == D_EXPIRE ->                              /* uncertain, and the old bearer has ended */
		d_step {
			if
			:: (fresh & B(w)) && !xopen -> st = CONSENT_REQUIRED; event(0); wrote(w); next = D_FINISH
			:: else -> next = D_LATER
			fi;
			upto = ev; look_due(); kg = gen };
		if :: next == D_LATER -> goto wait :: else -> goto finish fi
	:: next == D_XINTENT ->                             /* s6: the exchange is an intent on the link's record */
		d_step { na < NA ->
			if
			:: (fresh & B(w)) -> new_attempt(); xatt = a; codes = codes | B(a); xopen = 1; flow = PRESENTED; wrote(w)
			:: else -> next = D_LATER
			fi };
		if :: next == D_LATER -> goto wait :: else fi
	:: next == D_XFAIL ->
		d_step {
			if
			:: (fresh & B(w)) -> xopen = 0; flow = FAILED; event(0); wrote(w); next = D_FINISH
			:: else -> next = D_LATER
			fi;
			upto = ev; look_due(); kg = gen };
		if :: next == D_LATER -> goto wait :: else -> goto finish fi
	fi;

	/* s5: one POST; the connection refuses writes past the attempt's own deadline */
	if
	:: d_step { !(expired & B(a)) -> req[a] = INFLIGHT;
			if
			:: (codes & B(a)) -> assert(!codeshown); codeshown = 1
			:: else ->
#ifndef GRACE
				assert(!(shown & B(agen[a])));                  /* S1: once per (consent, generation) */
#endif
				shown = shown | B(agen[a])
			fi }
	:: (expired & B(a)) -> goto notsent
	:: d_step { FAULT -> use }; goto notsent
	fi;

	/* the answer, however late; or none */
	if
	:: req[a] == OK
	:: req[a] == DEAD -> goto verdict
	:: req[a] == LOST -> goto ambiguous
#ifdef DELAYREQ
	:: d_step { FAULT && req[a] != LOST -> use }; goto ambiguous
#else
	:: d_step { FAULT && req[a] > LOST -> use }; goto ambiguous
#endif
	fi;
	d_step { spool = spool | B(a); saved = saved | B(a); mine = mine | B(a) };  /* this is the save */

apply:	skip;
	d_step { commit() };

#ifdef M_ACKEARLY
	if :: m < NM -> d_step { msg[m] = ACKED } :: else fi;
#endif

finish:
	/* timer, outbox, known map, spool file, ack: in this order, whoever does it */
#ifdef W_FINISHORDER
	if :: byread -> goto outbox :: else fi;
#endif
settimer:	skip;
	if
	:: d_step { owes ->
			if
			:: timer < tv -> timer = tv; wake = soon
#ifdef M_TIMERSEQ
			:: timer > tv -> timer = tv; wake = 0                       /* an older worker overwrites a newer timer */
#endif
			:: else
			fi }
	:: !owes
	:: d_step { FAULT -> use }; goto wait                          /* publish failed: nothing acked */
	fi;
#ifdef W_FINISHORDER
	if :: byread -> goto learn :: else fi;
#endif
outbox:	skip;
	do
	:: stored(upto) -> break
	:: d_step { !stored(upto) ->                          /* in order, the next one only when this one is confirmed */
#ifdef W_OUTORDER
			out = out | B(upto) }; break                      /* only the newest */
#else
			next = 1; do :: out & B(next) -> next++ :: else -> break od;
			out = out | B(next) }
#endif
	:: d_step { FAULT && !stored(upto) -> use;            /* stored, reply lost */
			next = 1; do :: out & B(next) -> next++ :: else -> break od;
			out = out | B(next) }; goto wait
	:: d_step { FAULT && !stored(upto) -> use;            /* refused, though a raw subscriber saw it */
			next = 1; do :: out & B(next) -> next++ :: else -> break od;
			raw = raw | B(next) }; goto wait
	od;
#ifdef W_FINISHORDER
	if :: byread -> byread = 0; goto settimer2 :: else fi;
#endif
learn:	skip;
	d_step { if :: kg > 1 -> known = known | B(w) :: else fi; spool = spool & ~a_bit; mine = mine & ~a_bit };
ack:	skip;
	if
	:: d_step { m < NM -> msg[m] = ACKED }                /* also accepted from an old delivery */
	:: m == NOMSG
	:: d_step { FAULT && m < NM -> use }                           /* ack lost */
	fi;
	goto wait;

#ifdef W_FINISHORDER
settimer2:	skip;
	d_step { if :: owes && timer < tv -> timer = tv; wake = soon :: else fi };
	goto learn;
#endif

notsent:	skip;
	/* the attempt's own worker clears it; other attempts of the generation stand */
	d_step {
		if
		:: (codes & B(a)) && a == xatt && flow == PRESENTED -> flow = PENDING; xopen = 0; xatt = 0; wrote(w); next = D_LATER
		:: !(codes & B(a)) && (listed & B(a)) && cons == acons[a] && gen == agen[a] && st != CONSENT_REQUIRED ->
			listed = listed & ~B(a);
#ifdef W_CLEARSTATE
			cur = 0; st = ACTIVE; retry = 1; dv++;
#else
			if
			:: listed == 0 -> cur = 0; st = ACTIVE; retry = 1; dv++
			:: else ->                                        /* back to the newest of the others: the replay rule judges again */
				if
				:: cur == a -> cur = NA; do :: listed & B(cur) -> break :: else -> cur-- od
				:: else
				fi
			fi;
#endif
			wrote(w); next = (st == ACTIVE -> D_FINISH : D_LATER)
		:: else -> next = D_LATER
		fi;
		flown = flown & ~a_bit; a = 0; upto = ev; look_due(); kg = gen; byread = 0 };
	if :: next == D_LATER -> goto wait :: else -> goto finish fi;

ambiguous:	skip;
	d_step { expired = expired | B(a); flown = flown & ~B(a); a = 0 };           /* own connection closed: nothing more will be written */
	goto read;

verdict:	skip;
	/* grant dead: re-read; no verdict while an exchange is open, none on an older consent or generation */
	d_step {
		if
		:: !xopen && (listed & B(a)) && cons == acons[a] && gen == agen[a] && st != CONSENT_REQUIRED ->
			st = CONSENT_REQUIRED; event(0); wrote(w); next = D_FINISH
		:: else -> expired = expired | B(a); next = D_LATER
		fi;
		flown = flown & ~a_bit; a = 0; upto = ev; look_due(); kg = gen; byread = 0 };
	if :: next == D_LATER -> goto wait :: else -> goto finish fi
	}
	unless { crash & B(w) };
	d_step {
		/* memory is gone; the spool stays, or goes with the disk */
		crash = crash & ~B(w); known = known & ~B(w); fresh = fresh & ~B(w);
#ifdef DISKLOSS
		if
		:: (spool & a_bit) && FAULT -> use; spool = spool & ~a_bit; saved = saved & ~a_bit;
			if :: latec & a_bit -> excused = 1 :: else fi
		:: true
		fi;
#endif
		forget(w) };
	goto boot
}


/* The provider: any order, any delay. Reuse of a spent token outside the window revokes the family. */
inline serve(i) {
	if
	:: (codes & B(i)) -> oldfamilydead = 1; req[i] = OK
	:: else ->
		if
		:: acons[i] == 1 && oldfamilydead -> req[i] = DEAD
		:: else ->
			if
			:: !(spent & B(agen[i])) -> spent = spent | B(agen[i]); req[i] = OK
#ifdef GRACE
			:: (spent & B(agen[i])) && !(closed & B(agen[i])) -> req[i] = OK
			:: (spent & B(agen[i])) && (closed & B(agen[i])) -> revoked = 1; req[i] = DEAD
#else
			:: (spent & B(agen[i])) -> revoked = 1; req[i] = DEAD
#endif
			fi
		fi
	fi;
	assert(!revoked)                                    /* S1 */
}
#define SERVE(i) \
	:: d_step { req[i] == INFLIGHT -> serve(i) } \
	:: d_step { FAULT && req[i] == INFLIGHT -> use; req[i] = LOST }

/* The whole budget of an attempt has passed for somebody who watched all of it on his own clock.
   If its worker lives he was stopped, or waited in vain, for that long: a fault. */
#ifdef DELAYREQ
#define settled(i) true
#else
#define settled(i) (req[i] != INFLIGHT)
#endif
#define EXPIRE(i) \
	:: d_step { !(expired & B(i)) && settled(i) && ((i == cur && st == REFRESHING) || (i == xatt && flow == PRESENTED)) && (!(flown & B(i)) || FAULT) -> \
		if :: flown & B(i) -> use :: else fi; expired = expired | B(i) }

#ifdef W_GRACEWATCH
#define ENDS(i, g)
#else
#define ENDS(i, g) if :: (again & B(i)) && agen[i] == g -> expired = expired | B(i) :: else fi;
#endif
#define CLOSE(g) \
	:: d_step { (spent & B(g)) && !(closed & B(g)) && settled(1) && settled(2) && settled(3) && settled(4) && settled(5) -> \
		ENDS(1, g) ENDS(2, g) ENDS(3, g) ENDS(4, g) ENDS(5, g) closed = closed | B(g) }

/* RePublish delivers what was stored, late or never (s5 step 1); the raw subject also what was refused. */
#ifdef M_RAW
#define FED (out | raw)
#else
#define FED out
#endif
#define says(e) ((FED & B(e)) && evgen[e] > 1)
#define FEED(w) \
	:: d_step { !(known & B(w)) && (says(1) || says(2) || says(3) || says(4) || says(5)) -> known = known | B(w) }

#define CRASH(w) \
	:: d_step { FAULT && !(crash & B(w)) && !(idle & B(w)) -> use; crash = crash | B(w) }

/* s5 step 2: a report that meets a flight of the same process is acked; first deliveries only. */
#ifdef W_COLLAPSE
#define COLLAPSE(w, i) \
	:: d_step { flight[w] > 0 && flight[w] <= NR && !(crash & B(w)) && msg[i] == UNACKED && (held[i] == 0 || FAULT) -> \
		if :: held[i] -> use :: else fi; seen = seen | B(i); msg[i] = ACKED }
#else
#define COLLAPSE(w, i) \
	:: d_step { flight[w] > 0 && flight[w] <= NR && !(crash & B(w)) && msg[i] == UNACKED && !(seen & B(i)) -> \
		seen = seen | B(i); msg[i] = ACKED }
#endif
#ifdef W_WATERMARK
#define FULLSCAN
#else
#define FULLSCAN dirty = 1; dirty2 = 1       /* only a scan without watermark sees what time or loss changed */
#endif
#ifdef RECON
#define VANISH(i) :: d_step { FAULT && msg[i] == UNACKED && held[i] == 0 -> use; msg[i] = ACKED; lostinput = 1; FULLSCAN }
#else
#define VANISH(i)
#endif

#ifdef RENEW
#define renewal (st == ACTIVE && gen == 2)
#else
#define renewal false
#endif
#define firing (timer > 0 && msg[T] != UNACKED && held[T] == 0 && (wake || renewal))

#ifdef RECON
#define DIRTY dirty
#define EXCUSED false
#else
#define EXCUSED excused
#define DIRTY false
#endif
#define nothing_queued (msg[0] != UNACKED && (NR < 2 || msg[NR - 1] != UNACKED) && msg[T] != UNACKED && msg[X] != UNACKED)
#define quiescent (idle == B(NW) - 1 && crash == 0 && nothing_queued && !firing && (spool & ~mine) == 0 && ridle && !DIRTY)

proctype Environment()
{
end:	do
	SERVE(1) SERVE(2) SERVE(3) SERVE(4) SERVE(5)
	EXPIRE(1) EXPIRE(2) EXPIRE(3) EXPIRE(4) EXPIRE(5)
#ifdef GRACE
	CLOSE(1) CLOSE(2)
#endif
	FEED(0) FEED(1)
	CRASH(0) CRASH(1)
	COLLAPSE(0, 0) COLLAPSE(1, 0)
#if NW > 2
	FEED(2) CRASH(2) COLLAPSE(2, 0)
#endif
#if NR > 1
	COLLAPSE(0, 1) COLLAPSE(1, 1) VANISH(1)
#if NW > 2
	COLLAPSE(2, 1)
#endif
#endif
	VANISH(0) VANISH(T) VANISH(X)
	:: d_step { firing -> if :: !wake && renewal -> retry = 1 :: else fi; timer = 0; wake = 0; msg[T] = UNACKED; seen = seen & ~B(T) }
	:: d_step { quiescent ->
#ifdef COVER
			assert(!(COVER));
#else
			assert(st != REFRESHING && !xopen);                           /* S5 */
			assert(EXCUSED || stored(ev));                                     /* S4, S6: everything committed is announced */
			assert(EXCUSED || !(st == ACTIVE && gen > 1) || timer == dv);             /* S6: the newest due has its timer */
			assert(lostinput || gen > 1 || st == CONSENT_REQUIRED);        /* S6: a reported 401 had its effect */
			assert((saved & ~(done | late | cand)) == 0)                   /* S3 */
#endif
		}
	od
}

#ifdef RECON
/* s4, "Reconciler": any time, may die at any step, a double run is harmless. */
proctype Reconciler()
{
	byte upto = 0, tv = 0, next = 0;
	bit unsettled = 0;
end:	do
	:: d_step { dirty ->                                  /* a record at or behind the watermark */
			ridle = 0; dirty2 = 0; upto = ev; tv = dv; fresh = fresh | B(NW);
			unsettled = (st == REFRESHING || xopen) };
		if
		:: d_step { (st == ACTIVE || st == UNCERTAIN) && tv > 1 && timer < tv -> timer = tv; wake = (retry || st == UNCERTAIN) }   /* `due` without a timer */
		:: else
		fi;
		if
		:: d_step { st == REFRESHING && over(cur) && timer < dv -> timer = dv; wake = 1 }      /* attempt past its budget */
		:: d_step { st == REFRESHING && over(cur) && timer >= dv -> wake = 1 }
		:: d_step { xopen && over(xatt) && (fresh & B(NW)) ->                                  /* flow cut short */
			xopen = 0; flow = FAILED; event(0); wrote(NW) }
		:: else
		fi;
		skip;
		do                                                  /* compare with the last stored event: all newer ones are missing */
		:: d_step { upto > 0 && (out >> upto) == 0 ->
				next = upto; do :: next > 1 && !(out & B(next - 1)) && (out >> (next - 1)) == 0 -> next-- :: else -> break od;
				out = out | B(next); next = 0 }
		:: d_step { FAULT && upto > 0 && (out >> upto) == 0 -> use; unsettled = 1 } -> break  /* publish failed */
		:: else -> break
		od;
		skip;
		d_step {
#ifdef W_WATERMARK
			dirty = dirty2;                                  /* the watermark passes records that are not settled */
#else
			dirty = dirty2 | unsettled;
#endif
			upto = 0; tv = 0; unsettled = 0; ridle = 1 }
	od
}
#endif

init {
	d_step {
		msg[0] = UNACKED;
#if NR > 1
		msg[1] = UNACKED;
#endif
#ifdef XCHG
		msg[X] = UNACKED;
#endif
	};
	atomic {
		run Worker(0); run Worker(1);
#if NW > 2
		run Worker(2);
#endif
		run Environment();
#ifdef RECON
		run Reconciler()
#endif
	}
}
