/*-------------------------------------------------------------------------
 *
 * recount.c
 *	  Counts the tasks of a bounded queue for its gauge, see recount.h.
 *
 * Runs in any backend, in a transaction.  It reads the index of bounded tasks
 * directly, since no SQL sees what is to be counted:
 *
 * 1. tasks that prepared transactions have inserted.  Nobody else changes
 *	  such rows, so a scan that is not of one instant finds each of them;
 * 2. then, as of one instant, tasks that are committed, regardless of this
 *	  transaction's snapshot and without its own changes, which are in the
 *	  gauge already.
 *
 * A transaction that is prepared or committed in between is counted twice,
 * never left out: its callback changes the gauge, so the count is not exact.
 * What other open transactions have inserted is in the gauge.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/subtrans.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/twophase.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/objects.h"
#include "task/recount.h"

/*
 * Does this transaction ID, perhaps of a subtransaction, belong to one?  The
 * answer for the last one is kept in *known, since rows of one transaction
 * follow each other.  It may be outdated: who has been prepared meanwhile has
 * changed the gauge.
 */
static bool
is_prepared(TransactionId xid, TransactionId *known, bool *prepared)
{
	TransactionId top;

	if (xid == *known)
		return *prepared;
	top = SubTransGetTopmostTransaction(xid);
	*known = xid;
	/* it runs in no backend */
	*prepared = BackendXidGetPid(top) == 0 && TransactionIdIsInProgress(top);
	return *prepared;
}

/*
 * Counts the rows of the queue that the snapshot sees; if it is a dirty one,
 * only those that a prepared transaction has inserted.
 */
static int64
count_rows(int32 queue_id, Snapshot snapshot)
{
	Relation	heap = table_open(jdg_relation_oid("task"), AccessShareLock);
	Relation	index = index_open(jdg_relation_oid("task_bounded"),
								   AccessShareLock);
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	IndexScanDesc scan = jdg_index_beginscan(heap, index, snapshot, 1);
	bool		dirty = snapshot->snapshot_type == SNAPSHOT_DIRTY;
	TransactionId known = InvalidTransactionId;
	bool		prepared = false;
	ScanKeyData key;
	int64		n = 0;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(queue_id));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!dirty || (TransactionIdIsValid(snapshot->xmin) &&
					   is_prepared(snapshot->xmin, &known, &prepared)))
			n++;
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(heap, NoLock);
	return n;
}

static int64
count_prepared(int32 queue_id)
{
	SnapshotData snapshot;

	if (max_prepared_xacts == 0)
		return 0;
	InitDirtySnapshot(snapshot);
	return count_rows(queue_id, &snapshot);
}

static int64
count_committed(int32 queue_id)
{
	int64		n;

	PushCopiedSnapshot(GetLatestSnapshot());
	/* before the first command of this transaction */
	GetActiveSnapshot()->curcid = FirstCommandId;
	n = count_rows(queue_id, GetActiveSnapshot());
	PopActiveSnapshot();
	return n;
}

bool
jdg_depth_recount(JdgDepth *depth, int32 queue_id)
{
	JdgDepthCount count;
	int64		rows;

	jdg_depth_count_begin(depth, &count);
	rows = count_prepared(queue_id);
	JDG_FAULT("depth-prepared-counted");
	rows += count_committed(queue_id);
	return jdg_depth_count_end(depth, &count, rows);
}
