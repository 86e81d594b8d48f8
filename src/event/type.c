/*-------------------------------------------------------------------------
 *
 * type.c
 *	  Rows of jadugar_internal.event_type, see type.h.
 *
 * Runs in any process.  Types are read with the latest snapshot, like topics
 * (topic.c), and kept until the configuration changes.  What an older epoch
 * has kept lives on until the transaction ends, because callers may run code
 * of users between two calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/spi.h"
#include "event/type.h"

/* further ones are read each time */
#define MAX_KEPT 1024

typedef struct KeptType
{
	char		name[JDG_EVENT_TYPE_MAX + 1];	/* hash key */
	JdgEventType *type;			/* NULL: not registered */
} KeptType;

static HTAB *kept = NULL;		/* in a context of its own */
static MemoryContext kept_context = NULL;
static uint64 kept_epoch = 0;

/*
 * Makes the hash of this epoch.  The one before is deleted when the
 * transaction ends.
 */
static void
keep_anew(uint64 epoch)
{
	HASHCTL		ctl = {0};
	MemoryContext old = kept_context;

	/* in case of an error */
	kept = NULL;
	kept_context = NULL;
	kept_epoch = 0;
	if (old != NULL)
		MemoryContextSetParent(old, TopTransactionContext);
	kept_context = AllocSetContextCreate(TopMemoryContext,
										 "jadugar event types",
										 ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = JDG_EVENT_TYPE_MAX + 1;
	ctl.entrysize = sizeof(KeptType);
	ctl.hcxt = kept_context;
	kept = hash_create("jadugar event types", 64, &ctl,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	kept_epoch = epoch;
}

/* Makes room for registered types: the names of others are many. */
static void
forget_unregistered(void)
{
	HASH_SEQ_STATUS scan;
	KeptType   *k;

	hash_seq_init(&scan, kept);
	while ((k = hash_seq_search(&scan)) != NULL)
	{
		if (k->type == NULL)
			hash_search(kept, k->name, HASH_REMOVE, NULL);
	}
}

/* Reads the type's columns and versions from the rows of read_type(). */
static JdgEventType *
from_rows(const char *name, int64 n, MemoryContext mcxt)
{
	JdgEventType *t = MemoryContextAllocZero(mcxt, sizeof(JdgEventType));
	char	   *key = jdg_col_text(0, 3, CurrentMemoryContext);
	bool		isnull;

	t->name = MemoryContextStrdup(mcxt, name);
	t->owner = jdg_col_oid(0, 1);
	t->topic_id = jdg_col_int32(0, 2, 0);
	t->latest = DatumGetInt16(jdg_col(0, 4, &isnull));
	t->created_at = jdg_col_time(0, 8, DT_NOBEGIN);
	/* versions are numbered without gaps */
	if (n != t->latest)
		elog(ERROR, "event type \"%s\" has " INT64_FORMAT " versions instead of %d",
			 name, n, t->latest);
	if (key != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		t->key = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in,
													   CStringGetDatum(key)));
		MemoryContextSwitchTo(old);
	}
	t->version = MemoryContextAlloc(mcxt, sizeof(JdgEventVersion) * n);
	for (int64 i = 0; i < n; i++)
	{
		t->version[i].payload_oid = InvalidOid;
		t->version[i].payload_type = jdg_col_text(i, 5, mcxt);
		t->version[i].upcast = jdg_col_text(i, 6, mcxt);
		t->version[i].downcast = jdg_col_text(i, 7, mcxt);
	}
	return t;
}

/*
 * Reads a type in the given context; NULL: it is not registered.  One
 * statement reads type and versions, so that they belong together.
 */
static JdgEventType *
read_type(const char *name, MemoryContext mcxt)
{
	static JdgQuery q = {
		"SELECT t.owner, t.topic_id, t.key, t.version, v.payload_type, "
		"v.upcast, v.downcast, t.created_at FROM jadugar_internal.event_type t, "
		"jadugar_internal.event_type_version v "
		"WHERE t.name = $1 AND v.name = $1 ORDER BY v.version", 1, {TEXTOID}
	};
	Datum		v[1] = {CStringGetTextDatum(name)};
	JdgEventType *t = NULL;
	JdgInternal in;
	int64		n;

	jdg_internal_begin(&in);
	n = jdg_run_latest(&q, v, NULL);
	if (n > 0)
		t = from_rows(name, n, mcxt);
	jdg_internal_end(&in);
	return t;
}

const JdgEventType *
jdg_event_type(const char *name)
{
	uint64		epoch = jdg_config_epoch_latest();
	JdgEventType *type;
	KeptType   *k;

	/* no type has such a name */
	if (strlen(name) > JDG_EVENT_TYPE_MAX)
		return NULL;
	if (epoch == 0)
		return read_type(name, CurrentMemoryContext);
	if (epoch != kept_epoch)
		keep_anew(epoch);
	k = hash_search(kept, name, HASH_FIND, NULL);
	if (k != NULL)
		return k->type;
	if (hash_get_num_entries(kept) >= MAX_KEPT)
		forget_unregistered();
	if (hash_get_num_entries(kept) >= MAX_KEPT)
		return read_type(name, CurrentMemoryContext);
	type = read_type(name, kept_context);
	k = hash_search(kept, name, HASH_ENTER, NULL);
	k->type = type;
	return type;
}

Oid
jdg_event_type_owner(const char *name)
{
	const JdgEventType *type = jdg_event_type(name);

	return type ? type->owner : InvalidOid;
}

bool
jdg_event_type_covers(const JdgEventType *type, int32 topic_id, int version,
					  TimestampTz published_at)
{
	return type != NULL && type->topic_id == topic_id && version > 0 &&
		version <= type->latest && published_at >= type->created_at;
}

/* Raises VALIDATION_ERROR for a type's name or a pattern. */
static void
check_text(const char *argument, const char *text, bool pattern)
{
	size_t		len = strlen(text);
	const char *wrong = NULL;

	if (len == 0)
		wrong = "It is empty.";
	else if (len > JDG_EVENT_TYPE_MAX)
		wrong = "It is longer than 128 bytes.";
	for (const char *p = text; *p && wrong == NULL; p++)
	{
		if ((unsigned char) *p <= ' ' || *p == 0x7f)
			wrong = "It contains a blank or a control character.";
		else if (*p == '*' && !pattern)
			wrong = "It contains the character *, which stands for any characters in patterns.";
	}
	if (wrong == NULL)
		return;
	ereport(ERROR,
			(errcode(JDG_ERRCODE_VALIDATION_ERROR),
			 pattern ?
			 errmsg("invalid pattern \"%s\" in argument \"%s\"",
					jdg_excerpt(text), argument) :
			 errmsg("invalid event type \"%s\" in argument \"%s\"",
					jdg_excerpt(text), argument),
			 errdetail("%s", wrong),
			 pattern ?
			 errhint("Write a pattern of 1 to 128 bytes, for example 'order.*'.") :
			 errhint("Write a name of 1 to 128 bytes, for example 'order.created'.")));
}

void
jdg_event_type_check_name(const char *argument, const char *name)
{
	check_text(argument, name, false);
}

void
jdg_event_type_check_pattern(const char *argument, const char *pattern)
{
	check_text(argument, pattern, true);
}
