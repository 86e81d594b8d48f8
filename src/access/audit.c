/*-------------------------------------------------------------------------
 *
 * audit.c
 *	  Rows of jadugar_internal.audit, see audit.h.
 *
 * Runs in the caller's process and transaction.  Rows are inserted, and never
 * changed but by adopt(), which maps OIDs; audit_retention.c deletes old ones.
 * Writing one takes no lock that another session may wait for.
 *
 * A row has the names of roles as they were, and their OIDs for the question
 * who may see it.  jadugar_internal.owner gets the names, too, so that adopt()
 * can map the OIDs.  An OID that means another role here, since a copy has not
 * been adopted, is left out, as is that of a role that was dropped: no role has
 * to see the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"

#include "access/access.h"
#include "access/audit.h"
#include "access/owner.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/params.h"

/* number of things of a role */
typedef struct Counted
{
	Oid			owner;			/* hash key */
	int64		n;
} Counted;

struct JdgAuditTally
{
	HTAB	   *counted;
};

static JdgQuery insert_query = {
	"INSERT INTO jadugar_internal.audit (at, role, role_name, session_role, "
	"application, address, function, what, owner, owner_name, detail, reason) "
	"VALUES ($at, $role, $role_name, $session_role, "
	"$application, inet_client_addr(), "
	"$function, $what, $owner, $owner_name, $detail, $reason)"
};

/* The name of the application, which a worker has from its type. */
static const char *
application(void)
{
	if (application_name != NULL && application_name[0] != '\0')
		return application_name;
	return MyBgworkerEntry != NULL ? MyBgworkerEntry->bgw_type : NULL;
}

/* Binds a role and its name; see the head of the file.  Inside. */
static void
bind_role(JdgParams *p, const char *column, const char *name_column, Oid role)
{
	char	   *name = OidIsValid(role) ? GetUserNameFromId(role, true) : NULL;
	bool		known = name != NULL && jdg_role_is_meant(role);

	if (known)
		jdg_remember_role(role);
	jdg_bind(p, column, OIDOID, ObjectIdGetDatum(role), !known);
	jdg_bind_text(p, name_column, OidIsValid(role) ? jdg_role_name(role) : NULL);
}

void
jdg_audit_detail(const char *function, const char *kind, const char *name,
				 Oid owner, const char *detail, const char *reason)
{
	JdgParams	p = {0};
	JdgInternal in;
	const char *what = name ? psprintf("%s %s", kind, name) : kind;

	jdg_internal_begin(&in);
	jdg_bind_instant(&p, "at", jdg_now());
	bind_role(&p, "role", "role_name", jdg_section_caller());
	jdg_bind_text(&p, "session_role", jdg_role_name(GetSessionUserId()));
	jdg_bind_text(&p, "application", application());
	jdg_bind_text(&p, "function", function);
	jdg_bind_text(&p, "what", jdg_clip(what, JDG_AUDIT_TEXT_MAX));
	bind_role(&p, "owner", "owner_name", owner);
	jdg_bind_text(&p, "detail",
				  detail ? jdg_clip(detail, JDG_AUDIT_TEXT_MAX) : NULL);
	jdg_bind_text(&p, "reason",
				  reason ? jdg_clip(reason, JDG_AUDIT_TEXT_MAX) : NULL);
	jdg_run_params(&insert_query, &p, 0);
	jdg_internal_end(&in);
}

void
jdg_audit(const char *function, const char *kind, const char *name, Oid owner)
{
	jdg_audit_detail(function, kind, name, owner, NULL, NULL);
}

void
jdg_audit_grant(const char *function, const char *kind, const char *name,
				Oid owner, const char *privilege, const char *role)
{
	jdg_audit_detail(function, kind, name, owner,
					 psprintf("privilege \"%s\", role \"%s\"", privilege, role),
					 NULL);
}

/* the caller, whether or not its section has begun */
static Oid
caller(void)
{
	return jdg_is_bookkeeping() ? jdg_section_caller() : GetUserId();
}

bool
jdg_audit_is_other(Oid owner)
{
	return owner != caller();
}

void
jdg_audit_work(const char *function, const char *kind, int64 id, Oid owner)
{
	if (jdg_audit_is_other(owner))
		jdg_audit(function, kind, psprintf(INT64_FORMAT, id), owner);
}

void
jdg_audit_number(const char *function, const char *kind, Oid owner, int64 n)
{
	jdg_audit_detail(function, kind, NULL, owner,
					 psprintf("number " INT64_FORMAT, n), NULL);
}

bool
jdg_audit_is_given(Oid owner)
{
	return !jdg_role_trusts(caller(), owner);
}

void
jdg_audit_given(const char *function, const char *kind, int64 id, Oid owner)
{
	if (jdg_audit_is_given(owner))
		jdg_audit(function, kind, psprintf(INT64_FORMAT, id), owner);
}

JdgAuditTally *
jdg_audit_tally(void)
{
	JdgAuditTally *tally = palloc(sizeof(JdgAuditTally));
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(Counted);
	ctl.hcxt = CurrentMemoryContext;
	tally->counted = hash_create("jadugar audit", 16, &ctl,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return tally;
}

void
jdg_audit_count(JdgAuditTally *tally, Oid owner, int64 n)
{
	bool		found;
	Counted    *c;

	if (!jdg_audit_is_other(owner))
		return;
	c = hash_search(tally->counted, &owner, HASH_ENTER, &found);
	c->n = found ? c->n + n : n;
}

void
jdg_audit_counted(JdgAuditTally *tally, const char *function,
				  const char *kind)
{
	HASH_SEQ_STATUS seq;
	Counted    *c;

	hash_seq_init(&seq, tally->counted);
	while ((c = hash_seq_search(&seq)) != NULL)
	{
		if (c->n > 0)
			jdg_audit_number(function, kind, c->owner, c->n);
	}
	hash_destroy(tally->counted);
}
