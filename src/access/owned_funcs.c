/*-------------------------------------------------------------------------
 *
 * owned_funcs.c
 *	  SQL functions reassign_owned() and drop_owned(): what a role owns goes
 *	  to another role, or away.
 *
 * Runs in the caller's backend, in its transaction.  The modules deal with the
 * kinds of their objects, from the last module to the first, so that nothing
 * is dropped while other objects to be dropped use it.  The role may have been
 * dropped: its OID as text then names it, as the views show it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owned.h"
#include "access/owner.h"
#include "base/args.h"
#include "base/compat.h"
#include "base/errors.h"
#include "shared/shmem.h"
#include "shared/wakeup.h"
#include "task/wakeup.h"

/* maximum number of kinds */
#define KINDS_MAX 32

typedef struct ReassignArgs
{
	char	   *old_owner;
	char	   *new_owner;
	ArrayType  *kinds;
	bool		dry_run;
} ReassignArgs;

static const JdgArg reassign_args[] = {
	{"old_owner", TEXTOID, offsetof(ReassignArgs, old_owner), JDG_NEEDED},
	{"new_owner", TEXTOID, offsetof(ReassignArgs, new_owner), JDG_NEEDED},
	{"kinds", TEXTARRAYOID, offsetof(ReassignArgs, kinds)},
	{"dry_run", BOOLOID, offsetof(ReassignArgs, dry_run), JDG_NEEDED},
};

typedef struct DropArgs
{
	char	   *owner;
	ArrayType  *kinds;
} DropArgs;

static const JdgArg drop_args[] = {
	{"owner", TEXTOID, offsetof(DropArgs, owner), JDG_NEEDED},
	{"kinds", TEXTARRAYOID, offsetof(DropArgs, kinds)},
};

/* All kinds, from the last module to the first; returns their number. */
static int
find_kinds(const JdgOwned **kinds)
{
	int			nmodules = 0;
	int			n = 0;

	while (jdg_modules[nmodules] != NULL)
		nmodules++;
	while (--nmodules >= 0)
	{
		const JdgRoleUse *roles = jdg_modules[nmodules]->roles;

		for (const JdgOwned *k = roles ? roles->owned : NULL; k && k->kind; k++)
		{
			Assert(n < KINDS_MAX);
			kinds[n++] = k;
		}
	}
	return n;
}

/*
 * The words of the argument "kinds"; raises VALIDATION_ERROR if one is not
 * among them, or is null.
 */
static void
choose_kinds(ArrayType *words, const JdgOwned **kinds, int nkinds,
			 bool *chosen)
{
	const char *names[KINDS_MAX + 1] = {NULL};
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	for (int i = 0; i < nkinds; i++)
	{
		names[i] = kinds[i]->kind;
		chosen[i] = words == NULL;
	}
	if (words == NULL)
		return;
	deconstruct_array(words, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
		chosen[jdg_choice("kinds", nulls[i] ? "" :
						  TextDatumGetCString(elems[i]), names)] = true;
}

/*
 * Gives the objects of one kind to h->to.  The names that h->to has were looked
 * at before, so another session may have added one meanwhile.
 */
static void
reassign_kind(JdgHandover *h, const JdgOwned *kind)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		kind->reassign(h);
	}
	PG_CATCH();
	{
		jdg_discard_duplicate(mcxt);
		ereport(ERROR,
				(errcode(JDG_ERRCODE_CONFLICT),
				 errmsg("could not reassign %s", kind->kind),
				 errdetail("Another session has just given the new owner one of the same name."),
				 errhint("Call jadugar.reassign_owned() again.")));
	}
	PG_END_TRY();
}

/* Notes in the audit trail that objects were dealt with. */
static void
audit(const JdgHandover *h)
{
	bool		gives = OidIsValid(h->to);

	jdg_audit_detail(gives ? "reassign_owned" : "drop_owned", "role",
					 jdg_role_name(h->from), h->from,
					 gives ? psprintf("number " INT64_FORMAT ", new owner \"%s\"",
									  h->done, jdg_role_name(h->to)) :
					 psprintf("number " INT64_FORMAT, h->done), NULL);
}

/* Lets the modules deal with the chosen kinds. */
static void
hand_over(JdgHandover *h, ArrayType *words)
{
	const JdgOwned *kinds[KINDS_MAX];
	bool		chosen[KINDS_MAX];
	int			n = find_kinds(kinds);
	JdgInternal in;

	choose_kinds(words, kinds, n, chosen);
	jdg_internal_begin(&in);
	for (int i = 0; i < n; i++)
	{
		if (!chosen[i])
			continue;
		h->kind = kinds[i]->kind;
		if (!OidIsValid(h->to) && kinds[i]->drop)
			kinds[i]->drop(h);
		if (OidIsValid(h->to) && kinds[i]->reassign)
			reassign_kind(h, kinds[i]);
	}
	jdg_internal_end(&in);
	if (h->dry_run)
		return;
	if (h->done > 0)
		audit(h);
	jdg_forget_marks_at_commit();
	jdg_wake_scheduler_at_commit(JDG_WAKE_ALL);
}

/* Prepares the result and the rest of a call. */
static void
begin_call(FunctionCallInfo fcinfo, JdgHandover *h)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	/* what a role owns may be of any tenant */
	if (jdg_confined(GetUserId()) != NULL)
		ereport(ERROR,
				(errcode(JDG_ERRCODE_FORBIDDEN),
				 errmsg("permission denied for objects of all tenants"),
				 errdetail("Role \"%s\" is confined to tenants.",
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Ask an operator.")));
	jdg_require_shmem();
	jdg_init_materialized_srf(fcinfo, 0);
	memset(h, 0, sizeof(*h));
	h->caller = GetUserId();
	h->rows = rsinfo->setResult;
	h->desc = rsinfo->setDesc;
}

/* reassign_owned(old_owner, new_owner, kinds, dry_run) */
JDG_FUNCTION(jdg_reassign_owned, JDG_LEVEL_USER)
{
	ReassignArgs a;
	JdgHandover h;

	JDG_READ_ARGS("reassign_owned", reassign_args, &a);
	begin_call(fcinfo, &h);
	h.from = jdg_owner_of_call(a.old_owner);
	h.to = jdg_resolve_owner(a.new_owner);
	h.dry_run = a.dry_run;
	if (h.from != h.to)
		hand_over(&h, a.kinds);
	return (Datum) 0;
}

/* drop_owned(owner, kinds) */
JDG_FUNCTION(jdg_drop_owned, JDG_LEVEL_USER)
{
	DropArgs	a;
	JdgHandover h;

	JDG_READ_ARGS("drop_owned", drop_args, &a);
	begin_call(fcinfo, &h);
	h.from = jdg_owner_of_call(a.owner);
	hand_over(&h, a.kinds);
	return (Datum) 0;
}
