/*-------------------------------------------------------------------------
 *
 * wait_start.c
 *	  Transactions in which waits for events begin, see wait_start.h.
 *
 * Runs in any process that makes a wait begin; reading, in the scheduler.
 *
 * A transaction in which waits begin writes one row, when it begins to commit
 * or to be prepared: its id, and a snapshot.  What that has seen was committed
 * before the waits, and is not for them.  The row is needed until the cursor of
 * flows has passed the transaction, see flow/README.md.
 *
 * After the commit, types of events that nothing has waited for so far are
 * added to those that wake the scheduler.  Before a prepared transaction ends
 * they are added too; its end has the scheduler look for all waits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "base/fault.h"
#include "base/params.h"
#include "event/era.h"
#include "event/notice.h"
#include "flow/run/wait_start.h"
#include "shared/database.h"

/* of this transaction; one that a subtransaction has begun stays */
static int64 start_id = 0;		/* 0: no wait has begun */
static uint64 types = 0;		/* bits */
static JdgDb *db = NULL;

int64
jdg_wait_start(const char *type)
{
	if (start_id == 0)
	{
		db = jdg_my_db();
		start_id = nextval_internal(jdg_relation_oid("flow_wait_start_id_seq"),
									false);
	}
	types |= jdg_event_type_bit(type);
	return start_id;
}

static void
write_row(void)
{
	static JdgQuery q = {
		"INSERT INTO jadugar_internal.flow_wait_start (start_id, era, xid, "
		"since_xmax, since_xip) "
		"VALUES ($start_id, $era, $xid, $since_xmax, $since_xip)"
	};
	JdgXidSet  *since = jdg_xidset_take();
	bool		read_only = XactReadOnly;
	JdgParams	p = {0};
	JdgInternal in;

	/* the statements of the transaction are over, also those of its mode */
	XactReadOnly = false;
	PushActiveSnapshot(GetTransactionSnapshot());
	jdg_internal_begin(&in);
	jdg_bind_int64(&p, "start_id", start_id);
	jdg_bind_int32(&p, "era", jdg_era_now());
	jdg_bind(&p, "xid", XID8OID,
			 FullTransactionIdGetDatum(GetTopFullTransactionId()), false);
	jdg_bind(&p, "since_xmax", XID8OID, jdg_xidset_xmax(since), false);
	jdg_bind(&p, "since_xip", XID8ARRAYOID, jdg_xidset_xip(since), false);
	jdg_run_params(&q, &p, 0);
	jdg_internal_end(&in);
	PopActiveSnapshot();
	XactReadOnly = read_only;
	JDG_FAULT("flow-wait-started");
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (start_id == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			write_row();
			return;
		case XACT_EVENT_COMMIT:
			JDG_FAULT("flow-wait-telling");
			if (jdg_wanted_add(&db->wanted, types))
				jdg_db_wake(db, JDG_WAKE_WAITS);
			break;
		case XACT_EVENT_PREPARE:
			(void) jdg_wanted_add(&db->wanted, types);
			break;
		case XACT_EVENT_ABORT:
			break;
		default:
			return;
	}
	start_id = 0;
	types = 0;
}

void
jdg_wait_start_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}

/* -------------------------------------------------------------- reading */

/* a row of flow_wait_start */
typedef struct Start
{
	int32		era;
	uint64		xid;
	JdgXidSet  *since;
} Start;

/* Reads a row, in the current memory context; false: it is gone. */
static bool
read_start(int64 id, Start *s)
{
	static JdgQuery q = {
		"SELECT era, xid, since_xmax, since_xip "
		"FROM jadugar_internal.flow_wait_start WHERE start_id = $1",
		1, {INT8OID}
	};
	Datum		v[1] = {Int64GetDatum(id)};
	bool		isnull;

	if (jdg_run(&q, v, NULL, 1) == 0)
		return false;
	s->era = jdg_col_int32(0, 1, 0);
	s->xid = U64FromFullTransactionId(DatumGetFullTransactionId(jdg_col(0, 2, &isnull)));
	s->since = jdg_xidset_read(jdg_col(0, 3, &isnull), jdg_col(0, 4, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return true;
}

bool
jdg_wait_start_reaches(int64 id, const JdgEvent *e, const JdgCursor *c)
{
	int32		era = jdg_era_of(e->event_id);
	Start		s;

	Assert(jdg_is_bookkeeping());
	if (!read_start(id, &s))
		return true;
	if (era != s.era)
		return era > s.era;
	return (c->era > s.era || jdg_xidset_has(c->upto, s.xid)) &&
		!jdg_xidset_has(s.since, U64FromFullTransactionId(e->xid));
}

/*
 * Of two snapshots of a server, the later one has seen all that the earlier
 * one has.  With the same xmax, it has seen more if it has fewer exceptions.
 */
bool
jdg_wait_start_first(JdgCursor *c)
{
	static JdgQuery q = {
		"SELECT era, since_xmax, since_xip "
		"FROM jadugar_internal.flow_wait_start "
		"ORDER BY era, since_xmax, cardinality(since_xip) DESC LIMIT 1", 0, {0}
	};
	bool		isnull;

	Assert(jdg_is_bookkeeping());
	if (jdg_run(&q, NULL, NULL, 1) == 0)
		return false;
	c->era = jdg_col_int32(0, 1, 0);
	c->base = jdg_xidset_read(jdg_col(0, 2, &isnull), jdg_col(0, 3, &isnull));
	return true;
}

void
jdg_wait_starts_passed(int32 era, const JdgXidSet *seen)
{
	static JdgQuery q = {
		"DELETE FROM jadugar_internal.flow_wait_start "
		"WHERE era < $1 OR era = $1 AND xid < $2 AND xid <> ALL ($3)",
		3, {INT4OID, XID8OID, XID8ARRAYOID}
	};
	Datum		v[3] = {Int32GetDatum(era), jdg_xidset_xmax(seen),
	jdg_xidset_xip(seen)};

	Assert(jdg_is_bookkeeping());
	jdg_run(&q, v, NULL, 0);
}
