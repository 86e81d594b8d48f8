/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Partitions of our own tables, see partition.h.
 *
 * Runs in any process.  A partition is made as a plain table and attached, so
 * no reader of the parent blocks it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/fault.h"
#include "base/partition.h"
#include "base/spi.h"
#include "base/subxact.h"
#include "base/utility.h"

void
jdg_partition_create(const char *parent, const char *name)
{
	Assert(jdg_is_bookkeeping());
	/* ignore the user's settings; jdg_internal_end() restores them */
	(void) set_config_option("default_tablespace", "", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("default_table_access_method", "heap",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	jdg_utility_run(psprintf("CREATE TABLE jadugar_internal.%s "
							 "(LIKE jadugar_internal.%s INCLUDING DEFAULTS "
							 "INCLUDING CONSTRAINTS)", name, parent));
	jdg_utility_run(psprintf("REVOKE ALL ON jadugar_internal.%s FROM PUBLIC",
							 name));
	jdg_utility_run(psprintf("ALTER TABLE jadugar_internal.%s "
							 "ENABLE ROW LEVEL SECURITY", name));
}

void
jdg_partition_attach(const char *parent, const char *name, const char *values)
{
	Assert(jdg_is_bookkeeping());
	jdg_utility_run(psprintf("ALTER TABLE jadugar_internal.%s ATTACH PARTITION "
							 "jadugar_internal.%s FOR VALUES %s",
							 parent, name, values));
}

/* Makes an object a member of the extension, or not. */
static void
set_member(Oid class, Oid object, bool member)
{
	ObjectAddress it,
				ext;

	ObjectAddressSet(it, class, object);
	ObjectAddressSet(ext, ExtensionRelationId, jdg_extension_oid(false));
	if (member)
		recordDependencyOn(&it, &ext, DEPENDENCY_EXTENSION);
	else
		deleteDependencyRecordsForClass(class, object, ExtensionRelationId,
										DEPENDENCY_EXTENSION);
}

void
jdg_partition_set_member(Oid relid, bool member)
{
	Assert(jdg_is_bookkeeping());
	set_member(RelationRelationId, relid, member);
	if (JDG_ROW_TYPE_IS_MEMBER)
	{
		Oid			type = get_rel_type_id(relid);

		set_member(TypeRelationId, type, member);
		set_member(TypeRelationId, get_array_type(type), member);
	}
	CommandCounterIncrement();
}

void
jdg_partition_detach(const char *parent, const char *name)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		/* finishes an interrupted detach, else begins one */
		jdg_utility_run_toplevel(psprintf("ALTER TABLE jadugar_internal.%s "
										  "DETACH PARTITION jadugar_internal.%s "
										  "CONCURRENTLY", parent, name));
	}
	PG_CATCH();
	{
		ErrorData  *edata = jdg_abort_xact(mcxt);

		if (edata->sqlerrcode != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE &&
			edata->sqlerrcode != ERRCODE_UNDEFINED_TABLE)
			ReThrowError(edata);
		/* "is not a partition": the last attempt got that far */
		if (edata->sqlerrcode != ERRCODE_UNDEFINED_TABLE)
			jdg_utility_run_toplevel(psprintf("ALTER TABLE jadugar_internal.%s "
											  "DETACH PARTITION jadugar_internal.%s "
											  "FINALIZE", parent, name));
	}
	PG_END_TRY();
}

void
jdg_partition_drop(const char *name)
{
	Oid			relid = jdg_relation_find(name);

	Assert(jdg_is_bookkeeping());
	if (!OidIsValid(relid))
		return;
	jdg_partition_set_member(relid, false);
	JDG_FAULT("partition-left");
	jdg_utility_run(psprintf("DROP TABLE jadugar_internal.%s", name));
}

/* Does a schema belong to the owner of the extension? */
static bool
is_ours(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	bool		ours;

	if (!HeapTupleIsValid(tuple))
		return false;
	ours = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner == GetUserId();
	ReleaseSysCache(tuple);
	return ours;
}

/* Makes schema jadugar_archive, in which privileges are those of its tables. */
static void
make_archive(void)
{
	Oid			schema = get_namespace_oid("jadugar_archive", true);

	if (!OidIsValid(schema))
	{
		jdg_utility_run("CREATE SCHEMA jadugar_archive");
		jdg_utility_run("GRANT USAGE ON SCHEMA jadugar_archive TO PUBLIC");
		jdg_utility_run("COMMENT ON SCHEMA jadugar_archive IS "
						"'Partitions that jadugar has detached.'");
	}
	else if (!is_ours(schema))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("schema jadugar_archive belongs to another role"),
				 errhint("Give it to the owner of the extension, or rename it.")));
}

/* Does a relation or a type of the schema have the name? */
static bool
is_taken(const char *name, Oid schema)
{
	return OidIsValid(get_relname_relid(name, schema)) ||
		SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(name),
							  ObjectIdGetDatum(schema));
}

/*
 * Names of our indexes of a partition: its own name, and these.  A superuser
 * may have made others.
 */
static List *
index_suffixes(Oid relid, const char *name)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	List	   *suffixes = NIL;
	ListCell   *l;

	foreach(l, RelationGetIndexList(rel))
	{
		char	   *index = get_rel_name(lfirst_oid(l));

		if (strncmp(index, name, strlen(name)) == 0)
			suffixes = lappend(suffixes, index + strlen(name));
	}
	table_close(rel, NoLock);
	return suffixes;
}

/*
 * A name for the partition that is free in the schema, and with which those of
 * its indexes are: its own, or one with a number.  Partitions of an extension
 * that was dropped may have that name.
 */
static char *
find_free_name(const char *name, List *suffixes, Oid schema)
{
	for (int n = 1;; n++)
	{
		char	   *other = n == 1 ? pstrdup(name) : psprintf("%s_%d", name, n);
		bool		taken = is_taken(other, schema) ||
		is_taken(psprintf("_%s", other), schema);
		ListCell   *l;

		CHECK_FOR_INTERRUPTS();
		foreach(l, suffixes)
			taken |= is_taken(psprintf("%s%s", other, (char *) lfirst(l)), schema);
		if (!taken)
			return other;
	}
}

/* Gives a partition and its indexes another name, where they are. */
static void
rename_partition(const char *name, List *suffixes, const char *new_name)
{
	ListCell   *l;

	if (strcmp(name, new_name) == 0)
		return;
	jdg_utility_run(psprintf("ALTER TABLE jadugar_internal.%s RENAME TO %s",
							 name, new_name));
	foreach(l, suffixes)
	{
		char	   *suffix = lfirst(l);

		jdg_utility_run(psprintf("ALTER INDEX jadugar_internal.%s%s "
								 "RENAME TO %s%s", name, suffix, new_name,
								 suffix));
	}
}

void
jdg_partition_archive(const char *name, Oid owner, const char *comment)
{
	Oid			relid = jdg_relation_find(name);
	List	   *suffixes;
	char	   *new_name;

	Assert(jdg_is_bookkeeping());
	if (!OidIsValid(relid))
		return;
	make_archive();
	jdg_partition_set_member(relid, false);
	suffixes = index_suffixes(relid, name);
	new_name = find_free_name(name, suffixes,
							  get_namespace_oid("jadugar_archive", false));
	rename_partition(name, suffixes, new_name);
	name = new_name;
	jdg_utility_run(psprintf("ALTER TABLE jadugar_internal.%s "
							 "DISABLE ROW LEVEL SECURITY", name));
	jdg_utility_run(psprintf("COMMENT ON TABLE jadugar_internal.%s IS %s",
							 name, quote_literal_cstr(comment)));
	jdg_utility_run(psprintf("ALTER TABLE jadugar_internal.%s "
							 "SET SCHEMA jadugar_archive", name));
	if (OidIsValid(owner))
		ATExecChangeOwner(relid, owner, true, AccessExclusiveLock);
}
