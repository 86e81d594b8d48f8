/*-------------------------------------------------------------------------
 *
 * adopt_funcs.c
 *	  SQL function adopt(): turns a restored or copied database into a
 *	  working one.
 *
 * Runs in the caller's backend, for operators.  Until then nothing runs in a
 * copy, because jadugar_internal.origin and jadugar_internal.here differ
 * there (catalog identity, sql/access.sql).
 *
 * In a restored database, owners are roles of the cluster the rows came from.
 * They are mapped to roles of this one by name, all at once, since old and new
 * OIDs may overlap.  An owner whose name does not exist here is mapped to an
 * OID that no role has: its objects are visible to operators, do not run, and
 * are reported.  Where the names may be older than the dump, a comparison with
 * the privileges, which a dump writes by the names of its moment, reports it.
 *
 * A copy of the files (CREATE DATABASE ... TEMPLATE, a clone of the cluster)
 * has the ids of both tables from its original.  Its OIDs are still right,
 * whatever names the roles have now, so nothing is mapped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/audit.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/fault.h"
#include "base/module.h"
#include "base/params.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

/* Raises CONFLICT if the data was created in this database. */
static void
check_needed(void)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.here h, jadugar_internal.here_mark m, "
		"jadugar_internal.origin o WHERE o.id = h.id AND h.database = $1 "
		"AND h.mark = m.last_value UNION ALL "
		"SELECT 1 WHERE NOT EXISTS (SELECT 1 "
		"FROM jadugar_internal.origin)", 1, {OIDOID}
	};
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};

	if (jdg_run(&q, v, NULL, 0) > 0)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("this database does not need adoption"),
				 errdetail("The data of jadugar was created in this database.")));
}

/* Replaces the OIDs "from" by those in "to", in the tables of all modules. */
static void
remap(Datum *from, Datum *to, int n)
{
	Datum		v[2] = {jdg_array(OIDOID, from, NULL, n),
	jdg_array(OIDOID, to, NULL, n)};

	jdg_foreach_module(module)
	{
		JdgQuery   *q = module->roles ? module->roles->remap : NULL;

		for (; q && q->sql; q++)
			jdg_run(q, v, NULL, 0);
	}
}

static void
report(ReturnSetInfo *rsinfo, const char *name, const char *problem)
{
	Datum		values[2] = {CStringGetTextDatum(name),
	CStringGetTextDatum(problem)};
	bool		nulls[2] = {false, false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* The next lower OID that none of the old ones is. */
static Oid
next_unused(Oid last, const Oid *old, int64 n)
{
	Oid			candidate = last - 1;

	for (int64 i = 0; i < n; i++)
	{
		if (old[i] == candidate)
		{
			candidate--;
			i = -1;
		}
	}
	return candidate;
}

/*
 * Maps owners by name; those that cannot be mapped go to the result.  Of
 * several owners of one name (dropped and made again) the youngest counts.
 * In two steps, by way of OIDs that no role has: two roles may have changed
 * places, and unique indexes are checked row by row.
 */
static void
map_owners(ReturnSetInfo *rsinfo)
{
	static JdgQuery owners = {
		"SELECT role, name::text FROM jadugar_internal.owner "
		"ORDER BY name, role DESC", 0
	};
	int64		n = jdg_run(&owners, NULL, NULL, 0);
	Oid		   *old = palloc(sizeof(Oid) * Max(n, 1));
	Datum	   *from = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *by = palloc(sizeof(Datum) * Max(n, 1));
	Datum	   *to = palloc(sizeof(Datum) * Max(n, 1));
	int			k = 0;
	Oid			nobody = InvalidOid;	/* the one before it is the highest */
	char	   *last = NULL;

	for (int64 i = 0; i < n; i++)
		old[i] = jdg_col_oid(i, 1);
	for (int64 i = 0; i < n; i++)
	{
		char	   *name = jdg_col_text(i, 2, CurrentMemoryContext);
		Oid			now = get_role_oid(name, true);
		bool		earlier = last != NULL && strcmp(last, name) == 0;

		last = name;
		if (now == old[i] && !earlier)
			continue;
		nobody = next_unused(nobody, old, n);
		if (!OidIsValid(now) || earlier)
		{
			report(rsinfo, name, earlier ?
				   "an earlier role of this name: what it owned does not run" :
				   "no role of this name exists here: what it owns does not run");
			now = nobody;
		}
		from[k] = ObjectIdGetDatum(old[i]);
		by[k] = ObjectIdGetDatum(nobody);
		to[k++] = ObjectIdGetDatum(now);
	}
	if (k == 0)
		return;
	remap(from, by, k);
	remap(by, to, k);
}

/* Is this a copy of files, which has its roles and transaction ids with it? */
static bool
is_file_copy(void)
{
	static JdgQuery q = {
		"SELECT 1 FROM jadugar_internal.here h, jadugar_internal.origin o "
		"WHERE o.id = h.id", 0
	};

	return jdg_run(&q, NULL, NULL, 0) > 0;
}

/* Runs a query for rows of name and problem, and reports them. */
static void
report_rows(ReturnSetInfo *rsinfo, JdgQuery *q)
{
	int64		n = jdg_run(q, NULL, NULL, 0);

	for (int64 i = 0; i < n; i++)
		report(rsinfo, jdg_col_text(i, 1, CurrentMemoryContext),
			   jdg_col_text(i, 2, CurrentMemoryContext));
}

/* Reports owners that a copy of files names and that were dropped. */
static void
report_dropped(ReturnSetInfo *rsinfo)
{
	static JdgQuery q = {
		"SELECT o.name::text, "
		"'the role was dropped: what it owns does not run' "
		"FROM jadugar_internal.owner o "
		"WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = o.role) "
		"AND EXISTS (SELECT FROM jadugar_internal.schedule s "
		"WHERE s.owner = o.role UNION ALL "
		"SELECT FROM jadugar_internal.task t WHERE t.owner = o.role) "
		"ORDER BY 1", 0
	};

	report_rows(rsinfo, &q);
}

/*
 * grant_access() also grants a privilege, and a dump has the names of those
 * roles twice: as jadugar wrote them, and as they were at its moment.  Reports
 * the roles that only one of the two names.
 */
static void
report_disagreement(ReturnSetInfo *rsinfo)
{
	static JdgQuery q = {
		"WITH usage AS (SELECT a.grantee FROM pg_namespace n, "
		"aclexplode(n.nspacl) a WHERE n.nspname = 'jadugar' "
		"AND a.privilege_type = 'USAGE' AND a.grantee <> n.nspowner) "
		"SELECT r.rolname::text, 'the role has access, but no USAGE on schema "
		"jadugar: was a role renamed shortly before the dump?' "
		"FROM jadugar_internal.access c JOIN pg_roles r ON r.oid = c.role "
		"WHERE c.role NOT IN (SELECT u.grantee FROM usage u) UNION ALL "
		"SELECT r.rolname::text, 'the role has USAGE on schema jadugar, but no "
		"access: was a role renamed shortly before the dump?' "
		"FROM usage u JOIN pg_roles r ON r.oid = u.grantee "
		"WHERE u.grantee NOT IN (SELECT c.role "
		"FROM jadugar_internal.access c) ORDER BY 1", 0
	};

	report_rows(rsinfo, &q);
}

/* Makes this database the origin of its rows, under a new id. */
static void
become_origin(void)
{
	static JdgQuery here = {
		"UPDATE jadugar_internal.here "
		"SET id = gen_random_uuid(), database = $1, "
		"mark = (SELECT m.last_value FROM jadugar_internal.here_mark m)", 1,
		{OIDOID}
	};
	static JdgQuery origin = {
		"UPDATE jadugar_internal.origin SET id = (SELECT h.id "
		"FROM jadugar_internal.here h)", 0
	};
	Datum		v[1] = {ObjectIdGetDatum(MyDatabaseId)};

	jdg_run(&here, v, NULL, 0);
	jdg_run(&origin, NULL, NULL, 0);
}

/* moves a sequence to the largest id in a column that it numbers */
#define MOVE_SEQUENCE(sequence, table, column) \
	{"SELECT setval('jadugar_internal." sequence "', " \
	 "greatest(s.last_value, (SELECT max(t." column ") " \
	 "FROM jadugar_internal." table " t))) " \
	 "FROM jadugar_internal." sequence " s"}

/*
 * Logical replication copies rows, but no sequences: new ids must not be those
 * of copied rows.
 */
static void
move_sequences(void)
{
	static JdgQuery q[] = {
		MOVE_SEQUENCE("queue_id_seq", "queue", "queue_id"),
		MOVE_SEQUENCE("command_id_seq", "command", "command_id"),
		MOVE_SEQUENCE("schedule_id_seq", "schedule", "schedule_id"),
		MOVE_SEQUENCE("task_id_seq", "task", "task_id"),
		MOVE_SEQUENCE("task_id_seq", "attempt", "task_id"),
		MOVE_SEQUENCE("attempt_id_seq", "attempt", "attempt_id"),
		MOVE_SEQUENCE("log_log_id_seq", "log", "log_id"),
		MOVE_SEQUENCE("audit_audit_id_seq", "audit", "audit_id"),
		MOVE_SEQUENCE("flow_version_id_seq", "flow_version", "version_id"),
		MOVE_SEQUENCE("flow_run_id_seq", "flow_run", "run_id"),
		MOVE_SEQUENCE("flow_message_id_seq", "flow_message", "message_id"),
		MOVE_SEQUENCE("topic_id_seq", "topic", "topic_id"),
		MOVE_SEQUENCE("event_leaf_seq", "event_leaf", "leaf"),
		MOVE_SEQUENCE("event_id_seq", "event", "event_id"),
		MOVE_SEQUENCE("subscription_id_seq", "subscription", "subscription_id")
	};

	for (int i = 0; i < lengthof(q); i++)
		jdg_run(&q[i], NULL, NULL, 0);
}

/* Notifies the modules, from the last to the first: see base/module.h. */
static void
notify_modules(const JdgAdoption *adoption)
{
	int			n = 0;

	while (jdg_modules[n] != NULL)
		n++;
	while (--n >= 0)
	{
		if (jdg_modules[n]->adopted)
			jdg_modules[n]->adopted(adoption);
	}
}

static const char *const missed_words[] = {"skip", "policy", NULL};

/* in the order of JdgPendingChoice */
static const char *const pending_words[] = {"run", "pause", "cancel", NULL};

typedef struct AdoptArgs
{
	int			missed;			/* in missed_words */
	JdgPendingChoice pending;
} AdoptArgs;

static const JdgArg adopt_args[] = {
	{"missed", TEXTOID, offsetof(AdoptArgs, missed), JDG_NEEDED, missed_words},
	{"pending", TEXTOID, offsetof(AdoptArgs, pending), JDG_NEEDED,
	pending_words},
};

/* adopt(missed, pending) → setof (owner, problem) */
JDG_FUNCTION(jdg_adopt, JDG_LEVEL_OPERATOR)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AdoptArgs	a;
	JdgAdoption adoption;
	JdgInternal in;

	JDG_READ_ARGS("adopt", adopt_args, &a);
	jdg_require_shmem();
	jdg_init_materialized_srf(fcinfo, 0);
	adoption.skip_missed = strcmp(missed_words[a.missed], "skip") == 0;
	adoption.pending = a.pending;
	adoption.user = GetUserId();
	jdg_internal_begin(&in);
	check_needed();
	adoption.file_copy = is_file_copy();
	if (adoption.file_copy)
		report_dropped(rsinfo);
	else
	{
		map_owners(rsinfo);
		report_disagreement(rsinfo);
	}
	become_origin();
	move_sequences();
	notify_modules(&adoption);
	jdg_audit_detail("adopt", "database", NULL, InvalidOid,
					 psprintf("missed \"%s\", pending \"%s\"",
							  missed_words[a.missed],
							  pending_words[a.pending]), NULL);
	JDG_FAULT("adopt-before-commit");
	jdg_internal_end(&in);
	jdg_forget_marks_at_commit();
	jdg_wake_scheduler_at_commit(JDG_WAKE_ALL);
	return (Datum) 0;
}
