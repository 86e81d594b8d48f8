/*-------------------------------------------------------------------------
 *
 * copied_funcs.c
 *	  Leaves of a subscriber of logical replication: its rows of event_leaf
 *	  are copied, its tables are not.
 *
 * A trigger on event_leaf, which fires only where session_replication_role is
 * replica, makes the table of a row that arrives.  The apply worker needs it
 * in the same transaction, for the events that follow.  When the row goes, the
 * table becomes a member of the extension, and the scheduler drops it
 * (upkeep.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/errors.h"
#include "base/objects.h"
#include "base/partition.h"
#include "base/spi.h"
#include "event/leaf.h"

/* Does the topic want an index of keys?  Its row may arrive later. */
static bool
wants_key_index(int32 topic_id)
{
	static JdgQuery q = {
		"SELECT index_keys FROM jadugar_internal.topic WHERE topic_id = $1",
		1, {INT4OID}
	};
	Datum		v[1] = {Int32GetDatum(topic_id)};

	return jdg_run_latest(&q, v, NULL) > 0 && jdg_col_bool(0, 1);
}

static int32
column(const TriggerData *t, const char *name)
{
	TupleDesc	desc = RelationGetDescr(t->tg_relation);
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(t->tg_trigtuple, desc,
									   SPI_fnumber(desc, name), &isnull));
}

PG_FUNCTION_INFO_V1(jdg_leaf_copied);

/*
 * _leaf_copied(): trigger on event_leaf.  Who changes that table has passed
 * its guard.
 */
Datum
jdg_leaf_copied(PG_FUNCTION_ARGS)
{
	TriggerData *t = (TriggerData *) fcinfo->context;
	JdgInternal in;
	Oid			relid;
	int32		leaf;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(t->tg_event) ||
		!TRIGGER_FIRED_AFTER(t->tg_event) ||
		RelationGetRelid(t->tg_relation) != jdg_relation_oid("event_leaf"))
		elog(ERROR, "called otherwise than as the trigger of event_leaf");
	leaf = column(t, "leaf");
	relid = jdg_leaf_relation(leaf);
	jdg_internal_begin(&in);
	if (TRIGGER_FIRED_BY_INSERT(t->tg_event))
	{
		if (!OidIsValid(relid))
			jdg_leaf_make_table(leaf, wants_key_index(column(t, "topic_id")));
	}
	else if (OidIsValid(relid) &&
			 !OidIsValid(getExtensionOfObject(RelationRelationId, relid)))
		jdg_partition_set_member(relid, true);
	jdg_internal_end(&in);
	return PointerGetDatum(NULL);
}
