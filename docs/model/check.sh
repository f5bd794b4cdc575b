#!/bin/sh
# Runs every check of refresh.pml and, with LOGIN among its options, of login.pml with spin,
# one line each; two at a time (JOBS).
#   sh check.sh          all of them
#   sh check.sh quick    the reachability checks, the mutations that are found soon, and the safe model where it is small
# "holds" is expected of the safe model, "broken" of every mutation (M_) and first wording (W_).
# Exit status 0 only if every answer is the expected one. Needs spin 6.5 and gcc.
# KEEP=dir keeps the counterexamples there: dir/NAME.txt.
set -u
for tool in spin gcc; do
	command -v "$tool" >/dev/null || { echo "check.sh: no $tool on the PATH: install the packages spin (6.5) and gcc" >&2; exit 2; }
done
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case "${1:-}" in one)
	shift; name=$1 expect=$2; shift 2
	d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
	bits=""; run="-E -m200000"; how=exhaustive; model=refresh
	case " $* " in *" LOGIN "*) model=login;; esac
	cp "$here/$model.pml" "$d/model.pml" && cd "$d" || exit 1
	case " $* " in *" BITSTATE "*) bits=-DBITSTATE; run="-E -m200000 -w33 -k3"; how=bitstate;; esac
	opts=$(for o in "$@"; do case $o in BITSTATE | LOGIN) ;; *) printf ' -D%s' "$o";; esac; done)
	spin $opts -a model.pml >spin.out 2>&1 && gcc -O2 -w -DSAFETY ${bits:--DCOLLAPSE} -DMEMLIM=6000 -o pan pan.c ||
		{ printf 'FAIL  %-26s does not compile\n' "$name"; cat spin.out; exit 1; }
	start=$(date +%s)
	./pan $run >pan.out 2>&1
	secs=$(($(date +%s) - start))
	got=unknown
	if grep -q 'errors: 0' pan.out && ! grep -qE 'max search depth|out of memory|memory limit|Search not completed' pan.out; then got=holds; fi
	what=$(sed -n 's/^pan:1: \(assertion violated\) *//p' pan.out | head -1)
	[ -n "$what" ] && got=broken
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
	depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' pan.out)
	if [ "$got" = "$expect" ]; then ok='ok  '; rc=0; else ok='FAIL'; rc=1; fi
	printf '%s  %-26s %-7s %10s states  depth %-5s %3ss  %s %s\n' "$ok" "$name" "$got" "$states" "$depth" "$secs" "$how$opts" "$what"
	[ "$got" = unknown ] && tail -5 pan.out
	if [ -n "${KEEP:-}" ] && [ -f model.pml.trail ]; then
		mkdir -p "$KEEP"; spin $opts -t -p -g model.pml >"$KEEP/$name.txt" 2>&1
	fi
	exit $rc;;
esac

cat >"$work/list" <<'LIST'
forbidden-2-reports        holds  NR=2 FAULTS=2
forbidden-renew            holds  NR=1 FAULTS=2 RENEW
forbidden-3-faults         holds  NR=1 FAULTS=3 DISKLOSS
forbidden-reconsent        holds  NR=1 FAULTS=2 XCHG
forbidden-reconciler       holds  NR=1 FAULTS=2 RECON DISKLOSS
reconsent-reconciler       holds  NR=1 FAULTS=0 XCHG RECON
grace                      holds  NR=1 FAULTS=3 GRACE
three-workers              holds  NR=1 FAULTS=2 NW=3
grace-reconsent            holds  NR=1 FAULTS=1 GRACE XCHG
reach-generation-3         broken NR=1 FAULTS=0 RENEW COVER=gen==3
reach-consent-2            broken NR=1 FAULTS=0 XCHG COVER=cons*gen==6
reach-candidate            broken NR=1 FAULTS=2 GRACE COVER=cand!=0
reach-late                 broken NR=1 FAULTS=1 XCHG COVER=late!=0
M_NOINTENT                 broken NR=1 FAULTS=2 M_NOINTENT
M_ACKEARLY                 broken NR=1 FAULTS=2 DISKLOSS M_ACKEARLY
M_MAPEARLY                 broken NR=1 FAULTS=3 DISKLOSS M_MAPEARLY
M_RAW                      broken NR=1 FAULTS=3 DISKLOSS M_RAW
M_NOCHECK                  broken NR=1 FAULTS=2 XCHG M_NOCHECK
M_WALLCLOCK                broken NR=1 FAULTS=2 GRACE M_WALLCLOCK
M_CLEAROTHER               broken NR=1 FAULTS=2 M_CLEAROTHER
M_TIMERSEQ                 broken NR=1 FAULTS=1 RENEW M_TIMERSEQ
W_FINISHORDER              broken NR=1 FAULTS=3 DISKLOSS W_FINISHORDER
W_REARM                    broken NR=1 FAULTS=3 W_REARM
W_OUTORDER                 broken NR=1 FAULTS=2 RENEW W_OUTORDER
W_SPOOLEARLY               broken NR=1 FAULTS=2 W_SPOOLEARLY
W_XLATE                    broken NR=1 FAULTS=1 XCHG W_XLATE
W_WATERMARK                broken NR=1 FAULTS=2 RECON W_WATERMARK
W_GRACEWATCH               broken NR=1 FAULTS=2 GRACE W_GRACEWATCH
W_CLEARSTATE               broken NR=1 FAULTS=3 GRACE W_CLEARSTATE
W_COLLAPSE                 broken NR=2 FAULTS=2 W_COLLAPSE
DELAYREQ                   broken NR=1 FAULTS=2 GRACE DELAYREQ
login-in-place             holds  LOGIN REQ1=1 SUB1=1 REQ2=3 SUB2=1 USERM=1
login-two-links            holds  LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1
login-same-user            holds  LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=0
login-crossed              holds  LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=1 USERM=0
login-both-new             holds  LOGIN REQ1=3 SUB1=1 REQ2=3 SUB2=1 USERM=1
login-keep-both            holds  LOGIN POLICY=KEEP REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1
login-incomparable         holds  LOGIN UNKNOWN=1 REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1
login-one-ruling           holds  LOGIN ONERULING REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1
login-rules-again          holds  LOGIN RERULE REQ1=1 SUB1=2 REQ2=2 SUB2=1 USERM=0
login-lost-claim           holds  LOGIN LOSTCLAIM REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1
login-code                 holds  LOGIN CODE REQ1=1 SUB1=1 REQ2=1 SUB2=2 USERM=0
login-refresh              holds  LOGIN REFRESH REQ1=1 SUB1=1 REQ2=2 SUB2=1 USERM=0
login-hold                 holds  LOGIN POLICY=HOLD REQ1=1 SUB1=2 REQ2=1 SUB2=1 USERM=1
login-hold-given-back      holds  LOGIN POLICY=HOLD GIVEBACK REQ1=1 SUB1=2 REQ2=1 SUB2=1 USERM=1
login-hold-same-user       holds  LOGIN POLICY=HOLD REQ1=1 SUB1=2 REQ2=1 SUB2=2 USERM=0
login-logout               holds  LOGIN LOGOUT=1 REQ1=1 SUB1=1 REQ2=2 SUB2=1 USERM=0
login-logout-comes-back    holds  LOGIN LOGOUT=1 REQ1=1 SUB1=2 REQ2=3 SUB2=1 USERM=1 USERN=0
reach-lost-again           broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 COVER=LOST_AGAIN
reach-overtaken            broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=0 COVER=OVERTAKEN
reach-taken-back           broken LOGIN REQ1=3 SUB1=1 REQ2=3 SUB2=1 USERM=1 USERN=1 COVER=TOOK_BACK
reach-approved             broken LOGIN POLICY=HOLD REQ1=1 SUB1=2 REQ2=1 SUB2=1 USERM=1 COVER=APPROVED_FIRST
M_NOCLAIM                  broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 M_NOCLAIM
M_NORULING                 broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 M_NORULING
M_NOSECONDLOOK             broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 M_NOSECONDLOOK
M_NOORDER                  broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 M_NOORDER
M_LOCKONLY                 broken LOGIN REQ1=1 SUB1=1 REQ2=2 SUB2=1 USERM=1 M_LOCKONLY
M_OTHERFIRST               broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=0 M_OTHERFIRST
M_NOIDEM                   broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 M_NOIDEM
M_CODE                     broken LOGIN CODE REQ1=3 SUB1=1 REQ2=3 SUB2=1 USERM=1 M_CODE
M_LATEBACK                 broken LOGIN REFRESH REQ1=1 SUB1=1 REQ2=2 SUB2=1 USERM=0 M_LATEBACK
W_NOINDEXORDER             broken LOGIN REQ1=1 SUB1=1 REQ2=2 SUB2=1 USERM=1 W_NOINDEXORDER
W_SKIPCLAIM                broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 W_SKIPCLAIM
W_LIVEONLY                 broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 W_LIVEONLY
W_NOFENCE                  broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 W_NOFENCE
W_CLOSELATE                broken LOGIN LOGOUT=1 REQ1=1 SUB1=2 REQ2=3 SUB2=1 USERM=1 USERN=0 W_CLOSELATE
W_BYNAME                   broken LOGIN REQ1=3 SUB1=1 REQ2=3 SUB2=1 USERM=1 USERN=1 W_BYNAME
W_FINAL                    broken LOGIN REQ1=3 SUB1=1 REQ2=3 SUB2=1 USERM=1 USERN=1 W_FINAL
W_FENCEORDER               broken LOGIN NF=3 REQ1=1 SUB1=2 REQ2=2 SUB2=2 REQ3=3 SUB3=2 USERM=1 W_FENCEORDER BITSTATE
W_BLIND                    broken LOGIN REQ1=1 SUB1=2 REQ2=2 SUB2=2 USERM=1 W_BLIND
W_READORDER                broken LOGIN CODE REQ1=3 SUB1=1 REQ2=3 SUB2=1 USERM=1 W_READORDER
W_HELDLATE                 broken LOGIN POLICY=HOLD REQ1=1 SUB1=2 REQ2=1 SUB2=1 USERM=1 W_HELDLATE
W_DROPAFTER                broken LOGIN POLICY=HOLD REQ1=1 SUB1=2 REQ2=1 SUB2=1 USERM=1 W_DROPAFTER
W_DROPSNEWER               broken LOGIN POLICY=HOLD REQ1=1 SUB1=2 REQ2=1 SUB2=1 USERM=1 W_DROPSNEWER
W_RELEASE                  broken LOGIN LOGOUT=1 REQ1=1 SUB1=1 REQ2=2 SUB2=2 USERM=1 W_RELEASE
LIST
case "${1:-}" in
quick)	# without the checks that visit more than 2.5 million states, or as many before they find something
	grep -vE '^(forbidden-(2-reports|renew|reconsent|reconciler)|grace|three-workers|login-([bchklort]|in-place|incomp)[a-z-]*|W_(CLOSELATE|DROPSNEWER|FENCEORDER|RELEASE)) ' "$work/list" >"$work/chosen" ;;
"")	cp "$work/list" "$work/chosen" ;;
*)	echo "usage: check.sh [quick | one NAME holds|broken OPTION...]" >&2; exit 2 ;;
esac
xargs -L1 -P "${JOBS:-2}" sh "$here/check.sh" one <"$work/chosen" || exit 1
# What was checked whole stays so while these files are the same: see .ci/run.
if [ $# -eq 0 ]; then (cd "$here" && sha256sum refresh.pml login.pml check.sh >checked); fi
