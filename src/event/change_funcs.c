/*-------------------------------------------------------------------------
 *
 * change_funcs.c
 *	  publish_change(): a trigger that publishes the changes of a table.
 *
 * Runs in the process that changes the table, as the current user, who needs
 * the privilege to publish the type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "access/access.h"
#include "base/errors.h"
#include "base/json.h"
#include "event/publish.h"
#include "shared/shmem.h"

/* Raises VALIDATION_ERROR for a trigger that the function cannot serve. */
static void
check_trigger(const TriggerData *t)
{
	if (!TRIGGER_FIRED_FOR_ROW(t->tg_event) ||
		!TRIGGER_FIRED_AFTER(t->tg_event))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("trigger \"%s\" must be AFTER ... FOR EACH ROW",
						t->tg_trigger->tgname),
				 errhint("Create it with AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION jadugar.publish_change('order', 'id').",
						 RelationGetRelationName(t->tg_relation))));
	if (t->tg_trigger->tgnargs < 1 || t->tg_trigger->tgnargs > 2)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("trigger \"%s\" needs one or two arguments",
						t->tg_trigger->tgname),
				 errdetail("It has %d.", t->tg_trigger->tgnargs),
				 errhint("Give the first part of the event types, and optionally the column of the key: publish_change('order', 'id').")));
}

static Jsonb *
row_to_jsonb(Relation rel, HeapTuple tuple)
{
	return jdg_json_of_row(heap_copy_tuple_as_datum(tuple,
													RelationGetDescr(rel)),
						   rel->rd_rel->reltype);
}

/* The column of the key as text, or NULL. */
static char *
key_of(const TriggerData *t, HeapTuple tuple)
{
	TupleDesc	desc = RelationGetDescr(t->tg_relation);
	const char *column;
	int			n;

	if (t->tg_trigger->tgnargs < 2)
		return NULL;
	column = t->tg_trigger->tgargs[1];
	n = SPI_fnumber(desc, column);
	if (n <= 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("column \"%s\" of table \"%s\" does not exist", column,
						RelationGetRelationName(t->tg_relation)),
				 errdetail("Trigger \"%s\" names it as the key of events.",
						   t->tg_trigger->tgname)));
	return SPI_getvalue(tuple, desc, n);
}

static void
add_context(void *arg)
{
	const TriggerData *t = arg;

	errcontext("trigger \"%s\" of table \"%s\"", t->tg_trigger->tgname,
			   RelationGetRelationName(t->tg_relation));
}

/* publish_change(): trigger */
JDG_FUNCTION(jdg_publish_change, JDG_LEVEL_USER)
{
	TriggerData *t = (TriggerData *) fcinfo->context;
	JdgPublisher p = {0};
	JdgPublication event = {0};
	JsonbParseState *st = NULL;
	HeapTuple	old = NULL;
	HeapTuple	new = NULL;
	const char *verb = "deleted";
	ErrorContextCallback callback = {error_context_stack, add_context, t};

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_VALIDATION_ERROR),
				 errmsg("jadugar.publish_change() can only be called as a trigger")));
	jdg_require_shmem();
	check_trigger(t);
	error_context_stack = &callback;
	if (TRIGGER_FIRED_BY_INSERT(t->tg_event))
	{
		verb = "inserted";
		new = t->tg_trigtuple;
	}
	else if (TRIGGER_FIRED_BY_UPDATE(t->tg_event))
	{
		verb = "updated";
		old = t->tg_trigtuple;
		new = t->tg_newtuple;
	}
	else
		old = t->tg_trigtuple;
	p.type = psprintf("%s.%s", t->tg_trigger->tgargs[0], verb);
	jdg_json_begin(&st);
	if (new != NULL)
		jdg_json_jsonb(&st, "new", row_to_jsonb(t->tg_relation, new));
	if (old != NULL)
		jdg_json_jsonb(&st, "old", row_to_jsonb(t->tg_relation, old));
	event.data = jdg_json_finish(&st);
	event.key = key_of(t, new ? new : old);
	jdg_publish_begin(&p);
	jdg_publish_check(&p, &event);
	(void) jdg_publish_add(&p, &event);
	jdg_publish_end(&p);
	error_context_stack = callback.previous;
	return PointerGetDatum(NULL);
}
