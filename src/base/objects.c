/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  jadugar's own objects in this database, see objects.h.
 *
 * Runs in any process.  OIDs are looked up once, and forgotten when the
 * relation cache reports a change of one of our tables, as DROP EXTENSION
 * makes it do.
 *
 * The configuration uses the same mechanism: a process that changes a row of
 * it invalidates the relation cache's entry of jadugar_internal.control.  The
 * message is sent when the transaction has committed, also when it was
 * prepared, and is received at the next start of a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/errors.h"
#include "base/compat.h"
#include "base/objects.h"

#define MAX_RELATIONS 32

typedef struct KnownRelation
{
	char		name[NAMEDATALEN];
	Oid			oid;
} KnownRelation;

static KnownRelation known[MAX_RELATIONS];
static int	nknown = 0;
static Oid	known_extension = InvalidOid;
static Oid	known_bookkeeper = InvalidOid;
static Oid	control_oid = InvalidOid;
static uint64 epoch = 1;

/* the last transaction of this process that has changed the configuration */
static TransactionId changed_in = InvalidTransactionId;

static void
forget(void)
{
	nknown = 0;
	known_extension = known_bookkeeper = control_oid = InvalidOid;
	epoch++;
}

/*
 * Callback of the relation cache; InvalidOid means all relations.  A change of
 * jadugar_internal.control is a change of the configuration.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == control_oid)
		epoch++;
	for (int i = 0; i < nknown; i++)
	{
		if (relid == InvalidOid || relid == known[i].oid)
			forget();
	}
}

static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	epoch++;
}

/* Registers the callbacks of the caches once. */
static void
register_callbacks(void)
{
	static const int caches[] = {AUTHOID, AUTHMEMMEMROLE, PROCOID, TYPEOID,
	NAMESPACEOID};
	static bool done = false;

	if (done)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	for (int i = 0; i < lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
	done = true;
}

Oid
jdg_extension_oid(bool missing_ok)
{
	Oid			extension;

	if (OidIsValid(known_extension))
		return known_extension;
	extension = get_extension_oid("jadugar", missing_ok);
	/* it is valid as long as the OIDs of its tables are */
	if (OidIsValid(extension) && OidIsValid(jdg_relation_find("task")))
		known_extension = extension;
	return extension;
}

static void
remember(const char *name, Oid relid)
{
	register_callbacks();
	if (nknown == MAX_RELATIONS)
		forget();
	strlcpy(known[nknown].name, name, NAMEDATALEN);
	known[nknown++].oid = relid;
}

Oid
jdg_relation_find(const char *name)
{
	Oid			schema;
	Oid			relid;

	for (int i = 0; i < nknown; i++)
	{
		if (strcmp(known[i].name, name) == 0)
			return known[i].oid;
	}
	schema = get_namespace_oid("jadugar_internal", true);
	if (!OidIsValid(schema))
		return InvalidOid;
	relid = get_relname_relid(name, schema);
	if (OidIsValid(relid))
		remember(name, relid);
	return relid;
}

Oid
jdg_relation_oid(const char *name)
{
	Oid			relid = jdg_relation_find(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(JDG_ERRCODE_INTERNAL_ERROR),
				 errmsg("relation jadugar_internal.%s does not exist", name),
				 errhint("The extension was dropped or is damaged. Run CREATE EXTENSION jadugar.")));
	return relid;
}

Oid
jdg_bookkeeper(void)
{
	Oid			relid;
	HeapTuple	tuple;

	if (OidIsValid(known_bookkeeper))
		return known_bookkeeper;
	relid = jdg_relation_oid("task");
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	known_bookkeeper = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return known_bookkeeper;
}

void
jdg_lock_extension(void)
{
	Oid			extension = jdg_extension_oid(true);

	if (OidIsValid(extension))
	{
		/* this also processes invalidations */
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
		if (jdg_extension_oid(true) == extension)
			return;
	}
	ereport(ERROR,
			(errcode(JDG_ERRCODE_NOT_INSTALLED),
			 errmsg("extension \"jadugar\" does not exist in this database")));
}

bool
jdg_config_is_changed(void)
{
	return TransactionIdIsValid(changed_in) &&
		changed_in == GetTopTransactionIdIfAny();
}

uint64
jdg_config_epoch_latest(void)
{
	if (jdg_config_is_changed())
		return 0;
	if (!OidIsValid(control_oid))
		control_oid = jdg_relation_oid("control");
	return epoch;
}

uint64
jdg_config_epoch(void)
{
	return IsolationUsesXactSnapshot() ? 0 : jdg_config_epoch_latest();
}

uint64
jdg_config_epoch_of_command(void)
{
	uint64		known = jdg_config_epoch();

	if (known != 0)
		return known;
	return (UINT64CONST(1) << 63) | ((uint64) jdg_my_lxid() << 32 >> 1) |
		GetCurrentCommandId(false);
}

void
jdg_config_changed(void)
{
	changed_in = GetTopTransactionId();
	epoch++;
	CacheInvalidateRelcacheByRelid(jdg_relation_oid("control"));
}
