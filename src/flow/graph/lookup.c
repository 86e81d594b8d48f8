/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Flows and drafts by name, see lookup.h.
 *
 * Runs in any process.  Each keeps what it has found until the configuration
 * changes (base/objects.h): the functions that make, move and drop named
 * versions and drafts change it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "base/args.h"
#include "base/spi.h"
#include "flow/graph/lookup.h"

#define MAX_KEPT 32

typedef struct Named
{
	Oid			owner;
	char		name[JDG_NAME_MAX + 1];
	bool		draft;
	int64		newest;			/* version_id; 0: none */
} Named;

/* what was found at this epoch of the configuration */
static Named kept[MAX_KEPT];
static int	nkept = 0;
static uint64 kept_epoch = 0;

/* A flow or a draft that is kept, or NULL. */
static const Named *
find_kept(uint64 epoch, Oid owner, const char *name)
{
	if (epoch != kept_epoch)
	{
		nkept = 0;
		kept_epoch = epoch;
	}
	for (int i = 0; epoch != 0 && i < nkept; i++)
	{
		if (kept[i].owner == owner && strcmp(kept[i].name, name) == 0)
			return &kept[i];
	}
	return NULL;
}

/* Sets the fields of a flow from the tables. */
static void
load(Named *n)
{
	static JdgQuery q = {
		"SELECT (SELECT version_id FROM jadugar_internal.flow_version "
		"WHERE owner = $1 AND name = $2 AND dropped_at IS NULL "
		"ORDER BY version DESC LIMIT 1), EXISTS (SELECT "
		"FROM jadugar_internal.flow_draft WHERE owner = $1 AND name = $2)", 2,
		{OIDOID, TEXTOID}
	};
	Datum		v[2] = {ObjectIdGetDatum(n->owner),
	CStringGetTextDatum(n->name)};
	JdgInternal in;

	jdg_internal_begin(&in);
	jdg_run(&q, v, NULL, 1);
	n->newest = jdg_col_int64(0, 1, 0);
	n->draft = jdg_col_bool(0, 2);
	jdg_internal_end(&in);
}

/* Finds a flow or a draft; both are missing where the name is too long. */
static Named
find(Oid owner, const char *name)
{
	const Named *known;
	Named		n = {.owner = owner};
	uint64		epoch;

	if (strlen(name) > JDG_NAME_MAX)
		return n;
	/* a flow that was dropped meanwhile is not started again */
	AcceptInvalidationMessages();
	epoch = jdg_config_epoch();
	known = find_kept(epoch, owner, name);
	if (known != NULL)
		return *known;
	strlcpy(n.name, name, sizeof(n.name));
	load(&n);
	if (epoch != 0 && epoch == kept_epoch && n.newest + n.draft > 0)
	{
		if (nkept == MAX_KEPT)
			nkept = 0;
		kept[nkept++] = n;
	}
	return n;
}

int64
jdg_flow_version_find(Oid owner, const char *name, int version)
{
	static JdgQuery q = {
		"SELECT version_id FROM jadugar_internal.flow_version "
		"WHERE owner = $1 "
		"AND name = $2 AND version = $3 AND dropped_at IS NULL",
		3, {OIDOID, TEXTOID, INT4OID}
	};
	Datum		v[3] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name),
	Int32GetDatum(version)};
	JdgInternal in;
	int64		id = 0;

	if (version == 0)
		return find(owner, name).newest;
	jdg_internal_begin(&in);
	if (jdg_run(&q, v, NULL, 1) > 0)
		id = jdg_col_int64(0, 1, 0);
	jdg_internal_end(&in);
	return id;
}

bool
jdg_flow_is_draft(Oid owner, const char *name, int64 *version_id)
{
	Named		n = find(owner, name);

	*version_id = n.newest;
	return n.draft;
}

char *
jdg_flow_resolve_name(Oid owner, const char *name)
{
	Named		n = find(owner, name);

	if (!n.draft && n.newest == 0)
		return NULL;
	return psprintf("SELECT jadugar.start_flow(%s, $1)",
					quote_literal_cstr(name));
}
