/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  The roles that own objects of jadugar here, and the owner of this
 *	  database.
 *
 * Runs in any process.  Rows of jadugar_internal.owner and
 * jadugar_internal.origin are written at first use, in the user's
 * transaction, without waiting for other transactions.  A process that finds
 * the lock of a row taken leaves the row to the holder; should the holder
 * roll back, a later call writes it.
 *
 * Our tables hold OIDs of roles.  In a database that was restored from a dump
 * of another cluster, and not adopted yet, such an OID may belong to another
 * role by chance.  jadugar_internal.owner shows that, since it has the names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "access/owner.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/locks.h"
#include "base/spi.h"

/* roles whose row in jadugar_internal.owner this process has seen committed */
#define KNOWN_ROLES 32

typedef struct KnownRole
{
	Oid			role;
	NameData	name;
} KnownRole;

static KnownRole known_role[KNOWN_ROLES];
static int	nknown;
static bool ours_known;			/* OIDs here mean roles of this cluster */
static Oid	known_relid;		/* of jadugar_internal.owner, when all that
								 * was so */

static JdgQuery owner_query = {
	"SELECT name, xmin FROM jadugar_internal.owner "
	"WHERE role = $1", 1, {OIDOID}
};

static JdgQuery owner_insert = {
	"INSERT INTO jadugar_internal.owner (role, name) VALUES ($1, $2) "
	"ON CONFLICT (role) DO UPDATE SET name = excluded.name",
	2, {OIDOID, NAMEOID},
	.config = true
};

/* a copy of the files, as CREATE DATABASE makes one, has its roles with it */
static JdgQuery origin_query = {
	"SELECT o.id = h.id AND h.mark = m.last_value, o.xmin "
	"FROM jadugar_internal.here AS h, jadugar_internal.here_mark AS m, "
	"jadugar_internal.origin AS o", 0
};

static JdgQuery origin_insert = {
	"INSERT INTO jadugar_internal.origin (id) SELECT h.id "
	"FROM jadugar_internal.here AS h ON CONFLICT (singleton) DO NOTHING",
	0, {0}
};

bool
jdg_role_read(Oid role, NameData *name, bool *can_login)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	Form_pg_authid form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_authid) GETSTRUCT(tuple);
	*name = form->rolname;
	*can_login = form->rolcanlogin;
	ReleaseSysCache(tuple);
	return true;
}

const char *
jdg_role_obstacle(Oid role)
{
	NameData	name;
	bool		can_login;

	if (!jdg_role_read(role, &name, &can_login))
		return "owner_missing";
	if (!can_login)
		return "owner_nologin";
	if (!jdg_database_acl_ok(MyDatabaseId, role, ACL_CONNECT))
		return "owner_noconnect";
	return NULL;
}

char *
jdg_role_name(Oid role)
{
	char	   *name = GetUserNameFromId(role, true);

	return name != NULL ? name : psprintf("%u", role);
}

static bool
seen_committed(int col)
{
	bool		isnull;
	Datum		xmin = jdg_col(0, col, &isnull);

	return !TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

static bool
is_known(Oid role, const NameData *name)
{
	for (int i = 0; i < nknown; i++)
	{
		if (known_role[i].role == role)
			return strcmp(NameStr(known_role[i].name), NameStr(*name)) == 0;
	}
	return false;
}

/*
 * Remembers that the role's row is committed with this name.  A full list
 * starts anew.
 */
static void
set_known(Oid role, const NameData *name)
{
	int			i;

	for (i = 0; i < nknown; i++)
	{
		if (known_role[i].role == role)
			break;
	}
	if (i == KNOWN_ROLES)
		i = nknown = 0;
	known_role[i].role = role;
	known_role[i].name = *name;
	nknown = Max(nknown, i + 1);
}

/* Another life of the extension has other tables. */
static void
forget_old_tables(void)
{
	Oid			relid = jdg_relation_oid("owner");

	if (relid == known_relid)
		return;
	known_relid = relid;
	nknown = 0;
	ours_known = false;
}

/*
 * Do the OIDs in our tables mean roles of this cluster?  True also before
 * first use, when "first_use" is set: then there are none.  Inside
 * jdg_internal_begin().
 */
static bool
is_ours(bool *first_use)
{
	bool		ours;

	Assert(jdg_is_bookkeeping());
	*first_use = false;
	if (ours_known)
		return true;
	if (jdg_run(&origin_query, NULL, NULL, 1) == 0)
	{
		*first_use = true;
		return true;
	}
	ours = jdg_col_bool(0, 1);
	if (ours && seen_committed(2))
		ours_known = true;
	return ours;
}

static bool
name_differs(const NameData *name)
{
	bool		isnull;
	Name		stored = DatumGetName(jdg_col(0, 1, &isnull));

	return strcmp(NameStr(*stored), NameStr(*name)) != 0;
}

bool
jdg_role_is_meant(Oid role)
{
	JdgInternal in;
	NameData	name;
	bool		can_login;
	bool		first_use;
	bool		meant = true;
	Datum		key = ObjectIdGetDatum(role);

	forget_old_tables();
	if (ours_known)
		return true;
	if (!jdg_role_read(role, &name, &can_login))
		return false;
	jdg_internal_begin(&in);
	if (!is_ours(&first_use) && jdg_run(&owner_query, &key, NULL, 1) > 0)
		meant = !name_differs(&name);
	jdg_internal_end(&in);
	return meant;
}

Oid
jdg_role_meant_by(Oid stored)
{
	bool		first_use;
	bool		isnull;
	Datum		key = ObjectIdGetDatum(stored);
	Name		name;

	forget_old_tables();
	if (is_ours(&first_use) || jdg_run(&owner_query, &key, NULL, 1) == 0)
		return stored;
	name = DatumGetName(jdg_col(0, 1, &isnull));
	return get_role_oid(NameStr(*name), true);
}

/* The rows of a database that is used for the first time belong to it. */
static void
claim_origin(void)
{
	bool		first_use;

	(void) is_ours(&first_use);
	if (first_use && jdg_try_lock_xact(JDG_LOCK_OWNER, 0))
		jdg_run(&origin_insert, NULL, NULL, 0);
}

/*
 * Makes sure that jadugar_internal.owner has the role's current name, so that
 * adopt() can find the role by name in another cluster.  A different name
 * means that the role was renamed, or that adopt() has yet to be called.  In
 * the latter case the objects of this role would be taken for those of the
 * other one.
 */
void
jdg_remember_role(Oid role)
{
	NameData	name;
	bool		can_login;
	bool		first_use;
	Datum		values[2];

	Assert(jdg_is_bookkeeping());
	forget_old_tables();
	if (!jdg_role_read(role, &name, &can_login) ||
		(ours_known && is_known(role, &name)))
		return;
	claim_origin();
	values[0] = ObjectIdGetDatum(role);
	values[1] = NameGetDatum(&name);
	if (jdg_run(&owner_query, values, NULL, 1) > 0)
	{
		if (!name_differs(&name))
		{
			if (seen_committed(2))
				set_known(role, &name);
			return;
		}
		if (!is_ours(&first_use))
			ereport(ERROR,
					(errcode(JDG_ERRCODE_CONFLICT),
					 errmsg("role \"%s\" cannot own anything in this database before jadugar.adopt() is called",
							NameStr(name)),
					 errdetail("The database was restored or copied. In the original, OID %u belongs to another role.",
							   role),
					 errhint("Ask a superuser to call jadugar.adopt().")));
	}
	if (jdg_try_lock_xact(JDG_LOCK_OWNER, role))
		jdg_run(&owner_insert, values, NULL, 0);
}

void
jdg_owner_record(Oid owner, const NameData *name)
{
	JdgInternal in;

	Assert(!jdg_is_bookkeeping());
	forget_old_tables();
	if (ours_known && is_known(owner, name))
		return;
	jdg_internal_begin(&in);
	jdg_remember_role(owner);
	jdg_internal_end(&in);
}
