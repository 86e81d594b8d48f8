/*-------------------------------------------------------------------------
 *
 * xidset.c
 *	  Snapshots that are kept in tables, see xidset.h.
 *
 * Runs in any process that keeps or reads a position in the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "event/xidset.h"

static int
compare(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/* the index of the first element that is not below the id */
static int
lower_bound(const JdgXidSet *set, uint64 xid)
{
	int			lo = 0;
	int			hi = set->nxip;

	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;

		if (set->xip[mid] < xid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
jdg_xidset_has(const JdgXidSet *set, uint64 xid)
{
	int			i;

	if (set == NULL || xid >= set->xmax)
		return false;
	i = lower_bound(set, xid);
	return i == set->nxip || set->xip[i] != xid;
}

bool
jdg_xidset_has_range(const JdgXidSet *set, uint64 from, uint64 to)
{
	int			i;

	if (set == NULL || to >= set->xmax)
		return false;
	i = lower_bound(set, from);
	return i == set->nxip || set->xip[i] > to;
}

/*
 * Adds the epoch to an id of a snapshot.  It is not far behind the next one,
 * which is read later and so is not below it.
 */
static uint64
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

/*
 * A snapshot leaves its own transaction out, so what this transaction
 * publishes would count as seen: its id is added.
 */
JdgXidSet *
jdg_xidset_take(void)
{
	Snapshot	s = GetLatestSnapshot();
	FullTransactionId next = ReadNextFullTransactionId();
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	JdgXidSet  *set = palloc(sizeof(JdgXidSet));

	set->xmax = widen(s->xmax, next);
	set->xip = palloc(sizeof(uint64) * (s->xcnt + 1));
	set->nxip = 0;
	for (uint32 i = 0; i < s->xcnt; i++)
	{
		uint64		xid = widen(s->xip[i], next);

		if (xid < set->xmax)
			set->xip[set->nxip++] = xid;
	}
	if (FullTransactionIdIsValid(own) &&
		U64FromFullTransactionId(own) < set->xmax)
		set->xip[set->nxip++] = U64FromFullTransactionId(own);
	qsort(set->xip, set->nxip, sizeof(uint64), compare);
	return set;
}

JdgXidSet *
jdg_xidset_all(void)
{
	JdgXidSet  *set = palloc0(sizeof(JdgXidSet));

	set->xmax = PG_UINT64_MAX;
	return set;
}

bool
jdg_xidset_is_all(const JdgXidSet *set)
{
	return set->xmax == PG_UINT64_MAX;
}

Datum
jdg_xidset_xmax(const JdgXidSet *set)
{
	return FullTransactionIdGetDatum(FullTransactionIdFromU64(set->xmax));
}

Datum
jdg_xidset_xip(const JdgXidSet *set)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(set->nxip, 1));

	for (int i = 0; i < set->nxip; i++)
		elems[i] = FullTransactionIdGetDatum(FullTransactionIdFromU64(set->xip[i]));
	return PointerGetDatum(construct_array(elems, set->nxip, XID8OID,
										   sizeof(uint64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

JdgXidSet *
jdg_xidset_read(Datum xmax, Datum xip)
{
	JdgXidSet  *set = palloc(sizeof(JdgXidSet));
	Datum	   *elems;
	bool	   *nulls;

	deconstruct_array(DatumGetArrayTypeP(xip), XID8OID, sizeof(uint64),
					  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elems, &nulls,
					  &set->nxip);
	set->xmax = U64FromFullTransactionId(DatumGetFullTransactionId(xmax));
	set->xip = palloc(sizeof(uint64) * Max(set->nxip, 1));
	for (int i = 0; i < set->nxip; i++)
		set->xip[i] = U64FromFullTransactionId(DatumGetFullTransactionId(elems[i]));
	return set;
}

bool
jdg_xidset_equal(const JdgXidSet *a, const JdgXidSet *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a->xmax == b->xmax && a->nxip == b->nxip &&
		memcmp(a->xip, b->xip, sizeof(uint64) * a->nxip) == 0;
}

JdgXidSet *
jdg_xidset_copy(const JdgXidSet *set)
{
	JdgXidSet  *copy;

	if (set == NULL)
		return NULL;
	copy = palloc(sizeof(JdgXidSet));
	copy->xmax = set->xmax;
	copy->nxip = set->nxip;
	copy->xip = palloc(sizeof(uint64) * Max(set->nxip, 1));
	memcpy(copy->xip, set->xip, sizeof(uint64) * set->nxip);
	return copy;
}
