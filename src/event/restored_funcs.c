/*-------------------------------------------------------------------------
 *
 * restored_funcs.c
 *	  Built-in topics in a restored dump: a trigger.
 *
 * CREATE EXTENSION makes the rows of built-in topics, and a dump has them, too.
 * The trigger puts the options of the dump into the existing row.  It does not
 * fire where session_replication_role is replica, so a subscriber of logical
 * replication gets rows as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/rel.h"

#include "base/objects.h"
#include "base/spi.h"

/* the options, in the order of the query */
static const char *const options[] = {
	"topic_id", "retention", "keep", "roll", "index_keys", "registered_only",
	"max_backlog", "max_hold", "on_expire", "description"
};

PG_FUNCTION_INFO_V1(jdg_topic_restored);

/* _topic_restored(): trigger on topic, for rows of built-in topics */
Datum
jdg_topic_restored(PG_FUNCTION_ARGS)
{
	static JdgQuery q = {
		"UPDATE jadugar_internal.topic SET retention = $2, keep = $3, "
		"roll = $4, index_keys = $5, registered_only = $6, "
		"max_backlog = $7, max_hold = $8, on_expire = $9, description = $10 "
		"WHERE topic_id = $1",
		lengthof(options), {INT4OID, INTERVALOID, BOOLOID, TEXTOID, BOOLOID,
		BOOLOID, INT8OID, INTERVALOID, TEXTOID, TEXTOID},.config = true
	};
	TriggerData *t = (TriggerData *) fcinfo->context;
	Datum		v[lengthof(options)];
	char		nulls[lengthof(options) + 1] = {0};
	TupleDesc	desc;
	JdgInternal in;
	bool		found;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(t->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(t->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(t->tg_event) ||
		RelationGetRelid(t->tg_relation) != jdg_relation_oid("topic"))
		elog(ERROR, "called otherwise than as the trigger of topic");
	desc = RelationGetDescr(t->tg_relation);
	for (int i = 0; i < lengthof(options); i++)
	{
		bool		isnull;

		v[i] = SPI_getbinval(t->tg_trigtuple, desc,
							 SPI_fnumber(desc, options[i]), &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
	jdg_internal_begin(&in);
	found = jdg_run(&q, v, nulls, 0) > 0;
	jdg_internal_end(&in);
	return PointerGetDatum(found ? NULL : t->tg_trigtuple);
}
