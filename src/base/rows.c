/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  Rows of our own tables, written in bulk, see rows.h.
 *
 * Runs in any process.  This does the executor's work for INSERT ... VALUES
 * and for DELETE by row address, without planning and without one executor per
 * row.  Our tables have no triggers, the caller fills in defaults, and the
 * callers' structs can hold no values that violate the constraints of a row.
 * No code of a user is evaluated: index predicates use built-in operators.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/indexes.h"
#include "base/rows.h"

/* rows written in one batch, to share pages and WAL records */
#define MAX_ROWS 128

struct JdgRows
{
	Relation	rel;
	int			natts;			/* number of columns that the caller fills */
	EState	   *estate;
	MemoryContext batch;		/* until the rows of the batch are written */
	ResultRelInfo *info;
	TupleTableSlot *slots[MAX_ROWS];
	int			nslots;			/* number of slots */
	int			n;				/* number of slots with a row */
};

/*
 * Checks that further columns of the table may be null.  An administrator may
 * have added them, and may have dropped them again.
 */
static void
check_columns(const JdgRows *r)
{
	TupleDesc	desc = RelationGetDescr(r->rel);

	if (desc->natts < r->natts)
		elog(ERROR, "relation \"%s\" has %d columns, not %d",
			 RelationGetRelationName(r->rel), desc->natts, r->natts);
	for (int i = r->natts; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attnotnull)
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("unexpected NOT NULL column \"%s\" in relation \"%s\"",
							NameStr(TupleDescAttr(desc, i)->attname),
							RelationGetRelationName(r->rel)),
					 errdetail("The column does not belong to jadugar."),
					 errhint("Drop the column.")));
	}
}

JdgRows *
jdg_rows_open(Oid relid, int natts)
{
	JdgRows    *r = palloc0(sizeof(JdgRows));

	r->rel = table_open(relid, RowExclusiveLock);
	r->natts = natts;
	check_columns(r);
	r->estate = CreateExecutorState();
	r->batch = AllocSetContextCreate(CurrentMemoryContext, "jadugar rows",
									 ALLOCSET_DEFAULT_SIZES);
	r->info = makeNode(ResultRelInfo);
	InitResultRelInfo(r->info, r->rel, 0, NULL, 0);
	jdg_indexes_open(r->info);
	return r;
}

/* Writes the rows of the batch, with their index entries. */
static void
write_rows(JdgRows *r)
{
	MemoryContext old;

	if (r->n == 0)
		return;
	/* it leaves behind the copies of rows that it has toasted */
	old = MemoryContextSwitchTo(r->batch);
	table_multi_insert(r->rel, r->slots, r->n, GetCurrentCommandId(true), 0,
					   NULL);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < r->n; i++)
	{
		if (r->info->ri_NumIndices > 0)
			list_free(jdg_insert_index_tuples(r->info, r->slots[i],
											  r->estate, false));
		ResetPerTupleExprContext(r->estate);
		ExecClearTuple(r->slots[i]);
	}
	r->n = 0;
	MemoryContextReset(r->batch);
}

MemoryContext
jdg_rows_memory(JdgRows *r)
{
	return r->batch;
}

void
jdg_rows_put(JdgRows *r, const Datum *values, const bool *isnull)
{
	TupleTableSlot *slot;

	if (r->n == r->nslots)
		r->slots[r->nslots++] = table_slot_create(r->rel, NULL);
	slot = r->slots[r->n++];
	memcpy(slot->tts_values, values, sizeof(Datum) * r->natts);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * r->natts);
	for (int i = r->natts; i < RelationGetDescr(r->rel)->natts; i++)
		slot->tts_isnull[i] = true;
	ExecStoreVirtualTuple(slot);
	if (r->n == MAX_ROWS)
		write_rows(r);
}

void
jdg_rows_update(JdgRows *r, ItemPointer tid, const Datum *values,
				const bool *isnull)
{
	TupleTableSlot *slot;
	TM_FailureData tmfd;
	LockTupleMode mode;
	JdgUpdateIndexes indexes = JDG_UPDATE_NO_INDEX;

	write_rows(r);
	if (r->nslots == 0)
		r->slots[r->nslots++] = table_slot_create(r->rel, NULL);
	slot = r->slots[0];
	memcpy(slot->tts_values, values, sizeof(Datum) * r->natts);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * r->natts);
	for (int i = r->natts; i < RelationGetDescr(r->rel)->natts; i++)
		slot->tts_isnull[i] = true;
	ExecStoreVirtualTuple(slot);
	if (table_tuple_update(r->rel, tid, slot, GetCurrentCommandId(true),
						   GetActiveSnapshot(), InvalidSnapshot, true,
						   &tmfd, &mode, &indexes) != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a row of \"%s\" was changed by another transaction",
						RelationGetRelationName(r->rel))));
	if (indexes != JDG_UPDATE_NO_INDEX && r->info->ri_NumIndices > 0)
		list_free(jdg_insert_index_tuples(r->info, slot, r->estate,
										  JDG_UPDATE_SUMMARIZING(indexes)));
	ResetPerTupleExprContext(r->estate);
	ExecClearTuple(slot);
}

void
jdg_rows_close(JdgRows *r)
{
	write_rows(r);
	for (int i = 0; i < r->nslots; i++)
		ExecDropSingleTupleTableSlot(r->slots[i]);
	ExecCloseIndices(r->info);
	FreeExecutorState(r->estate);
	MemoryContextDelete(r->batch);
	table_close(r->rel, NoLock);
	pfree(r);
	/* make the rows visible to the next command */
	CommandCounterIncrement();
}

bool
jdg_row_delete(Relation rel, ItemPointer tid)
{
	TM_FailureData tmfd;

	return table_tuple_delete(rel, tid, GetCurrentCommandId(true),
							  GetActiveSnapshot(), InvalidSnapshot, true,
							  &tmfd, false) == TM_Ok;
}
